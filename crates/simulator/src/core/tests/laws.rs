//! Properties of every sequence of requests.

use std::collections::BTreeMap;

use proptest::prelude::*;

use domain::backend::KeepAlive;
use domain::{Nanos, Stamp};

use super::rig::{Job, generate};
use super::*;

const MODELS: [&str; 3] = ["round:latest", "second:latest", "third:latest"];

#[derive(Debug, Clone)]
struct Drawn {
    at_ms: u32,
    job: Job,
    cancel_after_ms: Option<u32>,
}

prop_compose! {
    fn drawn()(
        half_second in 0_u32..40,
        server in 0_usize..2,
        model in 0_usize..3,
        kind in 0_u8..10,
        tokens in 1_u32..200,
        prompt in 1_u32..1500,
        num_ctx in prop_oneof![Just(None), Just(Some(4096)), Just(Some(8192))],
        num_gpu in prop_oneof![3 => Just(None), 1 => Just(Some(0)), 1 => Just(Some(5)), 1 => Just(Some(99))],
        keep in 0_u8..6,
        cancel_after_ms in prop_oneof![3 => Just(None), 1 => (0_u32..8000).prop_map(Some)],
    ) -> Drawn {
        let mut job = Job::new(match kind {
            0 => WorkKind::Preload,
            1 => WorkKind::Unload,
            _ => generate((0..prompt).map(|t| t + (tokens % 3) * 5000), tokens),
        });
        job.server = server;
        job.work.model = MODELS[model].to_owned();
        job.work.runner = RunnerOptions { num_ctx, num_gpu, ..RunnerOptions::default() };
        job.work.keep_alive = match keep {
            0 => Some(KeepAlive::Unload),
            1 => Some(KeepAlive::For(Nanos::from_secs(1))),
            _ => None,
        };
        Drawn { at_ms: half_second * 500, job, cancel_after_ms }
    }
}

#[derive(Debug, Clone)]
struct Setup {
    jobs: Vec<Drawn>,
    parallel: usize,
    max_queue: usize,
    version: &'static str,
    crash_at_ms: Option<u32>,
}

prop_compose! {
    fn setup()(
        jobs in prop::collection::vec(drawn(), 1..25),
        parallel in 1_usize..4,
        max_queue in 1_usize..12,
        version in prop_oneof![Just("0.11.4"), Just("0.12.10"), Just("0.32.10")],
        crash_at_ms in prop_oneof![2 => Just(None), 1 => (0_u32..20_000).prop_map(Some)],
    ) -> Setup {
        Setup { jobs, parallel, max_queue, version, crash_at_ms }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    /// The place among those at one moment, and the job's index.
    Submit(usize, usize),
    Cancel(usize),
    Crash,
}

/// Runs a setup; `reverse` submits simultaneous requests in the opposite order. Ids follow the job.
fn run(setup: &Setup, reverse: bool) -> Rig {
    let mut profile = round();
    profile.server.num_parallel = setup.parallel;
    profile.server.max_queue = setup.max_queue;
    setup.version.clone_into(&mut profile.server.version);
    profile.devices[0].memory_bytes = 4_000_000_000;
    profile.devices[0].sharing_loss_factor = 0.2;
    profile.network.latency_max_ms = 1.0;
    for model in &mut profile.models {
        model.load.resolve_s = 0.1;
        model.load.prepare_s = 0.002;
        model.load.warm_up_s = 0.3;
    }
    let mut shared = profile.server();
    shared.devices = vec![0];
    let servers = vec![shared.clone(), shared];
    let mut rig = Rig::new(profile, servers);
    let mut acts = Vec::new();
    for (i, job) in setup.jobs.iter().enumerate() {
        let place = if reverse { usize::MAX - i } else { i };
        acts.push((job.at_ms, Act::Submit(place, i)));
        let cancel = job.cancel_after_ms;
        acts.extend(cancel.map(|after| (job.at_ms + after, Act::Cancel(i))));
    }
    acts.extend(setup.crash_at_ms.map(|at| (at, Act::Crash)));
    acts.sort();
    for (at, act) in acts {
        let at = f64::from(at) / 1e3;
        match act {
            Act::Submit(_, i) => {
                rig.next = i as u64;
                rig.submit(at, &setup.jobs[i].job);
            }
            Act::Cancel(i) => rig.cancel(at, RequestId(i as u64 + 1)),
            Act::Crash => rig.crash(at),
        }
    }
    rig.drain();
    rig
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_request_ends_exactly_once_and_its_counters_add_up(setup in setup()) {
        let rig = run(&setup, false);
        let mut by_id: BTreeMap<RequestId, Vec<&Notice>> = BTreeMap::new();
        let mut last = Stamp::ZERO;
        for notice in &rig.notices {
            prop_assert!(notice.at >= last, "notices come in time order");
            prop_assert_eq!(notice.at.0 % 1000, 0);
            last = notice.at;
            by_id.entry(notice.id).or_default().push(notice);
        }
        prop_assert_eq!(by_id.len(), setup.jobs.len());
        for (id, notices) in &by_id {
            let ends = notices.iter().filter(|n| n.what.is_final()).count();
            prop_assert_eq!(ends, 1, "{:?}: {:?}", id, notices);
            prop_assert!(notices.last().is_some_and(|n| n.what.is_final()));
            let tokens: Vec<u32> = notices
                .iter()
                .filter_map(|n| match n.what { NoticeKind::Token { index } => Some(index), _ => None })
                .collect();
            prop_assert_eq!(&tokens, &(0..tokens.len() as u32).collect::<Vec<_>>());
            if let NoticeKind::Done { timings, .. } = &notices[notices.len() - 1].what {
                prop_assert_eq!(timings.eval_count as usize, tokens.len());
                let parts = timings.load + timings.prompt_eval + timings.eval;
                prop_assert!(parts <= timings.total, "{:?}", timings);
                let arrived = rig.log.iter().find(|e| e.id == Some(*id) && e.happened == Happened::Arrived);
                let arrived = arrived.expect("it arrived").at;
                let end = notices[notices.len() - 1].at;
                prop_assert_eq!(end.since(arrived), timings.total);
                let first = notices.iter().find(|n| matches!(n.what, NoticeKind::Token { .. })).unwrap();
                prop_assert_eq!(end.since(first.at), timings.eval);
            }
        }
    }

    #[test]
    fn no_slot_is_used_twice_and_one_load_runs_at_a_time(setup in setup()) {
        let log = run(&setup, false).log;
        let mut serving: BTreeMap<RequestId, (usize, usize)> = BTreeMap::new();
        let mut runner_of: BTreeMap<RequestId, String> = BTreeMap::new();
        let mut loading = [false; 2];
        let mut loaded: [Vec<String>; 2] = [Vec::new(), Vec::new()];
        for event in &log {
            let server = event.server;
            // Events of runners have no id.
            let id = event.id.unwrap_or(RequestId(0));
            let model = event.model.clone().unwrap_or_default();
            match &event.happened {
                Happened::Attached { .. } => {
                    prop_assert!(loaded[server].contains(&model), "attached to what is not loaded");
                    runner_of.insert(id, model);
                }
                Happened::Served { slot, .. } => {
                    prop_assert!(*slot < setup.parallel);
                    let model = &runner_of[&id];
                    let taken = serving
                        .iter()
                        .any(|(other, place)| *place == (event.server, *slot) && &runner_of[other] == model);
                    prop_assert!(!taken, "slot {} of {} is taken", slot, model);
                    serving.insert(id, (event.server, *slot));
                }
                Happened::Finished { .. } => { serving.remove(&id); }
                Happened::Cancelled { state } => {
                    serving.remove(&id);
                    // An old runner continues a cancelled prefill and does not report its end.
                    if *state == "prefill" && setup.version != "0.32.10" {
                        return Ok(());
                    }
                }
                Happened::Crashed { .. } => {
                    serving.retain(|_, (s, _)| *s != event.server);
                }
                Happened::LoadStarted { .. } => {
                    prop_assert!(!loading[server], "two loads at once");
                    loading[server] = true;
                }
                Happened::LoadFinished { .. } => {
                    loading[server] = false;
                    prop_assert!(!loaded[server].contains(&model), "two runners of one model");
                    loaded[server].push(model);
                    prop_assert!(loaded[server].len() <= 2, "max_loaded_models");
                }
                Happened::LoadFailed { .. } | Happened::LoadAborted => loading[server] = false,
                Happened::Unloaded { .. } => loaded[server].retain(|other| *other != model),
                _ => {}
            }
        }
    }

    #[test]
    fn the_order_of_submission_decides_nothing(setup in setup()) {
        prop_assert_eq!(run(&setup, false).log, run(&setup, true).log);
    }

    #[test]
    fn memory_comes_back(setup in setup()) {
        let rig = run(&setup, false);
        let end = Stamp(rig.core.now.0 + 1_000_000_000);
        let held: u64 = rig.core.runners.values().map(|r| r.placement.size_vram).sum();
        let used = rig.core.readings(end)[0].memory_used_bytes.unwrap();
        let crashed = setup.crash_at_ms.is_some();
        prop_assert!(used == held || crashed && used <= held);
        prop_assert_eq!(rig.core.readings(end)[0].utilisation_percent, Some(0.0));
        // Every keep-alive here ends.
        prop_assert!(rig.core.runners.is_empty());
        prop_assert!(rig.core.requests.is_empty());
    }
}
