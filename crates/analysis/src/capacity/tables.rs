//! The tables of a capacity run.

use document::{Cell, Field, Kind, Origin, Table, verdict};
use domain::record::capacity::{Judged, LevelEnd, Phase};
use domain::record::load::Spread;
use metrics::Estimate;
use metrics::capacity::{Course, Criterion, LevelFigures, Located, Objective, Statistic};

use super::Material;
use super::read::Level;
use crate::kind::spread_columns;

pub(super) fn all(material: &Material<'_>) -> Vec<Table> {
    let mut levels: Vec<&Level> = material.run.levels.iter().collect();
    levels.sort_by_key(|l| l.probe.agents);
    let origin = Origin::from(material.run.record.header.provenance);
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

fn outcome(level: &Level) -> &'static str {
    match level.probe.end {
        LevelEnd::Interrupted => "interrupted",
        _ if level.probe.failing => "fail (requests fail)",
        _ => verdict::level(level.probe.decision.verdict),
    }
}

/// A column with the number of agents.
fn agents<'f, T: 'f>(agents: fn(&T) -> u32) -> Field<'f, T> {
    let cell = move |item: &T| Cell::count(agents(item));
    Field::number("agents", "agents", Origin::Label, cell)
}

fn level_table(levels: &[&Level], origin: Origin) -> Table {
    let figure = |key: &str, heading: &str, get: fn(&LevelFigures) -> Cell| {
        Field::number(key, heading, origin, move |level: &Level| {
            level.figures.as_ref().map_or(Cell::Unknown, get)
        })
    };
    let throughput = |level: &Level| {
        let figures = level.figures.as_ref();
        Cell::estimate(figures.map(|f| &f.tokens_per_s), 1)
    };
    let saturated = |level: &Level| {
        let saturation = level.probe.saturation;
        saturation.map_or(Cell::Empty, |s| Cell::text(format!("against {}", s.from)))
    };
    let fields = vec![
        agents(|level: &Level| level.probe.agents),
        Field::label("verdict", "verdict", |level: &Level| {
            Cell::text(outcome(level))
        }),
        Field::label("saturated", "saturated", saturated),
        figure("window_s", "window (s)", |f| {
            Cell::number(f.window.seconds(), 1)
        }),
        figure("requests", "requests", |f| {
            Cell::count(f.load.outcomes.total())
        }),
        figure("completed", "completed", |f| {
            Cell::count(f.load.outcomes.completed)
        }),
        figure("not_completed", "not completed", |f| {
            Cell::count(f.load.outcomes.not_completed())
        }),
        Field::estimate("tokens_per_s", "throughput (tok/s)", origin, throughput),
        figure("requests_per_s", "requests/s", |f| {
            Cell::number(f.requests_per_s, 2)
        }),
        figure("goodput_per_s", "goodput (requests/s)", |f| {
            Cell::number(f.goodput_per_s, 2)
        }),
        figure("good_percent", "good (%)", |f| {
            Cell::known(f.good_share.map(|s| 100.0 * s), 1)
        }),
    ];
    Table::of("levels", "Levels", fields, levels.iter().copied()).note(
        "Figures of the steady window: requests that began in it, tokens that arrived in it. Throughput \
         has the interval of ten equal stretches of it. Saturated: throughput is not above that of the \
         lower level by 5 %, and requests take longer, both at 95 %.",
    )
}

/// A limit at a level; shares in %, times in ms.
struct Limited<'l> {
    agents: u32,
    judged: &'l Judged,
    /// Factor for the observed value: 1000 for a latency, 100 for a share.
    seen: f64,
    /// Factor for the judged value: 1000 for a mean latency, else 100.
    factor: f64,
}

fn limited(agents: u32, judged: &Judged) -> Limited<'_> {
    let objective = judged.limit.parse::<Objective>().ok();
    let criterion = objective.and_then(|o| o.criteria().first().copied());
    let (seen, factor) = match criterion {
        Some(Criterion::Latency {
            statistic: Statistic::Mean,
            ..
        }) => (1e3, 1e3),
        Some(Criterion::Latency { .. }) => (1e3, 100.0),
        _ => (100.0, 100.0),
    };
    Limited {
        agents,
        judged,
        seen,
        factor,
    }
}

fn limit_table(levels: &[&Level], origin: Origin) -> Table {
    type Row<'l> = Limited<'l>;
    let derived = |key: &str, heading: &str, get: fn(&Row<'_>) -> Cell| {
        Field::number(key, heading, Origin::Derived, get)
    };
    let seen = |row: &Row<'_>| {
        let judged = row.judged;
        let seen = judged.seen.map(|mean| Estimate {
            mean,
            lo: judged.seen_lo,
            hi: judged.seen_hi,
            sd: None,
            n: u32::try_from(judged.n).unwrap_or(u32::MAX),
        });
        Cell::scaled(seen.as_ref(), row.seen, 1, false)
    };
    let fields = vec![
        agents(|row: &Row<'_>| row.agents),
        Field::label("limit", "limit", |row: &Row<'_>| {
            Cell::text(&row.judged.limit)
        }),
        Field::label("verdict", "verdict", |row: &Row<'_>| {
            Cell::text(verdict::level(row.judged.verdict))
        }),
        Field::estimate("seen", "seen (ms or %)", origin, seen),
        derived("statistic", "within (%) or mean (ms)", |row| {
            Cell::known(row.judged.statistic.map(|s| row.factor * s), 2)
        }),
        derived("lo", "lower bound", |row| {
            Cell::known(row.judged.lo.map(|s| row.factor * s), 2)
        }),
        derived("hi", "upper bound", |row| {
            Cell::known(row.judged.hi.map(|s| row.factor * s), 2)
        }),
        derived("target", "target", |row| {
            Cell::number(row.factor * row.judged.target, 2)
        }),
        derived("n", "n", |row| Cell::number(row.judged.n as f64, 0)),
        derived("design_effect", "design effect", |row| {
            Cell::number(row.judged.design_effect, 2)
        }),
        derived("needs", "needs", |row| {
            let needs = row.judged.needs;
            needs.map_or(Cell::Empty, |n| Cell::number(n as f64, 0))
        }),
    ];
    let rows = levels.iter().flat_map(|level| {
        let judged = level.probe.decision.judged.iter();
        judged.map(|judged| limited(level.probe.agents, judged))
    });
    Table::of("limits", "Limits at each level", fields, rows).note(
        "A percentile limit is judged by the share of requests within it: the level passes when the lower \
         bound of that share reaches the target and each agent has had 12 requests on average, fails when \
         the upper bound stays below it. The bounds hold at the confidence of the look at which the level \
         was decided; so does the interval of the figure itself, whose end is unknown where so few requests give \
         none. Design effect: how many times as many \
         requests it takes because they come in bunches. Needs: about so many more requests would decide \
         it.",
    )
}

fn latency_table(material: &Material<'_>, origin: Origin) -> Table {
    type Row<'l> = (u32, &'static str, &'l Spread);
    let mut fields = vec![
        agents(|row: &Row<'_>| row.0),
        Field::label("figure", "figure", |row: &Row<'_>| Cell::text(row.1)),
    ];
    fields.extend(spread_columns(origin, "", |row: &Row<'_>| row.2, |_| 1));
    let rows = material.levels.iter().flat_map(|level| {
        let spreads = spreads(level).into_iter();
        spreads.filter_map(|(name, spread)| Some((level.agents, name, spread?)))
    });
    Table::of("latency", "Latencies (ms)", fields, rows).note(
        "Of completed requests. A percentile that the sample cannot carry is unknown, and `needs` says how \
         many observations it takes.",
    )
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
    type Row = LevelFigures;
    let column =
        |key: &str, heading: &str, get: fn(&Row) -> Cell| Field::number(key, heading, origin, get);
    let fields = vec![
        agents(|level: &Row| level.agents),
        column("jain", "Jain's index", |l| Cell::known(l.fairness.jain, 4)),
        column("min_over_max", "least / most", |l| {
            Cell::known(l.fairness.min_over_max, 3)
        }),
        column("least_tokens_per_s", "least (tok/s)", |l| {
            Cell::number(l.fairness.least, 2)
        }),
        column("median_tokens_per_s", "median (tok/s)", |l| {
            Cell::number(l.fairness.median, 2)
        }),
        column("most_tokens_per_s", "most (tok/s)", |l| {
            Cell::number(l.fairness.most, 2)
        }),
        column("starved", "starved", |l| Cell::count(l.fairness.starved)),
        column("longest_wait_s", "longest wait (s)", |l| {
            Cell::number(l.fairness.longest_wait_s, 3)
        }),
    ];
    Table::of("fairness", "Fairness and starvation", fields, &material.levels).note(
        "Throughput of each agent in the window. Starved: agents with less than half of the median agent's \
         throughput. Longest wait: the longest that an agent with a request open waited for a token.",
    )
}

fn scaling_table(material: &Material<'_>) -> Table {
    let mut table = Table::new("scaling", "Throughput by number of agents").note(
        "Highest throughput: the mean of the levels where it is flat, else the best level's, and without an upper \
         end where it may still grow. Saturation at the earliest: that over one agent's throughput. Of linear \
         growth, a bound, Amdahl's law, a saturating batch and the Universal Scalability Law, \
         λ n / (1 + σ (n - 1) + κ n (n - 1)) with n = min(N, B), the law is the one with the least AICc that the \
         levels do not reject (p at least 0.01), with intervals of what the levels scatter by. Knee: where \
         throughput over time in the system is highest. Peak: only where a higher level has less throughput. \
         `docs/capacity.md` says how often these are right.",
    );
    table.label("quantity", "quantity");
    table.column("value", "value", Kind::Number, Origin::Derived);
    table.column("lo", "lower", Kind::Number, Origin::Derived);
    table.column("hi", "upper", Kind::Number, Origin::Derived);
    table.label("note", "note");
    let Some(scaling) = &material.scaling else {
        return table;
    };
    let mut put = |name: &str, located: &Located, decimals: usize, note: Cell| {
        table.row(vec![
            Cell::text(name),
            Cell::known(located.at, decimals),
            Cell::known(located.lo, decimals),
            Cell::known(located.hi, decimals),
            note,
        ]);
    };
    let course = Cell::text(match scaling.course {
        Course::Single { .. } => "a single level".to_owned(),
        Course::Peak { top, below, .. } => format!("falls from {top} to {below} agents"),
        Course::Flat { from } => format!("flat from {from} on"),
        Course::Grows { .. } => "still grows".to_owned(),
        Course::Open { .. } => "may still grow".to_owned(),
    });
    put("highest throughput (tok/s)", &scaling.x_max, 2, course);
    let earliest = "saturation at the earliest (agents)";
    put(earliest, &scaling.n_star, 1, Cell::Empty);
    let Some(fit) = &scaling.fit else {
        return table;
    };
    let chance = Located {
        at: Some(fit.p),
        ..Located::NOWHERE
    };
    let name = fit.kind.name();
    let law = Cell::text(if fit.is_rejected() {
        format!("{name}, the nearest, is rejected")
    } else {
        name.to_owned()
    });
    put("law: p of the levels' distance", &chance, 4, law);
    for (name, located, decimals) in [
        ("λ, one agent's throughput (tok/s)", &scaling.lambda, 2),
        ("σ, contention", &scaling.sigma, 5),
        ("κ, coherency", &scaling.kappa, 6),
        ("B, bound (agents)", &scaling.batch, 1),
        ("knee (agents)", &scaling.knee, 1),
        ("peak (agents)", &scaling.peak, 1),
    ] {
        if located.at.is_some() {
            put(name, located, decimals, Cell::Empty);
        }
    }
    table
}

fn search_table(levels: &[Level]) -> Table {
    type Row<'l> = (u32, &'l Level);
    let derived = |key: &str, heading: &str, get: fn(&Row<'_>) -> Cell| {
        Field::number(key, heading, Origin::Derived, get)
    };
    let label = |key: &str, heading: &str, get: fn(&Level) -> &'static str| {
        Field::label(key, heading, move |row: &Row<'_>| Cell::text(get(row.1)))
    };
    let place = |row: &Row<'_>| Cell::count(row.0);
    let fields = vec![
        Field::number("place", "level", Origin::Label, place),
        agents(|row: &Row<'_>| row.1.probe.agents),
        label("phase", "for", |level| match level.probe.phase {
            Phase::Doubling => "doubling",
            Phase::Bisection => "bisection",
            Phase::Beyond => "beyond",
        }),
        label("verdict", "verdict", outcome),
        label("end", "ended by", |level| match level.probe.end {
            LevelEnd::Decided => "decision",
            LevelEnd::Budget => "budget",
            LevelEnd::Interrupted => "interrupted",
        }),
        derived("looks", "looks", |row| {
            Cell::count(row.1.probe.decision.look)
        }),
        derived("counted", "counted", |row| {
            Cell::count(row.1.probe.decision.requests)
        }),
        derived("warmup", "warm-up", |row| {
            let figures = row.1.figures.as_ref();
            figures.map_or(Cell::Unknown, |f| Cell::count(f.warmup))
        }),
        derived("after", "after the window", |row| {
            let figures = row.1.figures.as_ref();
            figures.map_or(Cell::Unknown, |f| Cell::count(f.after))
        }),
    ];
    Table::of("search", "The search, in order", fields, (1..).zip(levels))
}
