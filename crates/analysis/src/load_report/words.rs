//! The front page of a load: what the server carried, what limited it, and what to try next. A
//! sentence is omitted when a number that it needs is missing.

use document::number::{count, plain, short};
use document::words::{plural, sentence};
use document::{Cell, Front, safe};
use domain::Nanos;
use domain::cache::prompts_in_words;
use domain::record::load::{Shape, Spread};
use metrics::budget;

use super::series::Series;
use crate::kind::three_figures;
use crate::load::Load;

/// A phase whose share of the requests' time exceeds this is named as what limited the load.
const MUCH: f64 = 0.1;

pub(super) fn front(load: &Load, series: &Series, front: &mut Front) {
    let f = &load.figures;
    let (limit, next) = limit(load, series);
    let (client, client_costs) = client(load, series);
    front.question = format!(
        "How does the server carry {}?",
        shape(&load.file.asked.shape, load.file.asked.requests)
    );
    front.answer = format!("{} {limit}", carried(load));
    front.sure = format!("{client} One load is one sample of the server.");
    // Problems with the figures are named before the figures.
    let helped = load.file.asked.cache_warning(f);
    let notes: Vec<_> = f.notes.iter().map(|(note, n)| note.counted(*n)).collect();
    let warnings = helped.iter().chain(&notes).chain(&load.warnings);
    front.spoilt = warnings.map(|warning| sentence(warning)).collect();
    let groups = [
        reasons(load, series),
        client_costs,
        goodput(load).into_iter().collect(),
        fairness(load).into_iter().collect(),
        connections(load).into_iter().collect(),
    ];
    front.why = groups.concat();
    front.next = vec![next.to_owned()];
    let ttft = f.ttft_ms.as_ref();
    let total = f64::from(f.outcomes.total());
    let completed = 100.0 * f64::from(f.outcomes.completed) / total;
    let (name, ttft) = match ttft.and_then(|ttft| ttft.p95) {
        Some(p95) => ("TTFT (p95)", Some(p95)),
        None => ("TTFT (p50)", ttft.map(|ttft| ttft.p50)),
    };
    front.figures = three_figures([
        ("throughput", Cell::known(f.tokens_per_s, 1), "tok/s"),
        (name, Cell::known(ttft, 1), "ms"),
        ("requests completed", Cell::number(completed, 2), "%"),
    ]);
}

/// A description of the requested load.
pub(super) fn shape(shape: &Shape, requests: u32) -> String {
    let n = count(requests);
    let of = |agents: &Option<u32>| {
        agents.map_or_else(String::new, |agents| {
            format!(", up to {} at a time", count(agents))
        })
    };
    match shape {
        Shape::Closed { agents, think_s } => {
            let think = if *think_s > 0.0 {
                format!(" that think for {} s after each answer", short(*think_s))
            } else {
                String::new()
            };
            format!("{n} requests of {}{think}", plural(*agents, "agent"))
        }
        Shape::Open {
            arrivals,
            rate,
            ramp,
            agents,
            ..
        } => {
            let ramp = ramp.map_or_else(String::new, |ramp| {
                format!(
                    " after a ramp from {} over {} s",
                    short(ramp.from),
                    short(ramp.over_s)
                )
            });
            format!(
                "{n} requests that start {} a second ({arrivals}{ramp}){}",
                short(*rate),
                of(agents)
            )
        }
        Shape::Replay {
            trace,
            speed,
            agents,
            ..
        } => {
            format!(
                "{n} requests of the trace {} at {} times its speed{}",
                safe::code(trace),
                short(*speed),
                of(agents)
            )
        }
    }
}

/// A median with p95, or with the highest lower tail that the sample is large enough for.
fn median_and_tail(spread: &Spread) -> String {
    // p95 is what limits are set on; the table has the others.
    let p95 = spread.p95.map(|v| ("p95", v));
    let tail = p95.or(spread.p90.map(|v| ("p90", v)));
    let (name, tail) = tail.unwrap_or(("most", spread.max));
    format!("{} ms (p50; {name} {} ms)", short(spread.p50), short(tail))
}

fn carried(load: &Load) -> String {
    let f = &load.figures;
    let total = f.outcomes.total();
    let completed = f.outcomes.completed;
    if completed == 0 {
        return format!(
            "**The server carried nothing: none of {} requests completed.**",
            count(total)
        );
    }
    let rate = match f.requests_per_s.zip(f.tokens_per_s) {
        Some((requests, tokens)) => {
            let (requests, tokens) = (short(requests), short(tokens));
            format!("{requests} requests and {tokens} tokens a second")
        }
        None => "its requests".to_owned(),
    };
    let latencies = [("TTFT", &f.ttft_ms), ("TPOT", &f.tpot_ms)].into_iter();
    let latencies = latencies.filter_map(|(name, spread)| {
        let spread = median_and_tail(spread.as_ref()?);
        Some(format!("{name} {spread}"))
    });
    let latency: Vec<String> = latencies.collect();
    let lost = match total - completed {
        0 => String::new(),
        lost => format!(
            "; {} of {} requests did not complete",
            count(lost),
            count(total)
        ),
    };
    let latency = latency.join(", ");
    format!("**The server carried {rate}: {latency}{lost}.**")
}

/// The figures that show what limited the load.
fn reasons(load: &Load, series: &Series) -> Vec<String> {
    let f = &load.figures;
    let mut because = Vec::new();
    let lost = f64::from(f.outcomes.not_completed()) / f64::from(f.outcomes.total());
    if lost > 0.0 {
        let most = f.failures.iter().max_by_key(|(_, n)| **n);
        let words = most.map_or_else(String::new, |(words, n)| {
            let times = count(*n);
            format!("; most often ({times}): {}", safe::markdown(words))
        });
        because.push(format!(
            "{} % of the requests did not complete{words}.",
            plain(100.0 * lost, 2)
        ));
    }
    if let Some((early, late)) = growth(series) {
        because.push(format!(
            "Requests waiting for their first token: {} on average in the first third of the load, {} in the \
             last third before sending ended.",
            plain(early, 1),
            plain(late, 1)
        ));
    }
    if let Some(share) = shares(load) {
        let p = load.phases;
        let percent = |time| plain(100.0 * share(time), 1);
        let waits = if waits_are_known(load) {
            let (slot, load) = (percent(p.slot_wait), percent(p.load));
            format!("{slot} % went to waiting for a slot, {load} % to loading, ")
        } else {
            String::new()
        };
        let inferred = if !waits_are_known(load) {
            " How long they waited for a slot or a load is unknown: a server reports neither a total nor its loads."
        } else if p.waits_inferred > 0 {
            " The wait for a slot is inferred where a server reports no total, and holds the transport there."
        } else {
            ""
        };
        because.push(format!(
            "Of a request's time {waits}{} % {}to prefill, {} % to decoding, {} % to the client's queue (means over \
             {} requests whose server reports them).{inferred}",
            percent(p.prefill),
            if waits.is_empty() { "went " } else { "" },
            percent(p.decode),
            percent(p.client_queue),
            count(p.n)
        ));
    }
    because
}

/// A function from a time to its share of the requests' whole time, where the server reports its phases.
fn shares(load: &Load) -> Option<impl Fn(Nanos) -> f64> {
    let whole = load.phases.whole.as_secs_f64();
    let known = load.phases.n > 0 && whole > 0.0;
    known.then_some(move |time: Nanos| time.as_secs_f64() / whole)
}

/// True when every server reported how long requests waited for a slot and a load, or enough to infer it.
fn waits_are_known(load: &Load) -> bool {
    load.phases.waits_known == load.phases.n
}

/// What limited the load, and what to try next.
fn limit(load: &Load, series: &Series) -> (String, &'static str) {
    let p = load.phases;
    let waits = [
        (
            "waiting for a slot",
            p.slot_wait,
            "Give the server more slots, or send fewer requests at once.",
        ),
        (
            "getting the model ready",
            p.load,
            "Where the model is loaded again between requests, keep it loaded and give every agent the same \
             options; what a loaded model still takes cannot be spared.",
        ),
        (
            "prefill",
            p.prefill,
            "Shorten the prompts, or let a prefix cache hold what they share.",
        ),
        (
            "the client's own queue",
            p.client_queue,
            "Let more requests be in flight at once: they waited in the client.",
        ),
    ];
    let most = waits.into_iter().max_by_key(|(_, time, _)| *time);
    let open = !matches!(load.file.asked.shape, Shape::Closed { .. });
    let behind = open && growth(series).is_some_and(|(early, late)| late > 2.0 * early + 1.0);
    let more =
        "Raise the load, or let the command `capacity` find how many agents the server carries.";
    if load.figures.outcomes.completed == 0 {
        let next =
            "Find out why requests fail: the commonest causes stand in the table of failures.";
        return (String::new(), next);
    }
    if behind {
        let words = "It did not keep up with the arrivals: ever more requests waited.";
        return (words.to_owned(), "Send fewer requests a second.");
    }
    let Some(share) = shares(load) else {
        let words = "What limited it is unknown: the server does not report its phases.";
        return (words.to_owned(), more);
    };
    let reported = [p.prefill, p.decode, p.client_queue];
    let unreported = reported.into_iter().fold(p.whole, Nanos::saturating_sub);
    let hides_most = most.is_none_or(|(_, time, _)| time < unreported) && share(unreported) > MUCH;
    if !waits_are_known(load) && hides_most {
        let percent = plain(100.0 * share(unreported), 0);
        let words = format!(
            "What limited it is unknown: {percent} % of the requests' time lies in no phase that the server reports, as \
             waiting for a slot or a load does."
        );
        return (words, more);
    }
    if let Some((words, time, next)) = most.filter(|(_, time, _)| share(*time) > MUCH) {
        let percent = plain(100.0 * share(time), 0);
        let words =
            format!("What cost most besides decoding: {words}, {percent} % of the requests' time.");
        return (words, next);
    }
    let decoding = if share(p.decode) > 0.5 {
        let percent = plain(100.0 * share(p.decode), 0);
        format!("No queue limited it: {percent} % of the requests' time was decoding.")
    } else {
        "No queue limited it.".to_owned()
    };
    (decoding, more)
}

/// The mean number of requests waiting for their first token in the first third of the load, and in the last
/// third before its last planned start.
fn growth(series: &Series) -> Option<(f64, f64)> {
    let last = series.latencies.last()?.span_s.1;
    let windows: Vec<f64> = series
        .windows
        .iter()
        .filter(|w| w.to_s <= last)
        .map(|w| w.waiting)
        .collect();
    let third = windows.len() / 3;
    let mean = |values: &[f64]| metrics::stats::mean(values);
    mean(&windows[..third]).zip(mean(&windows[windows.len() - third..]))
}

/// Whether the client was the limit, with the evidence.
fn client(load: &Load, series: &Series) -> (String, Vec<String>) {
    let f = &load.figures;
    let mut because = Vec::new();
    if let Some(queue) = &f.client_queue_ms {
        because.push(format!(
            "From the planned start to the send: {}.",
            median_and_tail(queue)
        ));
    }
    let busiest = series.busiest_second as f64;
    if let Some(client) = load.file.result.as_ref().map(|r| &r.client) {
        let memory = client
            .peak_memory_bytes
            .map(|b| format!("up to {} MB of memory", plain(b as f64 / 1e6, 0)));
        let cpu = client
            .cpu_us_per_token
            .map(|us| format!("{} µs of CPU per token", short(us)));
        let parts: Vec<String> = [cpu, memory].into_iter().flatten().collect();
        if !parts.is_empty() {
            let shared = if client.shared_with_simulator {
                ", the simulator's included"
            } else {
                ""
            };
            because.push(format!("The client took {}{shared}.", parts.join(" and ")));
        }
        if client.disk_waits > 0 {
            because.push(format!(
                "{} requests began later because the disk was slow, {} s in all.",
                count(client.disk_waits),
                short(client.disk_wait_s)
            ));
        }
    }
    let answer = if load.file.header.is_in_simulated_time() {
        "The client was not the limit: in simulated time it costs none.".to_owned()
    } else if let Some(known) = &load.file.header.client_budget {
        because.push(format!(
            "The client: {}. The busiest second brought {} chunks.",
            document::budget::in_words(known),
            plain(busiest, 0)
        ));
        match budget::beyond(known, busiest) {
            Some(beyond) => {
                because.push(document::budget::beyond_in_words(&beyond));
                "**The client may have been the limit: this is more than it is calibrated for.**"
                    .to_owned()
            }
            None => "The client was not the limit: this lies within its error budget.".to_owned(),
        }
    } else {
        let cores = load.file.header.environment.as_ref().map(|e| e.cores);
        let cpu = load.file.result.as_ref().and_then(|r| r.client.cpu_s);
        let used = cpu.zip(f.wall_s).zip(cores);
        let share = used.map(|((cpu, wall), cores)| cpu / wall / f64::from(cores.max(1)));
        let percent = plain(100.0 * share.unwrap_or_default(), 0);
        match share {
            Some(share) if share > 0.8 => format!(
                "**The client may have been the limit: it used {percent} % of its machine.**"
            ),
            Some(_) => format!(
                "Whether the client was the limit was not calibrated; it used {percent} % of its machine."
            ),
            None => {
                "Whether the client was the limit is unknown: it was not calibrated.".to_owned()
            }
        }
    };
    (answer, because)
}

fn goodput(load: &Load) -> Option<String> {
    let slo = load.figures.slo.as_ref()?;
    let per_s = slo
        .per_s
        .map_or_else(String::new, |per_s| format!(", {} a second", short(per_s)));
    Some(format!(
        "Goodput: {} of {} requests kept `{}` ({} %{per_s}).",
        count(slo.good),
        plain(f64::from(load.figures.outcomes.total()), 0),
        slo.limits,
        plain(100.0 * slo.share.unwrap_or(0.0), 1)
    ))
}

fn fairness(load: &Load) -> Option<String> {
    let f = load.fairness.as_ref()?;
    let starved = match f.starved {
        0 => "none was left without an answer".to_owned(),
        1 => "**one got no answer at all**".to_owned(),
        n => format!("**{} got no answer at all**", count(n)),
    };
    let index = f.jain.map_or_else(String::new, |jain| {
        format!(", Jain's index {}", plain(jain, 3))
    });
    Some(format!(
        "Of {} agents the one served slowest got {} tok/s and the one served fastest {} (fairness {}{index}); \
         {starved}.",
        count(f.agents),
        short(f.slowest_tokens_per_s),
        short(f.fastest_tokens_per_s),
        f.fairness
            .map_or_else(|| "unknown".to_owned(), |v| plain(v, 3)),
    ))
}

fn connections(load: &Load) -> Option<String> {
    let connect = load.figures.connect_ms.as_ref()?;
    let slow = match load.figures.slow_connects {
        0 => String::new(),
        n => format!(
            " {} took a second or more: a full accept queue drops the first packet, and the system repeats it \
             after a second.",
            count(n)
        ),
    };
    Some(format!(
        "{} requests made a connection of their own, in {}; that time lies before the send.{slow}",
        count(connect.n as u64),
        median_and_tail(connect)
    ))
}

pub(super) fn method(load: &Load) -> Vec<String> {
    let file = &load.file;
    let asked = &file.asked;
    let cache = load.figures.cache.unwrap_or_default();
    let mut method = vec![
        format!(
            "Asked for: {}; model {}, up to {} tokens each, seed {}.",
            shape(&asked.shape, asked.requests),
            safe::code(&asked.model),
            asked.num_predict,
            asked.seed
        ),
        match &asked.shape {
            Shape::Replay {
                starts, skipped, ..
            } => [
                starts.as_ref().map_or_else(String::new, |starts| {
                    format!("Starts are read by {}.", safe::code(starts))
                }),
                skipped.map_or_else(String::new, |n| {
                    format!(
                        "Not sent: {} recorded requests without a response.",
                        count(n)
                    )
                }),
                "Prompts are the trace's; a prompt cache may hold what they share.".to_owned(),
                cache.counts_in_words().unwrap_or_default(),
            ]
            .join(" ")
            .trim()
            .replace("  ", " "),
            _ => prompts_in_words(asked.cache(), file.header.nonce, &cache),
        },
    ];
    method.extend(asked.turns.map(|turns| {
        format!("Sessions of {turns} turns; each turn sends what was said before it.")
    }));
    method.extend(asked.work.as_ref().map(|work| {
        let file = work
            .file_bytes
            .map(|b| format!("a file of {} bytes", count(b)));
        let parts: Vec<String> = work.cpu.clone().into_iter().chain(file).collect();
        format!(
            "Before each request an agent works: {}, on {} threads that all share.",
            parts.join(" and "),
            work.threads
        )
    }));
    let rest = [
        "Every figure is made again from `requests.jsonl`; those in `load.json` are only compared with them.",
        "Latencies are those of completed requests; the others are counted by how they ended.",
        "Percentiles interpolate between closest ranks. ITL counts gaps between chunks, many a request, which depend \
         on each other: its tails are less certain than their n suggests.",
    ];
    method.extend(rest.map(str::to_owned));
    method
}
