//! Bars by configuration: speedup, efficiency, TTFT and loss split into their parts.

use super::super::lanes;
use super::{Picture, heading, value};
use crate::charts::{
    BarSeries, Category, ChartError, Color, GroupedBars, Orientation, Part, Phase, ReferenceLine,
    StackedBars, StackedRow, Theme, Value,
};
use crate::tables::{View, agent_letter, scenario_title, topology_word};

fn categories(view: &View<'_>) -> Vec<(String, domain::plan::ConfigId)> {
    let mut all = Vec::new();
    for scenario in view.scenarios() {
        for config in view.configs(scenario) {
            all.push((scenario.to_owned(), config.clone()));
        }
    }
    all
}

pub(super) fn speedup(view: &View<'_>, theme: &Theme) -> Result<Picture, ChartError> {
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
            "Speedup est by configuration. The data hold no usable run of the agents in turn, so the \
             true speedup is unknown; two agents that merely take turns also score between 1 and 2."
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

pub(super) fn efficiency(view: &View<'_>, theme: &Theme) -> Result<Picture, ChartError> {
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
pub(super) fn ttft(view: &View<'_>, theme: &Theme) -> Result<Option<Picture>, ChartError> {
    let phases = [
        Phase::ClientQueue,
        Phase::Admission,
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
                    label: format!("{}{servers} {}", config.id, agent_letter(agent)),
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

pub(super) fn lost(view: &View<'_>, theme: &Theme) -> Result<Option<Picture>, ChartError> {
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
            color: Some(lost_color(name)),
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

fn lost_color(cause: &str) -> Color {
    let phase = match cause {
        "wait_other_config" => Phase::WaitOther,
        "model_reload" => Phase::Load,
        "slot_queue" => Phase::SlotQueue,
        "shared_prefill" => Phase::Prefill,
        "shared_decode" => Phase::Decode,
        "admission" => Phase::Admission,
        "client" => Phase::ClientQueue,
        "unexplained" => Phase::Other,
        _ => return Color::PURPLE,
    };
    phase.color()
}
