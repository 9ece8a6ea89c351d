//! Columns that follow from a recorded run's own figures.

use std::time::UNIX_EPOCH;

use super::row::{Cell, Row};

/// Adds to a recorded run, where its cells allow:
///
/// | column | meaning |
/// |---|---|
/// | `contention` | `contention_recorded`, under the published table's name |
/// | `efficiency_percent` | 100 · `speedup` / 2 |
/// | `speedup_from_times` | (`a_execution_s` + `b_execution_s`) / wall |
/// | `ttft_delta_ms` | TTFT of A less TTFT of B (positive: B is sooner) |
/// | `a_rate`, `b_rate`, `tp_delta` | server-side tok/s of each agent; B less A |
/// | `aggregate_rate`, `tokens` | tokens of both over the wall time; their sum |
/// | `first` | which agent's first token came first, `a` or `b` |
/// | `first_execution_s` | how long that agent took |
/// | `second_ttft_ms`, `second_load_ms` | TTFT and `load_duration` of the other |
/// | `gap_ms` | the other's first token less the first agent's end; at least 0: they never overlapped |
/// | `overlap_s`, `decode_overlap` | time with both agents decoding; its share of the time with any decoding |
/// | `serial_speedup` | 1 + `first_execution_s` / wall: TR113's speedup of a strictly serial server |
/// | `server_work_s`, `server_work_speedup` | load + prompt evaluation + generation of both; over the wall time |
/// | `start_s`, `end_s` | seconds since 1970 of the run's first request and last result |
/// | `num_gpu`, `num_ctx`, `temperature` | agent B's options |
pub(super) fn derive(row: Row) -> Row {
    let mut row = row;
    for option in ["num_gpu", "num_ctx", "temperature"] {
        if let Some(value) = row.get(&format!("b_{option}")) {
            row = row.number(option, value);
        }
    }
    match row.get("speedup") {
        Some(speedup) if row.get("efficiency_percent").is_none() => {
            row = row.number("efficiency_percent", 50.0 * speedup);
        }
        _ => {}
    }
    if let (None, Some(Cell::Text(flag))) =
        (row.cell("contention"), row.cell("contention_recorded"))
    {
        let flag = flag == "yes";
        row = row.flag("contention", flag);
    }
    let Some(run) = Run::of(&row) else {
        return row;
    };
    let (first, second) = if run.a.ttft_s <= run.b.ttft_s {
        (&run.a, &run.b)
    } else {
        (&run.b, &run.a)
    };
    let both = (first.execution_s.min(second.execution_s) - second.ttft_s).max(0.0);
    let any = first.execution_s.max(second.execution_s)
        - first.ttft_s
        - (second.ttft_s - first.execution_s).max(0.0);
    let work = run.a.server_s + run.b.server_s;
    let tokens = run.a.tokens + run.b.tokens;
    let name = if run.a.ttft_s <= run.b.ttft_s {
        "a"
    } else {
        "b"
    };
    let mut row = row
        .number(
            "speedup_from_times",
            (run.a.execution_s + run.b.execution_s) / run.wall_s,
        )
        .number("ttft_delta_ms", 1e3 * (run.a.ttft_s - run.b.ttft_s))
        .number("tokens", tokens)
        .number("aggregate_rate", tokens / run.wall_s)
        .text("first", name)
        .number("first_execution_s", first.execution_s)
        .number("second_ttft_ms", 1e3 * second.ttft_s)
        .number("second_load_ms", second.load_ms)
        .number("first_execution_ms", 1e3 * first.execution_s)
        .number("gap_ms", 1e3 * (second.ttft_s - first.execution_s))
        .number("overlap_s", both)
        .number("serial_speedup", 1.0 + first.execution_s / run.wall_s)
        .number("server_work_s", work)
        .number("server_work_speedup", work / run.wall_s);
    if any > 0.0 {
        row = row.number("decode_overlap", both / any);
    }
    if let (Some(a), Some(b)) = (run.a.rate(), run.b.rate()) {
        row = row
            .number("a_rate", a)
            .number("b_rate", b)
            .number("tp_delta", b - a);
    }
    // The stamp is that of agent B's result.
    if let Some(Cell::Text(stamp)) = row.cell("recorded_at")
        && let Some(stamp) = seconds(stamp)
    {
        let start = stamp - run.b.execution_s;
        row = row
            .number("start_s", start)
            .number("end_s", start + run.wall_s);
    }
    row
}

/// Seconds since 1970 of an RFC 3339 stamp.
pub(super) fn seconds(stamp: &str) -> Option<f64> {
    let time = humantime::parse_rfc3339(stamp).ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs_f64())
}

struct Run {
    wall_s: f64,
    a: Agent,
    b: Agent,
}

struct Agent {
    execution_s: f64,
    ttft_s: f64,
    load_ms: f64,
    eval_ms: f64,
    server_s: f64,
    tokens: f64,
}

impl Run {
    fn of(row: &Row) -> Option<Self> {
        Some(Self {
            wall_s: row
                .get("concurrent_wall_time_s")
                .filter(|wall| *wall > 0.0)?,
            a: Agent::of(row, "a")?,
            b: Agent::of(row, "b")?,
        })
    }
}

impl Agent {
    fn of(row: &Row, prefix: &str) -> Option<Self> {
        let get = |column: &str| row.get(&format!("{prefix}_{column}"));
        let (load_ms, eval_ms) = (get("load_ms")?, get("eval_ms")?);
        Some(Self {
            execution_s: get("execution_s")?,
            ttft_s: get("ttft_ms")? / 1e3,
            load_ms,
            eval_ms,
            server_s: (load_ms + get("prompt_eval_ms")? + eval_ms) / 1e3,
            tokens: get("tokens")?,
        })
    }

    fn rate(&self) -> Option<f64> {
        (self.eval_ms > 0.0).then(|| 1e3 * self.tokens / self.eval_ms)
    }
}
