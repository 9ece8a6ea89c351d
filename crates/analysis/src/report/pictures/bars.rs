//! Bars by configuration: speedup, efficiency, TTFT and loss split into their parts.

use domain::plan::ConfigId;
use metrics::cause::LostSeconds;
use metrics::{ConfigSummary, Estimate};

use super::super::lanes;
use super::section;
use crate::album::{Album, Words, value};
use crate::charts::theme::{PURPLE, VERMILLION, series_color};
use crate::charts::{Bar, Bars, Color, Phase, ReferenceLine, Row, Value};
use crate::tables::{RowData, View, topology_word};

/// The repetitions that count.
fn runs(config: &ConfigSummary) -> u32 {
    config.runs.saturating_sub(config.runs_excluded)
}

/// Every configuration with its scenario, by scenario.
fn configurations<'v>(view: &View<'v>) -> Vec<(&'v ConfigId, &'v str)> {
    let of = |scenario| {
        view.configs(scenario)
            .into_iter()
            .map(move |id| (id, scenario))
    };
    view.scenarios().into_iter().flat_map(of).collect()
}

/// A name, and a value for each configuration.
type Series = (String, Vec<Value>);

fn series(
    view: &View<'_>,
    source: usize,
    name: String,
    get: impl Fn(&RowData<'_>) -> Value,
) -> Series {
    let configs = configurations(view).into_iter();
    let of = |(id, _)| view.row(source, id).map_or(Value::UNKNOWN, &get);
    (name, configs.map(of).collect())
}

fn is_known((_, values): &Series) -> bool {
    values.iter().any(|value| value.point.is_some())
}

/// A row of bars for each configuration, a bar for each series.
fn grouped(view: &View<'_>, value_label: &str, all: &[Series]) -> Bars {
    let configs = configurations(view).into_iter().enumerate();
    let rows = configs.map(|(at, (id, scenario))| {
        let summary = view.summary.configs.iter().find(|c| c.id == *id);
        let bars = all.iter().enumerate();
        Row {
            label: id.to_string(),
            note: format!("n = {}", summary.map_or(1, runs)),
            section: section(view, scenario),
            bars: bars
                .map(|(place, (_, values))| Bar::single(place, values[at]))
                .collect(),
        }
    });
    let legend = all.iter().enumerate();
    Bars {
        value_label: value_label.to_owned(),
        legend: legend
            .map(|(place, (name, _))| (name.clone(), series_color(place)))
            .collect(),
        rows: rows.collect(),
        ..Bars::default()
    }
}

/// A quantity of the data, with the source's name where there are several.
fn of_source(view: &View<'_>, quantity: &str, source: &str) -> String {
    if view.several_topologies() {
        format!("{quantity}, {source}")
    } else {
        quantity.to_owned()
    }
}

/// A figure that published rows have, too.
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
    let sources = || view.sources.iter().enumerate();
    let estimates = sources().filter(|_| view.tr113).map(|(index, source)| {
        let name = format!("speedup est, {}", source.label);
        series(view, index, name, |row| {
            known(row, |s| s.stats.speedup_est.as_ref(), row.speedup_est)
        })
    });
    let measured = sources().filter(|(_, source)| !source.is_published());
    let truths = measured.map(|(index, source)| {
        let name = of_source(view, "true speedup", &source.label);
        series(view, index, name, |row| {
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
    let all: Vec<Series> = estimates.chain(truths).collect();
    let bars = Bars {
        reference_lines: vec![ReferenceLine::new(1.0, "true speedup 1 = no gain")],
        ..grouped(view, "speedup (×)", &all)
    };
    album.put(&words, &bars);
}

pub(super) fn efficiency(view: &View<'_>, album: &mut Album) {
    let mut all = Vec::new();
    for (index, source) in view.sources.iter().enumerate() {
        let name = format!("efficiency est, {}", source.label);
        all.push(series(view, index, name, |row| {
            known(row, |s| s.stats.efficiency_est.as_ref(), row.efficiency_est)
        }));
        let name = of_source(view, "decode overlap", &source.label);
        let overlap = series(view, index, name, |row| {
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
    album.put(&words, &grouped(view, "percent", &all));
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
fn means(bars: &Bars) -> &'static str {
    if bars
        .rows
        .iter()
        .flat_map(|row| &row.bars)
        .any(|bar| bar.interval.is_some())
    {
        "means over repetitions, with the 95 % interval of the whole"
    } else {
        "means over repetitions, too few for an interval"
    }
}

/// Parts of a bar, in the legend's order.
fn parts(seconds: impl IntoIterator<Item = f64>) -> Vec<(usize, Option<f64>)> {
    let seconds = seconds.into_iter().enumerate();
    seconds.map(|(place, s)| (place, Some(s))).collect()
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
            Row {
                label: match at {
                    0 => place(view, config),
                    _ => String::new(),
                },
                note: agent.agent,
                section: section(view, &config.scenario),
                bars: vec![Bar {
                    parts: parts(agent.parts),
                    interval: interval(whole.as_ref()),
                }],
            }
        })
    });
    let part = |phase: &Phase| (phase.name().to_owned(), phase.color());
    let bars = Bars {
        value_label: "seconds".to_owned(),
        unit: " s",
        legend: phases.iter().map(part).collect(),
        rows: rows.collect(),
        ..Bars::default()
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
    album.put(&words, &bars);
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
        Row {
            label: place(view, config),
            note: format!("n = {}", runs(config)),
            section: section(view, &config.scenario),
            bars: vec![Bar {
                parts: parts(lost.named().iter().map(|(_, s)| *s)),
                interval: interval(Estimate::of(&totals).as_ref()),
            }],
        }
    };
    let bars = Bars {
        value_label: "seconds lost per run".to_owned(),
        unit: " s",
        legend: first.named().iter().map(part).collect(),
        rows: known.iter().map(row).collect(),
        ..Bars::default()
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
    album.put(&words, &bars);
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
        "offload" => return VERMILLION,
        _ => return PURPLE,
    };
    phase.color()
}
