//! The records of sweeps without failures.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use clock::Clock;
use domain::event::Event;
use domain::plan::{Arm, Topology};
use domain::record::{MarkKind, NonceRoot, RequestRole, TokenSource};
use domain::telemetry::{GpuReading, GpuSampler, GpuSource, Sample};
use domain::{Nanos, Outcome, Stamp};
use results::ResultsDir;

use super::fake::{Fake, Reply, WARM, by_context};
use super::{BOTH, TOGETHER, Trial, fresh, manifest, ms, plan, read, run_plan};
use crate::RuntimeError;

#[tokio::test(start_paused = true)]
async fn two_agents_together_are_stamped_exactly() {
    let ran = run_plan(&plan(2, TOGETHER, ""), by_context()).await;
    let (summary, journal) = (ran.summary, ran.journal);
    assert!(summary.is_complete() && !summary.interrupted);
    assert_eq!((summary.arms, summary.requests.completed), (1, 2));

    let [a, b] = &journal.requests[..] else {
        panic!("{journal:?}")
    };
    // Agent a: 3000 load, 100 warm, 50 prefill, 20 tokens of 10 ms.
    let at = |n| Some(ms(n));
    let a = (a.agent, &a.times);
    assert_eq!((a.0, a.1.scheduled, a.1.sent), (0, ms(0), at(0)));
    assert_eq!((a.1.first_token, a.1.last_token), (at(3150), at(3340)));
    assert_eq!((a.1.done, a.1.ended), (at(3350), ms(3350)));
    assert_eq!((a.1.tokens, a.1.tokens_from), (20, TokenSource::Server));
    assert_eq!(
        (a.1.chunks.len(), a.1.chunks.last().copied()),
        (20, at(3340))
    );
    // Agent b was scheduled and sent at the same moment, and waited for a's end and a reload.
    let b = (b.agent, &b.times);
    assert_eq!((b.0, b.1.scheduled, b.1.sent), (1, ms(0), at(0)));
    assert_eq!((b.1.first_token, b.1.done), (at(6500), at(6900)));
    assert_eq!(b.1.counters.load, Some(Nanos::from_millis(6450)));

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
    let together = journal.arms.iter().find(|a| a.arm == Arm::Together);
    let took = together.map(|arm| arm.ended.since(arm.started));
    assert_eq!(took, Some(Nanos::from_millis(10_650)));
}

#[tokio::test(start_paused = true)]
async fn the_same_sweep_records_the_same_bytes() {
    let mut journals = Vec::new();
    for _ in 0..2 {
        let ran = run_plan(&plan(3, "", ""), by_context()).await;
        journals.push(std::fs::read_to_string(ran.dir.path().join("journal.jsonl")).unwrap());
    }
    // The second sweep's clock begins later in the same runtime, but both count from zero.
    assert_eq!(journals[0], journals[1]);
}

#[tokio::test(start_paused = true)]
async fn one_agent_is_enough_and_none_is_refused() {
    let mut plan = plan(1, "", "");
    assert!(run_plan(&plan, by_context()).await.summary.is_complete());
    plan.configs[0].agents.clear();
    let dir = tempfile::tempdir().unwrap();
    let error = fresh(dir.path(), &plan, by_context()).run().await;
    assert!(matches!(error, Err(RuntimeError::NoAgents { config }) if config == "one"));
}

#[tokio::test(start_paused = true)]
async fn prompts_differ_in_their_first_word_and_seeds_are_equal_in_both_arms() {
    let ran = run_plan(&plan(2, BOTH, ""), by_context()).await;
    let nonces = first_words(&ran.fakes[0]);
    assert!(nonces.iter().all(|n| n.len() == 16), "{nonces:?}");
    assert_eq!(nonces.len(), 4);
    let seeds = ran
        .journal
        .requests_as(|r| (r.arm, r.agent, r.options.seed.unwrap()));
    let seed = |arm, agent| {
        let mut found = seeds.iter().filter(|seed| (seed.0, seed.1) == (arm, agent));
        found.next().unwrap().2
    };
    for agent in [0, 1] {
        assert_eq!(seed(Arm::Sequential, agent), seed(Arm::Together, agent));
    }
    assert_ne!(seed(Arm::Together, 0), seed(Arm::Together, 1));
}

/// The first words of all prompts that a server got.
fn first_words(fake: &Fake) -> BTreeSet<String> {
    let prompts = fake.prompts.lock().unwrap();
    let first = |prompt: &String| prompt.split(' ').next().unwrap().to_owned();
    prompts.iter().map(first).collect()
}

/// The first words of all prompts of a sweep with this root of its nonces.
async fn nonces(mut trial: Trial, root: u64) -> BTreeSet<String> {
    trial.setup.nonce = NonceRoot::new(root);
    let fake = Arc::clone(&trial.fakes[0]);
    trial.run().await.unwrap();
    first_words(&fake)
}

#[tokio::test(start_paused = true)]
async fn another_root_and_a_resumed_sweep_have_other_nonces() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(2, BOTH, "");
    let mut runs = Vec::new();
    for (name, root) in [("one", 7), ("again", 7), ("other", 8)] {
        let trial = fresh(&dir.path().join(name), &plan, by_context());
        runs.push(nonces(trial, root).await);
    }
    assert_eq!(runs[0], runs[1], "the same root repeats them");
    assert!(runs[0].is_disjoint(&runs[2]));
    let dir = dir.path().join("one");
    assert_eq!(read(&dir).marks[0].nonce, Some(NonceRoot::new(7)));

    // The second arm is cut off while it runs, and is run again.
    let journal = std::fs::read_to_string(dir.join("journal.jsonl")).unwrap();
    let first_arm = journal.find("{\"arm\"").unwrap();
    let kept = journal[first_arm..].find('\n').unwrap() + first_arm + 1;
    std::fs::write(dir.join("journal.jsonl"), &journal[..kept]).unwrap();
    let results = ResultsDir::resume(&dir).unwrap();
    let resumed = nonces(Trial::new(results, by_context()), 9).await;
    assert_eq!(resumed.len(), 2, "one arm of two agents");
    assert!(resumed.is_disjoint(&runs[0]));
    let marks = read(&dir).marks;
    let mark = marks.iter().find(|m| m.what == MarkKind::Resumed).unwrap();
    assert_eq!(mark.nonce, Some(NonceRoot::new(9)));
}

#[tokio::test(start_paused = true)]
async fn help_from_a_prompt_cache_is_described_once_and_counted() {
    let helped = [
        "in 2 of 2 requests (18 of 20 prompt tokens in all)",
        "a prompt cache helped, or may have, in 2 arms",
    ];
    for (cached, expected) in [(None, &[][..]), (Some(2), &[]), (Some(9), &helped)] {
        let dir = tempfile::tempdir().unwrap();
        let trial = fresh(dir.path(), &plan(2, BOTH, ""), by_context());
        let trial = trial.with_server(|fake| fake.cached = cached);
        let warnings = trial.run().await.unwrap().warnings;
        assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
        for (warning, words) in warnings.iter().zip(expected) {
            assert!(warning.contains(words), "{warning}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn tr113s_protocol_leaves_server_prompts_and_options_alone() {
    let ran = run_plan(&plan(2, "kind = \"tr113\"", ""), by_context()).await;
    assert_eq!(ran.fakes[0].log(), ["generate 512", "generate 1024"]);
    assert!(ran.fakes[0].prompts.lock().unwrap()[0].starts_with("You are a,"));
    assert_eq!(ran.journal.requests_as(|r| r.options.seed), [None, None]);
    assert_eq!(ran.journal.arms[0].state_rule, "as left");
}

#[tokio::test(start_paused = true)]
async fn a_warm_state_is_loaded_for_the_first_agent() {
    let protocol = "state = \"warm_for_first\"\narms = [\"together\"]";
    let ran = run_plan(&plan(2, protocol, ""), by_context()).await;
    let expected = ["unload", "preload 512", "generate 512", "generate 1024"];
    assert_eq!(ran.fakes[0].log(), expected);
    assert_eq!(ran.journal.requests[0].times.counters.load, Some(WARM));
    // Setting the state took 3 s; the arm began after it.
    assert_eq!(ran.journal.arms[0].started, ms(3000));
}

#[tokio::test(start_paused = true)]
async fn a_warm_up_loads_and_unloads_once_before_the_first_arm() {
    let dir = tempfile::tempdir().unwrap();
    let mut plan = plan(2, "arms = [\"together\"]\nprobe = false", "");
    plan.protocol.warm_up = true;
    let results = ResultsDir::create(dir.path(), manifest(&plan, 2, 1)).unwrap();
    let trial = Trial::new(results, by_context());
    let fake = Arc::clone(&trial.fakes[0]);
    trial.run().await.unwrap();
    let log = fake.log();
    assert_eq!(log[..3], ["preload 512", "unload", "unload"]);
    let count = |call: &str| log.iter().filter(|known| *known == call).count();
    assert_eq!(count("preload 512"), 1);
    assert_eq!(count("unload"), 3, "one of the warm-up, one an arm");
}

#[tokio::test(start_paused = true)]
async fn agents_that_always_reload_are_probed_once_each() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(2, "interleave = false", "");
    let results = ResultsDir::create(dir.path(), manifest(&plan, 3, 1)).unwrap();
    let trial = Trial::new(results, by_context());
    let fake = Arc::clone(&trial.fakes[0]);
    let summary = trial.run().await.unwrap();
    assert_eq!(summary.requests.completed, 12, "probes are not counted");

    let journal = read(dir.path());
    let probes = journal
        .requests
        .iter()
        .filter(|r| r.role == RequestRole::Probe);
    let probes: Vec<_> = probes.collect();
    let of: Vec<_> = probes
        .iter()
        .map(|r| (r.run.repetition, r.arm, r.agent))
        .collect();
    assert_eq!(of, [(1, Arm::Sequential, 1), (1, Arm::Sequential, 0)]);
    for probe in probes {
        assert_eq!(
            (probe.options.num_predict, probe.times.tokens),
            (Some(1), 1)
        );
        assert_eq!(probe.times.counters.load, Some(WARM));
    }
    // Last agent first: the server has its options, so only the other one's preload reloads.
    let expected =
        "unload,generate 512,generate 1024,preload 1024,generate 1024,preload 512,generate 512";
    assert_eq!(fake.log()[..7].join(","), expected);
    // The probes come after the arm's end and its last look at the server.
    let arm = &journal.arms[0];
    assert_eq!(arm.ended, ms(6900));
    let loaded = arm.loaded_after[0].as_ref().unwrap();
    assert_eq!(loaded[0].context_length, Some(1024));
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_permit_lies_before_the_send_and_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let trial = fresh(dir.path(), &plan(3, TOGETHER, ""), by_context()).admit(1);
    trial.run().await.unwrap();
    let times = read(dir.path()).requests_as(|r| {
        let times = &r.times;
        (r.agent, times.scheduled, times.sent, times.admission_wait)
    });
    let expected = [(0, 0), (1, 3350), (2, 6900)];
    let expected = expected.map(|(agent, waited)| {
        (
            agent,
            ms(0),
            Some(ms(waited)),
            Some(Nanos::from_millis(waited)),
        )
    });
    assert_eq!(times, expected);
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_no_permit_is_waited_for() {
    let ran = run_plan(&plan(2, TOGETHER, ""), by_context()).await;
    assert_eq!(
        ran.journal.requests_as(|r| r.times.admission_wait),
        [None, None]
    );
    let text = std::fs::read_to_string(ran.dir.path().join("journal.jsonl")).unwrap();
    assert!(!text.contains("admission"), "a row does not mention it");
}

#[tokio::test(start_paused = true)]
async fn agents_are_assigned_to_servers_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut plan = plan(3, TOGETHER, "");
    plan.topologies = vec![Topology::PerAgent];
    let setup = ResultsDir::create(&dir.path().join("refused"), manifest(&plan, 1, 2)).unwrap();
    let refused = Trial::new(setup, by_context()).run().await.unwrap_err();
    assert!(matches!(refused, RuntimeError::Plan(_)), "{refused}");
    plan.per_agent_servers = NonZeroU32::new(2);
    let results = ResultsDir::create(dir.path(), manifest(&plan, 1, 2)).unwrap();
    let trial = Trial::new(results, by_context());
    let fakes = trial.fakes.clone();
    trial.run().await.unwrap();
    assert_eq!(fakes[0].log(), ["unload", "generate 512", "generate 1536"]);
    assert_eq!(fakes[1].log(), ["unload", "generate 1024"]);
    let journal = read(dir.path());
    assert_eq!(
        journal.requests_as(|r| (r.agent, r.endpoint)),
        [(0, 0), (1, 1), (2, 0)]
    );
    assert_eq!(journal.arms[0].loaded_after.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn further_calls_carry_the_answer_so_far() {
    let ran = run_plan(&plan(1, TOGETHER, ", calls = 3"), by_context()).await;
    let prompts = ran.fakes[0].prompts.lock().unwrap().clone();
    let words: Vec<_> = prompts.iter().map(|p| p.matches("xyzzy").count()).collect();
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
    let journal = ran.journal;
    let own: Vec<_> = journal.steps.iter().filter(|s| s.agent == 0).collect();
    let steps: Vec<_> = own
        .iter()
        .map(|s| [s.step.as_str(), s.kind.as_str()])
        .collect();
    let generate = ["generate", "generate"];
    assert_eq!(
        steps,
        [
            ["ingest", "ingest"],
            ["analyse", "think"],
            generate,
            ["write", "write"]
        ]
    );
    assert!(own.iter().all(|step| step.error.is_none()));
    // Steps follow one another without a gap, and the request is scheduled at the think step's end.
    assert!(own.windows(2).all(|pair| pair[0].ended == pair[1].started));
    assert_eq!(journal.requests[0].times.scheduled, own[1].ended);
    let thought = own[1].ended.since(own[1].started);
    assert_eq!(
        thought,
        Nanos::from_millis(1),
        "thinking takes its modelled time"
    );
    let prompts = ran.fakes[0].prompts.lock().unwrap();
    assert!(prompts[0].contains("tr113_latency.csv: 38 rows"));

    let folder = "artefacts/one/shared/repetition-1/together-attempt-1";
    let folder = ran.dir.path().join(folder);
    let text = std::fs::read_to_string(folder.join("0-collector.md")).unwrap();
    assert!(
        text.contains("1709600813") && text.contains("xyzzy xyzzy"),
        "{text}"
    );
    assert!(folder.join("1-b.md").exists());
}

#[tokio::test(start_paused = true)]
async fn the_observer_gets_every_chunk_in_few_reports() {
    let ran = run_plan(&plan(2, TOGETHER, ""), by_context()).await;
    let events = ran.watch.0.lock().unwrap();
    let mut reported = [0, 0];
    let mut last: [Option<Stamp>; 2] = [None, None];
    for event in events.iter() {
        if let Event::Tokens { agent, at, count } = event {
            let agent = *agent as usize;
            reported[agent] += count;
            if let Some(before) = last[agent].replace(*at) {
                let at_end = *at == ms(6900);
                assert!(at.since(before) >= Nanos::from_millis(100) || at_end);
            }
        }
    }
    assert_eq!(reported, [20, 40]);
    let started = matches!(
        events[0],
        Event::SweepStarted {
            arms: 1,
            already_complete: 0
        }
    );
    let completed = |event: &Event| match event {
        Event::ArmEnded {
            completed,
            not_completed,
            ..
        } => Some((*completed, *not_completed)),
        _ => None,
    };
    assert!(started && events.last().and_then(completed) == Some((2, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_reply_without_tokens_is_complete_and_has_none() {
    let script = Arc::new(|_: &domain::backend::GenerateCall, _| Reply::Text { tokens: 0 });
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
    let dir = tempfile::tempdir().unwrap();
    let mut plan = plan(3, BOTH, "");
    // Four thousand times as fast as real time: no duration is asserted, and no limit may depend on
    // how busy this machine is.
    plan.timeouts.total = Nanos::from_secs(10_000_000);
    plan.timeouts.first_byte = plan.timeouts.total;
    plan.timeouts.between_chunks = plan.timeouts.total;
    let results = ResultsDir::create(dir.path(), manifest(&plan, 2, 1)).unwrap();
    let trial = Trial::on(Clock::scaled(4000.0), results, by_context());
    let summary = trial.run().await.unwrap();
    assert!(summary.is_complete());
    assert_eq!(summary.requests.completed, 12);
    let journal = read(dir.path());
    for arm in &journal.arms {
        let own = |r: &&domain::record::RequestRecord| (&r.run, r.arm) == (&arm.run, arm.arm);
        let own = journal.requests.iter().filter(own);
        let mut scheduled: Vec<_> = own.map(|r| r.times.scheduled).collect();
        scheduled.dedup();
        match arm.arm {
            Arm::Together => assert_eq!(scheduled, [arm.started]),
            Arm::Sequential => assert_eq!(scheduled.len(), 3),
        }
    }
}

#[derive(Debug)]
struct Busy;

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
    let dir = tempfile::tempdir().unwrap();
    let mut trial = fresh(dir.path(), &plan(1, TOGETHER, ""), by_context());
    trial.setup.gpu = Some(Box::new(Busy));
    trial.run().await.unwrap();
    let text = std::fs::read_to_string(dir.path().join("telemetry.jsonl")).unwrap();
    let samples = text.lines().map(|l| serde_json::from_str(l).unwrap());
    let samples: Vec<Sample> = samples.collect();
    // 3350 ms at 10 Hz, the first at once.
    assert_eq!((samples.len(), samples[1].at), (34, ms(100)));
    assert_eq!(samples[33].gpus[0].utilisation_percent, Some(100.0));
}

/// The names and fields of the spans of what runs on this thread.
#[derive(Clone, Default)]
struct Captured(Arc<std::sync::Mutex<Vec<u8>>>);

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
    use tracing_subscriber::fmt::format::FmtSpan;
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_span_events(FmtSpan::NEW)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let runtime = clock::virtual_runtime().unwrap();
        runtime.block_on(run_plan(&plan(1, TOGETHER, ""), by_context()));
    });
    let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    let new: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_suffix(": new"))
        .collect();
    let sweep = "INFO sweep{plan=\"t\" model=\"m\"}";
    let arm = ":arm{configuration=one topology=shared repetition=1 arm=together attempt=1}";
    let step = ":step{agent=\"a\" step=\"generate\"}";
    let request = ":request{agent=\"a\" step=\"generate\" call=0 endpoint=0}";
    let debug = format!("DEBUG {}", &sweep[5..]);
    let expected = [
        sweep.to_owned(),
        [sweep, arm].concat(),
        [&debug, arm, step].concat(),
        [&debug, arm, step, request].concat(),
    ];
    assert_eq!(new, expected, "{text}");
}
