//! The tables of a load.

use std::collections::BTreeMap;

use document::{Columns, Origin, Table};
use domain::Nanos;
use domain::record::load::Spread;
use metrics::load::AgentFigures;
use metrics::stats::{percentile, printable_percentile};

use super::series::{Latency, Series, Window};
use crate::kind::{spread_columns, with_notes};
use crate::load::Load;

/// Most agents that a CSV lists one by one.
const MAX_AGENTS: usize = 10_000;

pub(super) fn all(load: &Load, series: &Series) -> Vec<Table> {
    let own = Origin::from(load.file.header.provenance);
    let tables = vec![
        latency(load, own),
        outcomes(load, own),
        failures(load, own),
        phases(load, own),
        turns(load, own),
        agents(load, own),
        over_time(series, own),
        latency_over_time(series, own),
    ];
    with_notes("load", tables)
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
    let rows = rows.into_iter();
    let rows = rows.filter_map(|(name, s)| Some((name, s.as_ref()?)));
    let spreads = spread_columns(own, "_ms", |row: &Row<'_>| row.1, decimals);
    let columns = Columns::new(own).words("figure", "figure", |row: &Row<'_>| row.0);
    let columns = columns.with(spreads);
    columns.table("latency", "Latency", rows)
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
    let counts = load.figures.outcomes;
    let total = f64::from(counts.total());
    let share = move |row: &(&str, u32)| 100.0 * f64::from(row.1) / total;
    let rows = counts.in_words().into_iter().filter(|(_, n)| *n > 0);
    Columns::<(&str, u32)>::new(own)
        .words("outcome", "outcome", |row| row.0.to_owned())
        .count("requests", "requests", |row| row.1)
        .origin(Origin::Derived)
        .figure("share_percent", "share (%)", 2, share)
        .table("outcomes", "Outcomes", rows)
}

fn failures(load: &Load, own: Origin) -> Table {
    let mut failures: Vec<(&String, &u32)> = load.figures.failures.iter().collect();
    failures.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    Columns::<(&String, &u32)>::new(own)
        .words("words", "words", |row| row.0.replace('\n', " "))
        .count("requests", "requests", |row| *row.1)
        .table("failures", "Failures by cause", failures)
}

fn phases(load: &Load, own: Origin) -> Table {
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
    let mean_ms = move |time: Nanos| time.as_millis_f64() / f64::from(p.n);
    let share = move |time: Nanos| 100.0 * time.as_secs_f64() / p.whole.as_secs_f64();
    let rows = named.into_iter().chain([("the rest", Some(rest))]);
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
    let title = "Where a request's time goes";
    Columns::<(&str, Option<Nanos>)>::new(own)
        .words("phase", "phase", |row| row.0.to_owned())
        .figure("mean_ms", "mean (ms)", 2, move |row| row.1.map(mean_ms))
        .origin(Origin::Derived)
        .figure("share_percent", "share (%)", 1, move |row| row.1.map(share))
        .table("phases", title, rows.filter(|_| known))
        .note(format!(
            "Means over completed requests whose server reports its phases. {waits}"
        ))
}

/// The requests of one turn, over all sessions.
pub(super) struct Turn {
    /// From 1.
    pub(super) place: u32,
    requests: u32,
    completed: u32,
    /// Median and 95th percentile, ms.
    pub(super) ttft_ms: (Option<f64>, Option<f64>),
    /// Mean tokens of the prompt, and mean tokens of it that the server's cache held.
    prompt_tokens: (Option<f64>, Option<f64>),
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
    let turn = |(place, (requests, completed, mut ttft)): (u32, (u32, u32, Vec<f64>))| {
        ttft.sort_unstable_by(f64::total_cmp);
        let figures = load.figures.turns.iter().find(|f| f.turn == place);
        let tokens = figures.map(|f| (f.prompt_tokens_mean, f.cached_tokens_mean));
        Turn {
            place,
            requests,
            completed,
            ttft_ms: (percentile(&ttft, 50.0), printable_percentile(&ttft, 95.0)),
            prompt_tokens: tokens.unwrap_or_default(),
        }
    };
    by.into_iter().map(turn).collect()
}

fn turns(load: &Load, own: Origin) -> Table {
    Columns::<Turn>::new(own)
        .count("turn", "turn", |t| t.place)
        .count("requests", "requests", |t| t.requests)
        .count("completed", "completed", |t| t.completed)
        .figure("ttft_p50_ms", "TTFT p50 (ms)", 1, |t| t.ttft_ms.0)
        .figure("ttft_p95_ms", "TTFT p95 (ms)", 1, |t| t.ttft_ms.1)
        .figure("prompt_tokens", "prompt (tokens)", 1, |t| t.prompt_tokens.0)
        .figure("cached_tokens", "cached (tokens)", 1, |t| t.prompt_tokens.1)
        .table("turns", "Turn by turn", by_turn(load))
}

fn agents(load: &Load, own: Origin) -> Table {
    let rate = |a: &AgentFigures| a.tokens_per_s.unwrap_or(0.0);
    let mut agents: Vec<&AgentFigures> = load.agents.iter().collect();
    agents.sort_by(|a, b| rate(a).total_cmp(&rate(b)).then(a.agent.cmp(&b.agent)));
    let most = load.fairness.as_ref().map_or(0, |_| MAX_AGENTS);
    let title = "Agents, the one served slowest first";
    Columns::<AgentFigures>::new(own)
        .count("agent", "agent", |a| a.agent)
        .count("requests", "requests", |a| a.requests)
        .count("completed", "completed", |a| a.completed)
        .count("tokens", "tokens", |a| a.tokens)
        .figure("tokens_per_s", "tok/s", 2, |a| a.tokens_per_s)
        .figure("ttft_scheduled_mean_ms", "mean TTFT (ms)", 1, |a| {
            a.ttft_scheduled_mean_ms
        })
        .figure("ttft_scheduled_max_ms", "longest TTFT (ms)", 1, |a| {
            a.ttft_scheduled_max_ms
        })
        .figure("e2e_mean_ms", "mean end to end (ms)", 1, |a| a.e2e_mean_ms)
        .table("agents", title, agents.into_iter().take(most))
}

fn over_time(series: &Series, own: Origin) -> Table {
    let waiting = "waiting for the first token";
    Columns::<Window>::new(own)
        .figure("from_s", "from (s)", 3, |w| w.from_s)
        .figure("to_s", "to (s)", 3, |w| w.to_s)
        .count("chunks", "chunks with text", |w| w.chunks)
        .count("completed", "completed", |w| w.completed)
        .count("not_completed", "not completed", |w| w.not_completed)
        .figure("waiting", waiting, 2, |w| w.waiting)
        .figure("answering", "being answered", 2, |w| w.answering)
        .table("over-time", "Window by window", &series.windows)
}

fn latency_over_time(series: &Series, own: Origin) -> Table {
    Columns::<Latency>::new(own)
        .figure("from_s", "from (s)", 3, |l| l.span_s.0)
        .figure("to_s", "to (s)", 3, |l| l.span_s.1)
        .count("completed", "completed", |l| l.n as u64)
        .figure("ttft_p50_ms", "TTFT p50 (ms)", 3, |l| l.ttft_ms.0)
        .figure("ttft_p95_ms", "TTFT p95 (ms)", 3, |l| l.ttft_ms.1)
        .figure(
            "ttft_scheduled_p50_ms",
            "TTFT from the plan p50 (ms)",
            3,
            |l| l.planned_ms.0,
        )
        .figure(
            "ttft_scheduled_p95_ms",
            "TTFT from the plan p95 (ms)",
            3,
            |l| l.planned_ms.1,
        )
        .figure("tpot_p50_ms", "TPOT p50 (ms)", 3, |l| l.tpot_ms.0)
        .figure("tpot_p95_ms", "TPOT p95 (ms)", 3, |l| l.tpot_ms.1)
        .table(
            "latency-over-time",
            "Latency window by window",
            &series.latencies,
        )
}
