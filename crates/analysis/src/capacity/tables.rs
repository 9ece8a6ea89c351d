//! The rows of a capacity run's tables, which `tables.toml` declares.

use document::{Origin, Table};
use domain::record::capacity::{Judged, LevelEnd};
use metrics::capacity::{
    Course, Criterion, LevelFigures, Objective, Scaling, ScalingEstimate, Statistic,
};
use serde_json::{Value, json};

use super::Material;
use super::read::Level;
use crate::kind::spread_rows;
use crate::tables::table_of;

pub(super) fn all(material: &Material<'_>) -> Vec<Table> {
    let mut levels: Vec<&Level> = material.run.levels.iter().collect();
    levels.sort_by_key(|l| l.probe.agents);
    let own = Origin::from(material.run.record.header.provenance);
    let levels = levels.into_iter();
    let latencies = material.levels.iter().flat_map(latencies);
    let scaling = material.scaling.iter().flat_map(scaling);
    let searched = (1..).zip(&material.run.levels);
    let mut tables = vec![
        table_of("capacity/levels", own, levels.clone().map(level)),
        table_of("capacity/limits", own, levels.flat_map(limits)),
        table_of("capacity/latency", own, latencies),
        table_of("capacity/fairness", own, &material.levels),
        table_of("capacity/scaling", own, scaling),
        table_of("capacity/search", own, searched.map(search)),
    ];
    tables.retain(|table| !table.rows.is_empty());
    tables
}

fn outcome(level: &Level) -> &'static str {
    match level.probe.end {
        LevelEnd::Interrupted => "interrupted",
        _ if level.probe.failing => "fail (requests fail)",
        _ => level.probe.decision.verdict.into(),
    }
}

fn level(level: &Level) -> Value {
    let figures = level.figures.as_ref();
    let outcomes = figures.map(|f| f.load.outcomes);
    json!({
        "agents": level.probe.agents,
        "verdict": outcome(level),
        "saturated": level.probe.saturation.map(|s| format!("against {}", s.from)),
        "window_s": figures.map(|f| f.window.seconds()),
        "requests": outcomes.map(|o| o.total()),
        "completed": outcomes.map(|o| o.completed),
        "not_completed": outcomes.map(|o| o.not_completed()),
        "figures": figures,
    })
}

/// The factors of a limit's observed value and of its judged value: to ms for a latency and its mean, else to %.
fn factors(judged: &Judged) -> (f64, f64) {
    let objective = judged.limit.parse::<Objective>().ok();
    match objective.and_then(|o| o.criteria().first().copied()) {
        Some(Criterion::Latency {
            statistic: Statistic::Mean,
            ..
        }) => (1e3, 1e3),
        Some(Criterion::Latency { .. }) => (1e3, 100.0),
        _ => (100.0, 100.0),
    }
}

fn limits(level: &Level) -> impl Iterator<Item = Value> {
    let judged = level.probe.decision.judged.iter();
    judged.map(|judged| {
        let (of_seen, of_statistic) = factors(judged);
        let seen = |value: Option<f64>| value.map(|value| of_seen * value);
        let statistic = |value: Option<f64>| value.map(|value| of_statistic * value);
        json!({
            "agents": level.probe.agents,
            "limit": judged.limit,
            "verdict": judged.verdict,
            "seen": {
                "mean": seen(judged.seen),
                "lo": seen(judged.seen_lo),
                "hi": seen(judged.seen_hi),
                "n": judged.n,
            },
            "statistic": statistic(judged.statistic),
            "lo": statistic(judged.lo),
            "hi": statistic(judged.hi),
            "target": of_statistic * judged.target,
            "n": judged.n,
            "design_effect": judged.design_effect,
            "needs": judged.needs,
        })
    })
}

fn latencies(level: &LevelFigures) -> impl Iterator<Item = Value> {
    let load = &level.load;
    let rows = spread_rows([
        ("TTFT", &load.ttft_ms),
        ("TPOT", &load.tpot_ms),
        ("ITL", &load.itl_ms),
        ("end to end", &load.e2e_ms),
        ("client queue", &load.client_queue_ms),
    ]);
    rows.map(|spread| json!({ "agents": level.agents, "stats": spread }))
}

fn scaling(scaling: &Scaling) -> Vec<Value> {
    let course = match scaling.course {
        Course::Single { .. } => "a single level".to_owned(),
        Course::Peak { top, below, .. } => format!("falls from {top} to {below} agents"),
        Course::Flat { from } => format!("flat from {from} on"),
        Course::Grows { .. } => "still grows".to_owned(),
        Course::Open { .. } => "may still grow".to_owned(),
    };
    let row = |quantity: &str, decimals: usize, at: ScalingEstimate, note: Option<String>| {
        json!({
            "quantity": quantity, "decimals": decimals, "note": note,
            "at": at.at, "lo": at.lo, "hi": at.hi,
        })
    };
    let earliest = "saturation at the earliest (agents)";
    let mut rows = vec![
        row("highest throughput (tok/s)", 2, scaling.x_max, Some(course)),
        row(earliest, 1, scaling.n_star, None),
    ];
    if let Some(fit) = &scaling.fit {
        let chance = ScalingEstimate {
            at: Some(fit.p),
            ..ScalingEstimate::NOWHERE
        };
        let rejected = if fit.is_rejected() {
            ", the nearest, is rejected"
        } else {
            ""
        };
        let law = format!("{}{rejected}", fit.kind.name());
        rows.push(row("law: p of the levels' distance", 4, chance, Some(law)));
        let parameters = [
            ("λ, one agent's throughput (tok/s)", 2, scaling.lambda),
            ("σ, contention", 5, scaling.sigma),
            ("κ, coherency", 6, scaling.kappa),
            ("B, bound (agents)", 1, scaling.batch),
            ("knee (agents)", 1, scaling.knee),
            ("peak (agents)", 1, scaling.peak),
        ];
        let known = parameters.into_iter().filter(|(.., at)| at.at.is_some());
        rows.extend(known.map(|(name, decimals, at)| row(name, decimals, at, None)));
    }
    rows
}

fn search((place, level): (u32, &Level)) -> Value {
    let probe = &level.probe;
    json!({
        "place": place,
        "agents": probe.agents,
        "phase": probe.phase,
        "verdict": outcome(level),
        "end": match probe.end {
            LevelEnd::Decided => "decision",
            LevelEnd::Budget => "budget",
            LevelEnd::Interrupted => "interrupted",
        },
        "looks": probe.decision.look,
        "counted": probe.decision.requests,
        "figures": level.figures,
    })
}
