//! Which pictures a report has, and what is in them. Drawing is the charts' business.

use metrics::{ConfigSummary, Estimate, Summary};

use super::lanes;
use crate::charts::{
    BarSeries, Category, Chart, ChartError, Form, GroupedBars, Heading, LinePoint, LineSeries,
    Lines, Mark, Orientation, Overlap, Pair, Panel, Part, Phase, ReferenceLine, SlopePanel, Slopes,
    StackedBars, StackedRow, Theme, Timeline, TimelineGroup, Value,
};
use crate::tables::{View, scenario_title, topology_word, verdict_word};
use domain::record::Provenance;
use domain::telemetry::{GpuReading, Sample};

/// A picture with the words under it.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    /// File stem under `charts/`.
    pub(crate) name: String,
    /// Can be read alone.
    pub(crate) caption: String,
    pub(crate) chart: Chart,
}

/// Lanes that still read well in one picture.
const MOST_LANES: usize = 60;

/// Every picture the data can fill. The first one, when there is any run, is the front page's.
pub(crate) fn draw(view: &View<'_>) -> Result<Vec<Picture>, ChartError> {
    let theme = Theme::default();
    let mut pictures = Vec::new();
    pictures.extend(front(view, &theme)?);
    for scenario in view.scenarios() {
        pictures.extend(timeline(view, scenario, &theme)?);
    }
    pictures.push(speedup(view, &theme)?);
    pictures.push(efficiency(view, &theme)?);
    pictures.extend(ttft(view, &theme)?);
    pictures.extend(options(view, &theme)?);
    pictures.extend(lost(view, &theme)?);
    pictures.extend(servers(view, &theme)?);
    pictures.extend(telemetry(view, &theme)?);
    Ok(pictures)
}

fn heading(view: &View<'_>, title: impl Into<String>, subtitle: impl Into<String>) -> Heading {
    let set = view.dataset;
    Heading {
        title: title.into(),
        subtitle: subtitle.into(),
        simulated: set.provenance == Provenance::Simulated,
        source: set.source.clone(),
    }
}

fn value(estimate: Option<&Estimate>, factor: f64) -> Value {
    estimate.map_or_else(Value::default, |e| match e.lo.zip(e.hi) {
        Some((lo, hi)) => Value::within(e.mean * factor, lo * factor, hi * factor),
        None => Value::exact(e.mean * factor),
    })
}

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

fn front(view: &View<'_>, theme: &Theme) -> Result<Option<Picture>, ChartError> {
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

fn timeline(view: &View<'_>, scenario: &str, theme: &Theme) -> Result<Option<Picture>, ChartError> {
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

fn categories(view: &View<'_>) -> Vec<(String, domain::plan::ConfigId)> {
    let mut all = Vec::new();
    for scenario in view.scenarios() {
        for config in view.configs(scenario) {
            all.push((scenario.to_owned(), config.clone()));
        }
    }
    all
}

fn speedup(view: &View<'_>, theme: &Theme) -> Result<Picture, ChartError> {
    let configs = categories(view);
    let mut series = Vec::new();
    for (index, source) in view.sources.iter().enumerate() {
        let values = configs.iter().map(|(_, id)| {
            let row = view.row(index, id);
            match row.and_then(|r| r.summary) {
                Some(summary) => value(summary.stats.speedup_est.as_ref(), 1.0),
                None => Value {
                    point: row.and_then(|r| r.speedup_est),
                    interval: None,
                },
            }
        });
        series.push(BarSeries {
            name: format!("speedup est, {}", source.label),
            values: values.collect(),
            color: None,
        });
    }
    let mut truth_known = false;
    for (index, source) in view
        .sources
        .iter()
        .enumerate()
        .filter(|(_, s)| !s.is_published())
    {
        let values: Vec<Value> = configs
            .iter()
            .map(|(_, id)| {
                let summary = view.row(index, id).and_then(|r| r.summary);
                value(summary.and_then(|s| s.stats.speedup.as_ref()), 1.0)
            })
            .collect();
        truth_known |= values.iter().any(|v| v.point.is_some());
        let name = if view.several_topologies() {
            format!("true speedup, {}", source.label)
        } else {
            "true speedup".to_owned()
        };
        series.push(BarSeries {
            name,
            values,
            color: None,
        });
    }
    let title = if truth_known {
        "TR113's speedup estimate beside the true speedup"
    } else {
        "TR113's speedup estimate; the true speedup is unknown"
    };
    let chart = GroupedBars {
        heading: heading(
            view,
            title,
            "True speedup: wall time in turn over wall time together, at equal work. Error bars: 95 % \
             interval, from three runs on.",
        ),
        value_label: "speedup (×)".to_owned(),
        categories: labelled(view, &configs),
        series,
        reference_lines: vec![ReferenceLine {
            value: 1.0,
            label: "true speedup 1 = no gain".to_owned(),
        }],
        orientation: Orientation::Horizontal,
    }
    .render(theme)?;
    Ok(Picture {
        name: "speedup".to_owned(),
        caption: if truth_known {
            "Speedup by configuration: what TR113's estimate says and what running the agents in turn \
             shows. The estimate lies between 1 and n even where concurrency brings nothing."
                .to_owned()
        } else {
            "Speedup est by configuration. The data hold no run of the agents in turn, so the true \
             speedup is unknown; two agents that merely take turns also score between 1 and 2."
                .to_owned()
        },
        chart,
    })
}

fn labelled(view: &View<'_>, configs: &[(String, domain::plan::ConfigId)]) -> Vec<Category> {
    let note = |id: &domain::plan::ConfigId| {
        let runs: u32 = view
            .summary
            .configs
            .iter()
            .find(|c| c.id == *id)
            .map_or(1, |c| c.runs - c.runs_excluded.min(c.runs));
        format!("n = {runs}")
    };
    configs
        .iter()
        .map(|(scenario, id)| Category {
            label: id.to_string(),
            note: note(id),
            section: scenario_title(scenario),
        })
        .collect()
}

fn efficiency(view: &View<'_>, theme: &Theme) -> Result<Picture, ChartError> {
    let configs = categories(view);
    let mut series = Vec::new();
    for (index, source) in view.sources.iter().enumerate() {
        let est = configs.iter().map(|(_, id)| {
            let row = view.row(index, id);
            match row.and_then(|r| r.summary) {
                Some(summary) => value(summary.stats.efficiency_est.as_ref(), 1.0),
                None => Value {
                    point: row.and_then(|r| r.efficiency_est),
                    interval: None,
                },
            }
        });
        series.push(BarSeries {
            name: format!("efficiency est, {}", source.label),
            values: est.collect(),
            color: None,
        });
        let overlap: Vec<Value> = configs
            .iter()
            .map(|(_, id)| {
                let summary = view.row(index, id).and_then(|r| r.summary);
                value(summary.and_then(|s| s.stats.decode_overlap.as_ref()), 100.0)
            })
            .collect();
        if overlap.iter().any(|v| v.point.is_some()) {
            let name = if view.several_topologies() {
                format!("decode overlap, {}", source.label)
            } else {
                "decode overlap".to_owned()
            };
            series.push(BarSeries {
                name,
                values: overlap,
                color: None,
            });
        }
    }
    let chart = GroupedBars {
        heading: heading(
            view,
            "Efficiency estimate beside how much the agents really overlapped",
            "Efficiency est: TR113's, 100 × speedup est / agents. Decode overlap: share of the decoding \
             time in which two or more agents decoded.",
        ),
        value_label: "percent".to_owned(),
        categories: labelled(view, &configs),
        series,
        reference_lines: Vec::new(),
        orientation: Orientation::Horizontal,
    }
    .render(theme)?;
    Ok(Picture {
        name: "efficiency".to_owned(),
        caption:
            "Efficiency est by configuration, beside the measured overlap of decoding. An overlap \
                  of 0 % is a serial server, whatever the efficiency est."
                .to_owned(),
        chart,
    })
}

/// TTFT of each agent, split into what it waited for.
fn ttft(view: &View<'_>, theme: &Theme) -> Result<Option<Picture>, ChartError> {
    let phases = [
        Phase::ClientQueue,
        Phase::WaitOther,
        Phase::Load,
        Phase::LoadOrWait,
        Phase::SlotQueue,
        Phase::Prefill,
        Phase::Other,
    ];
    let mut rows = Vec::new();
    for config in &view.summary.configs {
        let runs = lanes::runs(view.dataset, config);
        for agent in 0..config.agents {
            let Some(parts) = lanes::ttft_parts(&runs, agent, &phases) else {
                continue;
            };
            let servers = match config.topology {
                Some(t) if view.several_topologies() => format!(", {}", topology_word(t)),
                _ => String::new(),
            };
            rows.push(StackedRow {
                category: Category {
                    label: format!(
                        "{}{servers} {}",
                        config.id,
                        crate::tables::agent_letter(agent)
                    ),
                    note: String::new(),
                    section: scenario_title(&config.scenario),
                },
                values: parts.into_iter().map(Some).collect(),
            });
        }
    }
    if rows.is_empty() {
        return Ok(None);
    }
    // A phase that never occurs needs no legend.
    let used: Vec<usize> = (0..phases.len())
        .filter(|i| {
            rows.iter()
                .any(|r| r.values[*i].is_some_and(|v| v > 0.0005))
        })
        .collect();
    for row in &mut rows {
        row.values = used.iter().map(|i| row.values[*i]).collect();
    }
    let parts = used.iter().map(|i| Part {
        name: phases[*i].name().to_owned(),
        color: Some(phases[*i].color()),
    });
    let chart = StackedBars {
        heading: heading(
            view,
            "Time to first token, and what it was spent on",
            "First call of each agent in the together arm; means over repetitions.",
        ),
        value_label: "seconds".to_owned(),
        unit: " s".to_owned(),
        parts: parts.collect(),
        rows,
    }
    .render(theme)?;
    Ok(Some(Picture {
        name: "ttft".to_owned(),
        caption:
            "Time to first token of each agent, split by what the request waited for. Prefill is \
                  the only part that the agent's own prompt costs."
                .to_owned(),
        chart,
    }))
}

/// Temperature and context effects as slopes.
fn options(view: &View<'_>, theme: &Theme) -> Result<Option<Picture>, ChartError> {
    let Some(source) = (0..view.sources.len()).next_back() else {
        return Ok(None);
    };
    let groups = view.group(None, &["family", "num_gpu", "num_ctx", "temperature"]);
    let panel = |label: &str, axis: usize, unit: &str| {
        let mut settings: Vec<f64> = groups
            .iter()
            .filter_map(|g| g.keys[axis].parse().ok())
            .collect();
        settings.sort_by(f64::total_cmp);
        settings.dedup();
        let (low, high) = (settings.first()?, settings.last()?);
        let mut pairs: Vec<Pair> = Vec::new();
        for group in groups.iter().filter(|g| g.source == source) {
            if group.keys[axis] != low.to_string() {
                continue;
            }
            let mut other = group.keys.clone();
            other[axis] = high.to_string();
            let partner = groups
                .iter()
                .find(|g| g.source == source && g.keys == other);
            let right = partner.and_then(|p| p.efficiency.mean);
            let Some((left, right)) = group.efficiency.mean.zip(right) else {
                continue;
            };
            let rest: Vec<String> = group
                .keys
                .iter()
                .zip(["", "g", "c", "t"])
                .enumerate()
                .filter(|(i, _)| *i != axis)
                .map(|(_, (k, letter))| format!("{letter}{k}"))
                .collect();
            pairs.push(Pair {
                label: rest.join(" "),
                left: Value::exact(left),
                right: Value::exact(right),
                emphasis: false,
            });
        }
        (low < high && !pairs.is_empty()).then(|| SlopePanel {
            label: label.to_owned(),
            left: format!("{unit} {low}"),
            right: format!("{unit} {high}"),
            pairs,
            reference_lines: Vec::new(),
        })
    };
    let panels: Vec<SlopePanel> = [
        panel("temperature: efficiency est (%)", 3, "TEMP"),
        panel("context: efficiency est (%)", 2, "CTX"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if panels.is_empty() {
        return Ok(None);
    }
    let label = &view.sources[source].label;
    let chart = Slopes {
        heading: heading(
            view,
            "Temperature and context: the same configuration under two settings",
            format!("Efficiency est, {label}. A line is one pair of configurations that differ in nothing else."),
        ),
        panels,
        shared_axis: true,
    }
    .render(theme)?;
    Ok(Some(Picture {
        name: "options".to_owned(),
        caption:
            "Efficiency est under two temperatures and under two contexts. If a setting helped, \
                  its lines would rise or fall together; lines that cross show none."
                .to_owned(),
        chart,
    }))
}

fn lost(view: &View<'_>, theme: &Theme) -> Result<Option<Picture>, ChartError> {
    let known: Vec<_> = view
        .summary
        .configs
        .iter()
        .filter_map(|c| c.stats.lost_s.map(|lost| (c, lost)))
        .collect();
    let Some((_, first)) = known.first() else {
        return Ok(None);
    };
    // A cause that costs nothing anywhere needs no legend.
    let used: Vec<usize> = (0..first.named().len())
        .filter(|i| {
            known
                .iter()
                .any(|(_, lost)| lost.named()[*i].1.abs() >= 0.005)
        })
        .collect();
    let parts = used.iter().map(|i| {
        let (name, _) = first.named()[*i];
        Part {
            name: name.replace('_', " "),
            color: lost_color(name),
        }
    });
    let rows = known.iter().map(|(config, lost)| StackedRow {
        category: Category {
            label: match config.topology {
                Some(t) if view.several_topologies() => {
                    format!("{}, {}", config.id, topology_word(t))
                }
                _ => config.id.to_string(),
            },
            note: format!(
                "n = {}",
                config.runs - config.runs_excluded.min(config.runs)
            ),
            section: scenario_title(&config.scenario),
        },
        values: used.iter().map(|i| Some(lost.named()[*i].1)).collect(),
    });
    let chart = StackedBars {
        heading: heading(
            view,
            "Where the lost seconds went",
            "Seconds per run against perfect concurrency: wall time less the longest solo time.",
        ),
        value_label: "seconds lost per run".to_owned(),
        unit: " s".to_owned(),
        parts: parts.collect(),
        rows: rows.collect(),
    }
    .render(theme)?;
    Ok(Some(Picture {
        name: "lost".to_owned(),
        caption: "Seconds lost per run, by cause; the parts add up to the whole.".to_owned(),
        chart,
    }))
}

fn lost_color(cause: &str) -> Option<crate::charts::Color> {
    let phase = match cause {
        "wait_other_config" => Phase::WaitOther,
        "model_reload" => Phase::Load,
        "slot_queue" => Phase::SlotQueue,
        "shared_prefill" => Phase::Prefill,
        "shared_decode" => Phase::Decode,
        "client" => Phase::ClientQueue,
        "unexplained" => Phase::Other,
        _ => return Some(crate::charts::Color::PURPLE),
    };
    Some(phase.color())
}

/// One server against one per agent.
fn servers(view: &View<'_>, theme: &Theme) -> Result<Option<Picture>, ChartError> {
    let compared = &view.summary.topologies;
    if compared.is_empty() {
        return Ok(None);
    }
    let panel = |label: &str,
                 get: fn(
        &metrics::summary::TopologyComparison,
    ) -> Option<&metrics::summary::Paired>| {
        let pairs: Vec<Pair> = compared
            .iter()
            .filter_map(|c| {
                let paired = get(c)?;
                Some(Pair {
                    label: if compared.len() == 1 {
                        String::new()
                    } else {
                        c.id.to_string()
                    },
                    left: value(Some(&paired.shared), 1.0),
                    right: value(Some(&paired.per_agent), 1.0),
                    emphasis: false,
                })
            })
            .collect();
        (!pairs.is_empty()).then(|| SlopePanel {
            label: label.to_owned(),
            left: "one".to_owned(),
            right: "each".to_owned(),
            pairs,
            reference_lines: Vec::new(),
        })
    };
    let panels = [
        panel("speedup est (×)", |c| c.speedup_est.as_ref()),
        panel("wall time (s)", |c| c.wall_s.as_ref()),
        panel("aggregate (tok/s)", |c| c.throughput.as_ref()),
        panel("mean TTFT (s)", |c| c.ttft_s.as_ref()),
    ];
    let panels: Vec<SlopePanel> = panels.into_iter().flatten().collect();
    if panels.is_empty() {
        return Ok(None);
    }
    let chart = Slopes {
        heading: heading(
            view,
            "One server or one per agent: each quantity has its own answer",
            match &compared[..] {
                [single] => format!(
                    "{}: means over {} paired repetitions with 95 % intervals.",
                    single.id, single.pairs
                ),
                _ => "Means over paired repetitions with 95 % intervals.".to_owned(),
            },
        ),
        panels,
        shared_axis: false,
    }
    .render(theme)?;
    Ok(Some(Picture {
        name: "servers".to_owned(),
        caption: "The same agents on one server and on a server each: TR113's estimate, wall time, \
                  aggregate throughput and TTFT. The estimate can rise while the wall time does too."
            .to_owned(),
        chart,
    }))
}

fn telemetry(view: &View<'_>, theme: &Theme) -> Result<Option<Picture>, ChartError> {
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
