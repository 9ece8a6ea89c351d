use domain::backend::ServerIdentity;
use domain::record::{EndpointFacts, RequestTimes, ResponseNote, Turn};
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

fn failed(message: &str) -> Outcome {
    Outcome::Failed {
        failure: FailureKind::Busy,
        message: message.to_owned(),
    }
}

/// A request of `cases.txt`.
fn row(line: &str) -> RequestRecord {
    let mut parts = line.split('|').map(str::trim);
    let numbers = parts.next().unwrap().split(' ');
    let numbers: Vec<u64> = numbers.map(|n| n.parse().unwrap()).collect();
    let outcome = match parts.next().unwrap_or("completed") {
        "completed" => Outcome::Completed,
        "incomplete" => Outcome::Incomplete,
        "cancelled" => Outcome::Cancelled,
        "timed out" => Outcome::TimedOut {
            phase: TimeoutPhase::BetweenChunks,
        },
        other => failed(other.strip_prefix("failed ").unwrap()),
    };
    let [agent, planned, sent, ref chunks @ ..] = numbers[..] else {
        panic!("{line}")
    };
    let mut record = request(planned, sent, chunks, &outcome);
    record.agent = agent as u32;
    let connect = parts.next().map(|ms| ms.parse().unwrap());
    record.times.connect = connect.map(Nanos::from_millis);
    record
}

fn figures_of(kept: &Kept) -> serde_json::Value {
    let figures = kept.collected.figures();
    serde_json::json!({
        "failures": figures.failures.iter().collect::<Vec<_>>(),
        "figures": figures,
        "agents": kept.agents.figures(),
        "fairness": kept.agents.fairness(),
    })
}

#[test]
fn figures_by_hand() {
    for case in include_str!("cases.txt").split("\n\n").skip(1) {
        let lines = || case.lines().skip(1).filter(|line| !line.starts_with('#'));
        let slo = lines().find_map(|line| line.strip_prefix("slo "));
        let rows = lines().filter(|line| line.starts_with(char::is_numeric));
        let rows: Vec<_> = rows.map(row).collect();
        let kept = |rows: Vec<RequestRecord>| {
            let slo = slo.map(|slo| Objective::of_requests(slo).unwrap());
            Kept::new(&[], slo).with(rows)
        };
        let figures = figures_of(&kept(rows.clone()));
        println!("{case}");
        let expected: Vec<_> = lines().filter(|line| line.starts_with(' ')).collect();
        assert_figures(&figures, &expected.join("\n"));
        // Merged parts give the figures of the whole, in any order.
        let halves = |first| rows.iter().skip(first).step_by(2).cloned().collect();
        let (mut merged, mut even) = (kept(Vec::new()), kept(halves(0)));
        even.merge(kept(halves(1)));
        merged.merge(even);
        assert_eq!(figures_of(&merged), figures);
    }
}

#[test]
fn a_row_without_a_connection_time_does_not_mention_one() {
    let text = serde_json::to_string(&row("0 0 0 50")).unwrap();
    assert!(!text.contains("connect"), "{text}");
}

/// Servers may report any counts.
#[test]
fn counts_without_end_overflow_nothing() {
    let mut row = request(0, 0, &[50, 60], &Outcome::Completed);
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
fn memory_is_bounded_and_the_figures_say_how_exact_they_are() {
    let (mut exact, mut limited) = (Collected::new(None), Collected::limited(None, 50));
    for n in 0..400 {
        let at = n * 1000;
        let chunks = [at + 50 + n % 90, at + 170, at + 190 + n % 7];
        let mut request = request(at, at, &chunks, &Outcome::Completed);
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
    let mut row = request(0, 0, &[499, 999], &Outcome::Completed);
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
