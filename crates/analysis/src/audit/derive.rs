//! Columns that follow from a row's own cells.

use super::value::{Row, Value, number};

/// Adds to a row, where its cells allow:
///
/// | column | meaning |
/// |---|---|
/// | `num_gpu`, `num_ctx`, `temperature` | agent B's options, by their columns or by the id |
/// | `contention` | `contention_recorded`, under the published table's name |
/// | `efficiency_percent`, `efficiency_percent_sd` | 100 · `speedup` / 2, and of its standard deviation |
///
/// and to a recorded run (one with both agents' times):
///
/// | column | meaning |
/// |---|---|
/// | `speedup_from_times` | (`a_execution_s` + `b_execution_s`) / wall |
/// | `ttft_delta_ms` | TTFT of A less TTFT of B (positive: B is sooner) |
/// | `a_rate`, `b_rate`, `tp_delta`, `mean_rate` | server-side tok/s of each agent; B less A; of both on average |
/// | `aggregate_rate`, `tokens` | tokens of both over the wall time; their sum |
/// | `first` | which agent's first token came first, `a` or `b` |
/// | `first_execution_s`, `first_execution_ms` | how long that agent took |
/// | `second_ttft_ms`, `second_load_ms` | TTFT and `load_duration` of the other |
/// | `gap_ms` | the other's first token less the first agent's end; at least 0: they never overlapped |
/// | `overlap_s`, `decode_overlap` | time with both agents decoding; its share of the time with any decoding |
/// | `serial_speedup` | 1 + `first_execution_s` / wall: TR113's speedup of a strictly serial server |
/// | `server_work_s`, `server_work_speedup` | load + prompt evaluation + generation of both; over the wall time |
/// | `start_s`, `end_s` | seconds since 1970 of the run's first request and last result |
pub(super) fn derive(row: &mut Row) {
    for (letter, option) in [('g', "num_gpu"), ('c', "num_ctx"), ('t', "temperature")] {
        let own = number(row, &format!("b_{option}"));
        let spelt = text(row, "config").split('_');
        let mut spelt = spelt.filter_map(|part| part.strip_prefix(letter)?.parse().ok());
        if let Some(value) = own.or_else(|| spelt.next_back()) {
            row.insert(option.to_owned(), Value::Number(value));
        }
    }
    for end in ["", "_sd"] {
        if let Some(speedup) = number(row, &format!("speedup{end}")) {
            row.entry(format!("efficiency_percent{end}"))
                .or_insert(Value::Number(50.0 * speedup));
        }
    }
    if let Some(flag) = row.get("contention_recorded").cloned() {
        row.entry("contention".to_owned()).or_insert(flag);
    }
    for (column, value) in of_run(row).unwrap_or_default() {
        row.insert(column.to_owned(), value);
    }
}

fn text<'r>(row: &'r Row, column: &str) -> &'r str {
    match row.get(column) {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}

struct Agent {
    name: &'static str,
    execution_s: f64,
    ttft_s: f64,
    load_ms: f64,
    server_s: f64,
    tokens: f64,
    rate: Option<f64>,
}

impl Agent {
    fn of(row: &Row, name: &'static str) -> Option<Self> {
        let get = |column: &str| number(row, &format!("{name}_{column}"));
        let (load_ms, eval_ms, tokens) = (get("load_ms")?, get("eval_ms")?, get("tokens")?);
        Some(Self {
            name,
            execution_s: get("execution_s")?,
            ttft_s: get("ttft_ms")? / 1e3,
            load_ms,
            server_s: (load_ms + get("prompt_eval_ms")? + eval_ms) / 1e3,
            tokens,
            rate: (eval_ms > 0.0).then(|| 1e3 * tokens / eval_ms),
        })
    }
}

fn of_run(row: &Row) -> Option<Vec<(&'static str, Value)>> {
    let wall_s = number(row, "concurrent_wall_time_s").filter(|wall| *wall > 0.0)?;
    let (a, b) = (Agent::of(row, "a")?, Agent::of(row, "b")?);
    let (first, second) = if a.ttft_s <= b.ttft_s {
        (&a, &b)
    } else {
        (&b, &a)
    };
    let both = (first.execution_s.min(second.execution_s) - second.ttft_s).max(0.0);
    let any = first.execution_s.max(second.execution_s)
        - first.ttft_s
        - (second.ttft_s - first.execution_s).max(0.0);
    let work = a.server_s + b.server_s;
    let tokens = a.tokens + b.tokens;
    // The stamp is that of agent B's result.
    let start = row.get("recorded_at").and_then(Value::number);
    let start = start.map(|stamp| stamp - b.execution_s);
    let sum_s = a.execution_s + b.execution_s;
    let numbers = [
        ("speedup_from_times", Some(sum_s / wall_s)),
        ("ttft_delta_ms", Some(1e3 * (a.ttft_s - b.ttft_s))),
        ("tokens", Some(tokens)),
        ("aggregate_rate", Some(tokens / wall_s)),
        ("first_execution_s", Some(first.execution_s)),
        ("first_execution_ms", Some(1e3 * first.execution_s)),
        ("second_ttft_ms", Some(1e3 * second.ttft_s)),
        ("second_load_ms", Some(second.load_ms)),
        ("gap_ms", Some(1e3 * (second.ttft_s - first.execution_s))),
        ("overlap_s", Some(both)),
        ("decode_overlap", (any > 0.0).then(|| both / any)),
        ("serial_speedup", Some(1.0 + first.execution_s / wall_s)),
        ("server_work_s", Some(work)),
        ("server_work_speedup", Some(work / wall_s)),
        ("a_rate", a.rate),
        ("b_rate", b.rate),
        ("tp_delta", a.rate.zip(b.rate).map(|(a, b)| b - a)),
        ("mean_rate", a.rate.zip(b.rate).map(|(a, b)| a.midpoint(b))),
        ("start_s", start),
        ("end_s", start.map(|start| start + wall_s)),
    ];
    let known = numbers.into_iter();
    let known = known.filter_map(|(column, value)| Some((column, Value::Number(value?))));
    let name = Value::Text(first.name.to_owned());
    Some(known.chain([("first", name)]).collect())
}
