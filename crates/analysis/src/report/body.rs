//! `report.md`.

use std::fmt::Write as _;

use domain::record::Provenance;

use super::environment::environment;
use super::{Finding, Material, client, glossary};
use crate::load::provenance_word;
use crate::tables::{Cell, Kind, Origin, Table, topology_word};

/// Where the dictionary lies, seen from a report's folder.
pub(crate) const DICTIONARY: &str = "../README.md";

/// Writes the report.
pub(super) fn write(material: &Material<'_>, findings: &[Finding]) -> String {
    let mut text = String::new();
    front_matter(&mut text, material);
    front(&mut text, material);
    evidence(&mut text, material, findings);
    differences(&mut text, material);
    audit(&mut text, material);
    tables(&mut text, material);
    method(&mut text, material);
    environment(&mut text, material);
    limits(&mut text, material);
    let _ = write!(text, "## Glossary\n\n{}", glossary::markdown(DICTIONARY));
    text
}

fn simulated(material: &Material<'_>) -> bool {
    material.dataset.provenance == Provenance::Simulated
}

fn front_matter(text: &mut String, material: &Material<'_>) {
    let quoted = |s: &str| serde_json::Value::from(s).to_string();
    let _ = write!(
        text,
        "---\nname: {}\nprovenance: {}\nsimulated: {}\nsource: {}\ninputs: [{}]\n---\n\n",
        quoted(&material.options.name),
        if simulated(material) {
            "SIMULATED"
        } else {
            provenance_word(material.dataset.provenance)
        },
        simulated(material),
        quoted(&material.dataset.source),
        material
            .options
            .inputs
            .iter()
            .map(|i| quoted(i))
            .collect::<Vec<_>>()
            .join(", "),
    );
}

fn front(text: &mut String, material: &Material<'_>) {
    let badge = if simulated(material) {
        "SIMULATED: "
    } else {
        ""
    };
    let front = &material.front;
    let _ = write!(
        text,
        "# {badge}{}\n\n**Question.** {}\n\n**Answer.** {}\n\n",
        material.options.name, front.question, front.answer
    );
    for reason in &front.because {
        let _ = writeln!(text, "- {reason}");
    }
    let _ = write!(
        text,
        "\n**Confidence.** {}\n\n## {}\n\n{}\n",
        front.confidence,
        front.figures.title,
        front.figures.to_markdown()
    );
    conditions(text, material);
    if let Some(picture) = material
        .pictures
        .first()
        .filter(|p| p.name == "timeline-front")
    {
        crate::album::show(picture, text);
    }
}

/// What was wrong with the machine, where a reader sees it before the figures' details.
fn conditions(text: &mut String, material: &Material<'_>) {
    if material.conditions.is_empty() {
        return;
    }
    text.push_str("**Conditions that may have spoilt these figures.**\n\n");
    for condition in material.conditions {
        let _ = writeln!(text, "- {}", condition.sentence);
    }
    text.push('\n');
}

fn evidence(text: &mut String, material: &Material<'_>, findings: &[Finding]) {
    text.push_str("## Evidence\n\n");
    if !findings.is_empty() {
        text.push_str(
            "Each sentence rests on the figures beside it, which stand in `report.json` and in the tables \
             below.\n\n",
        );
        for (kind, group) in grouped(findings) {
            said(text, kind, &group);
        }
    }
    for picture in material
        .pictures
        .iter()
        .filter(|p| p.name != "timeline-front")
    {
        crate::album::show(picture, text);
    }
}

/// Findings that a reader takes in one by one; more of a kind become a table.
const MOST_ALIKE: usize = 3;

/// Findings by kind, the part of an id before its first colon, in order of appearance.
fn grouped(findings: &[Finding]) -> Vec<(&str, Vec<&Finding>)> {
    let mut groups: Vec<(&str, Vec<&Finding>)> = Vec::new();
    for finding in findings {
        let kind = finding.id.split(':').next().unwrap_or_default();
        match groups.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, group)) => group.push(finding),
            None => groups.push((kind, vec![finding])),
        }
    }
    groups
}

fn said(text: &mut String, kind: &str, group: &[&Finding]) {
    if group.len() <= MOST_ALIKE {
        for finding in group {
            let _ = write!(text, "- {}{}\n\n", finding.sentence, rests_on(finding));
        }
        return;
    }
    let several = group
        .iter()
        .flat_map(|f| &f.evidence)
        .any(|e| e.topology != group[0].evidence.first().and_then(|e| e.topology));
    let mut table = Table::new(kind, kind);
    table.label("config", "config");
    if several {
        table.label("topology", "servers");
    }
    table.label("finding", &format!("finding: {}", kind.replace('-', " ")));
    table.label("evidence", "rests on");
    for finding in group {
        let first = finding.evidence.first();
        let config = first.and_then(|e| e.config.as_ref());
        let mut cells = vec![Cell::text(config.map_or("all", |c| c.as_str()))];
        if several {
            let topology = first.and_then(|e| e.topology);
            cells.push(topology.map_or(Cell::Unknown, |t| Cell::text(topology_word(t))));
        }
        // The sentence begins with its configuration, which the row names already.
        let sentence = match (config, finding.sentence.split_once(": ")) {
            (Some(config), Some((place, rest))) if place.starts_with(config.as_str()) => rest,
            _ => &finding.sentence,
        };
        cells.push(Cell::text(sentence));
        cells.push(Cell::text(evidence_of(finding, str::to_owned)));
        table.row(cells);
    }
    let _ = writeln!(text, "{}", table.to_markdown());
}

/// A figure's name, linked to its meaning.
fn linked(figure: &str) -> String {
    let first = figure.split(['.', '[']).next().unwrap_or(figure);
    let anchor = match first {
        "wait_other_config" | "model_reload" | "slot_queue" | "shared_prefill"
        | "shared_decode" | "admission" | "client" | "thermal_or_power" | "unexplained" => "lost_s",
        "wall_sequential_raw_s" => "wall_sequential_s",
        "speedup_raw" => "speedup",
        "throughput_sequential" => "throughput_together",
        "outcomes_sequential" => "outcomes",
        "jain" => "fairness",
        own => own,
    };
    format!("[{figure}]({DICTIONARY}#{anchor})")
}

fn rests_on(finding: &Finding) -> String {
    let evidence = evidence_of(finding, linked);
    if evidence.is_empty() {
        evidence
    } else {
        format!(" — {evidence}")
    }
}

/// The evidence of a finding, each figure's name as `name` gives it.
fn evidence_of(finding: &Finding, name: fn(&str) -> String) -> String {
    let parts: Vec<String> = finding
        .evidence
        .iter()
        .map(|e| {
            format!(
                "{} {} (n = {})",
                name(e.figure),
                crate::tables::short_number(e.value),
                e.n
            )
        })
        .collect();
    parts.join("; ")
}

fn differences(text: &mut String, material: &Material<'_>) {
    if material.differences.is_empty() {
        return;
    }
    let all = material.differences.len();
    let differ = material.differing.rows.len();
    let unknown = material
        .differences
        .iter()
        .filter(|d| d.recomputed.is_none())
        .count();
    let _ = write!(
        text,
        "## Differences from the published report\n\n{all} published figures are set beside recomputed \
         ones: {} agree within half a unit of their last printed place, {differ} do not, {unknown} \
         cannot be recomputed. The recomputed figure stands. All of them: [`tables/comparison.csv`]\
         (tables/comparison.csv).\n\n",
        all - differ - unknown
    );
    if differ > 0 {
        let _ = writeln!(text, "{}", material.differing.to_markdown());
    }
}

fn audit(text: &mut String, material: &Material<'_>) {
    let Some(ledger) = material.ledger else {
        return;
    };
    let counts = &ledger.counts;
    let _ = write!(
        text,
        "## Audit of the published claims\n\nOf {} claims {} are reproduced, {} only under another \
         definition, {} are contradicted and {} cannot be tested. The whole ledger, claim by claim: \
         [`audit.md`](audit.md).\n\n",
        counts.claims,
        counts.reproduced,
        counts.redefined,
        counts.contradicted,
        counts.not_testable
    );
}

fn tables(text: &mut String, material: &Material<'_>) {
    if material.tables.is_empty() {
        return;
    }
    text.push_str(
        "## Tables\n\nNumbers in brackets are 95 % intervals, given from n = 3 on. `unknown`: the data \
         cannot tell. A dash: does not apply. Each table is also in `tables/` as CSV; \
         `tables/columns.csv` says where each column's numbers come from.\n\n",
    );
    for table in material.tables {
        let _ = write!(text, "### {}\n\n", table.title);
        if !table.note.is_empty() {
            let _ = write!(text, "{}\n\n", table.note);
        }
        let _ = write!(
            text,
            "{}\n[`{id}.csv`](tables/{id}.csv)\n\n",
            table.to_markdown(),
            id = table.id
        );
    }
}

/// Every column of every table: heading, what it holds, where its numbers come from.
pub(crate) fn column_dictionary(tables: &[&Table]) -> String {
    let mut all = Table::new("columns", "Columns");
    for key in ["table", "column", "heading", "holds", "origin"] {
        all.label(key, key);
    }
    for table in tables {
        for column in &table.columns {
            let holds = match (column.kind, column.origin) {
                (_, Origin::Label) => "label",
                (Kind::Text, _) => "words",
                (Kind::Number, _) => "number",
                (Kind::Estimate, _) => "mean, lo, hi, n",
            };
            all.row(
                [
                    table.id.as_str(),
                    &column.key,
                    &column.heading,
                    holds,
                    column.origin.word(),
                ]
                .map(Cell::text)
                .to_vec(),
            );
        }
    }
    all.to_csv()
}

fn method(text: &mut String, material: &Material<'_>) {
    text.push_str("## Method\n\n");
    let set = material.dataset;
    if let Some(manifest) = &set.manifest {
        let plan = &manifest.plan;
        let protocol = &plan.protocol;
        let arms: Vec<String> = protocol.arms.iter().map(ToString::to_string).collect();
        let topologies: Vec<String> = plan.topologies.iter().map(ToString::to_string).collect();
        let _ = write!(
            text,
            "- Plan `{}`: {}. {} configurations, {} repetitions, seed {}.\n- Protocol `{}`: arms {}; server \
             state before each arm: {}; prompts {}; {}.\n- Servers: {}.\n",
            plan.name,
            plan.description.trim_end_matches('.'),
            plan.configs.len(),
            manifest.repetitions,
            plan.seed,
            serde_word(&protocol.kind),
            arms.join(" and "),
            protocol.state,
            match protocol.cache {
                domain::plan::CachePolicy::Nonce =>
                    "start with a unique nonce, so that a prompt cache helps no arm",
                domain::plan::CachePolicy::Warm =>
                    "are equal every time, so that a prompt cache may help",
            },
            if protocol.interleave {
                "arms in seeded random order inside each repetition"
            } else {
                "in the plan's order"
            },
            topologies.join(", "),
        );
        if let Some(words) = client::in_words(set) {
            let _ = writeln!(
                text,
                "- The client's own error: {words} ([calibration](../../docs/calibration.md))."
            );
        }
    } else if set.runs.is_empty() {
        text.push_str(
            "- The figures are those of a published table. Aggregates are computed again from its own \
             rows.\n",
        );
    } else {
        text.push_str(
            "- The runs are somebody else's records: durations per agent, no stamp per token, no run of \
             an agent alone, no run of the agents in turn. Stamps are rebuilt: all agents start at zero, \
             the first token comes at the recorded TTFT, the last at the end of the execution time.\n\
             - `speedup est` and `efficiency est` use the recorded wall time and equal the recorded \
             figures to 1e-9.\n",
        );
    }
    text.push_str(
        "- Means of repeated runs carry n and, from n = 3 on, a 95 % interval: Student's t up to n = 7, the \
         studentised bootstrap (seeded, 10,000 resamples) from n = 8 on; standard deviations are those of \
         a sample (n - 1).\n\
         - A request that did not complete is counted and takes its run out of every aggregate.\n\
         - Definitions: ",
    );
    let _ = write!(text, "[dictionary]({DICTIONARY}).\n\n");
}

fn serde_word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// The notes of configurations; one that several share is said once.
fn notes(material: &Material<'_>) -> Vec<String> {
    let configs = &material.summary.configs;
    let mut notes: Vec<(&str, Vec<String>)> = Vec::new();
    for config in configs {
        for note in &config.notes {
            let id = config.id.to_string();
            match notes.iter_mut().find(|(known, _)| known == note) {
                Some((_, ids)) => ids.push(id),
                None => notes.push((note, vec![id])),
            }
        }
    }
    notes
        .into_iter()
        .map(|(note, ids)| {
            if ids.len() == configs.len() && ids.len() > 1 {
                format!("all {} configurations: {note}", ids.len())
            } else {
                format!("{}: {note}", ids.join(", "))
            }
        })
        .collect()
}

fn limits(text: &mut String, material: &Material<'_>) {
    let set = material.dataset;
    let mut limits: Vec<String> = Vec::new();
    if simulated(material) {
        limits.push(
            "SIMULATED: the server is a model of one. Its rates and reload times are set, not found."
                .to_owned(),
        );
    }
    if !set.published.is_empty() {
        limits.push(
            "Published figures are rounded; a recomputed aggregate of them inherits the rounding."
                .to_owned(),
        );
    }
    let overall = &material.summary.overall;
    if !overall.is_empty() && overall.iter().all(|o| o.stats.speedup.is_none()) {
        limits.push(
            "No run of the agents in turn: the true speedup, solo times and the loss by cause are \
             unknown."
                .to_owned(),
        );
    }
    if !set.runs.is_empty() && set.telemetry.is_empty() {
        limits.push("No telemetry: device use, power and throttling are unknown.".to_owned());
    }
    if material.summary.configs.iter().any(|c| c.runs < 3) {
        limits.push(
            "Fewer than three runs of some configurations: no interval, no spread, no ranking of them."
                .to_owned(),
        );
    }
    limits.extend(client::flag(set));
    let said = |warning: &&String| material.conditions.iter().all(|c| c.sentence != **warning);
    limits.extend(material.summary.warnings.iter().filter(said).cloned());
    limits.extend(notes(material));
    limits.dedup();
    text.push_str("## Limits\n\n");
    for limit in limits {
        let _ = writeln!(text, "- {limit}");
    }
    text.push('\n');
}
