//! The report's tables.

use metrics::Estimate;
use metrics::capacity::{Criterion, Judged, LevelEnd, LevelFigures, Located, Objective, Phase};
use metrics::load::Spread;

use super::Material;
use super::read::Level;
use crate::tables::{Cell, Kind, Origin, Table};

/// Every table, the first one for the front page.
pub(super) fn all(material: &Material<'_>) -> Vec<Table> {
    let mut levels: Vec<&Level> = material.run.levels.iter().collect();
    levels.sort_by_key(|l| l.probe.agents);
    let origin = if material.simulated() {
        Origin::Simulated
    } else {
        Origin::Measured
    };
    let mut tables = vec![
        level_table(&levels, origin),
        limit_table(&levels, origin),
        latency_table(material, origin),
        fairness_table(material, origin),
        scaling_table(material),
        search_table(&material.run.levels),
    ];
    tables.retain(|t| !t.rows.is_empty());
    tables
}

/// A level's verdict in a word or two.
pub(super) fn verdict(level: &Level) -> &'static str {
    match level.probe.end {
        LevelEnd::Interrupted => "interrupted",
        _ if level.probe.failing => "fail (requests fail)",
        _ => level.probe.decision.verdict.word(),
    }
}

fn level_table(levels: &[&Level], origin: Origin) -> Table {
    let mut table = Table::new("levels", "Levels").note(
        "Figures of the steady window: requests that began in it, tokens that arrived in it. Throughput \
         has the interval of ten equal stretches of it. Saturated: throughput is not above that of the \
         lower level by 5 %, and requests take longer, both at 95 %.",
    );
    table.column("agents", "agents", Kind::Number, Origin::Label);
    table.label("verdict", "verdict");
    table.label("saturated", "saturated");
    for (key, heading) in [
        ("window_s", "window (s)"),
        ("requests", "requests"),
        ("completed", "completed"),
        ("not_completed", "not completed"),
    ] {
        table.column(key, heading, Kind::Number, origin);
    }
    table.column("tokens_per_s", "throughput (tok/s)", Kind::Estimate, origin);
    table.column("requests_per_s", "requests/s", Kind::Number, origin);
    table.column(
        "goodput_per_s",
        "goodput (requests/s)",
        Kind::Number,
        origin,
    );
    table.column("good_percent", "good (%)", Kind::Number, origin);
    for level in levels {
        let mut row = vec![
            Cell::count(level.probe.agents),
            Cell::text(verdict(level)),
            level
                .probe
                .saturation
                .map_or(Cell::Empty, |s| Cell::text(format!("against {}", s.from))),
        ];
        match &level.figures {
            Some(f) => row.extend([
                Cell::number(f.window.seconds(), 1),
                Cell::count(f.load.outcomes.total()),
                Cell::count(f.load.outcomes.completed),
                Cell::count(f.load.outcomes.not_completed()),
                Cell::estimate(Some(&f.tokens_per_s), 1),
                Cell::number(f.requests_per_s, 2),
                Cell::number(f.goodput_per_s, 2),
                Cell::known(f.good_share.map(|s| 100.0 * s), 1),
            ]),
            None => row.extend((0..8).map(|_| Cell::Unknown)),
        }
        table.row(row);
    }
    table
}

fn limit_table(levels: &[&Level], origin: Origin) -> Table {
    let mut table = Table::new("limits", "Limits at each level").note(
        "A percentile limit is judged by the share of requests within it: the level passes when the lower \
         bound of that share reaches the target and each agent has had 12 requests on average, fails when \
         the upper bound stays below it. The bounds hold at the confidence of the look at which the level \
         was decided. Seen: the figure itself with its 95 % interval. Design effect: how many times as many \
         requests it takes because they come in bunches. Needs: about so many more requests would decide \
         it.",
    );
    table.column("agents", "agents", Kind::Number, Origin::Label);
    table.label("limit", "limit");
    table.label("verdict", "verdict");
    table.column("seen", "seen (ms or %)", Kind::Estimate, origin);
    for (key, heading) in [
        ("statistic", "within (%) or mean (ms)"),
        ("lo", "lower bound"),
        ("hi", "upper bound"),
        ("target", "target"),
        ("n", "n"),
        ("design_effect", "design effect"),
        ("needs", "needs"),
    ] {
        table.column(key, heading, Kind::Number, Origin::Derived);
    }
    for level in levels {
        for judged in &level.probe.decision.judged {
            table.row(limit_row(level.probe.agents, judged));
        }
    }
    table
}

fn limit_row(agents: u32, judged: &Judged) -> Vec<Cell> {
    let criterion = judged
        .limit
        .parse::<Objective>()
        .ok()
        .and_then(|o| o.criteria().first().copied());
    // Seconds as ms, shares as %.
    let latency = matches!(criterion, Some(Criterion::Latency { .. }));
    let seen_factor = if latency { 1e3 } else { 100.0 };
    let mean = matches!(
        criterion,
        Some(Criterion::Latency {
            statistic: metrics::capacity::Statistic::Mean,
            ..
        })
    );
    let factor = if mean { 1e3 } else { 100.0 };
    let seen = judged.seen.map(|mean| Estimate {
        mean,
        lo: judged.seen_lo,
        hi: judged.seen_hi,
        sd: None,
        n: u32::try_from(judged.n).unwrap_or(u32::MAX),
    });
    vec![
        Cell::count(agents),
        Cell::text(&judged.limit),
        Cell::text(judged.verdict.word()),
        Cell::scaled(seen.as_ref(), seen_factor, 1, false),
        Cell::known(judged.statistic.map(|s| factor * s), 2),
        Cell::known(judged.lo.map(|s| factor * s), 2),
        Cell::known(judged.hi.map(|s| factor * s), 2),
        Cell::number(factor * judged.target, 2),
        Cell::number(judged.n as f64, 0),
        Cell::number(judged.design_effect, 2),
        judged
            .needs
            .map_or(Cell::Empty, |n| Cell::number(n as f64, 0)),
    ]
}

fn latency_table(material: &Material<'_>, origin: Origin) -> Table {
    let mut table = Table::new("latency", "Latencies (ms)").note(
        "Of completed requests. A percentile that the sample cannot carry is unknown, and `needs` says how \
         many observations it takes.",
    );
    table.column("agents", "agents", Kind::Number, Origin::Label);
    table.label("figure", "figure");
    for key in ["n", "mean", "p50", "p90", "p95", "p99", "max"] {
        table.column(key, key, Kind::Number, origin);
    }
    table.label("needs", "needs");
    for level in &material.levels {
        for (name, spread) in spreads(level) {
            let Some(spread) = spread else { continue };
            let needs: Vec<String> = spread
                .needs
                .iter()
                .map(|(p, n)| format!("{p} {n}"))
                .collect();
            table.row(vec![
                Cell::count(level.agents),
                Cell::text(name),
                Cell::number(spread.n as f64, 0),
                Cell::number(spread.mean, 1),
                Cell::number(spread.p50, 1),
                Cell::known(spread.p90, 1),
                Cell::known(spread.p95, 1),
                Cell::known(spread.p99, 1),
                Cell::number(spread.max, 1),
                if needs.is_empty() {
                    Cell::Empty
                } else {
                    Cell::text(needs.join(", "))
                },
            ]);
        }
    }
    table
}

fn spreads(level: &LevelFigures) -> [(&'static str, Option<&Spread>); 5] {
    let load = &level.load;
    [
        ("TTFT", load.ttft_ms.as_ref()),
        ("TPOT", load.tpot_ms.as_ref()),
        ("ITL", load.itl_ms.as_ref()),
        ("end to end", load.e2e_ms.as_ref()),
        ("client queue", load.client_queue_ms.as_ref()),
    ]
}

fn fairness_table(material: &Material<'_>, origin: Origin) -> Table {
    let mut table = Table::new("fairness", "Fairness and starvation").note(
        "Throughput of each agent in the window. Starved: agents with less than half of the median agent's \
         throughput. Longest wait: the longest that an agent with a request open waited for a token.",
    );
    table.column("agents", "agents", Kind::Number, Origin::Label);
    for (key, heading) in [
        ("jain", "Jain's index"),
        ("min_over_max", "least / most"),
        ("least_tokens_per_s", "least (tok/s)"),
        ("median_tokens_per_s", "median (tok/s)"),
        ("most_tokens_per_s", "most (tok/s)"),
        ("starved", "starved"),
        ("longest_wait_s", "longest wait (s)"),
    ] {
        table.column(key, heading, Kind::Number, origin);
    }
    for level in &material.levels {
        let fairness = &level.fairness;
        table.row(vec![
            Cell::count(level.agents),
            Cell::known(fairness.jain, 4),
            Cell::known(fairness.min_over_max, 3),
            Cell::number(fairness.least, 2),
            Cell::number(fairness.median, 2),
            Cell::number(fairness.most, 2),
            Cell::count(fairness.starved),
            Cell::number(fairness.longest_wait_s, 3),
        ]);
    }
    table
}

fn scaling_table(material: &Material<'_>) -> Table {
    let mut table = Table::new("scaling", "Universal Scalability Law").note(
        "Throughput of N agents as λ N / (1 + σ (N - 1) + κ N (N - 1)), with 95 % intervals of what the \
         levels scatter by and of what the law misses. Knee: where throughput over \
         time in the system is highest. Peak: where throughput is; unbounded when the interval of κ holds 0.",
    );
    table.label("quantity", "quantity");
    table.column("value", "value", Kind::Number, Origin::Derived);
    table.column("lo", "lower", Kind::Number, Origin::Derived);
    table.column("hi", "upper", Kind::Number, Origin::Derived);
    table.label("note", "note");
    let Some(scaling) = &material.scaling else {
        return table;
    };
    let figures = metrics::capacity::ScalingFigures::from(scaling);
    let mut put = |name: &str, located: &Located, decimals: usize| {
        table.row(vec![
            Cell::text(name),
            Cell::known(located.at, decimals),
            Cell::known(located.lo, decimals),
            Cell::known(located.hi, decimals),
            if located.unbounded {
                Cell::text("unbounded")
            } else {
                Cell::Empty
            },
        ]);
    };
    put("λ, one agent's throughput (tok/s)", &figures.lambda, 2);
    put("σ, contention", &figures.sigma, 5);
    put("κ, coherency", &figures.kappa, 6);
    put("knee (agents)", &figures.knee, 1);
    put("peak (agents)", &figures.peak, 1);
    let single = |name: &str, value: Cell| {
        vec![
            Cell::text(name),
            value,
            Cell::Empty,
            Cell::Empty,
            Cell::Empty,
        ]
    };
    table.row(single(
        "best whole number of agents",
        figures.best.map_or(Cell::Unknown, Cell::count),
    ));
    table.row(single(
        "largest misfit of a level (%)",
        Cell::number(100.0 * figures.misfit, 1),
    ));
    table
}

fn search_table(levels: &[Level]) -> Table {
    let mut table = Table::new("search", "The search, in order");
    table.column("place", "level", Kind::Number, Origin::Label);
    table.column("agents", "agents", Kind::Number, Origin::Label);
    table.label("phase", "for");
    table.label("verdict", "verdict");
    table.label("end", "ended by");
    table.column("looks", "looks", Kind::Number, Origin::Derived);
    table.column("counted", "counted", Kind::Number, Origin::Derived);
    table.column("warmup", "warm-up", Kind::Number, Origin::Derived);
    table.column("after", "after the window", Kind::Number, Origin::Derived);
    for (level, place) in levels.iter().zip(1..) {
        let probe = &level.probe;
        let of = |f: fn(&LevelFigures) -> u32| {
            level
                .figures
                .as_ref()
                .map_or(Cell::Unknown, |figures| Cell::count(f(figures)))
        };
        table.row(vec![
            Cell::count(place),
            Cell::count(probe.agents),
            Cell::text(match probe.phase {
                Phase::Doubling => "doubling",
                Phase::Bisection => "bisection",
                Phase::Beyond => "beyond",
            }),
            Cell::text(verdict(level)),
            Cell::text(match probe.end {
                LevelEnd::Decided => "decision",
                LevelEnd::Budget => "budget",
                LevelEnd::Interrupted => "interrupted",
            }),
            Cell::count(probe.decision.look),
            Cell::count(probe.decision.requests),
            of(|f| f.warmup),
            of(|f| f.after),
        ]);
    }
    table
}
