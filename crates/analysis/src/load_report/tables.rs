//! The tables of a load.

use std::collections::BTreeMap;

use domain::Nanos;
use metrics::load::{AgentFigures, Spread};
use metrics::stats::{percentile, printable_percentile};

use super::series::Series;
use crate::load::Load;
use crate::tables::{Cell, Kind, Origin, Table};

/// Rows of a table that a reader takes in; the CSV has all.
const MOST_ROWS: usize = 12;

/// Agents that a CSV still lists one by one.
const MOST_AGENTS: usize = 10_000;

/// A table, and how much of it a reader is shown.
pub(super) struct Shown {
    pub(super) table: Table,
    /// Rows in `report.md`; the CSV has all.
    pub(super) rows: usize,
}

impl Shown {
    fn whole(table: Table) -> Self {
        let rows = table.rows.len();
        Self { table, rows }
    }

    fn first(table: Table, rows: usize) -> Self {
        Self { table, rows }
    }
}

/// Every table the load can fill.
pub(super) fn all(load: &Load, series: &Series) -> Vec<Shown> {
    let mut tables = vec![
        Shown::whole(latency(load)),
        Shown::whole(outcomes(load)),
        Shown::first(failures(load), MOST_ROWS),
        Shown::whole(phases(load)),
        Shown::whole(turns(load)),
        Shown::first(agents(load), MOST_ROWS),
        Shown::first(over_time(load, series), 0),
        Shown::first(latency_over_time(load, series), 0),
    ];
    tables.retain(|shown| !shown.table.rows.is_empty());
    tables
}

fn origin(load: &Load) -> Origin {
    super::origin(load.file.provenance)
}

fn numbers(table: &mut Table, origin: Origin, columns: &[(&str, &str)]) {
    for (key, heading) in columns {
        table.column(*key, *heading, Kind::Number, origin);
    }
}

fn latency(load: &Load) -> Table {
    let mut table = Table::new("latency", "Latency").note(
        "Of completed requests, ms; connections of every request that made one. A tail is given when the \
         sample can certify it at 99 % confidence; `needs` says how many observations it takes. TTFT from \
         the plan counts from the planned start, so that a late send does not hide in it.",
    );
    table.label("figure", "figure");
    let own = origin(load);
    numbers(
        &mut table,
        own,
        &[
            ("n", "n"),
            ("mean_ms", "mean"),
            ("min_ms", "min"),
            ("p50_ms", "p50"),
            ("p90_ms", "p90"),
            ("p95_ms", "p95"),
            ("p99_ms", "p99"),
            ("max_ms", "max"),
        ],
    );
    table.label("needs", "needs");
    let f = &load.figures;
    for (name, spread) in [
        ("TTFT", &f.ttft_ms),
        ("TTFT from the plan", &f.ttft_scheduled_ms),
        ("TPOT", &f.tpot_ms),
        ("ITL", &f.itl_ms),
        ("end to end", &f.e2e_ms),
        ("client queue", &f.client_queue_ms),
        ("connection", &f.connect_ms),
    ] {
        let Some(s) = spread else { continue };
        let tail = |v: Option<f64>| v.map_or(Cell::Empty, |v| Cell::number(v, decimals(s)));
        let number = |v: f64| Cell::number(v, decimals(s));
        let needs: Vec<String> = s.needs.iter().map(|(p, n)| format!("{p} {n}")).collect();
        table.row(vec![
            Cell::text(name),
            Cell::number(s.n as f64, 0),
            number(s.mean),
            number(s.min),
            number(s.p50),
            tail(s.p90),
            tail(s.p95),
            tail(s.p99),
            number(s.max),
            if needs.is_empty() {
                Cell::Empty
            } else {
                Cell::text(needs.join(", "))
            },
        ]);
    }
    table
}

/// Decimals with which the median has three digits.
fn decimals(spread: &Spread) -> usize {
    match spread.p50 {
        p50 if p50 >= 100.0 => 0,
        p50 if p50 >= 10.0 => 1,
        p50 if p50 >= 1.0 => 2,
        _ => 3,
    }
}

fn outcomes(load: &Load) -> Table {
    let mut table = Table::new("outcomes", "Outcomes");
    table.label("outcome", "outcome");
    numbers(&mut table, origin(load), &[("requests", "requests")]);
    numbers(
        &mut table,
        Origin::Derived,
        &[("share_percent", "share (%)")],
    );
    let counts = load.figures.outcomes;
    for (name, n) in counts.in_words() {
        if n > 0 {
            table.row(vec![
                Cell::text(name),
                Cell::count(n),
                Cell::number(100.0 * f64::from(n) / f64::from(counts.total()), 2),
            ]);
        }
    }
    table
}

fn failures(load: &Load) -> Table {
    let mut table = Table::new("failures", "Failures by cause")
        .note("In the server's or the transport's own words, the commonest first.");
    table.label("words", "words");
    numbers(&mut table, origin(load), &[("requests", "requests")]);
    let mut failures: Vec<_> = load.figures.failures.iter().collect();
    failures.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    for (words, n) in failures {
        table.row(vec![Cell::text(words.replace('\n', " ")), Cell::count(*n)]);
    }
    table
}

fn phases(load: &Load) -> Table {
    let mut table = Table::new("phases", "Where a request's time goes").note(
        "Means over completed requests whose server tells its phases. `waiting for a slot` is what the server \
         spent on a request in none of its own phases; `the rest` is the transport and what nobody names.",
    );
    table.label("phase", "phase");
    numbers(&mut table, origin(load), &[("mean_ms", "mean (ms)")]);
    numbers(
        &mut table,
        Origin::Derived,
        &[("share_percent", "share (%)")],
    );
    let p = load.phases;
    if p.n == 0 || p.whole == Nanos::ZERO {
        return table;
    }
    let named = [
        ("client queue", p.client_queue),
        ("waiting for a slot", p.slot_wait),
        ("model load", p.load),
        ("prefill", p.prefill),
        ("decode", p.decode),
    ];
    let rest = named
        .iter()
        .fold(p.whole, |rest, (_, time)| rest.saturating_sub(*time));
    for (name, time) in named.into_iter().chain([("the rest", rest)]) {
        table.row(vec![
            Cell::text(name),
            Cell::number(time.as_millis_f64() / f64::from(p.n), 2),
            Cell::number(100.0 * time.as_secs_f64() / p.whole.as_secs_f64(), 1),
        ]);
    }
    table
}

/// The requests of one turn of all sessions.
pub(super) struct Turn {
    /// From 1.
    pub(super) place: u32,
    pub(super) requests: u32,
    pub(super) completed: u32,
    /// Median and 95th percentile, ms.
    pub(super) ttft_ms: (Option<f64>, Option<f64>),
}

/// The turns in order; none where requests stand alone.
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
            Turn {
                place: turn,
                requests,
                completed,
                ttft_ms: (percentile(&ttft, 50.0), printable_percentile(&ttft, 95.0)),
            }
        })
        .collect()
}

fn turns(load: &Load) -> Table {
    let mut table = Table::new("turns", "Turn by turn")
        .note("Each turn sends all that was said before it. TTFT from the send.");
    numbers(
        &mut table,
        origin(load),
        &[
            ("turn", "turn"),
            ("requests", "requests"),
            ("completed", "completed"),
            ("ttft_p50_ms", "TTFT p50 (ms)"),
            ("ttft_p95_ms", "TTFT p95 (ms)"),
        ],
    );
    for turn in by_turn(load) {
        table.row(vec![
            Cell::count(turn.place),
            Cell::count(turn.requests),
            Cell::count(turn.completed),
            Cell::known(turn.ttft_ms.0, 1),
            turn.ttft_ms.1.map_or(Cell::Empty, |v| Cell::number(v, 1)),
        ]);
    }
    table
}

fn agents(load: &Load) -> Table {
    let mut table = Table::new("agents", "Agents, the one served slowest first").note(
        "`tok/s` is an agent's tokens over its time in requests, from each planned start to its end. TTFT is \
         from the plan.",
    );
    numbers(
        &mut table,
        origin(load),
        &[
            ("agent", "agent"),
            ("requests", "requests"),
            ("completed", "completed"),
            ("tokens", "tokens"),
            ("tokens_per_s", "tok/s"),
            ("ttft_scheduled_mean_ms", "mean TTFT (ms)"),
            ("ttft_scheduled_max_ms", "longest TTFT (ms)"),
            ("e2e_mean_ms", "mean end to end (ms)"),
        ],
    );
    if load.fairness.is_none() {
        return table;
    }
    let rate = |a: &AgentFigures| a.tokens_per_s.unwrap_or(0.0);
    let mut agents: Vec<&AgentFigures> = load.agents.iter().collect();
    agents.sort_by(|a, b| rate(a).total_cmp(&rate(b)).then(a.agent.cmp(&b.agent)));
    for agent in agents.into_iter().take(MOST_AGENTS) {
        table.row(vec![
            Cell::count(agent.agent),
            Cell::count(agent.requests),
            Cell::count(agent.completed),
            Cell::number(agent.tokens as f64, 0),
            Cell::known(agent.tokens_per_s, 2),
            Cell::known(agent.ttft_scheduled_mean_ms, 1),
            Cell::known(agent.ttft_scheduled_max_ms, 1),
            Cell::known(agent.e2e_mean_ms, 1),
        ]);
    }
    table
}

fn over_time(load: &Load, series: &Series) -> Table {
    let mut table = Table::new("over-time", "Window by window");
    numbers(
        &mut table,
        origin(load),
        &[
            ("from_s", "from (s)"),
            ("to_s", "to (s)"),
            ("chunks", "chunks with text"),
            ("completed", "completed"),
            ("not_completed", "not completed"),
            ("waiting", "waiting for the first token"),
            ("answering", "being answered"),
        ],
    );
    for w in &series.windows {
        table.row(vec![
            Cell::number(w.from_s, 3),
            Cell::number(w.to_s, 3),
            Cell::number(w.chunks as f64, 0),
            Cell::count(w.completed),
            Cell::count(w.not_completed),
            Cell::number(w.waiting, 2),
            Cell::number(w.answering, 2),
        ]);
    }
    table
}

fn latency_over_time(load: &Load, series: &Series) -> Table {
    let mut table = Table::new("latency-over-time", "Latency window by window");
    numbers(
        &mut table,
        origin(load),
        &[
            ("from_s", "from (s)"),
            ("to_s", "to (s)"),
            ("completed", "completed"),
            ("ttft_p50_ms", "TTFT p50 (ms)"),
            ("ttft_p95_ms", "TTFT p95 (ms)"),
            ("ttft_scheduled_p50_ms", "TTFT from the plan p50 (ms)"),
            ("ttft_scheduled_p95_ms", "TTFT from the plan p95 (ms)"),
            ("tpot_p50_ms", "TPOT p50 (ms)"),
            ("tpot_p95_ms", "TPOT p95 (ms)"),
        ],
    );
    for l in &series.latencies {
        let mut cells = vec![
            Cell::number(l.span_s.0, 3),
            Cell::number(l.span_s.1, 3),
            Cell::number(l.n as f64, 0),
        ];
        for (p50, p95) in [l.ttft_ms, l.planned_ms, l.tpot_ms] {
            cells.extend([p50, p95].map(|v| Cell::known(v, 3)));
        }
        table.row(cells);
    }
    table
}
