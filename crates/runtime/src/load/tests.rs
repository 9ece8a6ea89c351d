//! Loads in virtual time against a scripted server, exact to the microsecond.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::Path;

use ::sessions::trace::Trace;
use domain::backend::GenerateCall;
use proptest::prelude::*;
use tokio::sync::Semaphore;

use super::*;
use crate::tests::fake::{Fake, Reply, Script};
use crate::tests::scenarios::script;

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
        let on_record: OnRecord = Arc::new(move |record| kept.lock().push(record));
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
        let mut records = std::mem::take(&mut *records.lock());
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

/// A line for each request in the order of the planned starts, and the end; times in ms.
fn described(ran: &Ran) -> String {
    let ms = |at: Option<Stamp>| at.map_or("-".to_owned(), |at| (at.0 as f64 / 1e6).to_string());
    let line = |r: &RequestRecord| {
        let (times, turn) = (&r.times, r.turn);
        let turn = turn.map_or(String::new(), |t| {
            format!(", session {} turn {}", t.session, t.turn)
        });
        let most = r.options.num_predict;
        let work = r.work.map_or(String::new(), |work| {
            let [queue, cpu] = [Some(work.queue_ns), work.cpu_ns].map(Option::unwrap_or_default);
            let [queue, cpu] = [queue, cpu].map(Nanos::as_millis_f64);
            format!(", queued {queue} for work of {cpu}")
        });
        format!(
            "  agent {} call {} on {}{turn}: planned {}, sent {}, first token {}, ended {}, {}{}{work}\n",
            r.agent,
            r.call,
            r.endpoint,
            ms(Some(times.scheduled)),
            ms(times.sent),
            ms(times.first_token),
            ms(Some(times.ended)),
            times.outcome.class(),
            most.map_or(String::new(), |most| format!(", at most {most} tokens")),
        )
    };
    let end = &ran.end;
    let stopped = if end.interrupted { ", interrupted" } else { "" };
    let (started, peak) = (end.started_requests, end.peak_in_flight);
    let ended = ms(Some(end.ended));
    assert_eq!(end.started, Stamp::ZERO);
    let end = format!("  {started} started, {peak} at once at most, ended {ended}{stopped}\n");
    ran.records_as(line).concat() + &end
}

#[test]
fn loads_record_what_happened() {
    let mut found = Vec::new();
    for text in include_str!("tests/cases.txt").split("\n\n").skip(1) {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let settings: BTreeMap<_, _> = lines.skip(1).filter_map(|l| l.split_once(' ')).collect();
        let numbers = |name: &str| {
            let numbers = settings.get(name)?.split(' ');
            Some(numbers.map(|n| n.parse().unwrap()).collect::<Vec<u64>>())
        };
        let number = |name: &str| numbers(name).map(|numbers| numbers[0] as u32);
        let shape = match (numbers("closed").as_deref(), numbers("open").as_deref()) {
            (Some([agents, think]), None) => closed(*agents as u32, *think),
            (None, Some([rate])) => constant(*rate as f64, None),
            (None, Some([rate, most])) => constant(*rate as f64, Some(*most as u32)),
            _ => panic!("{text}"),
        };
        let mut case = Case::new(shape, number("requests").unwrap());
        case.slots = number("slots").map_or(case.slots, |slots| slots as usize);
        case.servers = number("servers").map_or(1, |servers| servers as usize);
        case.stop = numbers("stop").map(|stop| (stop[0], stop[1]));
        case.plan.turns = numbers("turns").map(|n| sessions::turns(n[0] as u32, n[1]));
        case.plan.work.cpu = settings.get("work").map(|work| work.parse().unwrap());
        if let Some(replies) = settings.get("replies") {
            case.script = script(replies);
        }
        let name = text.lines().next().unwrap();
        found.push(format!("{name}\n{}\n", described(&case.run())));
    }
    insta::assert_snapshot!(found.concat());
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
        let begins = |prompts: BTreeSet<String>| -> BTreeSet<String> {
            let beginnings = prompts.iter().map(|p| p.chars().take(12).collect());
            beginnings.collect()
        };
        let (one, other) = (begins(one), begins(other));
        assert!(one.is_disjoint(&other), "{one:?} {other:?}");
        assert_eq!(seeds, seeds_of_other);
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
