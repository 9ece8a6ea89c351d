//! The front page of a load: one sentence, and the reasons. Every sentence is made from numbers;
//! where a number is missing, so is the sentence.

use domain::record::TimeScale;
use metrics::budget;
use metrics::load::{Shape, Spread};

use super::series::Series;
use super::short;
use crate::load::Load;
use crate::tables::plain;

/// A share of a request's time that is worth naming as what limited the load.
const MUCH: f64 = 0.1;

/// What stands on the front page.
pub(super) struct Words {
    pub(super) question: String,
    pub(super) answer: String,
    pub(super) because: Vec<String>,
}

pub(super) fn write(load: &Load, series: &Series) -> Words {
    // What spoils the figures comes before them.
    let mut because: Vec<String> = load.warnings.iter().map(|w| sentence(w)).collect();
    let (limit, reasons) = limit(load, series);
    because.extend(reasons);
    let (client, reasons) = client(load, series);
    because.extend(reasons);
    because.extend(goodput(load));
    because.extend(fairness(load));
    because.extend(connections(load));
    Words {
        question: format!(
            "How does the server carry {}?",
            shape(&load.file.asked.shape, load.file.asked.requests)
        ),
        answer: format!("{} {limit} {client}", carried(load)),
        because,
    }
}

/// A fragment as a sentence; names of files keep their case.
fn sentence(fragment: &str) -> String {
    let mut letters = fragment.chars();
    let name = fragment.split(' ').next().is_some_and(|w| w.contains('.'));
    match letters.next().filter(|_| !name) {
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
        None => format!("{fragment}."),
    }
}

/// The load that was asked for.
pub(super) fn shape(shape: &Shape, requests: u32) -> String {
    let n = plain(f64::from(requests), 0);
    let of = |agents: &Option<u32>| {
        agents.map_or_else(String::new, |agents| {
            format!(", at most {} at a time", plain(f64::from(agents), 0))
        })
    };
    match shape {
        Shape::Closed { agents, think_s } => {
            let think = if *think_s > 0.0 {
                format!(" that think for {} s after each answer", short(*think_s))
            } else {
                String::new()
            };
            let agents = match agents {
                1 => "one agent".to_owned(),
                agents => format!("{} agents", plain(f64::from(*agents), 0)),
            };
            format!("{n} requests of {agents}{think}")
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
                "{n} requests of the trace `{trace}` at {} times its speed{}",
                short(*speed),
                of(agents)
            )
        }
    }
}

/// A median with the highest tail that the sample carries.
fn said(spread: &Spread) -> String {
    let tails = [
        ("p99", spread.p99),
        ("p95", spread.p95),
        ("p90", spread.p90),
    ];
    // p95 is what limits are set on; the others stand in the table.
    let tail = tails
        .iter()
        .skip(1)
        .find_map(|(name, v)| v.map(|v| (*name, v)));
    match tail {
        Some((name, v)) => format!("{} ms (p50; {name} {} ms)", short(spread.p50), short(v)),
        None => format!(
            "{} ms (p50; most {} ms)",
            short(spread.p50),
            short(spread.max)
        ),
    }
}

fn carried(load: &Load) -> String {
    let f = &load.figures;
    let total = f.outcomes.total();
    let completed = f.outcomes.completed;
    if completed == 0 {
        return format!(
            "**The server carried nothing: none of {} requests completed.**",
            plain(f64::from(total), 0)
        );
    }
    let rate = match f.requests_per_s.zip(f.tokens_per_s) {
        Some((requests, tokens)) => {
            format!(
                "{} requests and {} tokens a second",
                short(requests),
                short(tokens)
            )
        }
        None => "its requests".to_owned(),
    };
    let mut latency = Vec::new();
    if let Some(ttft) = &f.ttft_ms {
        latency.push(format!("TTFT {}", said(ttft)));
    }
    if let Some(tpot) = &f.tpot_ms {
        latency.push(format!("TPOT {}", said(tpot)));
    }
    let lost = match total - completed {
        0 => String::new(),
        lost => format!(
            "; {} of {} requests did not complete",
            plain(f64::from(lost), 0),
            plain(f64::from(total), 0)
        ),
    };
    format!(
        "**The server carried {rate}: {}{lost}.**",
        latency.join(", ")
    )
}

/// What limited the load, and the figures that say so.
fn limit(load: &Load, series: &Series) -> (String, Vec<String>) {
    let f = &load.figures;
    let mut because = Vec::new();
    let total = f64::from(f.outcomes.total());
    let lost = f64::from(f.outcomes.not_completed()) / total;
    if lost > 0.0 {
        let most = f.failures.iter().max_by_key(|(_, n)| **n);
        let words = most.map_or_else(String::new, |(words, n)| {
            format!(
                "; most often ({}): {}",
                plain(f64::from(*n), 0),
                words.replace('\n', " ")
            )
        });
        because.push(format!(
            "{} % of the requests did not complete{words}.",
            plain(100.0 * lost, 2)
        ));
    }
    let growth = growth(series);
    if let Some((early, late)) = growth {
        because.push(format!(
            "Requests waiting for their first token: {} on average in the first third of the load, {} in the \
             last third before sending ended.",
            plain(early, 1),
            plain(late, 1)
        ));
    }
    let p = load.phases;
    let whole = p.whole.as_secs_f64();
    let share = |time: domain::Nanos| time.as_secs_f64() / whole;
    if p.n > 0 && whole > 0.0 {
        because.push(format!(
            "Of a request's time {} % went to waiting for a slot, {} % to loading, {} % to prefill, {} % to \
             decoding, {} % to the client's queue (means over {} requests whose server tells).",
            plain(100.0 * share(p.slot_wait), 1),
            plain(100.0 * share(p.load), 1),
            plain(100.0 * share(p.prefill), 1),
            plain(100.0 * share(p.decode), 1),
            plain(100.0 * share(p.client_queue), 1),
            plain(f64::from(p.n), 0)
        ));
    }
    let told = p.n > 0 && whole > 0.0;
    let waits = [
        ("waiting for a slot", p.slot_wait),
        ("getting the model ready", p.load),
        ("prefill", p.prefill),
        ("the client's own queue", p.client_queue),
    ]
    .into_iter()
    .max_by_key(|(_, time)| *time);
    let open = !matches!(load.file.asked.shape, Shape::Closed { .. });
    let behind = open && growth.is_some_and(|(early, late)| late > 2.0 * early + 1.0);
    let sentence = if f.outcomes.completed == 0 {
        String::new()
    } else if behind {
        "It did not keep up with the arrivals: ever more requests waited.".to_owned()
    } else if let Some((words, time)) = waits.filter(|(_, time)| told && share(*time) > MUCH) {
        format!(
            "What cost most besides decoding: {words}, {} % of the requests' time.",
            plain(100.0 * share(time), 0)
        )
    } else if told && share(p.decode) > 0.5 {
        format!(
            "No queue limited it: {} % of the requests' time was decoding.",
            plain(100.0 * share(p.decode), 0)
        )
    } else if told {
        "No queue limited it.".to_owned()
    } else {
        "What limited it is unknown: the server does not tell its phases.".to_owned()
    };
    (sentence, because)
}

/// Requests waiting for their first token in the first third of the load, and in the last third
/// before its last planned start.
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

/// Whether the client was the limit, and what says so.
fn client(load: &Load, series: &Series) -> (String, Vec<String>) {
    let f = &load.figures;
    let mut because = Vec::new();
    if let Some(queue) = &f.client_queue_ms {
        because.push(format!(
            "From the planned start to the send: {}.",
            said(queue)
        ));
    }
    let busiest = series.busiest_second as f64;
    if let Some(client) = load.file.result.as_ref().map(|r| &r.client) {
        let memory = client
            .peak_memory_bytes
            .map(|b| format!("{} MB of memory at most", plain(b as f64 / 1e6, 0)));
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
                plain(f64::from(client.disk_waits), 0),
                short(client.disk_wait_s)
            ));
        }
    }
    let answer = if matches!(load.file.time_scale, Some(TimeScale::Virtual)) {
        "The client was not the limit: in simulated time it costs none.".to_owned()
    } else if let Some(known) = &load.file.client_budget {
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
        let cores = load.file.environment.as_ref().map(|e| e.cores);
        let used = load
            .file
            .result
            .as_ref()
            .and_then(|r| r.client.cpu_s)
            .zip(f.wall_s);
        match used
            .zip(cores)
            .map(|((cpu, wall), cores)| cpu / wall / f64::from(cores.max(1)))
        {
            Some(share) if share > 0.8 => format!(
                "**The client may have been the limit: it used {} % of its machine.**",
                plain(100.0 * share, 0)
            ),
            Some(share) => format!(
                "Whether the client was the limit was not calibrated; it used {} % of its machine.",
                plain(100.0 * share, 0)
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
        plain(f64::from(slo.good), 0),
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
        n => format!("**{} got no answer at all**", plain(f64::from(n), 0)),
    };
    let index = f.jain.map_or_else(String::new, |jain| {
        format!(", Jain's index {}", plain(jain, 3))
    });
    Some(format!(
        "Of {} agents the one served slowest got {} tok/s and the one served fastest {} (fairness {}{index}); \
         {starved}.",
        plain(f64::from(f.agents), 0),
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
            plain(f64::from(n), 0)
        ),
    };
    Some(format!(
        "{} requests made a connection of their own, in {}; that time lies before the send.{slow}",
        plain(connect.n as f64, 0),
        said(connect)
    ))
}
