//! What happened when: timelines, and telemetry.

use domain::telemetry::{GpuReading, Sample};
use metrics::{ConfigSummary, Summary};

use super::super::lanes;
use super::{Picture, heading};
use crate::charts::{
    ChartError, Form, LinePoint, LineSeries, Lines, Mark, Overlap, Panel, Theme, Timeline,
    TimelineGroup, Value,
};
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

pub(super) fn front(view: &View<'_>, theme: &Theme) -> Result<Option<Picture>, ChartError> {
    let Some(config) = exemplar(view.summary) else {
        return Ok(None);
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
    if groups.is_empty() {
        return Ok(None);
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
    let chart = Timeline {
        heading: heading(view, title, subtitle),
        groups,
        form: Form::FrontPage,
    }
    .render(theme)?;
    let beside = if in_turn {
        "Above the agents together, below the same agents in turn. Outputs differ in length between the \
         arms, so the two wall times are not the speedup: the true speedup is taken at equal work."
    } else if shown.len() > 1 {
        "Above on one server, below on a server each."
    } else {
        "The data have no run of the agents in turn to set beside it."
    };
    Ok(Some(Picture {
        name: "timeline-front".to_owned(),
        caption: format!(
            "One run of `{}`: a lane per agent, coloured by what its request was doing. {beside}",
            config.id
        ),
        chart,
    }))
}

pub(super) fn timeline(
    view: &View<'_>,
    scenario: &str,
    theme: &Theme,
) -> Result<Option<Picture>, ChartError> {
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
    if groups.is_empty() {
        return Ok(None);
    }
    let drawn = groups.len();
    let chart = Timeline {
        heading: heading(
            view,
            format!("{}: who did what when", scenario_title(scenario)),
            "Together arm, first repetition of each configuration; time from the first request.",
        ),
        groups,
        form: Form::Full,
    }
    .render(theme)?;
    let rest = if left_out > 0 {
        format!(" {left_out} more configurations do not fit.")
    } else {
        String::new()
    };
    Ok(Some(Picture {
        name: format!("timeline-{scenario}"),
        caption: format!(
            "{}: one run of each of {drawn} configurations, a lane per agent. Where the blue decode \
             stretches of a pair do not share any moment, the agents took turns.{rest}",
            scenario_title(scenario)
        ),
        chart,
    }))
}

pub(super) fn telemetry(view: &View<'_>, theme: &Theme) -> Result<Option<Picture>, ChartError> {
    let samples = &view.dataset.telemetry;
    if samples.is_empty() {
        return Ok(None);
    }
    let step = samples.len().div_ceil(1200);
    let thin: Vec<&Sample> = samples.iter().step_by(step.max(1)).collect();
    let gpu = |label: &str, include: Vec<f64>, get: fn(&GpuReading) -> Option<f64>| {
        let mut devices: Vec<u32> = thin
            .iter()
            .flat_map(|s| s.gpus.iter().map(|g| g.index))
            .collect();
        devices.sort_unstable();
        devices.dedup();
        let series = devices.iter().map(|device| LineSeries {
            name: format!("GPU {device}"),
            points: thin
                .iter()
                .map(|s| LinePoint {
                    x: s.at.as_secs_f64(),
                    y: Value {
                        point: s.gpus.iter().find(|g| g.index == *device).and_then(get),
                        interval: None,
                    },
                })
                .collect(),
            mark: Mark::Line,
            color: None,
        });
        panel_of(label, include, series.collect())
    };
    let host = LineSeries {
        name: "host".to_owned(),
        points: thin
            .iter()
            .map(|s| LinePoint {
                x: s.at.as_secs_f64(),
                y: Value {
                    point: s.host.as_ref().map(|h| h.cpu_percent),
                    interval: None,
                },
            })
            .collect(),
        mark: Mark::Line,
        color: None,
    };
    let panels: Vec<Panel> = [
        gpu("GPU compute (%)", vec![0.0, 100.0], |g| {
            g.utilisation_percent
        }),
        gpu("GPU memory (GB)", vec![0.0], |g| {
            g.memory_used_bytes.map(|b| b as f64 / 1e9)
        }),
        gpu("GPU power (W)", vec![0.0], |g| g.power_w),
        panel_of("CPU, all cores (%)", vec![0.0, 100.0], vec![host]),
    ]
    .into_iter()
    .flatten()
    .collect();
    if panels.is_empty() {
        return Ok(None);
    }
    let chart = Lines {
        heading: heading(
            view,
            "Device and host over the sweep",
            format!("{} samples, one in {step} drawn", samples.len()),
        ),
        x_label: "seconds since the sweep began".to_owned(),
        panels,
        spans: Vec::new(),
        ..Lines::default()
    }
    .render(theme)?;
    Ok(Some(Picture {
        name: "telemetry".to_owned(),
        caption: "Device and host over the whole sweep.".to_owned(),
        chart,
    }))
}

/// A panel, unless nothing in it is known.
fn panel_of(label: &str, include: Vec<f64>, series: Vec<LineSeries>) -> Option<Panel> {
    let known = series
        .iter()
        .flat_map(|s| &s.points)
        .any(|p| p.y.point.is_some());
    known.then(|| Panel {
        label: label.to_owned(),
        series,
        include,
        reference_lines: Vec::new(),
    })
}
