//! The records of sweeps without failures.

use std::collections::BTreeSet;
use std::fs::OpenOptions;

use clock::Clock;
use domain::event::Event;
use domain::plan::{Arm, Timeouts, Topology};
use domain::record::{NonceRoot, RequestRecord, StepRecord};
use domain::telemetry::{DeviceFacts, GpuReading, GpuSource, Gpus, Sample};
use domain::{Nanos, Stamp};

use super::fake::by_context;
use super::{BOTH, TOGETHER, Trial, ms, plan, run_plan};
use crate::RuntimeError;

#[tokio::test(start_paused = true)]
async fn tokens_are_reported_ten_times_a_second() {
    let ran = run_plan(&plan(2, TOGETHER, ""), by_context()).await;
    // Without a limit no permit is waited for, and a row does not mention it.
    assert!(!ran.text("journal.jsonl").contains("admission"));
    assert_eq!(ran.journal.marks[0].nonce, Some(NonceRoot::new(1)));

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
async fn a_configuration_without_agents_and_too_few_servers_are_refused() {
    let mut none = plan(1, "", "");
    none.configs[0].agents.clear();
    let refused = Trial::new(&none, 1, by_context()).run().await.result;
    assert!(matches!(refused, Err(RuntimeError::NoAgents { config }) if config == "one"));
    let mut plan = plan(3, TOGETHER, "");
    plan.topologies = vec![Topology::PerAgent];
    let mut trial = Trial::new(&plan, 1, by_context());
    trial.servers.pop();
    trial.setup.results.manifest.header.endpoints.pop();
    let refused = trial.run().await.result;
    assert!(matches!(refused, Err(RuntimeError::Plan(_))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn prompts_differ_in_their_first_word_and_seeds_are_equal_in_both_arms() {
    let ran = run_plan(&plan(2, BOTH, ""), by_context()).await;
    let calls = ran.servers[0].calls();
    let first_word = |prompt: &str| prompt.split(' ').next().unwrap().to_owned();
    let nonces: BTreeSet<_> = calls.iter().map(|call| first_word(&call.prompt)).collect();
    assert_eq!(nonces.len(), 4);
    assert!(nonces.iter().all(|n| n.len() == 16), "{nonces:?}");
    let seed = |r: &RequestRecord| (r.agent, r.options.seed.unwrap());
    let seeds = ran.journal.requests_as(seed);
    let distinct: BTreeSet<_> = seeds.iter().collect();
    assert_eq!((seeds.len(), distinct.len()), (4, 2), "{seeds:?}");
    assert_ne!(seeds[0].1, seeds[1].1);
    // TR113's prompts are left alone.
    let tr113 = run_plan(&plan(2, "kind = \"tr113\"", ""), by_context()).await;
    assert!(tr113.servers[0].calls()[0].prompt.starts_with("You are a,"));
}

#[tokio::test(start_paused = true)]
async fn further_calls_carry_the_answer_so_far() {
    let ran = run_plan(&plan(1, TOGETHER, ", calls = 3"), by_context()).await;
    let calls = ran.servers[0].calls();
    let words = calls.iter().map(|c| c.prompt.matches("xyzzy").count());
    // Twenty tokens a call.
    assert!(words.eq([0, 20, 40]));
}

#[tokio::test(start_paused = true)]
async fn the_full_workflow_reads_thinks_asks_and_writes() {
    let mut plan = plan(2, TOGETHER, ", workflow = \"full\"");
    plan.configs[0].agents[0].name = "collector".to_owned();
    let ran = run_plan(&plan, by_context()).await;
    let own: Vec<_> = ran.journal.steps.iter().filter(|s| s.agent == 0).collect();
    let step = |s: &&StepRecord| format!("{} {}", s.step, s.kind);
    let steps: Vec<_> = own.iter().map(step).collect();
    let expected = "ingest ingest, analyse think, generate generate, write write";
    assert_eq!(steps.join(", "), expected);
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
    for part in ["1709600813", "xyzzy xyzzy"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(ran.path(folder).join("1-b.md").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_several_threads_all_agents_are_scheduled_at_one_moment() {
    let mut plan = plan(3, BOTH, "");
    // Four thousand times as fast as real time: no duration is asserted, and no limit may depend on
    // how busy this machine is.
    let limit = Nanos::from_secs(10_000_000);
    plan.timeouts = Timeouts {
        connect: plan.timeouts.connect,
        first_byte: limit,
        between_chunks: limit,
        total: limit,
    };
    let trial = Trial::on(Clock::scaled(4000.0), &plan, 2, by_context());
    let ran = trial.run().await;
    assert!(ran.summary().is_complete());
    assert_eq!(ran.summary().requests.completed, 12);
    for arm in &ran.journal.arms {
        let requests = ran.journal.requests_of(arm);
        let mut scheduled: Vec<_> = requests.map(|r| r.times.scheduled).collect();
        scheduled.dedup();
        match arm.arm {
            Arm::Together => assert_eq!(scheduled, [arm.started]),
            Arm::Sequential => assert_eq!(scheduled.len(), 3),
        }
    }
}

pub(super) fn busy_gpu() -> Gpus {
    let devices = vec!["busy".to_owned()];
    let reading = GpuReading {
        utilisation_percent: Some(100.0),
        ..GpuReading::default()
    };
    Gpus {
        source: GpuSource::Simulated { devices },
        facts: DeviceFacts::new(),
        read: Box::new(move |_| vec![reading.clone()]),
    }
}

#[tokio::test(start_paused = true)]
async fn telemetry_is_sampled_on_the_sweeps_clock() {
    let mut trial = Trial::new(&plan(1, TOGETHER, ""), 1, by_context());
    trial.setup.gpu = Some(busy_gpu());
    let text = trial.run().await.text("telemetry.jsonl");
    let samples = text.lines().map(|l| serde_json::from_str(l).unwrap());
    let samples: Vec<Sample> = samples.collect();
    // 3350 ms at 10 Hz, the first at once.
    assert_eq!((samples.len(), samples[1].at), (34, ms(100)));
    assert_eq!(samples[33].gpus[0].utilisation_percent, Some(100.0));
}

#[test]
fn spans_name_configuration_repetition_agent_and_step() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spans");
    let file = OpenOptions::new().append(true).create(true).open(&path);
    let file = file.unwrap();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::NEW)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_writer(file.try_clone().unwrap())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        // A test on another thread, which has no subscriber, may be the first to reach a span and switch it off. After
        // a first sweep every span is known, and the second has them all.
        for _ in 0..2 {
            file.set_len(0).unwrap();
            tracing::callsite::rebuild_interest_cache();
            let runtime = clock::virtual_runtime().unwrap();
            runtime.block_on(run_plan(&plan(1, TOGETHER, ""), by_context()));
        }
    });
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines();
    let new = lines.filter_map(|line| line.trim().strip_suffix(": new"));
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
