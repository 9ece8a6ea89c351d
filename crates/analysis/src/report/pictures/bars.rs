//! Bars by configuration: speedup, efficiency, TTFT and loss split into their parts.

use domain::plan::ConfigId;
use metrics::cause::LostSeconds;
use metrics::{ConfigSummary, Estimate};

use super::super::lanes;
use super::section;
use crate::album::{Album, Words, value};
use crate::charts::{
    Category, Color, GroupedBars, Phase, ReferenceLine, StackedBars, StackedRow, Value,
};
use crate::tables::{RowData, View, topology_word};

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
            section: section(view, scenario),
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
) -> (String, Vec<Value>) {
    let of = |id| view.row(source, id).map_or(Value::UNKNOWN, &get);
    (name, configs.iter().map(of).collect())
}

/// True when any value of a series is known.
fn is_known((_, values): &(String, Vec<Value>)) -> bool {
    values.iter().any(|value| value.point.is_some())
}

/// A quantity of the data, with the source's name where there are several.
fn of_source(view: &View<'_>, quantity: &str, source: &str) -> String {
    if view.several_topologies() {
        format!("{quantity}, {source}")
    } else {
        quantity.to_owned()
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

pub(super) fn speedup(view: &View<'_>, album: &mut Album) {
    let (configs, categories) = categories(view);
    let sources = || view.sources.iter().enumerate();
    let estimates = sources().filter(|_| view.tr113).map(|(index, source)| {
        let name = format!("speedup est, {}", source.label);
        series(view, index, &configs, name, |row| {
            known(row, |s| s.stats.speedup_est.as_ref(), row.speedup_est)
        })
    });
    let measured = sources().filter(|(_, source)| !source.is_published());
    let truths = measured.map(|(index, source)| {
        let name = of_source(view, "true speedup", &source.label);
        series(view, index, &configs, name, |row| {
            value(row.summary.and_then(|s| s.stats.speedup.as_ref()), 1.0)
        })
    });
    let truths: Vec<_> = truths.collect();
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
    let words = Words {
        name: "speedup",
        title,
        subtitle: "True speedup: wall time in turn over wall time together, at equal work. Error bars: 95 % \
                   interval, from three runs on.",
        caption,
    };
    let bars = GroupedBars {
        value_label: "speedup (×)".to_owned(),
        series: estimates.chain(truths).collect(),
        categories,
        reference_lines: vec![ReferenceLine::new(1.0, "true speedup 1 = no gain")],
    };
    album.put(&words, &bars);
}

pub(super) fn efficiency(view: &View<'_>, album: &mut Album) {
    let (configs, categories) = categories(view);
    let mut all = Vec::new();
    for (index, source) in view.sources.iter().enumerate() {
        let name = format!("efficiency est, {}", source.label);
        all.push(series(view, index, &configs, name, |row| {
            known(row, |s| s.stats.efficiency_est.as_ref(), row.efficiency_est)
        }));
        let name = of_source(view, "decode overlap", &source.label);
        let overlap = series(view, index, &configs, name, |row| {
            let overlap = row.summary.and_then(|s| s.stats.decode_overlap.as_ref());
            value(overlap, 100.0)
        });
        all.extend(Some(overlap).filter(is_known));
    }
    let words = Words {
        name: "efficiency",
        title: "Efficiency estimate beside how much the agents really overlapped",
        subtitle: "Efficiency est: TR113's, 100 × speedup est / agents. Decode overlap: share of the decoding \
                   time in which two or more agents decoded.",
        caption: "Efficiency est by configuration, beside the measured overlap of decoding. An overlap of 0 % is \
                  a serial server, whatever the efficiency est.",
    };
    let bars = GroupedBars {
        value_label: "percent".to_owned(),
        categories,
        series: all,
        reference_lines: Vec::new(),
    };
    album.put(&words, &bars);
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

/// What the bars stand for.
fn means(bars: &StackedBars) -> &'static str {
    if bars.rows.iter().any(|row| row.interval.is_some()) {
        "means over repetitions, with the 95 % interval of the whole"
    } else {
        "means over repetitions, too few for an interval"
    }
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
pub(super) fn ttft(view: &View<'_>, album: &mut Album) {
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
        agents.into_iter().enumerate().map(|(at, agent)| {
            let whole = agent.ttft_s.map(|e| e.within((0.0, f64::INFINITY)));
            StackedRow {
                category: Category {
                    label: match at {
                        0 => place(view, config),
                        _ => String::new(),
                    },
                    note: agent.agent,
                    section: section(view, &config.scenario),
                },
                values: agent.parts.into_iter().map(Some).collect(),
                interval: interval(whole.as_ref()),
            }
        })
    });
    let part = |phase: &Phase| (phase.name().to_owned(), phase.color());
    let bars = StackedBars {
        value_label: "seconds".to_owned(),
        parts: phases.iter().map(part).collect(),
        rows: rows.collect(),
    };
    let words = Words {
        name: "ttft",
        title: "Time to first token, and what it was spent on",
        subtitle: &format!(
            "First call of each agent in the together arm; {}.",
            means(&bars)
        ),
        caption: "Time to first token of each agent, split by what the request waited for. Prefill is the only \
                  part that the agent's own prompt costs.",
    };
    album.put(&words, &stacked(bars, 0.0005));
}

pub(super) fn lost(view: &View<'_>, album: &mut Album) {
    let configs = view.summary.configs.iter();
    let known: Vec<_> = configs
        .filter_map(|config| Some((config, config.stats.lost_s?)))
        .collect();
    let Some((_, first)) = known.first() else {
        return;
    };
    let part = |(name, _): &(&str, f64)| (name.replace('_', " "), lost_color(name));
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
                section: section(view, &config.scenario),
            },
            values: lost.named().iter().map(|(_, s)| Some(*s)).collect(),
            interval: interval(Estimate::of(&totals).as_ref()),
        }
    };
    let bars = StackedBars {
        value_label: "seconds lost per run".to_owned(),
        parts: first.named().iter().map(part).collect(),
        rows: known.iter().map(row).collect(),
    };
    let words = Words {
        name: "lost",
        title: "Where the lost seconds went",
        subtitle: &format!(
            "Seconds per run against perfect concurrency: wall time less the longest solo time; {}.",
            means(&bars)
        ),
        caption: "Seconds lost per run, by cause; the parts add up to the whole.",
    };
    album.put(&words, &stacked(bars, 0.005));
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
        "cold_load" => Phase::LoadOrWait,
        "offload" => return Color::VERMILLION,
        _ => return Color::PURPLE,
    };
    phase.color()
}
