//! Loads in virtual time against a scripted server, exact to the microsecond.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::atomic::AtomicU64;

use domain::backend::{Exchange, GenerateCall};
use domain::work::Work;
use domain::{FailureKind, Outcome};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use proptest::prelude::*;
use tokio::sync::Semaphore;

use super::*;
use crate::tests::fake::failed;

const FIRST: Nanos = Nanos::from_millis(50);
const TOKEN: Nanos = Nanos::from_millis(10);

#[derive(Debug, Clone, Copy)]
enum Reply {
    Tokens(u64),
    Refused,
    Stalls,
}

/// Serves requests in the order of arrival with a number of slots; each reply takes [`FIRST`] and then [`TOKEN`] a
/// token.
struct Fake {
    clock: Clock,
    slots: Semaphore,
    script: fn(u64) -> Reply,
    arrived: AtomicU64,
    calls: Mutex<Vec<GenerateCall>>,
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fake")
    }
}

impl Fake {
    fn new(clock: Clock, slots: usize, script: fn(u64) -> Reply) -> Self {
        Self {
            clock,
            slots: Semaphore::new(slots),
            script,
            arrived: AtomicU64::new(0),
            calls: Mutex::default(),
        }
    }

    async fn reply(&self, call: &GenerateCall, exchange: &mut Exchange) -> Outcome {
        self.calls.lock().unwrap().push(call.clone());
        let tokens = match (self.script)(self.arrived.fetch_add(1, Ordering::Relaxed)) {
            Reply::Tokens(tokens) => tokens,
            Reply::Refused => return failed(FailureKind::ConnectionRefused, "connection refused"),
            Reply::Stalls => {
                exchange.times.sent = Some(self.clock.now());
                return std::future::pending().await;
            }
        };
        exchange.times.sent = Some(self.clock.now());
        let _slot = self.slots.acquire().await.unwrap();
        self.clock.sleep(FIRST).await;
        for token in 0..tokens {
            if token > 0 {
                self.clock.sleep(TOKEN).await;
            }
            let at = self.clock.now();
            exchange.times.first_token.get_or_insert(at);
            exchange.times.last_token = Some(at);
            exchange.times.chunks.push(at);
            exchange.text.push('x');
        }
        exchange.times.done = Some(self.clock.now());
        exchange.times.counters.eval_count = Some(tokens);
        Outcome::Completed
    }
}

impl ChatBackend for Fake {
    fn endpoint(&self) -> String {
        "fake".to_owned()
    }

    fn generate<'a>(
        &'a self,
        call: &'a GenerateCall,
        exchange: &'a mut Exchange,
    ) -> BoxFuture<'a, Outcome> {
        self.reply(call, exchange).boxed()
    }
}

/// A load that ran to its end, with its records by planned start.
struct Ran {
    end: LoadEnd,
    records: Vec<RequestRecord>,
    servers: Vec<Arc<Fake>>,
}

struct Case {
    shape: LoadShape,
    requests: u32,
    servers: usize,
    slots: usize,
    script: fn(u64) -> Reply,
    cache: CachePolicy,
    nonce: NonceRoot,
    turns: Option<Turns>,
    work: Work,
    /// Stop at this time, with this grace.
    stop: Option<(Nanos, Nanos)>,
}

impl Case {
    fn new(shape: LoadShape, requests: u32) -> Self {
        Self {
            shape,
            requests,
            servers: 1,
            slots: 1000,
            script: |_| Reply::Tokens(6),
            cache: CachePolicy::Nonce,
            nonce: NonceRoot::new(1),
            turns: None,
            work: Work::default(),
            stop: None,
        }
    }

    fn run(self) -> Ran {
        let runtime = clock::virtual_runtime().unwrap();
        runtime.block_on(self.in_runtime())
    }

    async fn in_runtime(self) -> Ran {
        let clock = Clock::start_virtual();
        let server = |_| Arc::new(Fake::new(clock.clone(), self.slots, self.script));
        let servers: Vec<_> = (0..self.servers).map(server).collect();
        let records = Arc::new(Mutex::new(Vec::new()));
        let plan = LoadPlan {
            cache: self.cache,
            nonce: self.nonce,
            seed: 7,
            turns: self.turns,
            work: self.work,
            ..LoadPlan::new(self.shape, self.requests, "m", "Say something.")
        };
        let backends = servers.iter().map(|s| Arc::clone(s) as _).collect();
        let on_record: OnRecord = {
            let records = Arc::clone(&records);
            Arc::new(move |record| records.lock().unwrap().push(record))
        };
        let setup = LoadSetup {
            pool: WorkPool::new(agents(2), "nowhere".into()),
            ..LoadSetup::new(plan, backends, clock.clone(), on_record)
        };
        let shutdown = Shutdown::new(self.stop.map_or(Nanos::ZERO, |(_, grace)| grace));
        if let Some((at, _)) = self.stop {
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                clock.sleep(at).await;
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

fn ms(stamps: impl IntoIterator<Item = Stamp>) -> Vec<u64> {
    let whole_ms = |stamp: Stamp| {
        assert_eq!(stamp.0 % 1_000_000, 0, "{stamp:?}");
        stamp.0 / 1_000_000
    };
    stamps.into_iter().map(whole_ms).collect()
}

fn scheduled(ran: &Ran) -> Vec<u64> {
    ms(ran.records.iter().map(|r| r.times.scheduled))
}

fn sent(ran: &Ran) -> Vec<u64> {
    ms(ran.records.iter().map(|r| r.times.sent.unwrap()))
}

/// The agent and the outcome of each request.
fn classes(ran: &Ran) -> Vec<(u32, &'static str)> {
    let of = |r: &RequestRecord| (r.agent, r.times.outcome.class());
    ran.records.iter().map(of).collect()
}

#[test]
fn in_a_closed_loop_each_agent_sends_when_its_last_request_has_ended() {
    // A request takes 50 ms and five gaps of 10 ms.
    let ran = Case::new(closed(2, 0), 5).run();
    assert_eq!(scheduled(&ran), [0, 0, 100, 100, 200]);
    assert_eq!(sent(&ran), [0, 0, 100, 100, 200]);
    let places: Vec<_> = ran.records.iter().map(|r| (r.agent, r.call)).collect();
    assert_eq!(places, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)]);
    assert_eq!(
        ran.end,
        LoadEnd {
            started: Stamp::ZERO,
            ended: Stamp(300_000_000),
            started_requests: 5,
            peak_in_flight: 2,
            interrupted: false,
        }
    );
}

#[test]
fn think_time_lies_between_an_end_and_the_next_planned_start() {
    let ran = Case::new(closed(1, 200), 3).run();
    assert_eq!(scheduled(&ran), [0, 300, 600]);
    assert_eq!(sent(&ran), [0, 300, 600]);
}

#[test]
fn an_open_loop_sends_on_time_however_slow_the_server_is() {
    let mut case = Case::new(constant(25.0, None), 5);
    case.slots = 1;
    let ran = case.run();
    assert_eq!(sent(&ran), [0, 40, 80, 120, 160]);
    let first_tokens = ms(ran.records.iter().map(|r| r.times.first_token.unwrap()));
    assert_eq!(first_tokens, [50, 150, 250, 350, 450]);
    assert_eq!(ran.end.peak_in_flight, 4);
    assert_eq!(ran.end.ended, Stamp(500_000_000));
}

#[test]
fn a_limited_open_loop_keeps_planned_starts_and_shows_the_wait() {
    let ran = Case::new(constant(20.0, Some(1)), 4).run();
    assert_eq!(scheduled(&ran), [0, 50, 100, 150]);
    assert_eq!(sent(&ran), [0, 100, 200, 300]);
    assert_eq!(ran.end.peak_in_flight, 1);
}

#[test]
fn a_limit_that_is_never_reached_changes_nothing() {
    let free = Case::new(constant(25.0, None), 6).run();
    let limited = Case::new(constant(25.0, Some(50)), 6).run();
    assert_eq!(sent(&free), sent(&limited));
    assert_eq!(free.end, limited.end);
}

#[test]
fn agents_are_assigned_to_the_servers_in_turn() {
    let mut case = Case::new(closed(3, 0), 6);
    case.servers = 2;
    let ran = case.run();
    let dealt: Vec<_> = ran.records.iter().map(|r| (r.agent, r.endpoint)).collect();
    assert_eq!(dealt, [(0, 0), (1, 1), (2, 0), (0, 0), (1, 1), (2, 0)]);
    let served = |server: &Arc<Fake>| server.calls.lock().unwrap().len();
    assert_eq!(ran.servers.iter().map(served).collect::<Vec<_>>(), [4, 2]);
}

#[test]
fn prompts_differ_unless_they_are_asked_to_be_equal() {
    let prompts = |cache| {
        let mut case = Case::new(closed(2, 0), 8);
        case.cache = cache;
        let ran = case.run();
        let calls = ran.servers[0].calls.lock().unwrap();
        let seeds: BTreeSet<_> = calls.iter().map(|c| c.options.seed).collect();
        assert_eq!(seeds.len(), 8, "sampling seeds repeat");
        let texts: BTreeSet<_> = calls.iter().map(|c| c.prompt.clone()).collect();
        texts
    };
    assert_eq!(prompts(CachePolicy::Nonce).len(), 8);
    let same = prompts(CachePolicy::Warm);
    assert!(same.iter().eq(["Say something."]), "{same:?}");
}

#[test]
fn the_same_load_run_again_begins_its_prompts_anew_and_draws_the_same_samples() {
    let trace = |text: &str| LoadShape::Replay {
        trace: Arc::new(Trace::parse(std::path::Path::new("t.csv"), text).unwrap()),
        speed: Speed::new(1.0).unwrap(),
        agents: None,
    };
    let sent = |shape: &LoadShape, turns: Option<&Turns>, root| {
        let mut case = Case::new(shape.clone(), 2);
        (case.nonce, case.turns) = (NonceRoot::new(root), turns.cloned());
        let ran = case.run();
        let calls = ran.servers[0].calls.lock().unwrap();
        let beginning = |call: &GenerateCall| match call.history.as_deref() {
            None | Some([]) => call.prompt.clone(),
            Some([first, ..]) => first.text.clone(),
        };
        let prompts: BTreeSet<_> = calls.iter().map(beginning).collect();
        let seeds: Vec<_> = calls.iter().map(|call| call.options.seed).collect();
        (prompts, seeds)
    };
    let turns = Turns {
        count: agents(2),
        think: Nanos::ZERO,
        follow_up: "Go on.".to_owned(),
    };
    for (shape, turns) in [
        (closed(2, 0), None),
        (closed(1, 0), Some(&turns)),
        (trace("start_ms,prompt_tokens\n0,30\n5,30\n"), None),
        (trace("start_ms,prompt\n0,Say this.\n5,Say that.\n"), None),
    ] {
        let [(one, seeds), (again, _), (other, seeds_of_other)] =
            [1, 1, 2].map(|root| sent(&shape, turns, root));
        assert_eq!(one, again, "{shape:?}");
        let first_words = |prompts: &BTreeSet<String>| {
            let of = |prompt: &String| prompt.get(..12).unwrap_or(prompt).to_owned();
            prompts.iter().map(of).collect::<BTreeSet<_>>()
        };
        let is_disjoint = first_words(&one).is_disjoint(&first_words(&other));
        assert!(is_disjoint, "{one:?} {other:?}");
        assert_eq!(seeds, seeds_of_other);
    }
}

#[test]
fn a_failed_request_is_a_record_and_its_agent_goes_on() {
    let mut case = Case::new(closed(1, 0), 3);
    case.script = |n| match n {
        1 => Reply::Refused,
        _ => Reply::Tokens(6),
    };
    let ran = case.run();
    assert_eq!(
        classes(&ran),
        [(0, "completed"), (0, "failed"), (0, "completed")]
    );
    assert!(!ran.end.interrupted);
}

#[test]
fn stopping_begins_nothing_new_and_cancels_what_outlasts_the_grace() {
    let mut case = Case::new(closed(2, 0), 10);
    case.script = |n| match n {
        1 => Reply::Stalls,
        _ => Reply::Tokens(6),
    };
    // Agent 0 is in its second request, which ends within the grace.
    case.stop = Some((Nanos::from_millis(150), Nanos::from_millis(80)));
    let ran = case.run();
    assert_eq!(
        classes(&ran),
        [(0, "completed"), (1, "cancelled"), (0, "completed")]
    );
    assert_eq!(
        ran.end,
        LoadEnd {
            started: Stamp::ZERO,
            ended: Stamp(230_000_000),
            started_requests: 3,
            peak_in_flight: 2,
            interrupted: true,
        }
    );
}

#[test]
fn stopping_an_open_loop_ends_its_waits() {
    for most in [None, Some(2)] {
        let mut case = Case::new(constant(1.0, most), 10);
        case.stop = Some((Nanos::from_millis(1500), Nanos::ZERO));
        let ran = case.run();
        assert_eq!((ran.end.started_requests, ran.records.len()), (2, 2));
        assert_eq!(ran.end.ended, Stamp(1_500_000_000));
        assert!(ran.end.interrupted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_without_a_server_is_refused() {
    let plan = LoadPlan::new(closed(1, 0), 1, "m", "");
    let setup = LoadSetup::new(plan, Vec::new(), Clock::start_virtual(), Arc::new(|_| {}));
    let refused = run_load(setup, &Shutdown::new(Nanos::ZERO)).await;
    assert!(matches!(refused, Err(LoadError::NoBackend)));
}

mod arrivals;
mod sessions;
