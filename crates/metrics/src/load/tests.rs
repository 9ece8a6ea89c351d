use domain::backend::ServerIdentity;
use domain::record::{EndpointFacts, RequestTimes, Turn};
use domain::work::WorkRecord;
use domain::{FailureKind, TimeoutPhase};

use super::*;
use crate::by_hand::assert_figures;
use crate::timeline::{at, of_load, streamed};

/// A request planned at `scheduled`, sent at `sent`, with a chunk at each of `chunks`, done 1 ms
/// after the last one; all in milliseconds.
fn request(scheduled: u64, sent: u64, chunks: &[u64], outcome: &Outcome) -> RequestRecord {
    let times = streamed(at(sent), chunks.iter().copied().map(at));
    let done = times.done.map(|last| last + Nanos::from_millis(1));
    let times = RequestTimes {
        scheduled: at(scheduled),
        done,
        ended: done.unwrap_or(at(sent)),
        outcome: outcome.clone(),
        ..times
    };
    of_load(0, times)
}

fn completed() -> Outcome {
    Outcome::Completed
}

fn failed(message: &str) -> Outcome {
    Outcome::Failed {
        failure: FailureKind::Busy,
        message: message.to_owned(),
    }
}

/// Servers may report any counts.
#[test]
fn counts_without_end_overflow_nothing() {
    let mut row = request(0, 0, &[50, 60], &completed());
    let (session, turn) = (0, 1);
    row.turn = Some(Turn { session, turn });
    let most = Some(u64::MAX);
    row.times.tokens = u64::MAX;
    let counters = &mut row.times.counters;
    (counters.eval_count, counters.prompt_eval_count) = (most, most);
    counters.prompt_eval_cached_count = most;
    let longest = Some(Nanos(u64::MAX));
    (counters.total, counters.load) = (longest, longest);
    (counters.prompt_eval, counters.eval) = (longest, longest);
    row.times.notes = vec![ResponseNote::NoDone];
    let kept = || Kept::new(&[], None).with(vec![row.clone(), row.clone()]);
    let mut all = kept();
    all.merge(kept());
    let figures = all.collected.figures();
    assert_eq!((figures.tokens, figures.outcomes.completed), (u64::MAX, 4));
    assert_eq!(figures.notes[&ResponseNote::NoDone], 4);
    assert_eq!(all.agents.figures()[0].tokens, u64::MAX);
    assert_eq!(all.phases.decode, Nanos(u64::MAX));
    assert_eq!(figures.turns[0].prompt_tokens_mean, Some(u64::MAX as f64));
}

#[test]
fn incomplete_answers_say_what_they_lack() {
    let mut collected = Collected::new(None);
    for missing in [ResponseNote::NoFinishReason, ResponseNote::CutInValue] {
        let mut row = request(0, 0, &[50, 60], &Outcome::Incomplete);
        row.times.notes = vec![missing];
        collected.add(&row);
    }
    let failures = collected.figures().failures;
    let expected = ["in the middle of a value", "without a finish reason"];
    assert!(
        failures
            .keys()
            .eq(&expected.map(|end| format!("the stream ended {end}")))
    );
}

#[test]
fn figures_follow_from_the_stamps() {
    let slo = Objective::of_requests("ttft<60ms,tpot<15ms").unwrap();
    let mut collected = Collected::new(Some(slo));
    collected.add(&request(0, 0, &[50, 60, 70], &completed()));
    // Sent 30 ms late: its TTFT keeps the limit, and seen from the plan it does not.
    collected.add(&request(100, 130, &[170, 190], &completed()));
    collected.add(&request(200, 200, &[299], &completed()));
    let by_hand = "
        wall_s 0.3, tokens 6, tokens_per_s 20, requests_per_s 10, sent_per_s 10
        ttft_ms: n 3, min 40, p50 50, max 99, mean 63, needs.p90 64
        ttft_scheduled_ms: min 50, max 99
        client_queue_ms: min 0, max 30
        tpot_ms: n 2, min 10, max 20
        itl_ms: n 3
        e2e_ms: min 61, max 100
        # The second breaks the TPOT limit, the third the TTFT limit.
        slo: good 1, share 1/3, per_s 1/0.3";
    let figures = collected.figures();
    assert_figures(&figures, by_hand);
    assert_eq!(figures.ttft_ms.unwrap().p90, None);
}

#[test]
fn what_did_not_complete_is_counted_and_left_out() {
    let mut collected = Collected::new(Some(Objective::of_requests("ttft<1s").unwrap()));
    collected.add(&request(0, 0, &[50, 60], &completed()));
    let failed = failed("server busy");
    collected.add(&request(0, 10, &[], &failed));
    let timed_out = Outcome::TimedOut {
        phase: TimeoutPhase::BetweenChunks,
    };
    collected.add(&request(0, 0, &[900, 901, 902], &timed_out));
    collected.add(&request(0, 0, &[], &Outcome::Cancelled));
    collected.add(&request(0, 0, &[2000], &Outcome::Incomplete));
    let by_hand = "
        outcomes: completed 1, incomplete 1, failed 1, cancelled 1, timed_out 1
        tokens 2, tokens_not_completed 4, ttft_ms.n 1, wall_s 0.061, slo.share 0.2";
    let figures = collected.figures();
    assert_figures(&figures, by_hand);
    for words in ["server busy", "timed out between two chunks"] {
        assert_eq!(figures.failures[words], 1);
    }
}

#[test]
fn nothing_gives_no_figures_rather_than_zeros() {
    let figures = Collected::new(None).figures();
    assert_eq!((figures.wall_s, figures.tokens_per_s), (None, None));
    assert_eq!((figures.ttft_ms, figures.sent_per_s), (None, None));
}

#[test]
fn connections_are_counted_however_their_request_ended() {
    let mut collected = Collected::new(None);
    let mut add = |outcome: &Outcome, connect_ms: Option<u64>| {
        let mut record = request(0, 0, &[50], outcome);
        record.times.connect = connect_ms.map(Nanos::from_millis);
        collected.add(&record);
    };
    add(&completed(), Some(2));
    add(&completed(), None);
    add(&completed(), Some(1_000));
    add(&Outcome::Incomplete, Some(999));
    let by_hand = "slow_connects 1, connect_ms.n 3, connect_ms.min 2, connect_ms.max 1000";
    assert_figures(&collected.figures(), by_hand);
    // A row without a connection time is written as before there was one.
    let text = serde_json::to_string(&request(0, 0, &[50], &completed())).unwrap();
    assert!(!text.contains("connect"), "{text}");
}

#[test]
fn merged_parts_give_the_figures_of_the_whole() {
    let rows = [
        request(0, 0, &[50, 60, 70], &completed()),
        request(100, 130, &[170, 5_190], &completed()),
        request(200, 200, &[299], &completed()),
        request(0, 10, &[], &failed("no")),
    ];
    let slo = || Some(Objective::of_requests("ttft<60ms").unwrap());
    let mut whole = Collected::new(slo());
    let mut parts = [Collected::new(slo()), Collected::new(slo())];
    for (at, row) in rows.iter().enumerate() {
        whole.add(row);
        parts[at % 2].add(row);
    }
    let [mut first, second] = parts;
    first.merge(second);
    assert_eq!(first.figures(), whole.figures());
    let mut nothing = Collected::new(slo());
    nothing.merge(first);
    assert_eq!(nothing.figures(), whole.figures());
}

#[test]
fn agents_are_counted_each_and_an_unserved_one_is_starved() {
    let mut agents = ByAgent::default();
    let add = |to: &mut ByAgent, agent, row: &RequestRecord| {
        let row = RequestRecord {
            agent,
            ..row.clone()
        };
        to.add(&row, &RequestMetrics::of(&row.times));
    };
    // 3 tokens in 101 ms from the plan, 2 in 99 ms: 25 tokens a second.
    add(
        &mut agents,
        0,
        &request(0, 30, &[50, 60, 100], &completed()),
    );
    add(
        &mut agents,
        0,
        &request(200, 200, &[250, 298], &completed()),
    );
    // 1 token in 100 ms.
    add(&mut agents, 1, &request(0, 0, &[99], &completed()));
    // 35² / (2 (25² + 10²)).
    let by_hand = "agents 2, starved 0, fairness 0.4, jain 1225/1450";
    assert_figures(&agents.fairness(), by_hand);
    let mut others = ByAgent::default();
    add(&mut others, 7, &request(0, 0, &[], &failed("server busy")));
    // One agent has none to compare with.
    assert_eq!(others.fairness(), None);
    agents.merge(others);
    let by_hand = "
        0: tokens 5, asking_s 0.2, ttft_scheduled_mean_ms 50, ttft_scheduled_max_ms 50
        2: agent 7, tokens_per_s null";
    assert_figures(&agents.figures(), by_hand);
    assert_figures(&agents.fairness(), "starved 1, fairness 0");
    // Where every request is an agent there is no fairness among agents.
    let mut each = ByAgent::default();
    for agent in 0..3 {
        add(&mut each, agent, &request(0, 0, &[50], &completed()));
    }
    assert_eq!((each.figures().len(), each.fairness()), (3, None));
}

#[test]
fn memory_is_bounded_and_the_figures_say_how_exact_they_are() {
    let (mut exact, mut limited) = (Collected::new(None), Collected::limited(None, 50));
    for n in 0..400 {
        let at = n * 1000;
        let chunks = [at + 50 + n % 90, at + 170, at + 190 + n % 7];
        let mut request = request(at, at, &chunks, &completed());
        request.work = Some(WorkRecord {
            queue_ns: Nanos(n),
            ..WorkRecord::default()
        });
        let (session, turn) = (0, 1 + (n % 2) as u32);
        request.turn = Some(Turn { session, turn });
        request.times.counters.prompt_eval_count = Some(10 * (1 + n % 2));
        exact.add(&request);
        limited.add(&request);
    }
    for n in 0..1000 {
        let words = format!("request {n} was refused");
        limited.add(&request(0, 0, &[], &failed(&words)));
    }
    let (exact, limited) = (exact.figures(), limited.figures());
    assert_eq!(limited.failures.len(), 101);
    assert_eq!(limited.failures["other failures"], 900);
    let second_turn = |figures: &Figures| figures.turns[1].ttft_ms.clone();
    let of_turn = (second_turn(&exact), second_turn(&limited));
    let pairs = [
        (exact.ttft_ms, limited.ttft_ms),
        (exact.tpot_ms, limited.tpot_ms),
        (exact.itl_ms, limited.itl_ms),
        of_turn,
    ];
    for (exact, limited) in pairs {
        let (exact, limited) = (exact.unwrap(), limited.unwrap());
        assert_eq!(exact.relative_error, None);
        let error = limited.relative_error.unwrap();
        assert_eq!(exact.n, limited.n);
        for (a, b) in [(exact.p50, limited.p50), (exact.max, limited.max)] {
            assert!((a - b).abs() <= a * error + 1e-6, "{a} {b}");
        }
    }
    let turns = exact.turns.iter().map(|t| (t.turn, t.prompt_tokens_mean));
    assert!(turns.eq([(1, Some(10.0)), (2, Some(20.0))]));
    assert_eq!(exact.work.unwrap().queue_ms.unwrap().n, 400);
}

/// What is kept of one request of 1,000 ms, 200 of them prefill and 500 decoding, of a server of this
/// kind that tells no total and no load.
fn phases_of(kind: &str) -> Phases {
    let mut row = request(0, 0, &[499, 999], &completed());
    row.times.counters.prompt_eval = Some(Nanos::from_millis(200));
    row.times.counters.eval = Some(Nanos::from_millis(500));
    let endpoint = EndpointFacts {
        url: String::new(),
        server: ServerIdentity {
            kind: kind.to_owned(),
            version: String::new(),
        },
        model: None,
    };
    Kept::new(&[endpoint], None).with(vec![row]).phases
}

#[test]
fn phases_that_a_server_tells_without_a_total_are_counted() {
    let ms = Nanos::from_millis;
    let held = phases_of("llama.cpp");
    assert_eq!((held.n, held.waits_known, held.waits_inferred), (1, 1, 1));
    assert_eq!((held.slot_wait, held.load), (ms(300), Nanos::ZERO));
    // It loads models on demand, so the wait may have been one for a load.
    let router = phases_of("llama.cpp router");
    let waits = (router.waits_known, router.waits_inferred);
    assert_eq!((router.n, waits), (1, (0, 0)));
    assert_eq!((router.prefill, router.decode), (ms(200), ms(500)));
    assert_eq!(router.slot_wait, Nanos::ZERO);
}
