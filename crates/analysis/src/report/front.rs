//! The front page: the question, the answer, how sure it is, the three figures that matter. Every
//! sentence is made from numbers; where a number is missing, so is the sentence.

use std::fmt::Write as _;

use domain::record::Provenance;
use metrics::cause::WhySerial;
use metrics::summary::{Overall, Statistics, TopologyComparison};
use metrics::{Estimate, Finding, Verdict};

use crate::tables::{
    Cell, Kind, Origin, Table, View, paired, plain, signed, topology_word, verdict_word,
};

/// What stands on the front page.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    pub(super) question: String,
    pub(super) answer: String,
    pub(super) because: Vec<String>,
    pub(super) confidence: String,
    pub(super) figures: Table,
}

/// Writes the front page.
pub(super) fn write(view: &View<'_>, findings: &[Finding]) -> Front {
    let (answer, mut because) = answer(view);
    because.extend(change_sentence(findings));
    Front {
        question: question(view),
        answer,
        because,
        confidence: confidence(view),
        figures: figures(view),
    }
}

fn question(view: &View<'_>) -> String {
    let agents: Vec<u32> = view.summary.configs.iter().map(|c| c.agents).collect();
    let agents = match (agents.iter().min(), agents.iter().max()) {
        (Some(least), Some(most)) if least == most => most.to_string(),
        (Some(least), Some(most)) => format!("{least} to {most}"),
        _ => "two".to_owned(),
    };
    format!(
        "Does running {agents} LLM agents at the same time pay on this server with these options, and \
         if not, where does the time go?"
    )
}

/// An estimate with its interval and n, in words.
pub(super) fn said(estimate: &Estimate, decimals: usize, unit: &str) -> String {
    let n = estimate.n;
    match estimate.lo.zip(estimate.hi) {
        Some((lo, hi)) => format!(
            "{}{unit} [{}, {}] (n = {n})",
            plain(estimate.mean, decimals),
            plain(lo, decimals),
            plain(hi, decimals)
        ),
        None => format!("{}{unit} (n = {n})", plain(estimate.mean, decimals)),
    }
}

/// The answer for each topology; the first sentence is the answer, the rest the reasons.
fn answer(view: &View<'_>) -> (String, Vec<String>) {
    let overall = &view.summary.overall;
    if overall.is_empty() {
        return (
            "**Unknown.** There is only a published table, and nothing in it can tell agents that \
             worked at the same time from agents that took turns."
                .to_owned(),
            vec![
                "Its speedup is the sum of the agents' times while they ran together over the wall \
                 time. Two agents on a strictly serial server score between 1 and 2 by it."
                    .to_owned(),
            ],
        );
    }
    let mut answers = Vec::new();
    let mut because = Vec::new();
    for part in overall {
        let place = match part.topology {
            Some(t) if overall.len() > 1 => format!(" On {}:", topology_word(t)),
            _ => String::new(),
        };
        let (answer, reasons) = answer_of(view, part);
        answers.push(if place.is_empty() {
            answer
        } else {
            format!("{} {answer}", place.trim_start())
        });
        because.extend(reasons.into_iter().map(|reason| {
            if place.is_empty() {
                reason
            } else {
                format!("{} {reason}", place.trim_start())
            }
        }));
    }
    for comparison in &view.summary.topologies {
        let (conclusion, details) = servers_sentences(comparison);
        // With many configurations the tables say it; a front page has room for a few.
        if view.summary.topologies.len() <= 3 {
            answers.push(format!(
                "One server or a server per agent, {}: **{conclusion}.**",
                comparison.id
            ));
            because.push(details);
        }
    }
    (answers.join("\n\n"), because)
}

/// The statistics of a part, and what their `n` counts: runs where there is one configuration only,
/// for a mean over one configuration hides that it was repeated; configurations otherwise.
fn statistics<'v>(view: &'v View<'_>, overall: &'v Overall) -> (&'v Statistics, &'static str) {
    let mut configs = view.summary.configs.iter();
    let only = configs.find(|c| c.topology == overall.topology);
    match only.filter(|_| one_configuration(view)) {
        Some(config) => (&config.stats, "runs"),
        None => (&overall.stats, "configurations"),
    }
}

fn one_configuration(view: &View<'_>) -> bool {
    let parts = &view.summary.overall;
    !parts.is_empty() && parts.iter().all(|part| part.configs == 1)
}

fn answer_of(view: &View<'_>, overall: &Overall) -> (String, Vec<String>) {
    let configs = overall.configs;
    let (stats, counting) = statistics(view, overall);
    let mut reasons = Vec::new();
    let evidence = stats.overlap;
    let took_turns = evidence.known > 0 && evidence.zero == evidence.known;
    if evidence.known > 0 {
        reasons.push(if took_turns {
            format!(
                "In {} of {} runs the agents never decoded at the same time: the second agent's first \
                 token came after the first agent's last one.",
                evidence.zero, evidence.known
            )
        } else {
            let share = stats.decode_overlap.map_or(String::new(), |o| {
                format!("; on average {} % of the decoding time was shared", plain(100.0 * o.mean, 0))
            });
            format!(
                "In {} of {} runs the agents decoded at the same time for less than 5 % of the \
                 decoding time{share}.",
                evidence.below_5_percent, evidence.known
            )
        });
    }
    if let Some(est) = &stats.speedup_est {
        let ranges: Vec<f64> = view
            .summary
            .configs
            .iter()
            .filter(|c| c.topology == overall.topology)
            .filter_map(|c| c.stats.speedup_est.map(|e| e.mean))
            .collect();
        let (low, high) = bounds(&ranges);
        let remark = if took_turns {
            " Agents that merely take turns always score between 1 and their number, so this is no \
             gain."
        } else {
            " It cannot tell a serial server from a parallel one."
        };
        reasons.push(if configs == 1 {
            format!(
                "TR113's speedup estimate reads {}×.{remark}",
                plain(est.mean, 2)
            )
        } else {
            format!(
                "TR113's speedup estimate reads {}× to {}× (mean {}×, {configs} configurations).\
                 {remark}",
                plain(low, 2),
                plain(high, 2),
                plain(est.mean, 2)
            )
        });
    }
    let Some(speedup) = &stats.speedup else {
        let answer = if took_turns {
            let why = if by_permits(view, overall) {
                "the client let their requests through"
            } else {
                "the server served them"
            };
            format!(
                "**No gain is shown.** The agents were started together, but {why} one after the \
                 other."
            )
        } else {
            unknown(view, overall)
        };
        if took_turns {
            reasons.push(
                "Whether running them in turn on purpose would have been slower, as fast or faster \
                 was not measured: the true speedup is unknown."
                    .to_owned(),
            );
        }
        if let Some(bound) = stats.speedup_upper_bound.as_ref().filter(|_| took_turns) {
            reasons.push(format!(
                "A bound, not a measurement: the waits alone allow a true speedup of at most {}× on \
                 average (n = {}).",
                plain(bound.mean, 2),
                bound.n
            ));
        }
        reasons.extend(why_sentence(view, overall));
        return (answer, reasons);
    };
    let counts = overall.verdicts;
    let groups = [
        (counts.parallel, Verdict::Parallel),
        (counts.shared, Verdict::Shared),
        (counts.serial, Verdict::Serial),
        (counts.degraded, Verdict::Degraded),
        (counts.undecided, Verdict::Undecided),
        (counts.unknown, Verdict::Unknown),
    ];
    let only = groups.iter().find(|(k, _)| *k == configs).map(|(_, v)| *v);
    let measured = format!("true speedup {}", said(speedup, 2, "×"));
    let all = match configs {
        1 => "the one configuration".to_owned(),
        n => format!("all {n} configurations"),
    };
    let answer = match only {
        Some(Verdict::Parallel) => {
            format!("**Yes.** Running together is faster in {all}: {measured}.")
        }
        Some(Verdict::Shared) => format!(
            "**No.** The agents overlap, but the wall time does not fall: {measured} over {all}."
        ),
        Some(Verdict::Serial) if by_permits(view, overall) => format!(
            "**No.** The client lets the agents' requests through one after the other \
             (`--admission`) in {all}: {measured}."
        ),
        Some(Verdict::Serial) => format!(
            "**No.** The server serves the agents one after the other in {all}: {measured}."
        ),
        Some(Verdict::Degraded) => {
            format!("**No, it costs.** Running together is slower in {all}: {measured}.")
        }
        Some(Verdict::Undecided) => format!(
            "**Undecided.** The repetitions are too few or too unlike to say: {measured} over {all}."
        ),
        Some(Verdict::Unknown) => {
            format!("**Unknown.** {measured} over {all}, which no verdict can rest on.")
        }
        None => {
            let parts: Vec<String> = groups
                .iter()
                .filter(|(k, _)| *k > 0)
                .map(|(k, verdict)| format!("{k} {}", verdict_word(*verdict)))
                .collect();
            let lead = if counts.parallel == 0 {
                "**No configuration gains.**"
            } else {
                "**It depends on the configuration.**"
            };
            format!(
                "{lead} Of {configs} configurations: {}; {measured} over all.",
                parts.join(", ")
            )
        }
    };
    if let Some((together, in_turn)) = stats.wall_s.as_ref().zip(stats.wall_sequential_s.as_ref()) {
        reasons.push(format!(
            "Wall time together {} s, one after another {} s at equal work (means over {} \
             {counting}).",
            plain(together.mean, 2),
            plain(in_turn.mean, 2),
            together.n
        ));
    }
    reasons.extend(lost_sentence(overall));
    reasons.extend(why_sentence(view, overall));
    (answer, reasons)
}

/// Why there is no answer.
fn unknown(view: &View<'_>, overall: &Overall) -> String {
    let runs = || {
        let of = |r: &&metrics::RunMetrics| r.topology == overall.topology;
        view.summary.runs.iter().filter(of)
    };
    let n = runs().count();
    if n > 0 && runs().all(|r| r.excluded.is_some()) {
        return format!(
            "**Unknown.** In none of the {n} runs did every request complete, so no run can be used. \
             The failures are counted below."
        );
    }
    if runs().any(|r| r.outcomes_sequential.is_some()) {
        return "**Unknown.** No run has both a usable run of the agents one after another and one \
                of the agents together, so there is nothing to compare."
            .to_owned();
    }
    "**Unknown.** The data hold no run of the agents one after another, so there is nothing to \
     compare running together with."
        .to_owned()
}

fn bounds(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (low, high)
}

fn lost_sentence(overall: &Overall) -> Option<String> {
    let lost = overall.stats.lost_s?;
    let total = lost.total();
    let mut parts: Vec<_> = lost
        .named()
        .into_iter()
        .filter(|(_, s)| *s >= 0.05)
        .collect();
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    let named: Vec<String> = parts
        .iter()
        .take(3)
        .map(|(name, s)| format!("{} {} s", name.replace('_', " "), plain(*s, 2)))
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "Against perfect concurrency a run loses {} s on average; most of it: {}.",
            plain(total, 2),
            named.join(", ")
        )
    })
}

/// Whether nothing but the client's own limit made agents take turns.
fn by_permits(view: &View<'_>, overall: &Overall) -> bool {
    let configs = view.summary.configs.iter();
    let reasons: Vec<_> = configs
        .filter(|c| c.topology == overall.topology)
        .filter_map(|c| c.why_serial)
        .collect();
    let permit = |why: &WhySerial| matches!(why, WhySerial::Admission { .. });
    !reasons.is_empty() && reasons.iter().all(permit)
}

/// How many configurations were serial for which reason.
fn why_sentence(view: &View<'_>, overall: &Overall) -> Option<String> {
    let mut other_config = 0;
    let mut slot = 0;
    let mut permit = 0;
    for config in view
        .summary
        .configs
        .iter()
        .filter(|c| c.topology == overall.topology)
    {
        match config.why_serial {
            Some(WhySerial::OtherConfig { .. }) => other_config += 1,
            Some(WhySerial::SlotQueue { .. }) => slot += 1,
            Some(WhySerial::Admission { .. }) => permit += 1,
            None => {}
        }
    }
    let mut parts = Vec::new();
    if other_config > 0 {
        parts.push(format!(
            "in {} the later agent waited because the server had to reload the model with other \
             options",
            counted(other_config)
        ));
    }
    for (count, what) in [
        (slot, "a free slot of the server"),
        (
            permit,
            "a permit of the client, which was told to keep so few requests in flight",
        ),
    ] {
        if count > 0 {
            let place = if parts.is_empty() {
                format!("{} the later agent", counted(count))
            } else {
                format!("{count} it")
            };
            parts.push(format!("in {place} waited for {what}"));
        }
    }
    (!parts.is_empty()).then(|| format!("Why in turn: {}.", parts.join("; ")))
}

/// What the evidence says would change it: options that need no reload.
fn change_sentence(findings: &[Finding]) -> Option<String> {
    let spared: Vec<f64> = findings
        .iter()
        .filter(|f| f.id.starts_with("equal-options:"))
        .filter_map(|f| {
            f.evidence
                .iter()
                .find(|e| e.figure.ends_with("avoidable_reloads.time"))
        })
        .map(|e| e.value)
        .collect();
    let (low, high) = bounds(&spared);
    (!spared.is_empty()).then(|| {
        let (low, high) = (plain(low, 1), plain(high, 1));
        let seconds = if low == high {
            format!("{low} s")
        } else {
            format!("{low} s to {high} s")
        };
        format!(
            "What would change it: the same num_ctx and num_gpu for all agents would have spared \
             {seconds} of reloading per run, in {} configurations.",
            spared.len()
        )
    })
}

/// `a`, `a and b`, `a, b and c`.
fn joined(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// What one server against one per agent shows, without crowning a winner the data do not support.
fn servers_sentences(comparison: &TopologyComparison) -> (String, String) {
    let mut parts = Vec::new();
    let mut for_one = Vec::new();
    let mut for_each = Vec::new();
    for (name, paired, factor, decimals) in paired(comparison) {
        let Some(paired) = paired else {
            continue;
        };
        let quantity = name.split(['(', ',']).next().unwrap_or(name).trim();
        let difference = &paired.difference;
        let told_apart = difference
            .lo
            .zip(difference.hi)
            .is_some_and(|(lo, hi)| lo > 0.0 || hi < 0.0);
        // The rest stands in the comparison's table.
        if quantity.starts_with("decode rate") || quantity.starts_with("true speedup") {
            continue;
        }
        parts.push(format!(
            "{name} {} on one server, {} on a server each, difference {}{}",
            plain(paired.shared.mean * factor, decimals),
            plain(paired.per_agent.mean * factor, decimals),
            signed(difference.mean * factor, decimals),
            match difference.lo.zip(difference.hi) {
                Some((lo, hi)) => format!(
                    " [{}, {}]{}",
                    signed(lo * factor, decimals),
                    signed(hi * factor, decimals),
                    if told_apart {
                        ""
                    } else {
                        ", which cannot be told from none"
                    }
                ),
                None => " (too few pairs for an interval)".to_owned(),
            }
        ));
        // What a user feels decides. The estimate is no measure of gain, a rate per agent and a speedup
        // against its own baseline do not compare two ways of serving, and memory is a price.
        let decides = ["wall time", "aggregate throughput", "TTFT"].contains(&quantity);
        if told_apart && decides {
            let lower_is_better = quantity.starts_with("wall") || quantity.starts_with("TTFT");
            if (difference.mean < 0.0) == lower_is_better {
                for_each.push(quantity);
            } else {
                for_one.push(quantity);
            }
        }
    }
    let conclusion = match (for_one.is_empty(), for_each.is_empty()) {
        (true, true) => "nothing can be told apart, the data crown no winner".to_owned(),
        (false, true) => format!(
            "one server is better by {}; nothing shown speaks for a server each",
            joined(&for_one)
        ),
        (true, false) => format!(
            "a server each is better by {}; nothing shown speaks for one server",
            joined(&for_each)
        ),
        (false, false) => format!(
            "no single winner: one server is better by {}, a server each by {}",
            joined(&for_one),
            joined(&for_each)
        ),
    };
    let details = format!(
        "{}, {} paired repetitions: {}.",
        comparison.id,
        comparison.pairs,
        parts.join("; ")
    );
    (conclusion, details)
}

fn counted(configs: usize) -> String {
    match configs {
        1 => "1 configuration".to_owned(),
        n => format!("{n} configurations"),
    }
}

fn confidence(view: &View<'_>) -> String {
    let runs: Vec<u32> = view
        .summary
        .configs
        .iter()
        .map(|c| c.runs - c.runs_excluded.min(c.runs))
        .collect();
    let excluded: u32 = view.summary.configs.iter().map(|c| c.runs_excluded).sum();
    let mut text = match (runs.iter().min(), runs.iter().max()) {
        (None, _) | (_, None) => {
            "None of its own: a published table has one figure per configuration and no spread."
                .to_owned()
        }
        (Some(1), Some(1)) => format!(
            "{}, a single run each: what happened in these runs is certain, how much \
             another run would differ is not known, and no configuration can be called better than \
             another.",
            counted(runs.len())
        ),
        (Some(least), Some(most)) => {
            let n = if least == most {
                format!("{least}")
            } else {
                format!("{least} to {most}")
            };
            let interval = if *most >= 3 {
                "brackets hold 95 % intervals over repetitions"
            } else {
                "too few for intervals"
            };
            let ids: std::collections::BTreeSet<_> =
                view.summary.configs.iter().map(|c| &c.id).collect();
            let place = if view.several_topologies() {
                " on each kind of serving"
            } else {
                ""
            };
            format!(
                "{}, {n} repetitions each{place}; {interval}.",
                counted(ids.len())
            )
        }
    };
    if excluded > 0 {
        let _ = write!(
            text,
            " {excluded} runs are left out of every aggregate because a request did not complete or \
             its stamps are unusable."
        );
    }
    match view.dataset.provenance {
        Provenance::Simulated => text.push_str(
            " All of it comes from a simulated server: it shows what the tool does, not what a real \
             server does.",
        ),
        Provenance::Imported => text.push_str(
            " The records are somebody else's: stamps are rebuilt from recorded durations, with all \
             agents taken to start at the same moment.",
        ),
        Provenance::Measured => {}
    }
    text
}

/// How many runs, of one configuration, or configurations have a known loss.
fn with_loss(view: &View<'_>, overall: &Overall) -> u32 {
    if one_configuration(view) {
        let runs = view.summary.runs.iter().filter(|r| r.excluded.is_none());
        let known = runs.filter(|r| r.topology == overall.topology && r.cause.lost.is_some());
        return known.count() as u32;
    }
    let configs = view.summary.configs.iter();
    let known = configs.filter(|c| c.topology == overall.topology && c.stats.lost_s.is_some());
    known.count() as u32
}

fn figures(view: &View<'_>) -> Table {
    let mut table = Table::new("front", "The three figures that matter");
    table.label("figure", "figure");
    if view.summary.overall.len() > 1 {
        table.label("topology", "servers");
    }
    table.column("value", "value", Kind::Estimate, Origin::Derived);
    let heading = if one_configuration(view) {
        "runs (n)"
    } else {
        "configs (n)"
    };
    table.column("n", heading, Kind::Number, Origin::Derived);
    table.label("reading", "how to read it");
    for overall in &view.summary.overall {
        let (stats, _) = statistics(view, overall);
        let mut add = |name: &str, cell: Cell, n: Option<u32>, reading: &str| {
            let mut cells = vec![Cell::text(name)];
            if view.summary.overall.len() > 1 {
                cells.push(
                    overall
                        .topology
                        .map_or(Cell::Unknown, |t| Cell::text(topology_word(t))),
                );
            }
            cells.push(cell);
            cells.push(Cell::count(n.unwrap_or(0)));
            cells.push(Cell::text(reading));
            table.row(cells);
        };
        add(
            "true speedup (×)",
            Cell::estimate(stats.speedup.as_ref(), 2),
            stats.speedup.map(|e| e.n),
            "1 = running together bought nothing; the number of agents = perfect; below 1 = it cost",
        );
        add(
            "decode overlap (%)",
            Cell::scaled(stats.decode_overlap.as_ref(), 100.0, 1, false),
            stats.decode_overlap.map(|e| e.n),
            "share of decoding time with two or more agents decoding; 0 = they took turns",
        );
        if stats.lost_s.is_some() {
            add(
                "lost per run (s)",
                Cell::known(stats.lost_s.map(|l| l.total()), 2),
                Some(with_loss(view, overall)),
                "wall time less the longest solo time: what perfect concurrency would have saved",
            );
        } else {
            add(
                "TR113's speedup est (×)",
                Cell::estimate(stats.speedup_est.as_ref(), 2),
                stats.speedup_est.map(|e| e.n),
                "for comparison only: it lies between 1 and the number of agents on any server",
            );
        }
    }
    if view.summary.overall.is_empty() {
        let mut cells = vec![
            Cell::text("true speedup (×)"),
            Cell::Unknown,
            Cell::count(0),
        ];
        cells.push(Cell::text("a published table cannot tell"));
        table.row(cells);
    }
    table
}
