//! The records of sweeps without failures.

use std::collections::BTreeSet;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex};

use clock::Clock;
use domain::event::Event;
use domain::plan::{Arm, Topology};
use domain::record::{MarkKind, NonceRoot, RequestRole, TokenSource};
use domain::telemetry::{GpuReading, GpuSampler, GpuSource, Sample};
use domain::{Nanos, Outcome, Stamp};

use super::fake::{Reply, WARM, by_context};
use super::{BOTH, TOGETHER, Trial, ms, plan, run_plan};
use crate::RuntimeError;

#[tokio::test(start_paused = true)]
async fn two_agents_together_are_stamped_exactly() {
    let ran = run_plan(&plan(2, TOGETHER, ""), by_context()).await;
    let (summary, journal) = (ran.summary(), &ran.journal);
    assert!(summary.is_complete() && !summary.interrupted);
    assert_eq!((summary.arms, summary.requests.completed), (1, 2));

    // Agent a: 3000 load, 100 warm, 50 prefill, 20 tokens of 10 ms. Agent b was scheduled and sent at the same moment,
    // and waited for a's end and a reload.
    let times = journal.requests_as(|r| {
        let t = &r.times;
        let first = [
            t.sent,
            t.first_token,
            t.last_token,
            t.done,
            t.chunks.last().copied(),
        ];
        let (first, ended) = (first.map(Option::unwrap), t.ended);
        (r.agent, t.scheduled, first, ended, t.tokens, t.chunks.len())
    });
    let expected = [
        (0, [0, 3150, 3340, 3350, 3340], 3350, 20),
        (1, [0, 6500, 6890, 6900, 6890], 6900, 40),
    ];
    let expected = expected.map(|(agent, stamps, ended, tokens)| {
        let chunks = tokens as usize;
        (agent, ms(0), stamps.map(ms), ms(ended), tokens, chunks)
    });
    assert_eq!(times, expected);
    let counted = journal.requests_as(|r| (r.times.tokens_from, r.times.counters.load));
    let counted_load = |load| (TokenSource::Server, Some(Nanos::from_millis(load)));
    assert_eq!(counted, [3100, 6450].map(counted_load));
    // Without a limit no permit is waited for, and a row does not mention it.
    assert!(!ran.text("journal.jsonl").contains("admission"));

    let [arm] = &journal.arms[..] else { panic!() };
    assert!(arm.complete && arm.notes.is_empty());
    assert_eq!((arm.started, arm.ended), (ms(0), ms(6900)));
    assert_eq!(arm.state_rule, "unloaded");
    assert_eq!(arm.loaded_before, [Some(vec![])]);
    let loaded = arm.loaded_after[0].as_ref().unwrap();
    assert_eq!(loaded[0].context_length, Some(1024));
    let spans: Vec<_> = arm.agents.iter().map(|s| (s.started, s.ended)).collect();
    assert_eq!(spans, [(ms(0), ms(3350)), (ms(0), ms(6900))]);
    assert_eq!(journal.marks(), [MarkKind::Started, MarkKind::Finished]);
    assert_eq!(journal.marks[0].nonce, Some(NonceRoot::new(1)));

    let mut reported = [0, 0];
    let mut last: [Option<Stamp>; 2] = [None, None];
    for event in &ran.events {
        if let Event::Tokens { agent, at, count } = event {
            reported[*agent as usize] += count;
            if let Some(before) = last[*agent as usize].replace(*at) {
                let in_time = at.since(before) >= Nanos::from_millis(100);
                assert!(in_time || *at == ms(6900), "a report too many at {at:?}");
            }
        }
    }
    assert_eq!(reported, [20, 40]);
    let [
        Event::SweepStarted {
            arms: 1,
            already_complete: 0,
        },
        ..,
        Event::ArmEnded {
            completed: 2,
            not_completed: 0,
            ..
        },
    ] = &ran.events[..]
    else {
        panic!("{:?}", ran.events)
    };
}

#[tokio::test(start_paused = true)]
async fn in_turn_each_agent_is_scheduled_at_the_end_of_the_one_before() {
    let journal = run_plan(&plan(3, BOTH, ""), by_context()).await.journal;
    let mut times = journal.requests_as(|r| (r.arm, r.agent, r.times.scheduled, r.times.done));
    times.retain(|(arm, ..)| *arm == Arm::Sequential);
    let expected = [(0, 0, 3350), (1, 3350, 6900), (2, 6900, 10_650)];
    let expected = expected.map(|(a, from, to)| (Arm::Sequential, a, ms(from), Some(ms(to))));
    assert_eq!(times, expected);
    // The other arm started from the same state, so on this serial server it took as long.
    let took = journal.arms_as(|arm| (arm.arm, arm.ended.since(arm.started)));
    assert!(took.contains(&(Arm::Together, Nanos::from_millis(10_650))));
}

#[tokio::test(start_paused = true)]
async fn one_agent_is_enough_and_none_is_refused() {
    let mut plan = plan(1, "", "");
    let ran = run_plan(&plan, by_context()).await;
    assert!(ran.summary().is_complete());
    plan.configs[0].agents.clear();
    let ran = Trial::new(&plan, 1, by_context()).run().await;
    assert!(matches!(ran.result, Err(RuntimeError::NoAgents { config }) if config == "one"));
}

#[tokio::test(start_paused = true)]
async fn prompts_differ_in_their_first_word_and_seeds_are_equal_in_both_arms() {
    let ran = run_plan(&plan(2, BOTH, ""), by_context()).await;
    let calls = ran.servers[0].calls();
    let first_word = |prompt: &str| prompt.split(' ').next().unwrap().to_owned();
    let nonces: BTreeSet<_> = calls.iter().map(|call| first_word(&call.prompt)).collect();
    assert_eq!(nonces.len(), 4);
    assert!(nonces.iter().all(|n| n.len() == 16), "{nonces:?}");
    let seeds = ran
        .journal
        .requests_as(|r| (r.agent, r.options.seed.unwrap()));
    let distinct: BTreeSet<_> = seeds.iter().collect();
    assert_eq!((seeds.len(), distinct.len()), (4, 2), "{seeds:?}");
    assert_ne!(seeds[0].1, seeds[1].1);
}

#[tokio::test(start_paused = true)]
async fn help_from_a_prompt_cache_is_described_once_and_counted() {
    let helped = [
        "in 2 of 2 requests (18 of 20 prompt tokens in all)",
        "a prompt cache helped, or may have, in 2 arms",
    ];
    for (cached, expected) in [(None, &[][..]), (Some(2), &[]), (Some(9), &helped)] {
        let mut trial = Trial::new(&plan(2, BOTH, ""), 1, by_context());
        trial.servers[0].cached = cached;
        let ran = trial.run().await;
        let warnings = &ran.summary().warnings;
        assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
        for (warning, words) in warnings.iter().zip(expected) {
            assert!(warning.contains(words), "{warning}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn tr113s_protocol_leaves_server_prompts_and_options_alone() {
    let ran = run_plan(&plan(2, "kind = \"tr113\"", ""), by_context()).await;
    assert_eq!(ran.servers[0].log(), ["generate 512", "generate 1024"]);
    assert!(ran.servers[0].calls()[0].prompt.starts_with("You are a,"));
    assert_eq!(ran.journal.requests_as(|r| r.options.seed), [None, None]);
    assert_eq!(ran.journal.arms[0].state_rule, "as left");
}

#[tokio::test(start_paused = true)]
async fn a_warm_state_is_loaded_for_the_first_agent() {
    let protocol = "state = \"warm_for_first\"\narms = [\"together\"]";
    let ran = run_plan(&plan(2, protocol, ""), by_context()).await;
    let expected = ["unload", "preload 512", "generate 512", "generate 1024"];
    assert_eq!(ran.servers[0].log(), expected);
    assert_eq!(ran.journal.requests[0].times.counters.load, Some(WARM));
    // Setting the state took 3 s; the arm began after it.
    assert_eq!(ran.journal.arms[0].started, ms(3000));
}

#[tokio::test(start_paused = true)]
async fn a_warm_up_loads_and_unloads_once_before_the_first_arm() {
    let mut plan = plan(1, "arms = [\"together\"]\nprobe = false", "");
    plan.protocol.warm_up = true;
    let ran = Trial::new(&plan, 2, by_context()).run().await;
    let expected = "preload 512,unload,unload,generate 512,unload,generate 512";
    assert_eq!(ran.servers[0].log().join(","), expected);
}

#[tokio::test(start_paused = true)]
async fn agents_that_always_reload_are_probed_once_each() {
    let plan = plan(2, "interleave = false", "");
    let ran = Trial::new(&plan, 3, by_context()).run().await;
    assert_eq!(
        ran.summary().requests.completed,
        12,
        "probes are not counted"
    );
    let mut probes = ran.journal.requests.clone();
    probes.retain(|r| r.role == RequestRole::Probe);
    let probes = probes.into_iter().map(|r| {
        let (run, times) = ((r.run.repetition, r.arm, r.agent), r.times);
        (
            run,
            r.options.num_predict,
            times.tokens,
            times.counters.load,
        )
    });
    let expected = [1, 0].map(|agent| ((1, Arm::Sequential, agent), Some(1), 1, Some(WARM)));
    assert!(probes.eq(expected));
    // Last agent first: the server has its options, so only the other one's preload reloads.
    let expected =
        "unload,generate 512,generate 1024,preload 1024,generate 1024,preload 512,generate 512";
    assert_eq!(ran.servers[0].log()[..7].join(","), expected);
    // The probes come after the arm's end and its last look at the server.
    let arm = &ran.journal.arms[0];
    assert_eq!(arm.ended, ms(6900));
    let loaded = arm.loaded_after[0].as_ref().unwrap();
    assert_eq!(loaded[0].context_length, Some(1024));
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_permit_lies_before_the_send_and_is_recorded() {
    let mut trial = Trial::new(&plan(3, TOGETHER, ""), 1, by_context());
    trial.setup.admission = NonZeroUsize::new(1);
    let times = trial.run().await.journal.requests_as(|r| {
        let times = &r.times;
        (times.scheduled, times.sent, times.admission_wait)
    });
    let expected = [0, 3350, 6900].map(|n| (ms(0), Some(ms(n)), Some(Nanos::from_millis(n))));
    assert_eq!(times, expected);
}

#[tokio::test(start_paused = true)]
async fn agents_are_assigned_to_servers_of_their_own() {
    let mut plan = plan(3, TOGETHER, "");
    plan.topologies = vec![Topology::PerAgent];
    let mut trial = Trial::new(&plan, 1, by_context());
    trial.servers.pop();
    trial.setup.results.manifest.header.endpoints.pop();
    let refused = trial.run().await.result;
    assert!(matches!(refused, Err(RuntimeError::Plan(_))), "{refused:?}");

    plan.per_agent_servers = NonZeroU32::new(2);
    let ran = run_plan(&plan, by_context()).await;
    let logs: Vec<_> = ran.servers.iter().map(|s| s.log().join(",")).collect();
    assert_eq!(
        logs,
        ["unload,generate 512,generate 1536", "unload,generate 1024"]
    );
    let assigned = ran.journal.requests_as(|r| (r.agent, r.endpoint));
    assert_eq!(assigned, [(0, 0), (1, 1), (2, 0)]);
    assert_eq!(ran.journal.arms[0].loaded_after.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn further_calls_carry_the_answer_so_far() {
    let ran = run_plan(&plan(1, TOGETHER, ", calls = 3"), by_context()).await;
    let calls = ran.servers[0].calls();
    let words: Vec<_> = calls
        .iter()
        .map(|c| c.prompt.matches("xyzzy").count())
        .collect();
    // Twenty tokens a call.
    assert_eq!(words, [0, 20, 40]);
    let calls = ran
        .journal
        .requests_as(|r| (r.call, r.step.clone(), r.times.scheduled));
    let expected = [(0, 0), (1, 3350), (2, 3700)];
    let expected = expected.map(|(call, at)| (call, format!("generate_{}", call + 1), ms(at)));
    assert_eq!(calls, expected);
}

#[tokio::test(start_paused = true)]
async fn the_full_workflow_reads_thinks_asks_and_writes() {
    let mut plan = plan(2, TOGETHER, ", workflow = \"full\"");
    plan.configs[0].agents[0].name = "collector".to_owned();
    let ran = run_plan(&plan, by_context()).await;
    let own: Vec<_> = ran.journal.steps.iter().filter(|s| s.agent == 0).collect();
    let steps: Vec<_> = own
        .iter()
        .map(|s| format!("{} {}", s.step, s.kind))
        .collect();
    assert_eq!(
        steps.join(", "),
        "ingest ingest, analyse think, generate generate, write write"
    );
    assert!(own.iter().all(|step| step.error.is_none()));
    // Steps follow one another without a gap, and the request is scheduled at the think step's end.
    assert!(own.windows(2).all(|pair| pair[0].ended == pair[1].started));
    assert_eq!(ran.journal.requests[0].times.scheduled, own[1].ended);
    // Thinking takes its modelled time.
    assert_eq!(own[1].ended.since(own[1].started), Nanos::from_millis(1));
    let prompt = &ran.servers[0].calls()[0].prompt;
    assert!(prompt.contains("tr113_latency.csv: 38 rows"));
    let folder = "artefacts/one/shared/repetition-1/together-attempt-1";
    let text = ran.text(&format!("{folder}/0-collector.md"));
    assert!(
        text.contains("1709600813") && text.contains("xyzzy xyzzy"),
        "{text}"
    );
    assert!(ran.path(folder).join("1-b.md").exists());
}

#[tokio::test(start_paused = true)]
async fn a_reply_without_tokens_is_complete_and_has_none() {
    let script = Arc::new(|_: &_, _| Reply::Text { tokens: 0 });
    let journal = run_plan(&plan(1, TOGETHER, ""), script).await.journal;
    let [r] = &journal.requests[..] else { panic!() };
    let times = &r.times;
    assert_eq!(times.outcome, Outcome::Completed);
    assert_eq!((times.tokens, times.tokens_from), (0, TokenSource::Server));
    assert_eq!((times.first_token, times.last_token), (None, None));
    assert!(times.chunks.is_empty() && times.done == Some(ms(3150)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_several_threads_all_agents_are_scheduled_at_one_moment() {
    let mut plan = plan(3, BOTH, "");
    // Four thousand times as fast as real time: no duration is asserted, and no limit may depend on
    // how busy this machine is.
    let limits = &mut plan.timeouts;
    for limit in [
        &mut limits.total,
        &mut limits.first_byte,
        &mut limits.between_chunks,
    ] {
        *limit = Nanos::from_secs(10_000_000);
    }
    let ran = Trial::on(Clock::scaled(4000.0), &plan, 2, by_context())
        .run()
        .await;
    assert!(ran.summary().is_complete());
    assert_eq!(ran.summary().requests.completed, 12);
    for arm in &ran.journal.arms {
        let mut scheduled: Vec<_> = ran
            .journal
            .requests_of(arm)
            .map(|r| r.times.scheduled)
            .collect();
        scheduled.dedup();
        match arm.arm {
            Arm::Together => assert_eq!(scheduled, [arm.started]),
            Arm::Sequential => assert_eq!(scheduled.len(), 3),
        }
    }
}

#[derive(Debug)]
pub(super) struct Busy;

impl GpuSampler for Busy {
    fn source(&self) -> GpuSource {
        let devices = vec!["busy".to_owned()];
        GpuSource::Simulated { devices }
    }

    fn sample(&mut self, _: Option<Stamp>) -> Vec<GpuReading> {
        vec![GpuReading {
            utilisation_percent: Some(100.0),
            ..GpuReading::default()
        }]
    }
}

#[tokio::test(start_paused = true)]
async fn telemetry_is_sampled_on_the_sweeps_clock() {
    let mut trial = Trial::new(&plan(1, TOGETHER, ""), 1, by_context());
    trial.setup.gpu = Some(Box::new(Busy));
    let text = trial.run().await.text("telemetry.jsonl");
    let samples = text.lines().map(|l| serde_json::from_str(l).unwrap());
    let samples: Vec<Sample> = samples.collect();
    // 3350 ms at 10 Hz, the first at once.
    assert_eq!((samples.len(), samples[1].at), (34, ms(100)));
    assert_eq!(samples[33].gpus[0].utilisation_percent, Some(100.0));
}

/// What is written for the spans that begin on this thread.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn spans_name_configuration_repetition_agent_and_step() {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::NEW)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        // A test on another thread, which has no subscriber, may be the first to reach a span and switch it off. After
        // a first sweep every span is known, and the second has them all.
        for _ in 0..2 {
            captured.0.lock().unwrap().clear();
            tracing::callsite::rebuild_interest_cache();
            let runtime = clock::virtual_runtime().unwrap();
            runtime.block_on(run_plan(&plan(1, TOGETHER, ""), by_context()));
        }
    });
    let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    let new = text
        .lines()
        .filter_map(|line| line.trim().strip_suffix(": new"));
    let sweep = "sweep{plan=\"t\" model=\"m\"}";
    let arm = ":arm{configuration=one topology=shared repetition=1 arm=together attempt=1}";
    let step = ":step{agent=\"a\" step=\"generate\"}";
    let request = ":request{agent=\"a\" step=\"generate\" call=0 endpoint=0}";
    let expected = [
        format!("INFO {sweep}"),
        format!("INFO {sweep}{arm}"),
        format!("DEBUG {sweep}{arm}{step}"),
        format!("DEBUG {sweep}{arm}{step}{request}"),
    ];
    assert!(new.eq(expected), "{text}");
}
