//! Findings in words: one by one for `report.json`, or one sentence and a table for each kind.

use domain::backend::ServerIdentity;
use metrics::advice::{Differing, EvidenceRef, Finding, FindingKind, Quantity};
use metrics::stats::Estimate;
use serde_json::{Value, json};

use crate::choice::times;
use crate::number::{bounds, plain, three_digits};
use crate::safe;
use crate::table::{Cell, Kind, Origin, Table};
use crate::verdict;
use crate::words::{capital, joined, plural};

/// What a cause costs time with, as the end of a sentence.
pub fn cause_words(cause: &str) -> &'static str {
    match cause {
        "wait_other_config" => "waiting for requests with other options",
        "model_reload" => "loading the model again",
        "cold_load" => "loading the model, which running in turn pays, too",
        "slot_queue" => "waiting for a slot",
        "shared_prefill" => "prefill beside others",
        "shared_decode" => "decoding beside others",
        "offload" => "layers on the CPU that fit on the device in turn",
        "admission" => "waiting for a permit of the client's own limit (`--admission`)",
        "client" => "our own overhead",
        "thermal_or_power" => "clocks held down for heat or power",
        _ => "no cause that could be named",
    }
}

/// The kind of a finding, as in its id.
pub const fn kind_word(kind: &FindingKind) -> &'static str {
    match kind {
        FindingKind::NeverOverlapped => "never-overlapped",
        FindingKind::Verdict(_) => "verdict",
        FindingKind::OtherOptions(_) => "serial-other-options",
        FindingKind::Admission => "serial-admission",
        FindingKind::SlotQueue => "serial-slot-queue",
        FindingKind::EqualOptions => "equal-options",
        FindingKind::Costliest => "costliest",
        FindingKind::Offload => "offload",
        FindingKind::Throttled => "throttled",
        FindingKind::LeftOut => "left-out",
        FindingKind::TwoServers { .. } => "two-servers",
    }
}

/// A stable id: `serial-other-options:bvc_g60_c512_t0.6`.
pub fn id(finding: &Finding) -> String {
    let mut id = kind_word(&finding.kind).to_owned();
    for part in [
        finding.config.as_ref().map(ToString::to_string),
        finding.topology.map(|t| t.to_string()),
    ]
    .into_iter()
    .flatten()
    {
        id.push(':');
        id.push_str(&part);
    }
    id
}

pub fn json(findings: &[Finding]) -> Value {
    let one = |finding: &Finding| {
        json!({
            "id": id(finding),
            "sentence": sentence(finding),
            "evidence": finding.evidence,
        })
    };
    findings.iter().map(one).collect()
}

fn place(finding: &Finding) -> String {
    let config = finding.config.as_ref().map_or("all", |c| c.as_str());
    match finding.topology {
        Some(topology) => format!("{config} ({})", verdict::topology(topology)),
        None => config.to_owned(),
    }
}

fn value(finding: &Finding, at: usize) -> f64 {
    finding.evidence.get(at).map_or(f64::NAN, |e| e.value)
}

fn short(finding: &Finding, at: usize) -> String {
    three_digits(value(finding, at))
}

/// `1.02 [0.98, 1.06], n = 5`.
fn with_interval(e: &EvidenceRef) -> String {
    let mean = three_digits(e.value);
    match e.interval {
        Some((lo, hi)) => format!(
            "{mean} [{}, {}], n = {}",
            three_digits(lo),
            three_digits(hi),
            e.n
        ),
        None => format!("{mean}, n = {}, no interval", e.n),
    }
}

/// `num_ctx 512 and 1024, use_mmap`.
fn differing_words(differing: &[Differing]) -> String {
    let words: Vec<String> = differing
        .iter()
        .map(|d| {
            let [a, b] = d.values.each_ref().map(|v| v.as_deref().unwrap_or("unset"));
            format!("{} {a} and {b}", d.option)
        })
        .collect();
    words.join(", ")
}

/// `12.3 % [10.1, 14.5] longer`, or that no change can be shown.
fn change(ratio: &Estimate, more: &str, less: &str) -> String {
    let percent = |r: f64| 100.0 * (r - 1.0);
    let Some(i) = ratio.interval() else {
        let word = if ratio.mean > 1.0 { more } else { less };
        let size = three_digits(percent(ratio.mean).abs());
        return format!("{size} % {word} (no interval)");
    };
    let span = |mean: f64, lo: f64, hi: f64| {
        let [mean, lo, hi] = [mean, lo, hi].map(three_digits);
        format!("{mean} % [{lo}, {hi}]")
    };
    let (mean, lo, hi) = (percent(ratio.mean), percent(i.lo), percent(i.hi));
    if i.contains(1.0) {
        format!("not shown to change ({})", span(mean, lo, hi))
    } else if i.lo > 1.0 {
        format!("{} {more}", span(mean, lo, hi))
    } else {
        format!("{} {less}", span(-mean, -hi, -lo))
    }
}

pub fn sentence(finding: &Finding) -> String {
    let place = place(finding);
    let n = |at: usize| finding.evidence.get(at).map_or(0, |e| e.n);
    let runs = finding.runs;
    match &finding.kind {
        FindingKind::NeverOverlapped => {
            let topology = finding
                .topology
                .map_or_else(String::new, |t| format!(" ({t})"));
            format!(
                "In {} of {runs} runs{topology} no two agents ever decoded at the same time, yet their estimated \
                 speedup averages {}.",
                value(finding, 0),
                short(finding, 1)
            )
        }
        FindingKind::Verdict(found) => {
            let speedup = finding.evidence.first().map(with_interval);
            let says = verdict::finding(*found, &speedup.unwrap_or_default());
            format!("{place}: {}.", says.unwrap_or_default())
        }
        FindingKind::OtherOptions(differing) => format!(
            "{place}: the agents took turns because their options differ ({}): in {} of {runs} runs one waited {} s \
             for the other's requests and then {} s until the model was loaded with its own options.",
            differing_words(differing),
            n(1),
            short(finding, 1),
            short(finding, 2),
        ),
        FindingKind::Admission => format!(
            "{place}: the agents took turns because the client let too few requests through (`--admission`): in {} \
             of {runs} runs one waited {} s for a permit while the other was served.",
            n(1),
            short(finding, 1),
        ),
        FindingKind::SlotQueue => format!(
            "{place}: the agents took turns because the server had no free slot: in {} of {runs} runs one waited {} \
             s in its queue while the other was served.",
            n(1),
            short(finding, 1),
        ),
        FindingKind::EqualOptions => {
            let count = value(finding, 0);
            let reloads = if (count - 1.0).abs() < f64::EPSILON {
                "one reload".to_owned()
            } else {
                format!("{} reloads", three_digits(count))
            };
            format!(
                "{place}: equal options would have spared {reloads} of the model per run, about {} s (seen in {} of \
                 {runs} runs).",
                short(finding, 1),
                n(1),
            )
        }
        FindingKind::Costliest => format!(
            "{place}: of {} s lost per run against perfect concurrency, {} s went to {}.",
            short(finding, 0),
            short(finding, 1),
            finding
                .evidence
                .get(1)
                .map_or("", |e| cause_words(e.figure)),
        ),
        FindingKind::Offload => {
            let of = |figure| {
                let found = finding.evidence.iter().find(|e| e.figure == figure);
                found.map(|e| e.value)
            };
            let percent = |share: f64| format!("{} %", plain(100.0 * share, 0));
            let in_turn = of("cause.offload.on_cpu_in_turn");
            let alike = in_turn.is_some_and(|in_turn| value(finding, 0) <= in_turn + 0.01);
            let cost = match of("lost_s.offload") {
                Some(lost) if lost >= 0.05 => {
                    format!("{} s per run were lost to it", three_digits(lost))
                }
                Some(_) if alike => {
                    "the runs in turn were slowed alike, so that the speedup does not show what it costs".to_owned()
                }
                _ => "what it cost is unknown".to_owned(),
            };
            format!(
                "{place}: the model did not fit on the device: {} of an agent's model ran on the CPU in {} of {runs} \
                 runs, {} in turn; {cost}.",
                percent(value(finding, 0)),
                n(0),
                in_turn.map_or_else(|| "an unknown part".to_owned(), percent),
            )
        }
        FindingKind::Throttled => format!(
            "{place}: the device held its clocks down; at least {} s per run were lost to it.",
            short(finding, 0)
        ),
        FindingKind::LeftOut => format!(
            "{place}: {} of {} runs are left out because a request did not complete or the arm was not usable.",
            value(finding, 0),
            n(0)
        ),
        FindingKind::TwoServers { changes } => {
            let mut parts: Vec<String> = changes
                .iter()
                .map(|(quantity, ratio)| match quantity {
                    Quantity::Wall => {
                        format!("wall time is {}", change(ratio, "longer", "shorter"))
                    }
                    // Only the wall time ranks.
                    Quantity::Throughput => format!("throughput is {}", times(ratio)),
                    Quantity::Ttft => format!("time to the first token is {}", times(ratio)),
                })
                .collect();
            for e in finding.evidence.iter().skip(changes.len()) {
                let percent = three_digits(100.0 * e.value);
                parts.push(match e.figure {
                    "decode_overlap" => {
                        format!("two or more agents decode in {percent} % of the decoding time")
                    }
                    "topologies.rate.ratio" => {
                        format!("each agent decodes at {percent} % of its rate on one server")
                    }
                    _ => format!("each agent decodes at {percent} % of its rate in turn"),
                });
            }
            format!(
                "{place}, a server per agent instead of one ({runs} repetitions): {}.",
                parts.join("; ")
            )
        }
    }
}

/// Findings of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Together {
    pub sentence: String,
    /// A row for each; none where there is only one finding, which the sentence says whole.
    pub table: Option<Table>,
}

/// The findings by kind, in order of appearance. Verdicts and `TwoServers` are left to the tables that show them.
pub fn together(findings: &[Finding], origin: Origin) -> Vec<Together> {
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        let kind = kind_word(&finding.kind);
        match groups.iter_mut().find(|g| kind_word(&g[0].kind) == kind) {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    groups
        .iter()
        .filter_map(|group| {
            let sentence = match group[..] {
                [one] => sentence(one),
                _ => over_all(group)?,
            };
            Some(Together {
                sentence,
                table: (group.len() > 1).then(|| numbers(group, origin)).flatten(),
            })
        })
        .collect()
}

/// `4.13 to 10.8`, or one number where all round to it.
fn range(values: impl Iterator<Item = f64>) -> String {
    let values: Vec<f64> = values.collect();
    let Some((low, high)) = bounds(&values) else {
        return "unknown".to_owned();
    };
    let [low, high] = [low, high].map(three_digits);
    if low == high {
        low
    } else {
        format!("{low} to {high}")
    }
}

fn options_named<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> Vec<&'static str> {
    let mut options = Vec::new();
    for finding in findings {
        if let FindingKind::OtherOptions(differing) = &finding.kind {
            let new = |d: &&Differing| !options.contains(&d.option);
            let new: Vec<_> = differing.iter().filter(new).map(|d| d.option).collect();
            options.extend(new);
        }
    }
    options
}

/// One sentence over findings of one kind; none for kinds whose tables say it.
fn over_all(group: &[&Finding]) -> Option<String> {
    let all = group.len();
    let span = |at: usize| range(group.iter().map(|f| value(f, at)));
    Some(match &group[0].kind {
        FindingKind::Verdict(_) | FindingKind::TwoServers { .. } => return None,
        FindingKind::NeverOverlapped => {
            let sentences: Vec<String> = group.iter().map(|f| sentence(f)).collect();
            sentences.join(" ")
        }
        FindingKind::OtherOptions(_) => {
            let options = options_named(group.iter().copied());
            format!(
                "In {all} configurations the agents took turns because their options differ ({}): one waited {} s for \
                 the other's requests and then {} s until the model was loaded with its own options.",
                joined(&options),
                span(1),
                span(2)
            )
        }
        FindingKind::Admission => format!(
            "In {all} configurations the agents took turns because the client let too few requests through \
             (`--admission`): one waited {} s for a permit while the other was served.",
            span(1)
        ),
        FindingKind::SlotQueue => format!(
            "In {all} configurations the agents took turns because the server had no free slot: one waited {} s in its \
             queue while the other was served.",
            span(1)
        ),
        FindingKind::EqualOptions => format!(
            "In {all} configurations equal options would have spared reloads of the model: {} per run, about {} s.",
            span(0),
            span(1)
        ),
        FindingKind::Costliest => {
            let mut causes: Vec<(&str, u32)> = Vec::new();
            for e in group.iter().filter_map(|f| f.evidence.get(1)) {
                match causes.iter_mut().find(|(cause, _)| *cause == e.figure) {
                    Some((_, n)) => *n += 1,
                    None => causes.push((e.figure, 1)),
                }
            }
            causes.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
            let named: Vec<String> = causes
                .iter()
                .map(|(cause, n)| format!("{} in {n}", cause_words(cause)))
                .collect();
            format!(
                "Against perfect concurrency a run loses {} s in {all} configurations; what costs most is {}.",
                span(0),
                joined(&named)
            )
        }
        FindingKind::Offload => {
            let shares = group.iter().map(|f| 100.0 * value(f, 0));
            format!(
                "In {all} configurations the model did not fit on the device: {} % of an agent's model ran on the CPU.",
                range(shares)
            )
        }
        FindingKind::Throttled => format!(
            "In {all} configurations the device held its clocks down; at least {} s per run were lost to it.",
            span(0)
        ),
        FindingKind::LeftOut => {
            let left: f64 = group.iter().map(|f| value(f, 0)).sum();
            let of: u32 = group
                .iter()
                .filter_map(|f| f.evidence.first())
                .map(|e| e.n)
                .sum();
            format!(
                "{} of {of} runs of {all} configurations are left out because a request did not complete or the arm was \
                 not usable.",
                plain(left, 0)
            )
        }
    })
}

/// A row for each finding; none for a kind that has no numbers of its own.
fn numbers(group: &[&Finding], origin: Origin) -> Option<Table> {
    let headings: &[&str] = match &group[0].kind {
        FindingKind::OtherOptions(_) => &["wait (s)", "load after it (s)"],
        FindingKind::Admission | FindingKind::SlotQueue => &["wait (s)"],
        FindingKind::EqualOptions => &["reloads per run", "time (s)"],
        FindingKind::Costliest => &["lost (s)", "of it (s)"],
        FindingKind::Throttled => &["lost (s)"],
        FindingKind::LeftOut => &["runs left out"],
        FindingKind::NeverOverlapped
        | FindingKind::Verdict(_)
        | FindingKind::Offload
        | FindingKind::TwoServers { .. } => {
            return None;
        }
    };
    let several = group.iter().any(|f| f.topology != group[0].topology);
    let kind = kind_word(&group[0].kind);
    let mut table = Table::new(format!("finding-{kind}"), capital(&kind.replace('-', " ")));
    table.label("config", "config");
    if several {
        table.label("topology", "servers");
    }
    let words = matches!(
        group[0].kind,
        FindingKind::OtherOptions(_) | FindingKind::Costliest
    );
    if words {
        table.label("what", "what");
    }
    for heading in headings {
        let key = heading
            .split(" (")
            .next()
            .unwrap_or(heading)
            .replace(' ', "_");
        table.column(key, *heading, Kind::Number, origin);
    }
    table.column("seen_in", "runs (n)", Kind::Number, origin);
    for finding in group {
        let config = finding.config.as_ref().map_or("all", |c| c.as_str());
        let mut cells = vec![Cell::text(config)];
        if several {
            let topology = finding.topology.map(verdict::topology);
            cells.push(topology.map_or(Cell::Unknown, Cell::text));
        }
        let numbers = finding.evidence.len() - headings.len().min(finding.evidence.len());
        match &finding.kind {
            FindingKind::OtherOptions(differing) => {
                cells.push(Cell::text(differing_words(differing)));
            }
            FindingKind::Costliest => {
                let cause = finding.evidence.get(1).map_or("", |e| e.figure);
                cells.push(Cell::text(cause.replace('_', " ")));
            }
            _ => {}
        }
        for (e, heading) in finding.evidence.iter().skip(numbers).zip(headings) {
            let whole = !heading.ends_with("(s)") && e.value.fract() == 0.0;
            cells.push(Cell::number(e.value, if whole { 0 } else { 2 }));
        }
        cells.push(
            finding
                .evidence
                .last()
                .map_or(Cell::Unknown, |e| Cell::count(e.n)),
        );
        table.row(cells);
    }
    Some(table)
}

/// What would help, by the evidence; `slots` is how many an agent each would take on `server`.
pub fn what_to_try(
    findings: &[Finding],
    slots: u64,
    server: Option<&ServerIdentity>,
) -> Vec<String> {
    let of = |kind: FindingKind| -> Vec<&Finding> {
        let found = findings.iter().filter(|f| f.kind == kind);
        found.collect()
    };
    let configurations = |found: &[&Finding]| plural(found.len() as u64, "configuration");
    let mut next = Vec::new();
    let spared = of(FindingKind::EqualOptions);
    if !spared.is_empty() {
        let options = options_named(findings);
        let options: Vec<String> = options.iter().map(|o| safe::code(o)).collect();
        let what = if options.is_empty() {
            "the same options".to_owned()
        } else {
            format!("the same {}", joined(&options))
        };
        next.push(format!(
            "Give all agents {what}: it would have spared {} s of reloading per run, in {}.",
            range(spared.iter().map(|f| value(f, 1))),
            configurations(&spared)
        ));
    }
    let offloaded = of(FindingKind::Offload);
    if !offloaded.is_empty() {
        next.push(format!(
            "Make room on the device, by a smaller `num_ctx`, one server for all agents or a smaller model: {} % of an \
             agent's model ran on the CPU, in {}.",
            range(offloaded.iter().map(|f| 100.0 * value(f, 0))),
            configurations(&offloaded)
        ));
    }
    let queued = of(FindingKind::SlotQueue);
    if !queued.is_empty() {
        let serve = format!("Let the server serve {slots} requests at once");
        let start = match server.map(|server| server.slots_setting(slots)) {
            Some(Some(setting)) => format!("Start the server with `{setting}`"),
            Some(None) => serve,
            None => format!("{serve} (Ollama: `OLLAMA_NUM_PARALLEL={slots}`)"),
        };
        next.push(format!(
            "{start}, a slot for each agent: agents waited for one in {}.",
            configurations(&queued)
        ));
    }
    if !of(FindingKind::Admission).is_empty() {
        next.push("Raise `--admission`: the client itself kept requests back.".to_owned());
    }
    next
}

#[cfg(test)]
mod tests;
