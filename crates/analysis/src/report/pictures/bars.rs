//! Bars by configuration: speedup, efficiency, TTFT and loss split into their parts.

use domain::plan::ConfigId;
use metrics::cause::LostSeconds;
use metrics::{ConfigSummary, Estimate};

use super::super::lanes;
use crate::album::{Album, value};
use crate::charts::{
    BarSeries, Category, ChartError, Color, GroupedBars, Part, Phase, ReferenceLine, StackedBars,
    StackedRow, Value,
};
use crate::tables::{RowData, View, scenario_title, topology_word};

/// Every configuration, by scenario, as the categories of a chart.
fn categories(view: &View<'_>) -> (Vec<ConfigId>, Vec<Category>) {
    let all = view.scenarios().into_iter().flat_map(|scenario| {
        let configs = view.configs(scenario).into_iter();
        configs.map(move |config| (config, scenario))
    });
    let category = |(id, scenario): (&ConfigId, &str)| {
        let summary = view.summary.configs.iter().find(|c| c.id == *id);
        let category = Category {
            label: id.to_string(),
            note: format!("n = {}", summary.map_or(1, runs)),
            section: scenario_title(scenario),
        };
        (id.clone(), category)
    };
    all.map(category).unzip()
}

/// The repetitions that count.
fn runs(config: &ConfigSummary) -> u32 {
    config.runs.saturating_sub(config.runs_excluded)
}

/// A series over the configurations of one source.
fn series(
    view: &View<'_>,
    source: usize,
    configs: &[ConfigId],
    name: String,
    get: impl Fn(&RowData<'_>) -> Value,
) -> BarSeries {
    let of = |id| view.row(source, id).map_or(Value::UNKNOWN, &get);
    BarSeries {
        name,
        values: configs.iter().map(of).collect(),
        color: None,
    }
}

/// A figure that published rows know, too.
fn known(
    row: &RowData<'_>,
    computed: fn(&ConfigSummary) -> Option<&Estimate>,
    published: Option<f64>,
) -> Value {
    match row.summary {
        Some(summary) => value(computed(summary), 1.0),
        None => published.into(),
    }
}

pub(super) fn speedup(view: &View<'_>, album: &mut Album) -> Result<(), ChartError> {
    let (configs, categories) = categories(view);
    let sources = || view.sources.iter().enumerate();
    let mut all: Vec<BarSeries> = sources()
        .filter(|_| view.tr113)
        .map(|(index, source)| {
            let name = format!("speedup est, {}", source.label);
            series(view, index, &configs, name, |row| {
                known(row, |s| s.stats.speedup_est.as_ref(), row.speedup_est)
            })
        })
        .collect();
    let truths: Vec<BarSeries> = sources()
        .filter(|(_, source)| !source.is_published())
        .map(|(index, source)| {
            let name = if view.several_topologies() {
                format!("true speedup, {}", source.label)
            } else {
                "true speedup".to_owned()
            };
            series(view, index, &configs, name, |row| {
                value(row.summary.and_then(|s| s.stats.speedup.as_ref()), 1.0)
            })
        })
        .collect();
    let is_known = |series: &BarSeries| series.values.iter().any(|v| v.point.is_some());
    let (title, caption) = if !view.tr113 {
        (
            "The true speedup of each configuration",
            "Speedup by configuration: wall time in turn over wall time together. 1: nothing gained.",
        )
    } else if truths.iter().any(is_known) {
        (
            "TR113's speedup estimate beside the true speedup",
            "Speedup by configuration: what TR113's estimate says and what running the agents in turn shows. \
             The estimate lies between 1 and n even where concurrency brings nothing.",
        )
    } else {
        (
            "TR113's speedup estimate; the true speedup is unknown",
            "Speedup est by configuration. The data hold no usable run of the agents in turn, so the true \
             speedup is unknown; two agents that merely take turns also score between 1 and 2.",
        )
    };
    all.extend(truths);
    let bars = GroupedBars {
        heading: album.heading(
            title,
            "True speedup: wall time in turn over wall time together, at equal work. Error bars: 95 % \
             interval, from three runs on.",
        ),
        value_label: "speedup (×)".to_owned(),
        categories,
        series: all,
        reference_lines: vec![ReferenceLine::new(1.0, "true speedup 1 = no gain")],
    };
    album.put("speedup", caption, bars.render(&album.theme))
}

pub(super) fn efficiency(view: &View<'_>, album: &mut Album) -> Result<(), ChartError> {
    let (configs, categories) = categories(view);
    let mut all = Vec::new();
    for (index, source) in view.sources.iter().enumerate() {
        let name = format!("efficiency est, {}", source.label);
        all.push(series(view, index, &configs, name, |row| {
            known(row, |s| s.stats.efficiency_est.as_ref(), row.efficiency_est)
        }));
        let name = if view.several_topologies() {
            format!("decode overlap, {}", source.label)
        } else {
            "decode overlap".to_owned()
        };
        let overlap = series(view, index, &configs, name, |row| {
            let overlap = row.summary.and_then(|s| s.stats.decode_overlap.as_ref());
            value(overlap, 100.0)
        });
        all.extend(Some(overlap).filter(|s| s.values.iter().any(|v| v.point.is_some())));
    }
    let bars = GroupedBars {
        heading: album.heading(
            "Efficiency estimate beside how much the agents really overlapped",
            "Efficiency est: TR113's, 100 × speedup est / agents. Decode overlap: share of the decoding \
             time in which two or more agents decoded.",
        ),
        value_label: "percent".to_owned(),
        categories,
        series: all,
        reference_lines: Vec::new(),
    };
    album.put(
        "efficiency",
        "Efficiency est by configuration, beside the measured overlap of decoding. An overlap of 0 % is a \
         serial server, whatever the efficiency est.",
        bars.render(&album.theme),
    )
}

/// A configuration with its topology where there are several.
fn place(view: &View<'_>, config: &ConfigSummary) -> String {
    match config.topology {
        Some(t) if view.several_topologies() => format!("{}, {}", config.id, topology_word(t)),
        _ => config.id.to_string(),
    }
}

fn interval(estimate: Option<&Estimate>) -> Option<(f64, f64)> {
    estimate.and_then(|e| e.lo.zip(e.hi))
}

/// Stacked bars without the parts that are nowhere longer than `least`.
fn stacked(mut bars: StackedBars, least: f64) -> StackedBars {
    let used: Vec<bool> = (0..bars.parts.len())
        .map(|at| {
            let mut values = bars.rows.iter().filter_map(|row| row.values[at]);
            values.any(|v| v.abs() > least)
        })
        .collect();
    let mut kept = used.iter();
    bars.parts.retain(|_| *kept.next().unwrap_or(&true));
    for row in &mut bars.rows {
        let mut kept = used.iter();
        row.values.retain(|_| *kept.next().unwrap_or(&true));
    }
    bars
}

/// TTFT of each agent, split into what it waited for.
pub(super) fn ttft(view: &View<'_>, album: &mut Album) -> Result<(), ChartError> {
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
    let rows = view.summary.configs.iter().flat_map(|config| {
        let agents = lanes::ttft_parts(&lanes::runs(view.dataset, config), &phases);
        agents
            .into_iter()
            .enumerate()
            .map(|(at, agent)| StackedRow {
                category: Category {
                    label: if at == 0 {
                        place(view, config)
                    } else {
                        String::new()
                    },
                    note: agent.agent,
                    section: scenario_title(&config.scenario),
                },
                values: agent.parts.into_iter().map(Some).collect(),
                interval: interval(
                    agent
                        .ttft_s
                        .map(|e| e.within((0.0, f64::INFINITY)))
                        .as_ref(),
                ),
            })
    });
    let bars = StackedBars {
        heading: album.heading(
            "Time to first token, and what it was spent on",
            "First call of each agent in the together arm; means over repetitions, with the 95 % interval of \
             the whole.",
        ),
        value_label: "seconds".to_owned(),
        unit: " s".to_owned(),
        parts: phases
            .iter()
            .map(|phase| Part {
                name: phase.name().to_owned(),
                color: Some(phase.color()),
            })
            .collect(),
        rows: rows.collect(),
    };
    album.put(
        "ttft",
        "Time to first token of each agent, split by what the request waited for. Prefill is the only part \
         that the agent's own prompt costs.",
        stacked(bars, 0.0005).render(&album.theme),
    )
}

pub(super) fn lost(view: &View<'_>, album: &mut Album) -> Result<(), ChartError> {
    let configs = view.summary.configs.iter();
    let known: Vec<_> = configs
        .filter_map(|config| Some((config, config.stats.lost_s?)))
        .collect();
    let Some((_, first)) = known.first() else {
        return Ok(());
    };
    let part = |(name, _): &(&str, f64)| Part {
        name: name.replace('_', " "),
        color: Some(lost_color(name)),
    };
    let row = |(config, lost): &(&ConfigSummary, LostSeconds)| {
        let runs_of = view.summary.runs.iter();
        let totals: Vec<f64> = runs_of
            .filter(|run| run.config == config.id && run.topology == config.topology)
            .filter(|run| run.excluded.is_none())
            .filter_map(|run| Some(run.cause.lost?.total() as f64 / 1e9))
            .collect();
        StackedRow {
            category: Category {
                label: place(view, config),
                note: format!("n = {}", runs(config)),
                section: scenario_title(&config.scenario),
            },
            values: lost.named().iter().map(|(_, s)| Some(*s)).collect(),
            interval: interval(Estimate::of(&totals).as_ref()),
        }
    };
    let bars = StackedBars {
        heading: album.heading(
            "Where the lost seconds went",
            "Seconds per run against perfect concurrency: wall time less the longest solo time; means, with \
             the 95 % interval of the whole.",
        ),
        value_label: "seconds lost per run".to_owned(),
        unit: " s".to_owned(),
        parts: first.named().iter().map(part).collect(),
        rows: known.iter().map(row).collect(),
    };
    album.put(
        "lost",
        "Seconds lost per run, by cause; the parts add up to the whole.",
        stacked(bars, 0.005).render(&album.theme),
    )
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
