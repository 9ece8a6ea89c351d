//! Loads in virtual time against a scripted server, exact to the microsecond.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::Path;

use domain::backend::GenerateCall;
use proptest::prelude::*;
use tokio::sync::Semaphore;

use super::*;
use crate::tests::fake::{Fake, Reply, Script};

mod arrivals;
mod sessions;

/// A load that is about to run. A server has many slots and takes 100 ms for a request: 50 ms to the first of five
/// tokens, and 10 ms for each.
struct Case {
    plan: LoadPlan,
    servers: usize,
    slots: usize,
    script: Script,
    /// Stop at this time, with this grace, ms.
    stop: Option<(u64, u64)>,
}

/// A load that ran to its end, with its records by planned start.
struct Ran {
    end: LoadEnd,
    records: Vec<RequestRecord>,
    servers: Vec<Arc<Fake>>,
}

/// `reply` to the request of this number, from 0, and five tokens to the others.
fn only(number: usize, reply: Reply) -> Script {
    Arc::new(move |_, nth| match nth {
        nth if nth == number => reply.clone(),
        _ => Reply::Text { tokens: 5 },
    })
}

impl Case {
    fn new(shape: LoadShape, requests: u32) -> Self {
        let plan = LoadPlan::new(shape, requests, "m", "Say something.");
        Self {
            plan: LoadPlan { seed: 7, ..plan },
            servers: 1,
            slots: 1000,
            script: only(usize::MAX, Reply::Stalls),
            stop: None,
        }
    }

    fn run(self) -> Ran {
        let runtime = clock::virtual_runtime().unwrap();
        runtime.block_on(self.in_runtime())
    }

    async fn in_runtime(self) -> Ran {
        let clock = Clock::start_virtual();
        let server = |place| {
            let mut server = Fake::new(place, &clock, &self.script);
            server.slots = Some(Semaphore::new(self.slots));
            Arc::new(server)
        };
        let servers: Vec<_> = (0..self.servers).map(server).collect();
        let records = Arc::new(Mutex::new(Vec::new()));
        let backends = servers.iter().map(|s| Arc::clone(s) as _).collect();
        let kept = Arc::clone(&records);
        let on_record: OnRecord = Arc::new(move |record| kept.lock().unwrap().push(record));
        let setup = LoadSetup {
            pool: WorkPool::new(agents(2), "nowhere".into()),
            ..LoadSetup::new(self.plan, backends, clock.clone(), on_record)
        };
        let shutdown = Shutdown::new(Nanos::from_millis(self.stop.map_or(0, |(_, grace)| grace)));
        if let Some((at, _)) = self.stop {
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                clock.sleep(Nanos::from_millis(at)).await;
                shutdown.stop();
            });
        }
        let end = run_load(setup, &shutdown).await.unwrap();
        let mut records = std::mem::take(&mut *records.lock().unwrap());
        records.sort_by_key(|r| (r.times.scheduled, r.agent));
        Ran {
            end,
            records,
            servers,
        }
    }
}

impl Ran {
    fn records_as<T>(&self, of: impl Fn(&RequestRecord) -> T) -> Vec<T> {
        self.records.iter().map(of).collect()
    }

    /// A stamp of each request, ms.
    fn ms(&self, of: impl Fn(&RequestRecord) -> Stamp) -> Vec<u64> {
        let stamps = self.records_as(of);
        assert!(stamps.iter().all(|at| at.0 % 1_000_000 == 0), "{stamps:?}");
        stamps.iter().map(|at| at.0 / 1_000_000).collect()
    }

    fn scheduled(&self) -> Vec<u64> {
        self.ms(|r| r.times.scheduled)
    }

    fn sent(&self) -> Vec<u64> {
        self.ms(|r| r.times.sent.unwrap())
    }

    /// The agent and the outcome of each request.
    fn classes(&self) -> Vec<(u32, &'static str)> {
        self.records_as(|r| (r.agent, r.times.outcome.class()))
    }
}

fn numbers(text: &str) -> Vec<u64> {
    text.split(' ').map(|n| n.parse().unwrap()).collect()
}

fn agents(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

fn closed(n: u32, think_ms: u64) -> LoadShape {
    LoadShape::Closed {
        agents: agents(n),
        think: Nanos::from_millis(think_ms),
    }
}

fn constant(per_second: f64, most: Option<u32>) -> LoadShape {
    LoadShape::Open {
        arrivals: Arrivals::constant(Rate::new(per_second).unwrap()),
        agents: most.map(agents),
    }
}

fn replay(trace: &str, speed: f64) -> LoadShape {
    LoadShape::Replay {
        trace: Arc::new(Trace::parse(Path::new("t.csv"), trace).unwrap()),
        speed: Speed::new(speed).unwrap(),
        agents: None,
    }
}

#[test]
fn requests_are_planned_and_sent_as_their_shape_says() {
    // Planned starts and sends, ms.
    let at_once = "0 0 100 100 200";
    let on_time = "0 40 80 120 160";
    for (shape, slots, scheduled, sent, ended_ms, peak) in [
        // Closed: each agent sends when its last request has ended.
        (closed(2, 0), 9, at_once, at_once, 300, 2),
        // The pause lies between an end and the next planned start.
        (closed(1, 200), 9, "0 300 600", "0 300 600", 700, 1),
        // Open: sends on time however slow the server is.
        (constant(25.0, None), 1, on_time, on_time, 500, 4),
        // A limit that is never reached changes nothing.
        (constant(25.0, Some(50)), 1, on_time, on_time, 500, 4),
        // A limit keeps planned starts and shows the wait.
        (
            constant(20.0, Some(1)),
            9,
            "0 50 100 150",
            "0 100 200 300",
            400,
            1,
        ),
    ] {
        let mut case = Case::new(shape.clone(), sent.split(' ').count() as u32);
        case.slots = slots;
        let ran = case.run();
        assert_eq!(ran.scheduled(), numbers(scheduled), "{shape:?}");
        assert_eq!(ran.sent(), numbers(sent), "{shape:?}");
        let expected = LoadEnd {
            started: Stamp::ZERO,
            ended: Stamp(ended_ms * 1_000_000),
            started_requests: ran.records.len() as u32,
            peak_in_flight: peak,
            interrupted: false,
        };
        assert_eq!(ran.end, expected, "{shape:?}");
        let mut first_tokens = ran.ms(|r| r.times.first_token.unwrap());
        first_tokens.sort_unstable();
        // A server of one slot serves one request after another.
        let queued = slots == 1;
        assert!(!queued || first_tokens == numbers("50 150 250 350 450"));
    }
}

#[test]
fn agents_are_numbered_and_assigned_to_the_servers_in_turn() {
    let mut case = Case::new(closed(3, 0), 6);
    case.servers = 2;
    let ran = case.run();
    let places = ran.records_as(|r| [r.agent, r.call, r.endpoint]);
    let expected = [
        [0, 0, 0],
        [1, 0, 1],
        [2, 0, 0],
        [0, 1, 0],
        [1, 1, 1],
        [2, 1, 0],
    ];
    assert_eq!(places, expected);
    let served: Vec<_> = ran.servers.iter().map(|s| s.calls().len()).collect();
    assert_eq!(served, [4, 2]);
}

#[test]
fn prompts_differ_unless_they_are_asked_to_be_equal() {
    let prompts = |cache| {
        let mut case = Case::new(closed(2, 0), 8);
        case.plan.cache = cache;
        let calls = case.run().servers[0].calls();
        let seeds: BTreeSet<_> = calls.iter().map(|c| c.options.seed).collect();
        assert_eq!(seeds.len(), 8, "sampling seeds repeat");
        calls.into_iter().map(|c| c.prompt).collect::<BTreeSet<_>>()
    };
    assert_eq!(prompts(CachePolicy::Nonce).len(), 8);
    let same = prompts(CachePolicy::Warm);
    assert!(same.iter().eq(["Say something."]), "{same:?}");
}

#[test]
fn the_same_load_run_again_begins_its_prompts_anew_and_draws_the_same_samples() {
    let sent = |shape: &LoadShape, turns: Option<&Turns>, root| {
        let mut case = Case::new(shape.clone(), 2);
        case.plan.nonce = NonceRoot::new(root);
        case.plan.turns = turns.cloned();
        let calls = case.run().servers[0].calls();
        let beginning = |call: &GenerateCall| match call.history.as_deref() {
            None | Some([]) => call.prompt.clone(),
            Some([first, ..]) => first.text.clone(),
        };
        let prompts: BTreeSet<_> = calls.iter().map(beginning).collect();
        let seeds: Vec<_> = calls.iter().map(|call| call.options.seed).collect();
        (prompts, seeds)
    };
    let turns = sessions::turns(2, 0);
    for (shape, turns) in [
        (closed(2, 0), None),
        (closed(1, 0), Some(&turns)),
        (replay("start_ms,prompt_tokens\n0,30\n5,30\n", 1.0), None),
        (
            replay("start_ms,prompt\n0,Say this.\n5,Say that.\n", 1.0),
            None,
        ),
    ] {
        let [(one, seeds), (again, _), (other, seeds_of_other)] =
            [1, 1, 2].map(|root| sent(&shape, turns, root));
        assert_eq!(one, again, "{shape:?}");
        let begins = |prompts: &BTreeSet<String>| -> BTreeSet<String> {
            prompts
                .iter()
                .map(|p| p.chars().take(12).collect())
                .collect()
        };
        assert!(
            begins(&one).is_disjoint(&begins(&other)),
            "{one:?} {other:?}"
        );
        assert_eq!(seeds, seeds_of_other);
    }
}

#[test]
fn a_failed_request_is_a_record_and_its_agent_goes_on() {
    let mut case = Case::new(closed(1, 0), 3);
    case.script = only(1, Reply::Refused);
    let ran = case.run();
    let expected = [(0, "completed"), (0, "failed"), (0, "completed")];
    assert_eq!(ran.classes(), expected);
    assert!(!ran.end.interrupted);
}

#[test]
fn stopping_begins_nothing_new_and_cancels_what_outlasts_the_grace() {
    let mut case = Case::new(closed(2, 0), 10);
    case.script = only(1, Reply::Stalls);
    // Agent 0 is in its second request, which ends within the grace.
    case.stop = Some((150, 80));
    let ran = case.run();
    let expected = [(0, "completed"), (1, "cancelled"), (0, "completed")];
    assert_eq!(ran.classes(), expected);
    let expected = LoadEnd {
        started: Stamp::ZERO,
        ended: Stamp(230_000_000),
        started_requests: 3,
        peak_in_flight: 2,
        interrupted: true,
    };
    assert_eq!(ran.end, expected);
    for most in [None, Some(2)] {
        let mut case = Case::new(constant(1.0, most), 10);
        case.stop = Some((1500, 0));
        let ran = case.run();
        assert_eq!((ran.end.started_requests, ran.records.len()), (2, 2));
        // The wait for the next start ends as well.
        assert_eq!(ran.end.ended, Stamp(1_500_000_000));
        assert!(ran.end.interrupted);
    }
}

#[tokio::test]
async fn a_load_without_a_server_is_refused_and_work_that_cannot_be_done_ends_it() {
    let clock = Clock::real();
    let run = |backends, pool: WorkPool| {
        let mut plan = LoadPlan::new(closed(2, 0), 4, "m", "");
        plan.work.file = Some("1KiB".parse().unwrap());
        let setup = LoadSetup::new(plan, backends, clock.clone(), Arc::new(|_| {}));
        let setup = LoadSetup { pool, ..setup };
        async { run_load(setup, &Shutdown::new(Nanos::ZERO)).await }
    };
    let pool = || WorkPool::new(agents(1), "no such folder".into());
    let refused = run(Vec::new(), pool()).await;
    assert!(matches!(refused, Err(LoadError::NoBackend)));
    let server = Fake::new(0, &clock, &only(usize::MAX, Reply::Refused));
    let ended = run(vec![Arc::new(server)], pool()).await;
    assert!(matches!(ended, Err(LoadError::Work(_))), "{ended:?}");
}
