//! The front page of a load: what the server carried, what limited it, and what to try next. A
//! sentence is omitted when a number that it needs is missing.

use document::number::{count, plain, short};
use document::words::{known, plural, sentence};
use document::{Cell, Front, safe};
use domain::Nanos;
use domain::cache::prompts_in_words;
use domain::record::load::{Shape, Spread};
use itertools::Itertools as _;
use metrics::budget;

use super::series::Series;
use crate::kind::{self, three_figures};
use crate::load::Load;

/// A phase whose share of the requests' time exceeds this is named as what limited the load.
const MUCH: f64 = 0.1;

pub(super) fn front(load: &Load, series: &Series, front: &mut Front) {
    let f = &load.figures;
    let (limit, next) = limit(load, series);
    let (client, client_costs) = client(load, series);
    let shape = shape(&load.file.asked.shape, load.file.asked.requests);
    front.question = format!("How does the server carry {shape}?");
    front.answer = format!("{} {limit}", carried(load));
    front.sure = format!("{client} One load is one sample of the server.");
    // Problems with the figures are named before the figures.
    let helped = load.file.asked.cache_warning(f);
    let notes: Vec<_> = f.notes.iter().map(|(note, n)| note.counted(*n)).collect();
    let warnings = helped.iter().chain(&notes).chain(&load.warnings);
    front.spoilt = warnings.map(|warning| sentence(warning)).collect();
    front.why = [reasons(load, series), client_costs].concat();
    let others = [goodput(load), fairness(load), connections(load)];
    front.why.extend(others.into_iter().flatten());
    front.next = vec![next.to_owned()];
    let total = f64::from(f.outcomes.total());
    let completed = 100.0 * f64::from(f.outcomes.completed) / total;
    let ttft = f.ttft_ms.as_ref();
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
    let at_a_time = |agents: &Option<u32>| {
        let words = agents.map(|agents| format!(", up to {} at a time", count(agents)));
        words.unwrap_or_default()
    };
    match shape {
        Shape::Closed { agents, think_s } => {
            let agents = plural(*agents, "agent");
            let think = Some(short(*think_s)).filter(|_| *think_s > 0.0);
            let think = think.map(|s| format!(" that think for {s} s after each answer"));
            format!("{n} requests of {agents}{}", think.unwrap_or_default())
        }
        Shape::Open {
            arrivals,
            rate_per_s: rate,
            ramp,
            agents,
            ..
        } => {
            let (rate, agents) = (short(*rate), at_a_time(agents));
            let ramp = ramp.map(|ramp| {
                let (from, over_s) = (short(ramp.from_per_s), short(ramp.over_s));
                format!(" after a ramp from {from} over {over_s} s")
            });
            let ramp = ramp.unwrap_or_default();
            format!("{n} requests that start {rate} a second ({arrivals}{ramp}){agents}")
        }
        Shape::Replay {
            trace,
            speed_factor: speed,
            agents,
            ..
        } => {
            let (trace, speed, agents) = (safe::code(trace), short(*speed), at_a_time(agents));
            format!("{n} requests of the trace {trace} at {speed} times its speed{agents}")
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
    let total = count(f.outcomes.total());
    let completed = f.outcomes.completed;
    if completed == 0 {
        return format!("**The server carried nothing: none of {total} requests completed.**");
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
    let latency = latencies.collect::<Vec<_>>().join(", ");
    let lost = match f.outcomes.total() - completed {
        0 => String::new(),
        lost => format!("; {} of {total} requests did not complete", count(lost)),
    };
    format!("**The server carried {rate}: {latency}{lost}.**")
}

/// The figures that show what limited the load.
fn reasons(load: &Load, series: &Series) -> Vec<String> {
    let f = &load.figures;
    let mut because = Vec::new();
    let lost = f64::from(f.outcomes.not_completed()) / f64::from(f.outcomes.total());
    if lost > 0.0 {
        let most = f.failures.iter().max_by_key(|(_, n)| **n);
        let most = most.map(|(words, n)| {
            let (times, words) = (count(*n), safe::markdown(words));
            format!("; most often ({times}): {words}")
        });
        let (percent, most) = (plain(100.0 * lost, 2), most.unwrap_or_default());
        because.push(format!(
            "{percent} % of the requests did not complete{most}."
        ));
    }
    if let Some((early, late)) = growth(series) {
        let [early, late] = [early, late].map(|waiting| plain(waiting, 1));
        because.push(format!(
            "Requests waiting for their first token: {early} on average in the first third of the load, {late} in the \
             last third before sending ended."
        ));
    }
    if let Some(share) = shares(load) {
        let p = load.phases;
        let percent = |time| plain(100.0 * share(time), 1);
        let [prefill, decode, queue] = [p.prefill, p.decode, p.client_queue].map(percent);
        let (waits, inferred) = if waits_are_known(load) {
            let (slot, load) = (percent(p.slot_wait), percent(p.load));
            let inferred = if p.waits_inferred > 0 {
                " The wait for a slot is inferred where a server reports no total, and holds the transport there."
            } else {
                ""
            };
            let waits =
                format!("{slot} % went to waiting for a slot, {load} % to loading, {prefill} % ");
            (waits, inferred)
        } else {
            let unknown = " How long they waited for a slot or a load is unknown: a server reports neither a total nor \
                           its loads.";
            (format!("{prefill} % went "), unknown)
        };
        let n = count(p.n);
        because.push(format!(
            "Of a request's time {waits}to prefill, {decode} % to decoding, {queue} % to the client's queue (means over \
             {n} requests whose server reports them).{inferred}"
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
        ("waiting for a slot", p.slot_wait),
        ("getting the model ready", p.load),
        ("prefill", p.prefill),
        ("the client's own queue", p.client_queue),
    ];
    let most = waits.into_iter().max_by_key(|(_, time)| *time);
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
    let percent = |time| plain(100.0 * share(time), 0);
    let reported = [p.prefill, p.decode, p.client_queue];
    let unreported = reported.into_iter().fold(p.whole, Nanos::saturating_sub);
    let hides_most = most.is_none_or(|(_, time)| time < unreported) && share(unreported) > MUCH;
    let decodes = percent(p.decode);
    match most.filter(|(_, time)| share(*time) > MUCH) {
        _ if !waits_are_known(load) && hides_most => {
            let percent = percent(unreported);
            let words = format!(
                "What limited it is unknown: {percent} % of the requests' time lies in no phase that the server reports, \
                 as waiting for a slot or a load does."
            );
            (words, more)
        }
        Some((what, time)) => {
            let percent = percent(time);
            let words = format!(
                "What cost most besides decoding: {what}, {percent} % of the requests' time."
            );
            (words, kind::stated(&format!("load:{what}")))
        }
        None if share(p.decode) > 0.5 => {
            let words =
                format!("No queue limited it: {decodes} % of the requests' time was decoding.");
            (words, more)
        }
        None => ("No queue limited it.".to_owned(), more),
    }
}

/// The mean number of requests waiting for their first token in the first third of the load, and in the last
/// third before its last planned start.
fn growth(series: &Series) -> Option<(f64, f64)> {
    let last = series.latencies.last()?.to_s;
    let windows = series.windows.iter().filter(|w| w.to_s <= last);
    let waiting: Vec<f64> = windows.map(|w| w.waiting).collect();
    let third = waiting.len() / 3;
    let mean = metrics::stats::mean;
    mean(&waiting[..third]).zip(mean(&waiting[waiting.len() - third..]))
}

/// Whether the client was the limit, with the evidence.
fn client(load: &Load, series: &Series) -> (String, Vec<String>) {
    let f = &load.figures;
    let header = &load.file.header;
    let costs = load.file.result.as_ref().map(|r| &r.client);
    let mut because = Vec::new();
    because.extend(f.client_queue_ms.as_ref().map(|queue| {
        let queue = median_and_tail(queue);
        format!("From the planned start to the send: {queue}.")
    }));
    if let Some(costs) = costs {
        let memory = costs.peak_memory_bytes.map(|b| plain(b as f64 / 1e6, 0));
        let memory = memory.map(|mb| format!("up to {mb} MB of memory"));
        let cpu = costs.cpu_us_per_token.map(short);
        let cpu = cpu.map(|us| format!("{us} µs of CPU per token"));
        let parts: Vec<String> = [cpu, memory].into_iter().flatten().collect();
        let shared = if costs.shared_with_simulator {
            ", the simulator's included"
        } else {
            ""
        };
        if !parts.is_empty() {
            because.push(format!("The client took {}{shared}.", parts.join(" and ")));
        }
        if costs.disk_waits > 0 {
            let (requests, s) = (count(costs.disk_waits), short(costs.disk_wait_s));
            because.push(format!(
                "{requests} requests began later because the disk was slow, {s} s in all."
            ));
        }
    }
    if header.is_in_simulated_time() {
        let answer = "The client was not the limit: in simulated time it costs none.";
        return (answer.to_owned(), because);
    }
    let answer = if let Some(known) = &header.client_budget {
        let busiest = series.busiest_second as f64;
        let (known_to, chunks) = (document::budget::in_words(known), plain(busiest, 0));
        because.push(format!(
            "The client: {known_to}. The busiest second brought {chunks} chunks."
        ));
        let beyond = budget::beyond(known, busiest);
        because.extend(beyond.as_ref().map(document::budget::beyond_in_words));
        match beyond {
            Some(_) => {
                "**The client may have been the limit: this is more than it is calibrated for.**"
            }
            None => "The client was not the limit: this lies within its error budget.",
        }
        .to_owned()
    } else {
        let cores = header.environment.as_ref().map(|e| e.cores);
        let used = costs.and_then(|costs| costs.cpu_s).zip(f.wall_s).zip(cores);
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
    let per_s = slo.per_s.map(|rate| format!(", {} a second", short(rate)));
    let per_s = per_s.unwrap_or_default();
    let [good, total] = [slo.good, load.figures.outcomes.total()].map(count);
    let (limits, percent) = (&slo.limits, plain(100.0 * slo.share.unwrap_or(0.0), 1));
    Some(format!(
        "Goodput: {good} of {total} requests kept `{limits}` ({percent} %{per_s})."
    ))
}

fn fairness(load: &Load) -> Option<String> {
    let f = load.fairness.as_ref()?;
    let starved = match f.starved {
        0 => "none was left without an answer".to_owned(),
        1 => "**one got no answer at all**".to_owned(),
        n => format!("**{} got no answer at all**", count(n)),
    };
    let index = f.jain.map(|jain| plain(jain, 3));
    let index = index.map(|jain| format!(", Jain's index {jain}"));
    let index = index.unwrap_or_default();
    let (agents, fairness) = (count(f.agents), known(f.fairness.map(|v| plain(v, 3))));
    let [slowest, fastest] = [f.slowest_tokens_per_s, f.fastest_tokens_per_s].map(short);
    Some(format!(
        "Of {agents} agents the one served slowest got {slowest} tok/s and the one served fastest {fastest} (fairness \
         {fairness}{index}); {starved}."
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
    let (requests, took) = (count(connect.n as u64), median_and_tail(connect));
    Some(format!(
        "{requests} requests made a connection of their own, in {took}; that time lies before the send.{slow}"
    ))
}

pub(super) fn method(load: &Load) -> Vec<String> {
    let file = &load.file;
    let asked = &file.asked;
    let cache = load.figures.cache.unwrap_or_default();
    let shape = shape(&asked.shape, asked.requests);
    let model = safe::code(&asked.model);
    let (tokens, seed) = (asked.num_predict, asked.seed);
    let mut method = vec![format!(
        "Asked for: {shape}; model {model}, up to {tokens} tokens each, seed {seed}."
    )];
    if let Shape::Replay {
        starts, skipped, ..
    } = &asked.shape
    {
        let starts = starts.as_ref().map(|starts| safe::code(starts));
        let starts = starts.map(|starts| format!("Starts are read by {starts}."));
        let skipped = skipped.map(count);
        let unsent = |n| format!("Not sent: {n} recorded requests without a response.");
        let prompts = "Prompts are the trace's; a prompt cache may hold what they share.";
        let prompts = Some(prompts.to_owned());
        let parts = [
            starts,
            skipped.map(unsent),
            prompts,
            cache.counts_in_words(),
        ];
        method.push(parts.into_iter().flatten().join(" "));
    } else {
        method.push(prompts_in_words(asked.cache(), file.header.nonce, &cache));
    }
    method.extend(asked.turns.map(|turns| {
        format!("Sessions of {turns} turns; each turn sends what was said before it.")
    }));
    method.extend(asked.work.as_ref().map(|work| {
        let file = work.file_bytes.map(count);
        let file = file.map(|bytes| format!("a file of {bytes} bytes"));
        let parts = [work.cpu.clone(), file].into_iter().flatten();
        let (work, threads) = (parts.collect::<Vec<_>>().join(" and "), work.threads);
        format!("Before each request an agent works: {work}, on {threads} threads that all share.")
    }));
    method.extend(kind::statements("load:method"));
    method
}
