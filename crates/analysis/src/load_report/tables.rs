//! The rows of a load's tables, which `tables.toml` declares.

use std::collections::BTreeMap;

use document::{Origin, Table};
use domain::Nanos;
use metrics::load::{AgentFigures, Request};
use serde::Serialize;
use serde_json::{Value, json};

use super::series::{Percentiles, Series};
use crate::kind::spread_rows;
use crate::load::Load;
use crate::tables::table_of;

/// Most agents that a CSV lists one by one.
const MAX_AGENTS: usize = 10_000;

pub(super) fn all(load: &Load, series: &Series) -> Vec<Table> {
    let own = Origin::from(load.file.header.provenance);
    let (phases, note) = phases(load);
    let mut tables = vec![
        table_of("load/latency", own, latency(load)),
        table_of("load/outcomes", own, outcomes(load)),
        table_of("load/failures", own, failures(load)),
        table_of("load/phases", own, phases).note(note),
        table_of("load/turns", own, by_turn(load)),
        table_of("load/agents", own, agents(load)),
        table_of("load/over-time", own, &series.windows),
        table_of("load/latency-over-time", own, &series.latencies),
    ];
    tables.retain(|table| !table.rows.is_empty());
    tables
}

fn latency(load: &Load) -> impl Iterator<Item = Value> {
    let f = &load.figures;
    spread_rows([
        ("TTFT", &f.ttft_ms),
        ("TTFT from the plan", &f.ttft_scheduled_ms),
        ("TPOT", &f.tpot_ms),
        ("ITL", &f.itl_ms),
        ("end to end", &f.e2e_ms),
        ("client queue", &f.client_queue_ms),
        ("connection", &f.connect_ms),
    ])
}

fn outcomes(load: &Load) -> impl Iterator<Item = Value> {
    let counts = load.figures.outcomes;
    let total = f64::from(counts.total());
    let rows = counts.in_words().into_iter().filter(|(_, n)| *n > 0);
    rows.map(move |(outcome, n)| {
        let percent = 100.0 * f64::from(n) / total;
        json!({ "outcome": outcome, "requests": n, "share_percent": percent })
    })
}

fn failures(load: &Load) -> impl Iterator<Item = Value> {
    let mut failures: Vec<(&String, &u32)> = load.figures.failures.iter().collect();
    failures.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let failures = failures.into_iter();
    failures.map(|(words, n)| json!({ "words": words.replace('\n', " "), "requests": n }))
}

/// The phases with a mean and a share of each, and the note on them.
fn phases(load: &Load) -> (Vec<Value>, String) {
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
    let row = |(phase, time): (&str, Option<Nanos>)| {
        let mean_ms = time.map(|time| time.as_millis_f64() / f64::from(p.n));
        let share = time.map(|time| 100.0 * time.as_secs_f64() / p.whole.as_secs_f64());
        json!({ "phase": phase, "mean_ms": mean_ms, "share_percent": share })
    };
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
    let note = format!("Means over completed requests whose server reports its phases. {waits}");
    (rows.filter(|_| known).map(row).collect(), note)
}

/// The requests of one turn, over all sessions.
#[derive(Serialize)]
pub(super) struct TurnFigures {
    /// From 1.
    pub(super) turn: u32,
    requests: usize,
    completed: usize,
    pub(super) ttft_ms: Percentiles,
    /// Mean tokens of the prompt.
    prompt_tokens: Option<f64>,
    /// Mean tokens of the prompt that the server's cache held.
    cached_tokens: Option<f64>,
}

/// The turns in order; empty where requests are not part of sessions.
pub(super) fn by_turn(load: &Load) -> Vec<TurnFigures> {
    let mut by_turn: BTreeMap<u32, Vec<&Request>> = BTreeMap::new();
    for request in load.requests.iter().filter(|request| request.turn > 0) {
        by_turn.entry(request.turn).or_default().push(request);
    }
    let turn = |(turn, requests): (u32, Vec<&Request>)| {
        let completed = requests.iter().filter(|request| request.end.is_completed());
        let ttft = completed.clone().filter_map(|request| request.ttft());
        let figures = load.figures.turns.iter().find(|f| f.turn == turn);
        TurnFigures {
            turn,
            requests: requests.len(),
            completed: completed.count(),
            ttft_ms: Percentiles::of(ttft.map(Nanos::as_millis_f64)),
            prompt_tokens: figures.and_then(|f| f.prompt_tokens_mean),
            cached_tokens: figures.and_then(|f| f.cached_tokens_mean),
        }
    };
    by_turn.into_iter().map(turn).collect()
}

fn agents(load: &Load) -> impl Iterator<Item = &AgentFigures> {
    let rate = |a: &AgentFigures| a.tokens_per_s.unwrap_or(0.0);
    let mut agents: Vec<&AgentFigures> = load.agents.iter().collect();
    agents.sort_by(|a, b| rate(a).total_cmp(&rate(b)).then(a.agent.cmp(&b.agent)));
    let most = load.fairness.as_ref().map_or(0, |_| MAX_AGENTS);
    agents.into_iter().take(most)
}
