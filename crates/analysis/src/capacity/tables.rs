//! The tables of a capacity run.

use document::{Cell, Columns, Field, Origin, Table, verdict};
use domain::record::capacity::{Judged, LevelEnd, Phase};
use domain::record::load::Spread;
use metrics::Estimate;
use metrics::capacity::{Course, Criterion, LevelFigures, Located, Objective, Statistic};

use super::Material;
use super::read::Level;
use crate::kind::{spread_columns, with_notes};

pub(super) fn all(material: &Material<'_>) -> Vec<Table> {
    let mut levels: Vec<&Level> = material.run.levels.iter().collect();
    levels.sort_by_key(|l| l.probe.agents);
    let origin = Origin::from(material.run.record.header.provenance);
    let tables = vec![
        level_table(&levels, origin),
        limit_table(&levels, origin),
        latency_table(material, origin),
        fairness_table(material, origin),
        scaling_table(material),
        search_table(&material.run.levels),
    ];
    with_notes("capacity", tables)
}

fn outcome(level: &Level) -> &'static str {
    match level.probe.end {
        LevelEnd::Interrupted => "interrupted",
        _ if level.probe.failing => "fail (requests fail)",
        _ => verdict::level(level.probe.decision.verdict),
    }
}

/// A figure of a level: its key, its heading, its decimals, and how to get it.
type Figure = (
    &'static str,
    &'static str,
    usize,
    fn(&LevelFigures) -> Option<f64>,
);

fn level_table(levels: &[&Level], origin: Origin) -> Table {
    let throughput = |level: &Level| {
        let figures = level.figures.as_ref();
        Cell::estimate(figures.map(|f| &f.tokens_per_s), 1)
    };
    let saturated = |level: &Level| {
        let saturation = level.probe.saturation;
        saturation.map_or(Cell::Empty, |s| Cell::text(format!("against {}", s.from)))
    };
    let figure = |(key, heading, decimals, get): Figure| {
        Field::number(key, heading, origin, move |level: &Level| {
            Cell::known(level.figures.as_ref().and_then(get), decimals)
        })
    };
    let requests: [Figure; 4] = [
        ("window_s", "window (s)", 1, |f| Some(f.window.seconds())),
        ("requests", "requests", 0, |f| {
            Some(f.load.outcomes.total().into())
        }),
        ("completed", "completed", 0, |f| {
            Some(f.load.outcomes.completed.into())
        }),
        ("not_completed", "not completed", 0, |f| {
            Some(f.load.outcomes.not_completed().into())
        }),
    ];
    let rates: [Figure; 3] = [
        ("requests_per_s", "requests/s", 2, |f| {
            Some(f.requests_per_s)
        }),
        ("goodput_per_s", "goodput (requests/s)", 2, |f| {
            Some(f.goodput_per_s)
        }),
        ("good_percent", "good (%)", 1, |f| {
            Some(100.0 * f.good_share?)
        }),
    ];
    Columns::<Level>::new(Origin::Label)
        .count("agents", "agents", |level| level.probe.agents)
        .words("verdict", "verdict", outcome)
        .with([Field::label("saturated", "saturated", saturated)])
        .with(requests.map(figure))
        .with([Field::estimate(
            "tokens_per_s",
            "throughput (tok/s)",
            origin,
            throughput,
        )])
        .with(rates.map(figure))
        .table("levels", "Levels", levels.iter().copied())
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

fn limit_table(levels: &[&Level], origin: Origin) -> Table {
    let seen = |row: &(u32, &Judged)| {
        let judged = row.1;
        let seen = judged.seen.map(|mean| Estimate {
            mean,
            lo: judged.seen_lo,
            hi: judged.seen_hi,
            sd: None,
            n: u32::try_from(judged.n).unwrap_or(u32::MAX),
        });
        Cell::scaled(seen.as_ref(), factors(judged).0, 1, false)
    };
    let needs = |row: &(u32, &Judged)| {
        let needs = row.1.needs;
        needs.map_or(Cell::Empty, |n| Cell::number(n as f64, 0))
    };
    let scaled = |judged: &Judged, value: Option<f64>| Some(factors(judged).1 * value?);
    let rows = levels.iter().flat_map(|level| {
        let judged = level.probe.decision.judged.iter();
        judged.map(|judged| (level.probe.agents, judged))
    });
    Columns::<(u32, &Judged)>::new(Origin::Label)
        .count("agents", "agents", |row| row.0)
        .words("limit", "limit", |row| row.1.limit.clone())
        .words("verdict", "verdict", |row| verdict::level(row.1.verdict))
        .with([Field::estimate("seen", "seen (ms or %)", origin, seen)])
        .origin(Origin::Derived)
        .figure("statistic", "within (%) or mean (ms)", 2, move |row| {
            scaled(row.1, row.1.statistic)
        })
        .figure("lo", "lower bound", 2, move |row| scaled(row.1, row.1.lo))
        .figure("hi", "upper bound", 2, move |row| scaled(row.1, row.1.hi))
        .figure("target", "target", 2, move |row| {
            scaled(row.1, Some(row.1.target))
        })
        .count("n", "n", |row| row.1.n)
        .figure("design_effect", "design effect", 2, |row| {
            row.1.design_effect
        })
        .with([Field::number("needs", "needs", Origin::Derived, needs)])
        .table("limits", "Limits at each level", rows)
}

fn latency_table(material: &Material<'_>, origin: Origin) -> Table {
    type Row<'l> = (u32, &'static str, &'l Spread);
    let rows = material.levels.iter().flat_map(|level| {
        let load = &level.load;
        let spreads = [
            ("TTFT", &load.ttft_ms),
            ("TPOT", &load.tpot_ms),
            ("ITL", &load.itl_ms),
            ("end to end", &load.e2e_ms),
            ("client queue", &load.client_queue_ms),
        ];
        let known = spreads.into_iter();
        known.filter_map(|(name, spread)| Some((level.agents, name, spread.as_ref()?)))
    });
    let spreads = spread_columns(origin, "", |row: &Row<'_>| row.2, |_| 1);
    Columns::<Row<'_>>::new(Origin::Label)
        .count("agents", "agents", |row| row.0)
        .words("figure", "figure", |row| row.1)
        .with(spreads)
        .table("latency", "Latencies (ms)", rows)
}

fn fairness_table(material: &Material<'_>, own: Origin) -> Table {
    Columns::<LevelFigures>::new(Origin::Label)
        .count("agents", "agents", |level| level.agents)
        .origin(own)
        .figure("jain", "Jain's index", 4, |l| l.fairness.jain)
        .figure("min_over_max", "least / most", 3, |l| {
            l.fairness.min_over_max
        })
        .figure("least_tokens_per_s", "least (tok/s)", 2, |l| {
            l.fairness.least
        })
        .figure("median_tokens_per_s", "median (tok/s)", 2, |l| {
            l.fairness.median
        })
        .figure("most_tokens_per_s", "most (tok/s)", 2, |l| l.fairness.most)
        .count("starved", "starved", |l| l.fairness.starved)
        .figure("longest_wait_s", "longest wait (s)", 3, |l| {
            l.fairness.longest_wait_s
        })
        .table("fairness", "Fairness and starvation", &material.levels)
}

fn scaling_table(material: &Material<'_>) -> Table {
    type Row<'l> = (&'static str, usize, Located, Cell);
    let Some(scaling) = &material.scaling else {
        return Table::default();
    };
    let course = match scaling.course {
        Course::Single { .. } => "a single level".to_owned(),
        Course::Peak { top, below, .. } => format!("falls from {top} to {below} agents"),
        Course::Flat { from } => format!("flat from {from} on"),
        Course::Grows { .. } => "still grows".to_owned(),
        Course::Open { .. } => "may still grow".to_owned(),
    };
    let earliest = "saturation at the earliest (agents)";
    let mut rows: Vec<Row<'_>> = vec![
        (
            "highest throughput (tok/s)",
            2,
            scaling.x_max,
            Cell::text(course),
        ),
        (earliest, 1, scaling.n_star, Cell::Empty),
    ];
    if let Some(fit) = &scaling.fit {
        let chance = Located {
            at: Some(fit.p),
            ..Located::NOWHERE
        };
        let rejected = if fit.is_rejected() {
            ", the nearest, is rejected"
        } else {
            ""
        };
        let law = Cell::text(format!("{}{rejected}", fit.kind.name()));
        rows.push(("law: p of the levels' distance", 4, chance, law));
        let parameters = [
            ("λ, one agent's throughput (tok/s)", 2, scaling.lambda),
            ("σ, contention", 5, scaling.sigma),
            ("κ, coherency", 6, scaling.kappa),
            ("B, bound (agents)", 1, scaling.batch),
            ("knee (agents)", 1, scaling.knee),
            ("peak (agents)", 1, scaling.peak),
        ];
        let known = parameters.into_iter().filter(|(.., at)| at.at.is_some());
        rows.extend(known.map(|(name, decimals, at)| (name, decimals, at, Cell::Empty)));
    }
    let number = |key: &str, heading: &str, get: fn(&Located) -> Option<f64>| {
        Field::number(key, heading, Origin::Derived, move |row: &Row<'_>| {
            Cell::known(get(&row.2), row.1)
        })
    };
    Columns::<Row<'_>>::new(Origin::Derived)
        .words("quantity", "quantity", |row| row.0)
        .with([number("value", "value", |located| located.at)])
        .with([number("lo", "lower", |located| located.lo)])
        .with([number("hi", "upper", |located| located.hi)])
        .with([Field::label("note", "note", |row: &Row<'_>| row.3.clone())])
        .table("scaling", "Throughput by number of agents", rows)
}

fn search_table(levels: &[Level]) -> Table {
    let figures = |level: &Level, get: fn(&LevelFigures) -> u32| {
        level
            .figures
            .as_ref()
            .map(|figures| f64::from(get(figures)))
    };
    Columns::<(u32, &Level)>::new(Origin::Label)
        .count("place", "level", |row| row.0)
        .count("agents", "agents", |row| row.1.probe.agents)
        .words("phase", "for", |row| match row.1.probe.phase {
            Phase::Doubling => "doubling",
            Phase::Bisection => "bisection",
            Phase::Beyond => "beyond",
        })
        .words("verdict", "verdict", |row| outcome(row.1))
        .words("end", "ended by", |row| match row.1.probe.end {
            LevelEnd::Decided => "decision",
            LevelEnd::Budget => "budget",
            LevelEnd::Interrupted => "interrupted",
        })
        .origin(Origin::Derived)
        .count("looks", "looks", |row| row.1.probe.decision.look)
        .count("counted", "counted", |row| row.1.probe.decision.requests)
        .figure("warmup", "warm-up", 0, move |row| {
            figures(row.1, |f| f.warmup)
        })
        .figure("after", "after the window", 0, move |row| {
            figures(row.1, |f| f.after)
        })
        .table("search", "The search, in order", (1..).zip(levels))
}
