//! Findings in words: one by one for `report.json`, or one sentence and a table for each kind.

use std::cmp::Reverse;

use domain::backend::ServerIdentity;
use itertools::Itertools as _;
use metrics::advice::{Differing, EvidenceRef, Finding, FindingKind, Quantity};
use metrics::grouped_in_order;
use metrics::stats::Estimate;
use serde_json::{Value, json};

use crate::choice::times;
use crate::number::{bounds, plain, three_digits};
use crate::safe;
use crate::table::{Cell, Kind, Origin, Table};
use crate::verdict;
use crate::words::{capital, fill, joined, plural};

/// The words of a kind of finding. Sentences hold `{names}` of values: the digit of a piece of evidence is its value, and
/// with an `n` before it the number of runs behind it.
struct Words {
    columns: Vec<&'static str>,
    /// About one finding.
    one: &'static str,
    /// About several; empty for kinds whose tables say it.
    several: &'static str,
    /// What would help; empty where nothing is known to.
    next: &'static str,
}

/// A line for each kind: its word in ids, the columns of its table, the sentence about one, that about several, and what
/// would help; then a line for each cause of lost time, with what it costs time with.
const WORDS: &str = include_str!("findings.txt");

fn words(kind: &FindingKind) -> Words {
    let of_line = |line: &'static str| {
        let mut parts = line.split(" | ");
        let is_own = parts.next() == Some(kind.into_str());
        let columns = parts.next()?.split(", ").filter(|name| !name.is_empty());
        is_own.then_some(Words {
            columns: columns.collect(),
            one: parts.next()?,
            several: parts.next().unwrap_or_default(),
            next: parts.next().unwrap_or_default(),
        })
    };
    let found = WORDS.lines().find_map(of_line);
    found.expect("every kind has a line of words")
}

/// What a cause costs time with, as the end of a sentence.
fn cause_words(cause: &str) -> &'static str {
    let of_line = |line: &'static str| {
        let (own, words) = line.strip_prefix("cause ")?.split_once(" | ")?;
        (own == cause).then_some(words)
    };
    let found = WORDS.lines().find_map(of_line);
    found.unwrap_or("no cause that could be named")
}

/// A stable id: `serial-other-options:bvc_g60_c512_t0.6`.
pub fn id(finding: &Finding) -> String {
    let config = finding.config.as_ref().map(|id| format!(":{id}"));
    let topology = finding.topology.map(|topology| format!(":{topology}"));
    let parts = [config, topology].into_iter().flatten();
    finding.kind.into_str().to_owned() + &parts.collect::<String>()
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

/// `1.02 [0.98, 1.06], n = 5`.
fn with_interval(e: &EvidenceRef) -> String {
    let mean = three_digits(e.value);
    match e.interval {
        Some((lo, hi)) => {
            let [lo, hi] = [lo, hi].map(three_digits);
            format!("{mean} [{lo}, {hi}], n = {}", e.n)
        }
        None => format!("{mean}, n = {}, no interval", e.n),
    }
}

/// `num_ctx 512 and 1024, use_mmap`.
fn differing_words(differing: &[Differing]) -> String {
    let in_words = |d: &Differing| {
        let [a, b] = d.values.each_ref().map(|v| v.as_deref().unwrap_or("unset"));
        format!("{} {a} and {b}", d.option)
    };
    differing.iter().map(in_words).join(", ")
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
    let n = |at: usize| finding.evidence.get(at).map_or(0, |e| e.n).to_string();
    fill(words(&finding.kind).one, |name| match name {
        "place" => place(finding),
        "runs" => finding.runs.to_string(),
        "whole" => value(finding, 0).to_string(),
        "n0" => n(0),
        "n1" => n(1),
        "topology" => {
            let topology = finding.topology.map(|t| format!(" ({t})"));
            topology.unwrap_or_default()
        }
        "options" => match &finding.kind {
            FindingKind::OtherOptions(differing) => differing_words(differing),
            _ => String::new(),
        },
        "verdict" => match finding.kind {
            FindingKind::Verdict(found) => {
                let speedup = finding.evidence.first().map(with_interval);
                verdict::finding(found, &speedup.unwrap_or_default()).unwrap_or_default()
            }
            _ => String::new(),
        },
        "reloads" if value(finding, 0).to_bits() == 1_f64.to_bits() => "one reload".to_owned(),
        "reloads" => format!("{} reloads", three_digits(value(finding, 0))),
        "cause" => {
            let cause = finding.evidence.get(1);
            cause.map_or("", |e| cause_words(e.figure)).to_owned()
        }
        "on_cpu" => plain(100.0 * value(finding, 0), 0),
        "in_turn" => match on_cpu_in_turn(finding) {
            Some(share) => format!("{} %", plain(100.0 * share, 0)),
            None => "an unknown part".to_owned(),
        },
        "cost" => offload_cost(finding),
        "changes" => changes_in_words(finding),
        place => three_digits(value(finding, place.parse().unwrap_or(usize::MAX))),
    })
}

/// The part of an agent's model that ran on the CPU in turn, 0 to 1.
fn on_cpu_in_turn(finding: &Finding) -> Option<f64> {
    named(finding, "cause.offload.on_cpu_share_in_turn")
}

fn named(finding: &Finding, figure: &str) -> Option<f64> {
    let found = finding.evidence.iter().find(|e| e.figure == figure);
    found.map(|e| e.value)
}

fn offload_cost(finding: &Finding) -> String {
    let alike = on_cpu_in_turn(finding).is_some_and(|share| value(finding, 0) <= share + 0.01);
    match named(finding, "lost_s.offload") {
        Some(lost) if lost >= 0.05 => format!("{} s per run were lost to it", three_digits(lost)),
        Some(_) if alike => {
            "the runs in turn were slowed alike, so that the speedup does not show what it costs"
                .to_owned()
        }
        _ => "what it cost is unknown".to_owned(),
    }
}

/// What a server per agent changes, and how the agents decode on it.
fn changes_in_words(finding: &Finding) -> String {
    let FindingKind::TwoServers { changes } = &finding.kind else {
        return String::new();
    };
    let changed = changes.iter().map(|(quantity, ratio)| match quantity {
        Quantity::Wall => format!("wall time is {}", change(ratio, "longer", "shorter")),
        // Only the wall time ranks.
        Quantity::Throughput => format!("throughput is {}", times(ratio)),
        Quantity::Ttft => format!("time to the first token is {}", times(ratio)),
    });
    let shares = finding.evidence.iter().skip(changes.len()).map(|e| {
        let percent = three_digits(100.0 * e.value);
        match e.figure {
            "decode_overlap" => {
                format!("two or more agents decode in {percent} % of the decoding time")
            }
            "topologies.decode_tokens_per_s.ratio" => {
                format!("each agent decodes at {percent} % of its rate on one server")
            }
            _ => format!("each agent decodes at {percent} % of its rate in turn"),
        }
    });
    changed.chain(shares).join("; ")
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
    let of_kind = |(_, group): (&str, Vec<&Finding>)| {
        let (sentence, table) = match group[..] {
            [one] => (sentence(one), None),
            _ => (over_all(&group)?, numbers(&group, origin)),
        };
        Some(Together { sentence, table })
    };
    let groups = grouped_in_order(findings, |finding| finding.kind.into_str());
    groups.into_iter().filter_map(of_kind).collect()
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
    let differing = findings
        .into_iter()
        .flat_map(|finding| match &finding.kind {
            FindingKind::OtherOptions(differing) => &differing[..],
            _ => &[],
        });
    let options = differing.map(|differing| differing.option);
    options.unique().collect()
}

/// One sentence over findings of one kind; none for kinds whose tables say it.
fn over_all(group: &[&Finding]) -> Option<String> {
    let template = words(&group[0].kind).several;
    let sentence = fill(template, |name| value_over_all(group, name));
    (!template.is_empty()).then_some(sentence)
}

/// The value of a name in a sentence over findings of one kind.
fn value_over_all(group: &[&Finding], name: &str) -> String {
    let first = || group.iter().filter_map(|f| f.evidence.first());
    match name {
        "all" => group.len().to_string(),
        "configurations" => plural(group.len() as u64, "configuration"),
        "each" => group.iter().map(|f| sentence(f)).join(" "),
        "options" => joined(&options_named(group.iter().copied())),
        "cause" => causes_counted(group),
        "on_cpu" => range(group.iter().map(|f| 100.0 * value(f, 0))),
        "whole" => plain(first().map(|e| e.value).sum(), 0),
        "n0" => first().map(|e| e.n).sum::<u32>().to_string(),
        place => {
            let place = place.parse().unwrap_or(usize::MAX);
            range(group.iter().map(|f| value(f, place)))
        }
    }
}

/// What costs most, with the number of configurations in which it does, the commonest first.
fn causes_counted(group: &[&Finding]) -> String {
    let causes = group.iter().filter_map(|f| Some(f.evidence.get(1)?.figure));
    let mut causes = grouped_in_order(causes, |cause| *cause);
    causes.sort_by_key(|(_, own)| Reverse(own.len()));
    let named = causes.iter();
    let named = named.map(|(cause, own)| format!("{} in {}", cause_words(cause), own.len()));
    joined(&named.collect::<Vec<_>>())
}

/// A row for each finding; none for a kind that has no numbers of its own.
fn numbers(group: &[&Finding], origin: Origin) -> Option<Table> {
    let headings = words(&group[0].kind).columns;
    if headings.is_empty() {
        return None;
    }
    let kind = group[0].kind.into_str();
    let mut table = Table::new(format!("finding-{kind}"), capital(&kind.replace('-', " ")));
    let differs = group.iter().any(|f| f.topology != group[0].topology);
    let has_what = matches!(
        group[0].kind,
        FindingKind::OtherOptions(_) | FindingKind::Costliest
    );
    table.label("config", "config");
    if differs {
        table.label("topology", "servers");
    }
    if has_what {
        table.label("what", "what");
    }
    for heading in &headings {
        let key = heading.split(" (").next().unwrap_or(heading);
        table.column(&key.replace(' ', "_"), heading, Kind::Number, origin);
    }
    table.column("seen_in", "runs (n)", Kind::Number, origin);
    for finding in group {
        let config = finding.config.as_ref().map_or("all", |c| c.as_str());
        let mut cells = vec![Cell::text(config)];
        if differs {
            let topology = finding.topology.map(verdict::topology);
            cells.push(topology.map_or(Cell::Unknown, Cell::text));
        }
        if has_what {
            let cause = finding.evidence.get(1).map_or("", |e| e.figure);
            cells.push(Cell::text(match &finding.kind {
                FindingKind::OtherOptions(differing) => differing_words(differing),
                _ => cause.replace('_', " "),
            }));
        }
        for (place, heading) in headings.iter().enumerate() {
            // The last pieces of evidence are the numbers.
            let place = (finding.evidence.len() + place).checked_sub(headings.len());
            let evidence = place.and_then(|place| finding.evidence.get(place));
            cells.push(evidence.map_or(Cell::Unknown, |e| {
                let whole = !heading.ends_with("(s)") && e.value.fract() == 0.0;
                Cell::number(e.value, if whole { 0 } else { 2 })
            }));
        }
        let last = finding.evidence.last();
        cells.push(last.map_or(Cell::Unknown, |e| Cell::count(e.n)));
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
    let options = options_named(findings).into_iter();
    let options: Vec<String> = options.map(safe::code).collect();
    let what = match &options[..] {
        [] => "the same options".to_owned(),
        options => format!("the same {}", joined(options)),
    };
    let serve = format!("Let the server serve {slots} requests at once");
    let start = match server.map(|server| server.slots_setting(slots)) {
        Some(Some(setting)) => format!("Start the server with `{setting}`"),
        Some(None) => serve,
        None => format!("{serve} (Ollama: `OLLAMA_NUM_PARALLEL={slots}`)"),
    };
    let next = |kind: FindingKind| {
        let found = findings.iter().filter(|f| f.kind == kind);
        let found: Vec<&Finding> = found.collect();
        let sentence = fill(words(&kind).next, |name| match name {
            "what" => what.clone(),
            "start" => start.clone(),
            name => value_over_all(&found, name),
        });
        (!found.is_empty()).then_some(sentence)
    };
    let kinds = [
        FindingKind::EqualOptions,
        FindingKind::Offload,
        FindingKind::SlotQueue,
        FindingKind::Admission,
    ];
    kinds.into_iter().filter_map(next).collect()
}

#[cfg(test)]
mod tests;
