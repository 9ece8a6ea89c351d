//! What a sweep's report holds after page one: evidence, tables, appendix, method, environment, limits.

use std::collections::BTreeSet;

use document::environment::{self, Line, line};
use document::words::sentence;
use document::{Block, Section, findings, safe};
use domain::cache::prompts_in_words;
use domain::plan::{CachePolicy, SweepPlan, Topology};
use domain::record::Provenance;
use itertools::Itertools as _;
use metrics::advice::{Finding, FindingKind};
use metrics::notes::Note;
use metrics::{Dataset, grouped_in_order};

use super::{Material, client};
use crate::frames::name;
use crate::kind::{stated, statements};
use crate::tables::Table;

/// With more comparisons of servers than this, all of them stand in the appendix.
const MOST_COMPARISONS: usize = 3;
/// With more warnings than this, the limits give their number and the appendix lists them.
const MOST_WARNINGS: usize = 6;
/// With more configurations than this, the table of lost seconds stands in the appendix.
const MOST_SPLIT: usize = 8;

/// TR113's tables that the report shows: its matrices and what it concludes from them. All others stand in
/// the appendix.
fn is_tr113s(id: &str) -> bool {
    let shown = ["3.1-", "3.2-", "3.3-", "4.1-", "4.3-"];
    shown.iter().any(|section| id.starts_with(section))
}

/// The sections of the report, and those of its appendix.
pub(super) fn sections(material: &Material<'_>, found: &[Finding]) -> (Vec<Section>, Vec<Section>) {
    let is_comparison = |t: &Table| t.id.starts_with("servers-");
    let few = material.tables.iter().filter(|t| is_comparison(t)).count() <= MOST_COMPARISONS;
    let split = material.view.summary.configs.len() <= MOST_SPLIT;
    let is_evidence = |t: &Table| {
        ["configurations", "best"].contains(&&*t.id)
            || split && t.id == "truth-lost"
            || few && is_comparison(t)
    };
    let mut evidence = Vec::new();
    let mut numbers = Vec::new();
    let last = material.view.sources.last();
    let origin = last.map_or(document::Origin::Derived, |s| s.origin);
    // TR113's estimate is evidence about TR113 only.
    let evident = |f: &&Finding| material.view.tr113 || f.kind != FindingKind::NeverOverlapped;
    let found: Vec<Finding> = found.iter().filter(evident).cloned().collect();
    let mut said = Vec::new();
    for together in findings::together(&found, origin) {
        if let Some(table) = together.table {
            numbers.push(Block::Text(together.sentence.clone()));
            numbers.push(Block::Inline(table));
        }
        said.push(together.sentence);
    }
    if !said.is_empty() {
        evidence.push(Block::List(said));
    }
    let table = |t: &Table| Block::Table(t.id.clone());
    let tables = material.tables.iter();
    evidence.extend(tables.clone().filter(|t| is_evidence(t)).map(table));
    let pictures = material.pictures.iter().skip(1);
    evidence.extend(pictures.map(|p| Block::Picture(p.name.clone())));
    let mut sections = vec![Section::new("Evidence", evidence)];
    let beside = tables.clone().filter(|t| is_tr113s(&t.id)).map(table);
    sections.push(Section::new("Beside TR113 and TR110", beside.collect()));
    sections.extend(differences(material));
    sections.extend(audit(material));
    let warnings = warnings(material);
    let rest = tables.filter(|t| !is_evidence(t) && !is_tr113s(&t.id) && t.id != "comparison");
    let mut appendix = vec![
        Section::new("The numbers behind the findings", numbers),
        Section::new("Tables", rest.map(table).collect()),
    ];
    if warnings.len() > MOST_WARNINGS {
        appendix.push(Section::new("Warnings", vec![Block::List(warnings)]));
    }
    appendix.retain(|section| !section.blocks.is_empty());
    (sections, appendix)
}

fn differences(material: &Material<'_>) -> Option<Section> {
    let all = material.differences.len();
    let differ = material.differing.rows.len();
    let recomputed = material.differences.iter().flat_map(|d| &d.recomputed);
    let unknown = all - recomputed.count();
    let mut blocks = vec![Block::Text(format!(
        "{all} published figures are set beside recomputed ones: {} agree within half a unit of their last printed \
         place, {differ} do not, {unknown} cannot be recomputed. The recomputed figure stands. All of them: \
         [`tables/comparison.csv`](tables/comparison.csv).",
        all - differ - unknown
    ))];
    if differ > 0 {
        blocks.push(Block::Inline(material.differing.clone()));
    }
    (all > 0).then(|| Section::new("Differences from the published report", blocks))
}

fn audit(material: &Material<'_>) -> Option<Section> {
    let counts = &material.ledger?.counts;
    let text = format!(
        "Of {} claims {} are reproduced, {} only under another definition, {} are contradicted, {} are undecided \
         and {} cannot be tested. The whole ledger, claim by claim: [`audit.md`](audit.md).",
        counts.claims,
        counts.reproduced,
        counts.redefined,
        counts.contradicted,
        counts.undecided,
        counts.not_testable
    );
    Some(Section::new(
        "Audit of the published claims",
        vec![Block::Text(text)],
    ))
}

pub(super) fn method(material: &Material<'_>) -> Vec<String> {
    let set = material.view.dataset;
    let mut lines: Vec<String> = Vec::new();
    if let Some(manifest) = &set.manifest {
        let plan = &manifest.plan;
        let protocol = &plan.protocol;
        let description = match plan.description.trim_end_matches('.') {
            "" => String::new(),
            text => format!(" {}.", safe::markdown(text)),
        };
        lines.push(format!(
            "Plan {}:{description} {} configurations, {} repetitions, seed {}.",
            safe::code(&plan.name),
            plan.configs.len(),
            manifest.repetitions,
            plan.seed
        ));
        lines.push(format!(
            "Protocol `{}`: arms {}; server state before each arm: {}; {}.",
            name(&protocol.kind).unwrap_or_default(),
            protocol.arms.iter().join(" and "),
            protocol.state,
            if protocol.interleave {
                "arms in seeded random order inside each repetition"
            } else {
                "in the plan's order"
            }
        ));
        let nonce = manifest.header.nonce;
        lines.push(prompts_in_words(protocol.cache, nonce, &set.cache));
        lines.push(format!("Servers: {}.", plan.topologies.iter().join(", ")));
        lines
            .extend(client::in_words(set).map(|words| format!("The client's own error: {words}.")));
    } else if set.runs.is_empty() {
        lines.extend(statements("sweep:method:published"));
    } else {
        lines.extend(statements("sweep:method:recorded"));
    }
    lines.extend(statements("sweep:method"));
    lines
}

pub(super) fn environment(material: &Material<'_>) -> Vec<Line> {
    let set = material.view.dataset;
    let mut lines = vec![line("data", set.source.clone())];
    lines.extend(environment::machine(set.environment.as_ref()));
    if let Some(manifest) = &set.manifest {
        lines.extend(environment::servers(&manifest.header.endpoints));
        lines.extend(crate::kind::client(&manifest.header));
        lines.extend(manifest.header.admission.map(|most| {
            line(
                "requests in flight",
                format!("at most {most}, by the client's own limit (`--admission`)"),
            )
        }));
        lines.extend([
            line("context", context(&manifest.plan, &set.contexts)),
            line("tool", manifest.header.tool.clone()),
            line("started", manifest.header.started_at.clone()),
            line("plan hash", manifest.plan_hash.clone()),
            environment::command("command of the sweep", &manifest.header.command),
        ]);
    }
    lines.push(line("command of this report", material.options.command()));
    lines
}

/// Contexts in tokens: what the plan asks for, and what the servers said they had loaded.
fn context(plan: &SweepPlan, loaded: &[u64]) -> String {
    let agents = plan.agents();
    let asked: BTreeSet<i64> = agents.filter_map(|a| a.options.num_ctx).collect();
    let asked = match asked.len() {
        0 => "the plan leaves it to the server".to_owned(),
        _ => format!("the plan names num_ctx {}", asked.iter().join(", ")),
    };
    let loaded = match loaded.len() {
        0 => "the servers did not report what was loaded".to_owned(),
        _ => format!("{} loaded", loaded.iter().join(", ")),
    };
    format!("{asked}; {loaded}")
}

/// The notes of configurations; one that several share is listed once.
fn notes(material: &Material<'_>) -> Vec<String> {
    let configs = &material.view.summary.configs;
    let all = configs.iter().flat_map(|config| {
        let notes = config.notes.iter();
        notes.map(move |note| (note, config.id.as_str()))
    });
    let in_words = |(note, of): (&Note, Vec<(&Note, &str)>)| {
        let note = document::notes::note(note);
        if of.len() == configs.len() && of.len() > 1 {
            return format!("all {} configurations: {note}", of.len());
        }
        format!("{}: {note}", of.iter().map(|(_, id)| id).join(", "))
    };
    let notes = grouped_in_order(all, |(note, _)| *note).into_iter();
    notes.map(in_words).collect()
}

/// Warnings about the data, except for those on page one.
fn warnings(material: &Material<'_>) -> Vec<String> {
    let new = |warning: &String| {
        let mut conditions = material.conditions.iter();
        conditions.all(|c| document::conditions::sentence(c) != *warning)
    };
    let warnings = document::notes::warnings(material.view.summary).into_iter();
    let mut all: Vec<String> = warnings.filter(new).chain(notes(material)).collect();
    all.dedup();
    all.iter().map(|w| safe::markdown(&sentence(w))).collect()
}

/// Warns where a prompt cache helped although the plan's nonces should prevent it.
pub(super) fn cache_warning(set: &Dataset) -> Option<String> {
    let plan = &set.manifest.as_ref()?.plan;
    let helped = set.cache.warning()?;
    (plan.protocol.cache == CachePolicy::Nonce).then(|| sentence(&helped))
}

pub(super) fn limits(material: &Material<'_>) -> Vec<String> {
    let (set, summary) = (material.view.dataset, material.view.summary);
    let overall = &summary.overall;
    let is_simulated = set.provenance == Provenance::Simulated;
    let has_servers = overall
        .iter()
        .any(|o| o.topology == Some(Topology::PerAgent));
    let in_turn = overall.iter().any(|o| o.stats.speedup.is_some());
    let no_telemetry = !set.runs.is_empty() && set.telemetry.is_empty();
    let few_runs = summary.configs.iter().any(|c| c.runs < 3);
    let all = [
        ("sweep:limits:simulated", is_simulated),
        (
            "sweep:limits:simulated-servers",
            has_servers && is_simulated,
        ),
        ("sweep:limits:servers", has_servers && !is_simulated),
        ("sweep:limits:published", !set.published.is_empty()),
        ("sweep:limits:not-in-turn", !overall.is_empty() && !in_turn),
        ("sweep:limits:no-telemetry", no_telemetry),
        ("sweep:limits:few-runs", few_runs),
    ];
    let held = all.into_iter().filter(|(_, holds)| *holds);
    let mut limits: Vec<String> = held.map(|(key, _)| stated(key).to_owned()).collect();
    limits.extend(cache_warning(set));
    limits.extend(client::flag(set));
    let warnings = warnings(material);
    if warnings.len() > MOST_WARNINGS {
        limits.push(format!(
            "{} warnings about single figures stand in the [appendix](appendix.md#warnings).",
            warnings.len()
        ));
    } else {
        limits.extend(warnings);
    }
    limits
}
