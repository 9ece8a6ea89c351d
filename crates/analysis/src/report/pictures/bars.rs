//! Bars by configuration: speedup, efficiency, options, TTFT, loss, and one server against one per agent.

use domain::plan::ConfigId;
use metrics::cause::LostSeconds;
use metrics::summary::{BothWays, TopologyComparison};
use metrics::{ConfigSummary, Estimate};

use super::super::lanes;
use crate::album::{Album, value};
use crate::charts::theme::{PALE_ORANGE, PURPLE, VERMILLION};
use crate::charts::{Bar, Bars, Color, Phase, ReferenceLine, Row, Value};
use crate::tables::{Setting, Settings, View, scenario_title, topology_word};

/// The heading of a scenario's configurations; empty outside TR113, because another plan may use TR113's
/// scenario names for something else.
fn section(view: &View<'_>, scenario: &str) -> String {
    if view.tr113 {
        scenario_title(scenario)
    } else {
        String::new()
    }
}

/// The number of repetitions that count.
fn repetitions(config: &ConfigSummary) -> String {
    format!("n = {}", config.runs.saturating_sub(config.runs_excluded))
}

/// Every configuration with its scenario, by scenario.
fn configurations<'v>(view: &View<'v>) -> Vec<(&'v ConfigId, &'v str)> {
    let of = |scenario| {
        let configs = view.configs(scenario).into_iter();
        configs.map(move |id| (id, scenario))
    };
    view.scenarios().into_iter().flat_map(of).collect()
}

/// A name, and a value for each configuration.
type Series = (String, Vec<Value>);

/// A series of one source's rows: the estimate in `column` of the frame of configurations, in a unit that it is multiplied
/// by `factor` for.
fn series(view: &View<'_>, source: usize, quantity: &str, column: &str, factor: f64) -> Series {
    let label = &view.sources[source].label;
    let is_estimate = quantity.ends_with(" est");
    let name = if is_estimate || view.several_topologies() {
        format!("{quantity}, {label}")
    } else {
        quantity.to_owned()
    };
    let value = |(id, _): (&ConfigId, &str)| {
        let mut rows = view.rows.iter();
        let row = rows.position(|row| row.source == source && row.config == id);
        let part = |part: &str| Some(factor * view.number(row?, &format!("{column}.{part}"))?);
        Value {
            point: part("mean"),
            interval: part("lo").zip(part("hi")),
        }
    };
    (name, configurations(view).into_iter().map(value).collect())
}

fn is_known((_, values): &Series) -> bool {
    values.iter().any(|value| value.point.is_some())
}

/// A row of bars for each configuration, a bar for each series.
fn by_configuration(view: &View<'_>, value_label: &str, all: &[Series]) -> Bars {
    let row = |(id, scenario): (&ConfigId, &str)| {
        let summary = view.summary.configs.iter().find(|c| c.id == *id);
        Row {
            label: id.to_string(),
            note: summary.map_or_else(|| "n = 1".to_owned(), repetitions),
            section: section(view, scenario),
            bars: Vec::new(),
        }
    };
    let rows = configurations(view).into_iter().map(row).collect();
    Bars::grouped(value_label, rows, all)
}

pub(super) fn speedup(view: &View<'_>, album: &mut Album) {
    let sources = || view.sources.iter().enumerate();
    let estimates = sources().filter(|_| view.tr113);
    let estimates = estimates.map(|(at, _)| series(view, at, "speedup est", "speedup_est", 1.0));
    let measured = sources().filter(|(_, source)| !source.is_published());
    let truths = measured.map(|(at, _)| series(view, at, "true speedup", "speedup", 1.0));
    let truths: Vec<_> = truths.collect();
    let key = match (view.tr113, truths.iter().any(is_known)) {
        (false, _) => "sweep/speedup",
        (true, true) => "sweep/speedup:estimate",
        (true, false) => "sweep/speedup:unknown",
    };
    let all: Vec<Series> = estimates.chain(truths).collect();
    let bars = Bars {
        reference_lines: vec![ReferenceLine::new(1.0, "true speedup 1 = no gain")],
        ..by_configuration(view, "speedup (×)", &all)
    };
    album.put(key, &[], &bars);
}

pub(super) fn efficiency(view: &View<'_>, album: &mut Album) {
    let mut all = Vec::new();
    for source in 0..view.sources.len() {
        let efficiency = series(view, source, "efficiency est", "efficiency_est", 1.0);
        all.push(efficiency);
        let overlap = series(view, source, "decode overlap", "decode_overlap", 100.0);
        all.extend(Some(overlap).filter(is_known));
    }
    let bars = by_configuration(view, "percent", &all);
    album.put("sweep/efficiency", &[], &bars);
}

/// The option that a pair differs in: its name, and where it stands in the settings.
type PairedOption = (
    &'static str,
    for<'s> fn(&'s mut Settings<'_>) -> &'s mut Setting,
);

const PAIRED_OPTIONS: [PairedOption; 2] = [
    ("temperature", |settings| &mut settings.temperature),
    ("num_ctx", |settings| &mut settings.num_ctx),
];

/// Pairs of configurations that differ in one option.
pub(super) fn options(view: &View<'_>, album: &mut Album) {
    let Some(source) = view.sources.last() else {
        return;
    };
    let mut groups = view.group_by_settings();
    groups.retain(|group| group.first.source + 1 == view.sources.len());
    let (mut rows, mut lower, mut higher) = (Vec::new(), Vec::new(), Vec::new());
    for (option, setting) in PAIRED_OPTIONS {
        let settings = groups.iter().map(|group| group.first.settings());
        let values = settings.filter_map(|mut settings| setting(&mut settings).shared());
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let [low, .., high] = values[..] else {
            continue;
        };
        for group in &groups {
            let mut other = group.first.settings();
            let own = std::mem::replace(setting(&mut other), Setting::both(high));
            let is_paired = low < high && own.shared() == Some(low);
            let mut others = groups.iter().filter(|_| is_paired);
            let partner = others.find(|group| group.first.settings() == other);
            let both =
                partner.and_then(|p| group.efficiency_est_percent.zip(p.efficiency_est_percent));
            if let Some((at_low, at_high)) = both {
                rows.push(Row {
                    label: group.first.config.to_string(),
                    section: format!("{option} {low} and {high}"),
                    ..Row::default()
                });
                lower.push(at_low.into());
                higher.push(at_high.into());
            }
        }
    }
    let series = [("lower setting", lower), ("higher setting", higher)];
    let series = series.map(|(name, values)| (name.to_owned(), values));
    let bars = Bars::grouped("efficiency est (%)", rows, &series);
    album.put("sweep/options", &[("source", &source.label)], &bars);
}

/// A quantity of the comparison of one server with one per agent: its picture and its axis.
type Comparison = (
    &'static str,
    &'static str,
    fn(&TopologyComparison) -> Option<&BothWays>,
);

const COMPARISONS: [Comparison; 3] = [
    ("sweep/servers", "wall time (s)", |c| Some(&c.wall_s)),
    ("sweep/servers-rates", "throughput (tok/s)", |c| {
        c.throughput_tokens_per_s.as_ref()
    }),
    ("sweep/servers-ttft", "mean TTFT (s)", |c| c.ttft_s.as_ref()),
];

/// One server against one per agent.
pub(super) fn servers(view: &View<'_>, album: &mut Album) {
    let compared = &view.summary.topologies;
    let intervals = if compared.iter().any(|c| c.repetitions >= 3) {
        "with 95 % intervals"
    } else {
        "too few for intervals"
    };
    for (key, axis, get) in COMPARISONS {
        let row = |c: &TopologyComparison| Row {
            label: c.id.to_string(),
            note: format!("n = {}", c.repetitions),
            ..Row::default()
        };
        let side = |name: &str, side: fn(&BothWays) -> &Estimate| {
            let values = compared.iter().map(|c| value(get(c).map(side), 1.0));
            (name.to_owned(), values.collect())
        };
        let series = [
            side("one server", |both| &both.shared),
            side("a server per agent", |both| &both.per_agent),
        ];
        let rows = compared.iter().map(row).collect();
        let bars = Bars::grouped(axis, rows, &series);
        album.put(key, &[("intervals", intervals)], &bars);
    }
}

/// A configuration with its topology where there are several.
fn place(view: &View<'_>, config: &ConfigSummary) -> String {
    match config.topology {
        Some(t) if view.several_topologies() => format!("{}, {}", config.id, topology_word(t)),
        _ => config.id.to_string(),
    }
}

/// Rows of bars made of parts, in seconds.
fn of_parts(value_label: &str, legend: Vec<(String, Color)>, rows: Vec<Row>) -> Bars {
    Bars {
        value_label: value_label.to_owned(),
        unit: " s",
        legend,
        rows,
        ..Bars::default()
    }
}

/// What the bars stand for.
fn means(bars: &Bars) -> &'static str {
    let mut all = bars.rows.iter().flat_map(|row| &row.bars);
    if all.any(|bar| bar.interval.is_some()) {
        "means over repetitions, with the 95 % interval of the whole"
    } else {
        "means over repetitions, too few for an interval"
    }
}

/// A bar of known parts, in the legend's order, with the interval of the whole.
fn stacked(seconds: impl IntoIterator<Item = f64>, whole: Option<Estimate>) -> Vec<Bar> {
    let seconds = seconds.into_iter().enumerate();
    let parts = seconds.map(|(place, s)| (place, Some(s))).collect();
    let interval = value(whole.as_ref(), 1.0).interval;
    vec![Bar { parts, interval }]
}

/// TTFT of each agent, split into what it waited for.
pub(super) fn ttft(view: &View<'_>, album: &mut Album) {
    let phases = Phase::ALL.into_iter().map(|(phase, ..)| phase);
    let phases: Vec<Phase> = phases.filter(|phase| *phase != Phase::Decode).collect();
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
                bars: stacked(agent.parts_s, whole),
            }
        })
    });
    let part = |phase: &Phase| (phase.name().to_owned(), phase.color());
    let legend = phases.iter().map(part).collect();
    let bars = of_parts("seconds", legend, rows.collect());
    album.put("sweep/ttft", &[("means", means(&bars))], &bars);
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
        let runs = view.summary.runs.iter();
        let totals: Vec<f64> = runs
            .filter(|run| run.config == config.id && run.topology == config.topology)
            .filter(|run| run.excluded.is_none())
            .filter_map(|run| Some(run.cause.lost?.total() as f64 / 1e9))
            .collect();
        Row {
            label: place(view, config),
            note: repetitions(config),
            section: section(view, &config.scenario),
            bars: stacked(lost.named().iter().map(|(_, s)| *s), Estimate::of(&totals)),
        }
    };
    let legend = first.named().iter().map(part).collect();
    let rows = known.iter().map(row).collect();
    let bars = of_parts("seconds lost per run", legend, rows);
    album.put("sweep/lost", &[("means", means(&bars))], &bars);
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
        "cold_load" => return PALE_ORANGE,
        "offload" => return VERMILLION,
        _ => return PURPLE,
    };
    phase.color()
}
