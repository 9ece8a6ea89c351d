//! What sweeps record when all goes well.

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

use super::fake::{Fake, Reply, by_context};
use super::{Trial, fresh, manifest, ms, plan, read};
use crate::RuntimeError;

const TOGETHER: &str = "arms = [\"together\"]\ninterleave = false";
const BOTH: &str = "interleave = false\nprobe = false";

#[tokio::test(start_paused = true)]
async fn two_agents_together_are_stamped_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let summary = fresh(dir.path(), &plan(2, TOGETHER, ""), by_context())
        .run()
        .await
        .unwrap();
    assert!(summary.is_complete() && !summary.interrupted);
    assert_eq!((summary.arms, summary.requests.completed), (1, 2));

    let journal = read(dir.path());
    let [a, b] = &journal.requests[..] else {
        panic!("{journal:?}")
    };
    // Agent a: 3000 load, 100 warm, 50 prefill, 20 tokens of 10 ms.
    assert_eq!(
        (a.agent, a.times.scheduled, a.times.sent),
        (0, ms(0), Some(ms(0)))
    );
    assert_eq!(a.times.first_token, Some(ms(3150)));
    assert_eq!(a.times.last_token, Some(ms(3340)));
    assert_eq!((a.times.done, a.times.ended), (Some(ms(3350)), ms(3350)));
    assert_eq!(
        (a.times.tokens, a.times.tokens_from),
        (20, TokenSource::Server)
    );
    assert_eq!(a.times.chunks.len(), 20);
    assert_eq!(a.times.chunks.last().copied(), a.times.last_token);
    // Agent b was scheduled and sent at the same moment, and waited for a's end and a reload.
    assert_eq!(
        (b.agent, b.times.scheduled, b.times.sent),
        (1, ms(0), Some(ms(0)))
    );
    assert_eq!(b.times.first_token, Some(ms(6500)));
    assert_eq!(b.times.done, Some(ms(6900)));
    assert_eq!(b.times.counters.load, Some(Nanos::from_millis(6450)));

    let [arm] = &journal.arms[..] else { panic!() };
    assert!(arm.complete && arm.notes.is_empty());
    assert_eq!((arm.started, arm.ended), (ms(0), ms(6900)));
    assert_eq!(arm.state_rule, "unloaded");
    assert_eq!(arm.loaded_before, [Some(vec![])]);
    assert_eq!(
        arm.loaded_after[0].as_ref().unwrap()[0].context_length,
        Some(1024)
    );
    let spans: Vec<_> = arm.agents.iter().map(|s| (s.started, s.ended)).collect();
    assert_eq!(spans, [(ms(0), ms(3350)), (ms(0), ms(6900))]);
    let marks: Vec<_> = journal.marks.iter().map(|m| m.what).collect();
    assert_eq!(marks, [MarkKind::Started, MarkKind::Finished]);
}

#[tokio::test(start_paused = true)]
async fn in_turn_each_agent_is_scheduled_at_the_end_of_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let trial = fresh(dir.path(), &plan(3, BOTH, ""), by_context());
    trial.run().await.unwrap();
    let journal = read(dir.path());
    let times: Vec<_> = journal
        .requests
        .iter()
        .filter(|r| r.arm == Arm::Sequential)
        .map(|r| {
            (
                r.agent,
                r.times.scheduled,
                r.times.sent.unwrap(),
                r.times.done.unwrap(),
            )
        })
        .collect();
    assert_eq!(
        times,
        [
            (0, ms(0), ms(0), ms(3350)),
            (1, ms(3350), ms(3350), ms(6900)),
            (2, ms(6900), ms(6900), ms(10_650)),
        ]
    );
    // The other arm began from the same state, so on this serial server it took as long.
    let together = journal
        .arms
        .iter()
        .find(|a| a.arm == Arm::Together)
        .unwrap();
    assert_eq!(
        together.ended.since(together.started),
        Nanos::from_millis(10_650)
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_sweep_records_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let mut journals = Vec::new();
    for name in ["x", "y"] {
        let dir = dir.path().join(name);
        fresh(&dir, &plan(3, "", ""), by_context())
            .run()
            .await
            .unwrap();
        journals.push(std::fs::read_to_string(dir.join("journal.jsonl")).unwrap());
    }
    // The second sweep's clock begins later in the same runtime, but both count from zero.
    assert_eq!(journals[0], journals[1]);
}

#[tokio::test(start_paused = true)]
async fn one_agent_is_enough_and_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let summary = fresh(&dir.path().join("one"), &plan(1, "", ""), by_context())
        .run()
        .await
        .unwrap();
    assert!(summary.is_complete());

    let mut none = plan(1, "", "");
    none.configs[0].agents.clear();
    let error = fresh(&dir.path().join("none"), &none, by_context())
        .run()
        .await;
    assert!(matches!(error, Err(RuntimeError::NoAgents { config }) if config == "one"));
}

#[tokio::test(start_paused = true)]
async fn prompts_differ_in_their_first_word_and_seeds_are_equal_in_both_arms() {
    let dir = tempfile::tempdir().unwrap();
    let trial = fresh(dir.path(), &plan(2, BOTH, ""), by_context());
    let fake = Arc::clone(&trial.fakes[0]);
    trial.run().await.unwrap();
    let prompts = fake.prompts.lock().unwrap().clone();
    let mut nonces: Vec<&str> = prompts
        .iter()
        .map(|p| p.split(' ').next().unwrap())
        .collect();
    assert!(nonces.iter().all(|n| n.len() == 16), "{nonces:?}");
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), 4);

    let journal = read(dir.path());
    let seed = |arm, agent| {
        let mut found = journal
            .requests
            .iter()
            .filter(|r| (r.arm, r.agent) == (arm, agent));
        found.next().unwrap().options.seed.unwrap()
    };
    for agent in [0, 1] {
        assert_eq!(seed(Arm::Sequential, agent), seed(Arm::Together, agent));
    }
    assert_ne!(seed(Arm::Together, 0), seed(Arm::Together, 1));
}

/// The first words of all the prompts that a sweep sends.
async fn first_words(mut trial: Trial, root: u64) -> BTreeSet<String> {
    trial.setup.nonce = NonceRoot::new(root);
    let fake = Arc::clone(&trial.fakes[0]);
    trial.run().await.unwrap();
    let prompts = fake.prompts.lock().unwrap();
    let first = |prompt: &String| prompt.split(' ').next().unwrap().to_owned();
    prompts.iter().map(first).collect()
}

#[tokio::test(start_paused = true)]
async fn the_same_sweep_run_again_and_one_that_goes_on_begin_their_prompts_anew() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(2, BOTH, "");
    let mut runs = Vec::new();
    for (name, root) in [("one", 7), ("again", 7), ("other", 8)] {
        let trial = fresh(&dir.path().join(name), &plan, by_context());
        runs.push(first_words(trial, root).await);
    }
    assert_eq!(runs[0], runs[1], "the same root repeats them");
    assert!(runs[0].is_disjoint(&runs[2]));
    assert_eq!(
        read(&dir.path().join("one")).marks[0].nonce,
        Some(NonceRoot::new(7))
    );

    // The second arm is cut off while it runs, and is made again.
    let dir = dir.path().join("one");
    let journal = std::fs::read_to_string(dir.join("journal.jsonl")).unwrap();
    let first_arm = journal.find("{\"arm\"").unwrap();
    let kept = journal[first_arm..].find('\n').unwrap() + first_arm + 1;
    std::fs::write(dir.join("journal.jsonl"), &journal[..kept]).unwrap();
    let results = ResultsDir::resume(&dir).unwrap();
    let resumed = first_words(Trial::new(results, by_context()), 9).await;
    assert_eq!(resumed.len(), 2, "one arm of two agents");
    assert!(resumed.is_disjoint(&runs[0]));
    let marks = read(&dir).marks;
    let mark = marks.iter().find(|m| m.what == MarkKind::Resumed).unwrap();
    assert_eq!(mark.nonce, Some(NonceRoot::new(9)));
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_helps_all_the_same_is_told_once_and_counted() {
    let root = tempfile::tempdir().unwrap();
    for (cached, expected) in [
        (None, vec![]),
        (Some(2), vec![]),
        (
            Some(9),
            vec![
                "in 2 of 2 requests (18 of 20 prompt tokens in all)",
                "a prompt cache helped, or may have, in 2 arms",
            ],
        ),
    ] {
        let dir = root.path().join(format!("{cached:?}"));
        let mut trial = fresh(&dir, &plan(2, BOTH, ""), by_context());
        let mut fake = Fake::new(
            "fake://0".to_owned(),
            trial.setup.clock.clone(),
            by_context(),
        );
        fake.cached = cached;
        trial.setup.backends = vec![Arc::new(fake)];
        let warnings = trial.run().await.unwrap().warnings;
        assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
        for (warning, words) in warnings.iter().zip(expected) {
            assert!(warning.contains(words), "{warning}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn tr113s_protocol_leaves_server_prompts_and_options_alone() {
    let dir = tempfile::tempdir().unwrap();
    let trial = fresh(dir.path(), &plan(2, "kind = \"tr113\"", ""), by_context());
    let fake = Arc::clone(&trial.fakes[0]);
    trial.run().await.unwrap();
    assert_eq!(fake.log(), ["generate 512", "generate 1024"]);
    assert!(fake.prompts.lock().unwrap()[0].starts_with("You are a,"));
    let journal = read(dir.path());
    assert!(journal.requests.iter().all(|r| r.options.seed.is_none()));
    assert_eq!(journal.arms[0].state_rule, "as left");
}

#[tokio::test(start_paused = true)]
async fn a_warm_state_is_loaded_for_the_first_agent() {
    let dir = tempfile::tempdir().unwrap();
    let protocol = "state = \"warm_for_first\"\narms = [\"together\"]";
    let trial = fresh(dir.path(), &plan(2, protocol, ""), by_context());
    let fake = Arc::clone(&trial.fakes[0]);
    trial.run().await.unwrap();
    assert_eq!(
        fake.log(),
        ["unload", "preload 512", "generate 512", "generate 1024"]
    );
    let journal = read(dir.path());
    assert_eq!(
        journal.requests[0].times.counters.load,
        Some(super::fake::WARM)
    );
    // Setting the state took 3 s; the arm began after it.
    assert_eq!(journal.arms[0].started, ms(3000));
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
    assert_eq!(log.iter().filter(|call| *call == "preload 512").count(), 1);
    assert_eq!(
        log.iter().filter(|call| *call == "unload").count(),
        3,
        "one of the warm-up, one an arm"
    );
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
    let probes: Vec<_> = journal
        .requests
        .iter()
        .filter(|r| r.role == RequestRole::Probe)
        .collect();
    let of: Vec<_> = probes
        .iter()
        .map(|r| (r.run.repetition, r.arm, r.agent))
        .collect();
    assert_eq!(of, [(1, Arm::Sequential, 1), (1, Arm::Sequential, 0)]);
    for probe in probes {
        assert_eq!(probe.options.num_predict, Some(1));
        assert_eq!(probe.times.tokens, 1);
        assert_eq!(probe.times.counters.load, Some(super::fake::WARM));
    }
    // Last agent first: the server is as it wants it, so only the other one's preload reloads.
    assert_eq!(
        fake.log()[..7],
        [
            "unload",
            "generate 512",
            "generate 1024",
            "preload 1024",
            "generate 1024",
            "preload 512",
            "generate 512"
        ]
    );
    // The probes lie after the arm's end and its last look at the server.
    let arm = &journal.arms[0];
    assert_eq!(arm.ended, ms(6900));
    assert_eq!(
        arm.loaded_after[0].as_ref().unwrap()[0].context_length,
        Some(1024)
    );
}

#[tokio::test(start_paused = true)]
async fn an_admission_limit_shows_before_the_send_and_says_how_much_of_it_is_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let trial = fresh(dir.path(), &plan(3, TOGETHER, ""), by_context()).admit(1);
    trial.run().await.unwrap();
    let journal = read(dir.path());
    let times: Vec<_> = journal
        .requests
        .iter()
        .map(|r| {
            (
                r.agent,
                r.times.scheduled,
                r.times.sent.unwrap(),
                r.times.admission_wait,
            )
        })
        .collect();
    let waited = |ms| Some(Nanos::from_millis(ms));
    assert_eq!(
        times,
        [
            (0, ms(0), ms(0), waited(0)),
            (1, ms(0), ms(3350), waited(3350)),
            (2, ms(0), ms(6900), waited(6900))
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_no_permit_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    fresh(dir.path(), &plan(2, TOGETHER, ""), by_context())
        .run()
        .await
        .unwrap();
    let journal = read(dir.path());
    assert!(!journal.requests.is_empty());
    assert!(
        journal
            .requests
            .iter()
            .all(|r| r.times.admission_wait.is_none())
    );
    let text = std::fs::read_to_string(dir.path().join("journal.jsonl")).unwrap();
    assert!(!text.contains("admission"), "a row says nothing of it");
}

#[tokio::test(start_paused = true)]
async fn agents_are_dealt_to_servers_of_their_own() {
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
    let endpoints: Vec<_> = journal
        .requests
        .iter()
        .map(|r| (r.agent, r.endpoint))
        .collect();
    assert_eq!(endpoints, [(0, 0), (1, 1), (2, 0)]);
    assert_eq!(journal.arms[0].loaded_after.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn further_calls_carry_the_answer_so_far() {
    let dir = tempfile::tempdir().unwrap();
    let trial = fresh(dir.path(), &plan(1, TOGETHER, ", calls = 3"), by_context());
    let fake = Arc::clone(&trial.fakes[0]);
    trial.run().await.unwrap();
    let prompts = fake.prompts.lock().unwrap().clone();
    let words: Vec<_> = prompts.iter().map(|p| p.matches("xyzzy").count()).collect();
    // Twenty tokens a call.
    assert_eq!(words, [0, 20, 40]);
    let journal = read(dir.path());
    let calls: Vec<_> = journal
        .requests
        .iter()
        .map(|r| (r.call, r.step.as_str(), r.times.scheduled))
        .collect();
    assert_eq!(
        calls,
        [
            (0, "generate_1", ms(0)),
            (1, "generate_2", ms(3350)),
            (2, "generate_3", ms(3700))
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_full_workflow_reads_thinks_asks_and_writes() {
    let dir = tempfile::tempdir().unwrap();
    let mut plan = plan(2, TOGETHER, ", workflow = \"full\"");
    plan.configs[0].agents[0].name = "collector".to_owned();
    let trial = fresh(dir.path(), &plan, by_context());
    let fake = Arc::clone(&trial.fakes[0]);
    trial.run().await.unwrap();
    let journal = read(dir.path());
    let steps: Vec<_> = journal
        .steps
        .iter()
        .filter(|s| s.agent == 0)
        .map(|s| (s.step.as_str(), s.kind.as_str(), s.error.clone()))
        .collect();
    assert_eq!(
        steps,
        [
            ("ingest", "ingest", None),
            ("analyse", "think", None),
            ("generate", "generate", None),
            ("write", "write", None)
        ]
    );
    // Steps follow one another without a gap, and the request is scheduled at the think step's end.
    let own: Vec<_> = journal.steps.iter().filter(|s| s.agent == 0).collect();
    assert!(own.windows(2).all(|pair| pair[0].ended == pair[1].started));
    assert_eq!(journal.requests[0].times.scheduled, own[1].ended);
    let thought = own[1].ended.since(own[1].started);
    assert_eq!(
        thought,
        Nanos::from_millis(1),
        "thinking takes its modelled time"
    );
    assert!(fake.prompts.lock().unwrap()[0].contains("tr113_latency.csv: 38 rows"));

    let folder = dir
        .path()
        .join("artefacts/one/shared/repetition-1/together-attempt-1");
    let text = std::fs::read_to_string(folder.join("0-collector.md")).unwrap();
    assert!(
        text.contains("1709600813") && text.contains("xyzzy xyzzy"),
        "{text}"
    );
    assert!(folder.join("1-b.md").exists());
}

#[tokio::test(start_paused = true)]
async fn watchers_hear_of_every_chunk_but_not_of_each() {
    let dir = tempfile::tempdir().unwrap();
    let trial = fresh(dir.path(), &plan(2, TOGETHER, ""), by_context());
    let watch = Arc::clone(&trial.watch);
    trial.run().await.unwrap();
    let events = watch.0.lock().unwrap();
    let mut told = [0, 0];
    let mut last: [Option<Stamp>; 2] = [None, None];
    for event in events.iter() {
        if let Event::Tokens { agent, at, count } = event {
            let agent = *agent as usize;
            told[agent] += count;
            if let Some(before) = last[agent].replace(*at) {
                let at_end = *at == ms(6900);
                assert!(at.since(before) >= Nanos::from_millis(100) || at_end);
            }
        }
    }
    assert_eq!(told, [20, 40]);
    assert!(matches!(
        events[0],
        Event::SweepStarted {
            arms: 1,
            already_complete: 0
        }
    ));
    assert!(matches!(
        events.last(),
        Some(Event::ArmEnded {
            completed: 2,
            not_completed: 0,
            ..
        })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_reply_without_tokens_is_complete_and_has_none() {
    let dir = tempfile::tempdir().unwrap();
    let script = Arc::new(|_: &domain::backend::GenerateCall, _| Reply::Text { tokens: 0 });
    fresh(dir.path(), &plan(1, TOGETHER, ""), script)
        .run()
        .await
        .unwrap();
    let journal = read(dir.path());
    let [r] = &journal.requests[..] else { panic!() };
    assert_eq!(r.times.outcome, Outcome::Completed);
    assert_eq!(
        (r.times.tokens, r.times.tokens_from),
        (0, TokenSource::Server)
    );
    assert_eq!((r.times.first_token, r.times.last_token), (None, None));
    assert!(r.times.chunks.is_empty() && r.times.done == Some(ms(3150)));
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
        let own = journal
            .requests
            .iter()
            .filter(|r| (&r.run, r.arm) == (&arm.run, arm.arm));
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
        GpuSource::Simulated {
            devices: vec!["busy".to_owned()],
        }
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
    let samples: Vec<Sample> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    // 3350 ms at 10 Hz, the first at once.
    assert_eq!(samples.len(), 34);
    assert_eq!(samples[1].at, ms(100));
    assert_eq!(samples[33].gpus[0].utilisation_percent, Some(100.0));
}
