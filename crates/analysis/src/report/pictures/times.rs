//! What happened when: timelines.

use document::number::plain;
use metrics::{AgentObservation, ArmObservation, ConfigSummary, RunObservation, Summary};

use super::super::lanes;
use crate::album::Album;
use crate::charts::{Timeline, TimelineGroup};
use crate::kind::stated;
use crate::tables::{View, scenario_title, topology_word};

/// Lanes that still read well in one picture.
const MOST_LANES: usize = 60;

/// The configuration whose timeline stands on the front page: that with the best speedup est among
/// those with the commonest verdict, so that the picture shows the rule at its most flattering.
fn exemplar(summary: &Summary) -> Option<&ConfigSummary> {
    let configs = || summary.configs.iter();
    let count = |c: &ConfigSummary| configs().filter(|o| o.verdict == c.verdict).count();
    let est = |c: &ConfigSummary| c.stats.speedup_est.map_or(f64::NEG_INFINITY, |e| e.mean);
    configs().max_by(|a, b| count(a).cmp(&count(b)).then(est(a).total_cmp(&est(b))))
}

pub(super) fn front(view: &View<'_>, album: &mut Album) {
    let Some(config) = exemplar(view.summary) else {
        return;
    };
    // With both topologies in the data the same configuration is shown on each.
    let shown: Vec<&ConfigSummary> = if view.several_topologies() {
        let configs = view.summary.configs.iter();
        configs.filter(|c| c.id == config.id).collect()
    } else {
        vec![config]
    };
    let mut groups = Vec::new();
    let (mut in_turn, mut same_work) = (false, false);
    let mut rebuilt = false;
    for config in &shown {
        let runs = lanes::runs(view.dataset, config);
        let Some(run) = lanes::most_alike(&runs) else {
            continue;
        };
        let together = run.together.as_ref();
        rebuilt |= together.is_some_and(ArmObservation::is_rebuilt);
        let place = match config.topology {
            Some(t) if shown.len() > 1 => format!(", {}", topology_word(t)),
            _ => String::new(),
        };
        let group = |arm: &ArmObservation, how: &str, outcome: &str| {
            let (repetition, tokens) = (run.repetition, arm.tokens());
            let label = format!("{}{place}, {how}", config.id);
            let detail = format!("repetition {repetition}, {tokens} tokens");
            group(label, detail, arm, outcome)
        };
        let outcome = outcome(view, config, run);
        groups.extend(together.map(|arm| group(arm, "together", &outcome)));
        // Two topologies and two arms of each would not fit the front page.
        if let Some(arm) = run.sequential.as_ref().filter(|_| shown.len() == 1) {
            in_turn = true;
            let work = |arm: &ArmObservation| {
                let tokens = arm.agents.iter().map(AgentObservation::tokens);
                tokens.collect::<Vec<_>>()
            };
            same_work = together.map(work) == Some(work(arm));
            groups.push(group(arm, "in turn", ""));
        }
    }
    let title = match config.stats.decode_overlap {
        _ if shown.len() > 1 => "The same agents on one server and on a server each",
        Some(o) if o.mean <= 0.0 => "The agents took turns: they never decoded at the same time",
        Some(o) if o.mean < 0.05 => {
            "The agents took turns: they hardly ever decoded at the same time"
        }
        Some(_) => "The agents decoded at the same time",
        None => "Who did what when",
    };
    let beside = match (in_turn, same_work) {
        (true, true) => "sweep:beside:same-work",
        (true, false) => "sweep:beside:other-work",
        _ if shown.len() > 1 => "sweep:beside:servers",
        _ => "sweep:beside:nothing",
    };
    let stamps = if rebuilt {
        "Stamps rebuilt from recorded durations: all agents start at zero."
    } else {
        "Each arm from its own first request."
    };
    let values = [
        ("title", title),
        ("stamps", stamps),
        ("config", config.id.as_str()),
        ("beside", stated(beside)),
    ];
    album.put("sweep/timeline-front", &values, &Timeline { groups });
}

/// The agents of an arm; the remark is its wall time and the outcome.
fn group(label: String, detail: String, arm: &ArmObservation, outcome: &str) -> TimelineGroup {
    let wall_s = lanes::wall(arm);
    let remark = wall_s.map(|wall| format!("wall time {} s{outcome}", plain(wall, 2)));
    TimelineGroup {
        label,
        detail,
        lanes: lanes::of_arm(arm),
        wall_s,
        remark: remark.unwrap_or_default(),
    }
}

/// What is known of a configuration's run after its wall time.
fn outcome(view: &View<'_>, config: &ConfigSummary, run: &RunObservation) -> String {
    let overlap = lanes::overlap(view.summary, run);
    format!(", {overlap}verdict: {}", config.verdict.word())
}

/// The first run of each configuration: of one scenario, or of all.
pub(super) fn timeline(view: &View<'_>, scenario: Option<&str>, album: &mut Album) {
    let mut groups: Vec<TimelineGroup> = Vec::new();
    let mut lanes_drawn = 0;
    let mut left_out = 0;
    let configs = view.summary.configs.iter();
    for config in configs.filter(|c| scenario.is_none_or(|scenario| c.scenario == scenario)) {
        let runs = lanes::runs(view.dataset, config);
        let mut together = runs.iter().filter_map(|r| Some((r, r.together.as_ref()?)));
        let Some((run, arm)) = together.next() else {
            continue;
        };
        if lanes_drawn + arm.agents.len() > MOST_LANES {
            left_out += 1;
            continue;
        }
        lanes_drawn += arm.agents.len();
        let detail = match config.topology {
            Some(t) if view.several_topologies() => topology_word(t).to_owned(),
            _ => String::new(),
        };
        let outcome = outcome(view, config, run);
        groups.push(group(config.id.to_string(), detail, arm, &outcome));
    }
    let mut drawn: Vec<&str> = groups.iter().map(|group| &*group.label).collect();
    drawn.sort_unstable();
    drawn.dedup();
    let each = if view.several_topologies() {
        " on each topology"
    } else {
        ""
    };
    let runs = match drawn.len() {
        1 => format!("run of one configuration{each}"),
        several => format!("run of each of {several} configurations{each}"),
    };
    let rest = match left_out {
        0 => String::new(),
        _ => format!(" {left_out} more do not fit."),
    };
    let key = scenario.map_or("sweep/timeline", |_| "sweep/timeline-{scenario}");
    let scenario = scenario.unwrap_or_default();
    let values = [
        ("scenario", scenario),
        ("scenario_title", &*scenario_title(scenario)),
        ("runs", &runs),
        ("rest", &rest),
    ];
    album.put(key, &values, &Timeline { groups });
}
