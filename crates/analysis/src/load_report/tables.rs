//! The tables of a load.

use std::collections::BTreeMap;

use document::{Cell, Field, Origin, Table};
use domain::Nanos;
use domain::record::load::Spread;
use metrics::load::AgentFigures;
use metrics::stats::{percentile, printable_percentile};

use super::series::{Latency, Series, Window};
use crate::kind::spread_columns;
use crate::load::Load;

/// Most agents that a CSV lists one by one.
const MAX_AGENTS: usize = 10_000;

pub(super) fn all(load: &Load, series: &Series) -> Vec<Table> {
    let own = Origin::from(load.file.header.provenance);
    let mut tables = vec![
        latency(load, own),
        outcomes(load, own),
        failures(load, own),
        phases(load, own),
        turns(load, own),
        agents(load, own),
        over_time(series, own),
        latency_over_time(series, own),
    ];
    tables.retain(|table| !table.rows.is_empty());
    tables
}

fn whole<T>(value: impl Fn(&T) -> u64 + 'static) -> impl Fn(&T) -> Cell {
    move |item| Cell::number(value(item) as f64, 0)
}

fn latency(load: &Load, own: Origin) -> Table {
    type Row<'l> = (&'static str, &'l Spread);

    let f = &load.figures;
    let rows = [
        ("TTFT", &f.ttft_ms),
        ("TTFT from the plan", &f.ttft_scheduled_ms),
        ("TPOT", &f.tpot_ms),
        ("ITL", &f.itl_ms),
        ("end to end", &f.e2e_ms),
        ("client queue", &f.client_queue_ms),
        ("connection", &f.connect_ms),
    ];
    let mut fields = vec![Field::label("figure", "figure", |row: &Row<'_>| {
        Cell::text(row.0)
    })];
    fields.extend(spread_columns(own, "_ms", |row: &Row<'_>| row.1, decimals));
    let rows = rows
        .into_iter()
        .filter_map(|(name, s)| Some((name, s.as_ref()?)));
    Table::of("latency", "Latency", fields, rows).note(
        "Of completed requests, ms; connections of every request that made one. A tail is given when the \
         sample can certify it at 99 % confidence; `needs` says how many observations it takes. TTFT from \
         the plan counts from the planned start, so that a late send does not hide in it.",
    )
}

/// Decimals with which the median shows three digits.
fn decimals(spread: &Spread) -> usize {
    match spread.p50 {
        p50 if p50 >= 100.0 => 0,
        p50 if p50 >= 10.0 => 1,
        p50 if p50 >= 1.0 => 2,
        _ => 3,
    }
}

fn outcomes(load: &Load, own: Origin) -> Table {
    type Row = (&'static str, u32);

    let counts = load.figures.outcomes;
    let total = f64::from(counts.total());
    let fields = vec![
        Field::label("outcome", "outcome", |row: &Row| Cell::text(row.0)),
        Field::number("requests", "requests", own, |row: &Row| Cell::count(row.1)),
        Field::number(
            "share_percent",
            "share (%)",
            Origin::Derived,
            move |row: &Row| Cell::number(100.0 * f64::from(row.1) / total, 2),
        ),
    ];
    let rows = counts.in_words().into_iter().filter(|(_, n)| *n > 0);
    Table::of("outcomes", "Outcomes", fields, rows)
}

fn failures(load: &Load, own: Origin) -> Table {
    type Row<'l> = (&'l String, &'l u32);

    let mut failures: Vec<(&String, &u32)> = load.figures.failures.iter().collect();
    failures.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let fields = vec![
        Field::label("words", "words", |row: &Row<'_>| {
            Cell::text(row.0.replace('\n', " "))
        }),
        Field::number("requests", "requests", own, |row: &Row<'_>| {
            Cell::count(*row.1)
        }),
    ];
    Table::of("failures", "Failures by cause", fields, failures)
        .note("In the server's or the transport's own words, the commonest first.")
}

fn phases(load: &Load, own: Origin) -> Table {
    type Row = (&'static str, Option<Nanos>);

    let p = load.phases;
    let known = p.n > 0 && p.whole > Nanos::ZERO;
    let waits = |time: Nanos| (p.waits_known == p.n).then_some(time);
    let named = [
        ("client queue", Some(p.client_queue)),
        ("waiting for a slot", waits(p.slot_wait)),
        ("model load", waits(p.load)),
        ("prefill", Some(p.prefill)),
        ("decode", Some(p.decode)),
    ];
    let times = named.iter().filter_map(|(_, time)| *time);
    let rest = times.fold(p.whole, Nanos::saturating_sub);
    let fields = vec![
        Field::label("phase", "phase", |row: &Row| Cell::text(row.0)),
        Field::number("mean_ms", "mean (ms)", own, move |row: &Row| {
            Cell::known(row.1.map(|time| time.as_millis_f64() / f64::from(p.n)), 2)
        }),
        Field::number(
            "share_percent",
            "share (%)",
            Origin::Derived,
            move |row: &Row| {
                let share = |time: Nanos| 100.0 * time.as_secs_f64() / p.whole.as_secs_f64();
                Cell::known(row.1.map(share), 1)
            },
        ),
    ];
    let rows = named
        .into_iter()
        .chain([("the rest", Some(rest))])
        .filter(|_| known);
    let waits = if p.waits_known < p.n {
        "Some requests' servers report neither a total nor a load, so `waiting for a slot` and `model load` are \
         unknown and stand in `the rest`, with the transport."
    } else if p.waits_inferred > 0 {
        "`waiting for a slot` is inferred where the server reports no total: what its phases leave of the client's own \
         time, transport included."
    } else {
        "`waiting for a slot` is what the server spent on a request in none of its own phases; `the rest` is the \
         transport and what no counter names."
    };
    Table::of("phases", "Where a request's time goes", fields, rows).note(format!(
        "Means over completed requests whose server reports its phases. {waits}"
    ))
}

/// The requests of one turn, over all sessions.
pub(super) struct Turn {
    /// From 1.
    pub(super) place: u32,
    pub(super) requests: u32,
    pub(super) completed: u32,
    /// Median and 95th percentile, ms.
    pub(super) ttft_ms: (Option<f64>, Option<f64>),
    /// Mean tokens of the prompt, and mean tokens of it that the server's cache held.
    pub(super) prompt_tokens: (Option<f64>, Option<f64>),
}

/// The turns in order; empty where requests are not part of sessions.
pub(super) fn by_turn(load: &Load) -> Vec<Turn> {
    let mut by: BTreeMap<u32, (u32, u32, Vec<f64>)> = BTreeMap::new();
    for request in load.requests.iter().filter(|request| request.turn > 0) {
        let (requests, completed, ttft) = by.entry(request.turn).or_default();
        *requests += 1;
        if request.end.is_completed() {
            *completed += 1;
            ttft.extend(request.ttft().map(Nanos::as_millis_f64));
        }
    }
    by.into_iter()
        .map(|(turn, (requests, completed, mut ttft))| {
            ttft.sort_unstable_by(f64::total_cmp);
            let figures = load.figures.turns.iter().find(|f| f.turn == turn);
            Turn {
                place: turn,
                requests,
                completed,
                ttft_ms: (percentile(&ttft, 50.0), printable_percentile(&ttft, 95.0)),
                prompt_tokens: figures.map_or((None, None), |f| {
                    (f.prompt_tokens_mean, f.cached_tokens_mean)
                }),
            }
        })
        .collect()
}

fn turns(load: &Load, own: Origin) -> Table {
    let count = |key: &str, get: fn(&Turn) -> u32| {
        Field::number(key, key, own, move |turn: &Turn| Cell::count(get(turn)))
    };
    let known = |key: &str, heading: &str, get: fn(&Turn) -> Option<f64>| {
        Field::number(key, heading, own, move |t: &Turn| Cell::known(get(t), 1))
    };
    let fields = vec![
        count("turn", |t| t.place),
        count("requests", |t| t.requests),
        count("completed", |t| t.completed),
        known("ttft_p50_ms", "TTFT p50 (ms)", |t| t.ttft_ms.0),
        known("ttft_p95_ms", "TTFT p95 (ms)", |t| t.ttft_ms.1),
        known("prompt_tokens", "prompt (tokens)", |t| t.prompt_tokens.0),
        known("cached_tokens", "cached (tokens)", |t| t.prompt_tokens.1),
    ];
    Table::of("turns", "Turn by turn", fields, by_turn(load)).note(
        "Each turn sends all that was said before it. TTFT from the send. Prompt and cached tokens are means of \
         completed requests, as the server counts them; unknown where it reports none.",
    )
}

fn agents(load: &Load, own: Origin) -> Table {
    type Row = AgentFigures;
    let count = |key: &str, get: fn(&Row) -> u32| {
        Field::number(key, key, own, move |agent: &Row| Cell::count(get(agent)))
    };
    let known = |key: &str, heading: &str, decimals, get: fn(&Row) -> Option<f64>| {
        Field::number(key, heading, own, move |agent: &Row| {
            Cell::known(get(agent), decimals)
        })
    };
    let fields = vec![
        count("agent", |a| a.agent),
        count("requests", |a| a.requests),
        count("completed", |a| a.completed),
        Field::number("tokens", "tokens", own, whole(|a: &Row| a.tokens)),
        known("tokens_per_s", "tok/s", 2, |a| a.tokens_per_s),
        known("ttft_scheduled_mean_ms", "mean TTFT (ms)", 1, |a| {
            a.ttft_scheduled_mean_ms
        }),
        known("ttft_scheduled_max_ms", "longest TTFT (ms)", 1, |a| {
            a.ttft_scheduled_max_ms
        }),
        known("e2e_mean_ms", "mean end to end (ms)", 1, |a| a.e2e_mean_ms),
    ];
    let rate = |a: &Row| a.tokens_per_s.unwrap_or(0.0);
    let mut agents: Vec<&Row> = load.agents.iter().collect();
    agents.sort_by(|a, b| rate(a).total_cmp(&rate(b)).then(a.agent.cmp(&b.agent)));
    let most = load.fairness.as_ref().map_or(0, |_| MAX_AGENTS);
    let title = "Agents, the one served slowest first";
    Table::of("agents", title, fields, agents.into_iter().take(most)).note(
        "`tok/s` is an agent's tokens over its time in requests, from each planned start to its end. TTFT is \
         from the plan.",
    )
}

fn over_time(series: &Series, own: Origin) -> Table {
    let number = |key: &str, heading: &str, decimals, get: fn(&Window) -> f64| {
        Field::number(key, heading, own, move |w: &Window| {
            Cell::number(get(w), decimals)
        })
    };
    let fields = vec![
        number("from_s", "from (s)", 3, |w| w.from_s),
        number("to_s", "to (s)", 3, |w| w.to_s),
        number("chunks", "chunks with text", 0, |w| w.chunks as f64),
        number("completed", "completed", 0, |w| f64::from(w.completed)),
        number("not_completed", "not completed", 0, |w| {
            f64::from(w.not_completed)
        }),
        number("waiting", "waiting for the first token", 2, |w| w.waiting),
        number("answering", "being answered", 2, |w| w.answering),
    ];
    Table::of("over-time", "Window by window", fields, &series.windows)
}

fn latency_over_time(series: &Series, own: Origin) -> Table {
    let known = |key: &str, heading: &str, get: fn(&Latency) -> Option<f64>| {
        Field::number(key, heading, own, move |l: &Latency| Cell::known(get(l), 3))
    };
    let fields = vec![
        known("from_s", "from (s)", |l| Some(l.span_s.0)),
        known("to_s", "to (s)", |l| Some(l.span_s.1)),
        Field::number(
            "completed",
            "completed",
            own,
            whole(|l: &Latency| l.n as u64),
        ),
        known("ttft_p50_ms", "TTFT p50 (ms)", |l| l.ttft_ms.0),
        known("ttft_p95_ms", "TTFT p95 (ms)", |l| l.ttft_ms.1),
        known(
            "ttft_scheduled_p50_ms",
            "TTFT from the plan p50 (ms)",
            |l| l.planned_ms.0,
        ),
        known(
            "ttft_scheduled_p95_ms",
            "TTFT from the plan p95 (ms)",
            |l| l.planned_ms.1,
        ),
        known("tpot_p50_ms", "TPOT p50 (ms)", |l| l.tpot_ms.0),
        known("tpot_p95_ms", "TPOT p95 (ms)", |l| l.tpot_ms.1),
    ];
    let title = "Latency window by window";
    Table::of("latency-over-time", title, fields, &series.latencies)
}
