//! What happened when: timelines.

use metrics::{ConfigSummary, Summary};

use super::super::lanes;
use crate::album::Album;
use crate::charts::{ChartError, Form, Overlap, Timeline, TimelineGroup};
use crate::tables::{View, scenario_title, topology_word, verdict_word};

/// Lanes that still read well in one picture.
const MOST_LANES: usize = 60;

/// The configuration whose timeline stands on the front page: that with the best speedup est among
/// those with the commonest verdict, so that the picture shows the rule at its most flattering.
fn exemplar(summary: &Summary) -> Option<&ConfigSummary> {
    let count = |c: &ConfigSummary| {
        summary
            .configs
            .iter()
            .filter(|o| o.verdict == c.verdict)
            .count()
    };
    summary.configs.iter().max_by(|a, b| {
        let key = |c: &ConfigSummary| c.stats.speedup_est.map_or(f64::NEG_INFINITY, |e| e.mean);
        count(a).cmp(&count(b)).then(key(a).total_cmp(&key(b)))
    })
}

pub(super) fn front(view: &View<'_>, album: &mut Album) -> Result<(), ChartError> {
    let Some(config) = exemplar(view.summary) else {
        return Ok(());
    };
    // With both topologies in the data the same configuration is shown on each.
    let shown: Vec<&ConfigSummary> = if view.several_topologies() {
        view.summary
            .configs
            .iter()
            .filter(|c| c.id == config.id)
            .collect()
    } else {
        vec![config]
    };
    let mut groups = Vec::new();
    let mut in_turn = false;
    let mut rebuilt = false;
    for config in &shown {
        let runs = lanes::runs(view.dataset, config);
        let Some(run) = lanes::most_alike(&runs) else {
            continue;
        };
        rebuilt |= lanes::is_rebuilt(run);
        let place = match config.topology {
            Some(t) if shown.len() > 1 => format!(", {}", topology_word(t)),
            _ => String::new(),
        };
        let detail = |arm| {
            format!(
                "repetition {}, {} tokens",
                run.repetition,
                lanes::tokens(arm)
            )
        };
        if let Some(arm) = &run.together {
            groups.push(TimelineGroup {
                label: format!("{}{place}, together", config.id),
                detail: detail(arm),
                lanes: lanes::of_arm(arm),
                overlap: lanes::overlap(view.summary, run),
                verdict: format!("verdict: {}", verdict_word(config.verdict)),
                wall_s: lanes::wall(arm),
            });
        }
        // Two topologies and two arms of each would not fit the front page.
        if let Some(arm) = run.sequential.as_ref().filter(|_| shown.len() == 1) {
            in_turn = true;
            groups.push(TimelineGroup {
                label: format!("{}{place}, in turn", config.id),
                detail: detail(arm),
                lanes: lanes::of_arm(arm),
                overlap: Overlap::NotShown,
                verdict: String::new(),
                wall_s: lanes::wall(arm),
            });
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
    let subtitle = if rebuilt {
        "Stamps rebuilt from recorded durations: all agents start at zero."
    } else {
        "Each arm from its own first request."
    };
    let timeline = Timeline {
        heading: album.heading(title, subtitle),
        groups,
        form: Form::FrontPage,
    };
    let beside = if in_turn {
        "Above the agents together, below the same agents in turn. Outputs differ in length between the \
         arms, so the two wall times are not the speedup: the true speedup is taken at equal work."
    } else if shown.len() > 1 {
        "Above on one server, below on a server each."
    } else {
        "The data have no run of the agents in turn to set beside it."
    };
    album.put(
        "timeline-front",
        format!(
            "One run of `{}`: a lane per agent, coloured by what its request was doing. {beside}",
            config.id
        ),
        timeline.render(&album.theme),
    )
}

pub(super) fn timeline(
    view: &View<'_>,
    scenario: &str,
    album: &mut Album,
) -> Result<(), ChartError> {
    let mut groups = Vec::new();
    let mut lanes_drawn = 0;
    let mut left_out = 0;
    for config in view
        .summary
        .configs
        .iter()
        .filter(|c| c.scenario == scenario)
    {
        let runs = lanes::runs(view.dataset, config);
        let Some((run, arm)) = runs
            .iter()
            .find_map(|r| r.together.as_ref().map(|a| (r, a)))
        else {
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
        groups.push(TimelineGroup {
            label: config.id.to_string(),
            detail,
            lanes: lanes::of_arm(arm),
            overlap: lanes::overlap(view.summary, run),
            verdict: verdict_word(config.verdict).to_owned(),
            wall_s: lanes::wall(arm),
        });
    }
    let drawn = groups.len();
    let timeline = Timeline {
        heading: album.heading(
            format!("{}: who did what when", scenario_title(scenario)),
            "Together arm, first repetition of each configuration; time from the first request.",
        ),
        groups,
        form: Form::Full,
    };
    let rest = if left_out > 0 {
        format!(" {left_out} more configurations do not fit.")
    } else {
        String::new()
    };
    album.put(
        format!("timeline-{scenario}"),
        format!(
            "{}: one run of each of {drawn} configurations, a lane per agent. Where the blue decode \
             stretches of a pair do not share any moment, the agents took turns.{rest}",
            scenario_title(scenario)
        ),
        timeline.render(&album.theme),
    )
}
