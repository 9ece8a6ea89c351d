//! Pairs under two settings: options, and one server against one per agent.

use domain::plan::Topology;
use metrics::summary::{BothWays, TopologyComparison};

use crate::album::{Album, Words, value};
use crate::charts::{Change, Pair, SlopePanel, Slopes};
use crate::tables::{Setting, Settings, View};

/// The option that a pair differs in.
#[derive(Clone, Copy)]
enum Axis {
    Temperature,
    Context,
}

impl Axis {
    /// The value, where both agents have the same one.
    fn value(self, settings: &Settings<'_>) -> Option<f64> {
        match self {
            Self::Temperature => settings.temperature.shared(),
            Self::Context => settings.num_ctx.shared().map(|tokens| tokens as f64),
        }
    }

    /// The settings that a pair must agree in.
    fn rest<'a>(self, settings: &Settings<'a>) -> Settings<'a> {
        match self {
            Self::Temperature => Settings {
                temperature: Setting::default(),
                ..*settings
            },
            Self::Context => Settings {
                num_ctx: Setting::default(),
                ..*settings
            },
        }
    }

    /// A pair's name: what its configurations agree in.
    fn label(self, settings: &Settings<'_>) -> String {
        let words =
            |letter: &str, words: Option<String>| format!("{letter}{}", words.unwrap_or_default());
        let other = match self {
            Self::Temperature => words("c", settings.num_ctx.words()),
            Self::Context => words("t", settings.temperature.words()),
        };
        let layers = words("g", settings.num_gpu.words());
        format!("{} {layers} {other}", settings.family)
    }
}

pub(super) fn options(view: &View<'_>, album: &mut Album) {
    let Some((source, label)) = view
        .sources
        .iter()
        .map(|s| &s.label)
        .enumerate()
        .next_back()
    else {
        return;
    };
    let mut groups = view.group_by_settings();
    groups.retain(|group| group.first.source == source);
    let panel = |label: &str, unit: &str, axis: Axis| {
        let mut settings: Vec<f64> = groups
            .iter()
            .filter_map(|g| axis.value(&g.first.settings()))
            .collect();
        settings.sort_by(f64::total_cmp);
        let (low, high) = (*settings.first()?, *settings.last()?);
        let lower = groups
            .iter()
            .filter(|g| axis.value(&g.first.settings()) == Some(low));
        let pairs = lower.filter_map(|group| {
            let alike = |other: &Settings<'_>| {
                axis.value(other) == Some(high)
                    && axis.rest(other) == axis.rest(&group.first.settings())
            };
            let partner = groups.iter().find(|g| alike(&g.first.settings()))?;
            Some(Pair {
                label: axis.label(&group.first.settings()),
                left: group.efficiency?.into(),
                right: partner.efficiency?.into(),
                // It is an estimate that cannot tell serial from parallel: more of it is not better.
                change: Change::Neutral,
            })
        });
        let pairs: Vec<Pair> = pairs.collect();
        (low < high && !pairs.is_empty()).then(|| SlopePanel {
            label: label.to_owned(),
            left: format!("{unit} {low}"),
            right: format!("{unit} {high}"),
            pairs,
        })
    };
    let panels = [
        panel("temperature: efficiency est (%)", "TEMP", Axis::Temperature),
        panel("context: efficiency est (%)", "CTX", Axis::Context),
    ];
    let words = Words {
        name: "options",
        title: "Temperature and context: the same configuration under two settings",
        subtitle: &format!(
            "Efficiency est, {label}. A line is one pair of configurations that differ in nothing else."
        ),
        caption: "Efficiency est under two temperatures and under two contexts. If a setting helped, its lines \
                  would rise or fall together; lines that cross show none.",
    };
    let slopes = Slopes {
        panels: panels.into_iter().flatten().collect(),
        shared_axis: true,
    };
    album.put(&words, &slopes);
}

/// A quantity of a comparison: its label, its values, and whether it ranks.
type Quantity = (
    &'static str,
    fn(&TopologyComparison) -> Option<&BothWays>,
    bool,
);

/// One server against one per agent, two quantities to a picture.
pub(super) fn servers(view: &View<'_>, album: &mut Album) {
    let compared = &view.summary.topologies;
    let intervals = if compared.iter().any(|c| c.repetitions >= 3) {
        " with 95 % intervals"
    } else {
        ", too few for intervals"
    };
    let subtitle = match &compared[..] {
        [single] => format!(
            "{}: means over {} repetitions{intervals}.",
            single.id, single.repetitions
        ),
        _ => format!("Means over repetitions{intervals}."),
    };
    let mut put = |name: &str, title: &str, caption: &str, quantities: [Quantity; 2]| {
        let panels = quantities.into_iter().map(|q| servers_panel(compared, q));
        let slopes = Slopes {
            panels: panels.collect(),
            shared_axis: false,
        };
        let words = Words {
            name,
            title,
            subtitle: &subtitle,
            caption,
        };
        album.put(&words, &slopes);
    };
    let wall: Quantity = ("wall time (s)", |c| Some(&c.wall_s), true);
    if view.tr113 {
        put(
            "servers",
            "One server or one per agent: the estimate and the wall time",
            "TR113's estimate and the wall time of the same agents on one server and on a server each. The \
             estimate rises with every overlap, whether the wall time falls or not.",
            [("speedup est (×)", |c| c.speedup_est.as_ref(), false), wall],
        );
    } else {
        put(
            "servers",
            "One server or one per agent: speedup and wall time",
            "The true speedup and the wall time of the same agents on one server and on a server each. A speedup is \
             against the same servers in turn: the wall time says which way of serving is faster.",
            [("true speedup (×)", |c| c.speedup.as_ref(), false), wall],
        );
    }
    put(
        "servers-rates",
        "One server or one per agent: throughput and time to first token",
        "Aggregate throughput and mean time to first token of the same agents on one server and on a server \
         each.",
        [
            ("aggregate (tok/s)", |c| c.throughput.as_ref(), false),
            ("mean TTFT (s)", |c| c.ttft_s.as_ref(), false),
        ],
    );
}

fn servers_panel(compared: &[TopologyComparison], (label, get, ranks): Quantity) -> SlopePanel {
    let pair = |c: &TopologyComparison| {
        let both = get(c)?;
        Some(Pair {
            label: if compared.len() == 1 {
                String::new()
            } else {
                short_name(compared, c)
            },
            left: value(Some(&both.shared), 1.0),
            right: value(Some(&both.per_agent), 1.0),
            change: match c.faster.topology().filter(|_| ranks) {
                None => Change::Neutral,
                Some(Topology::PerAgent) => Change::Better,
                Some(Topology::Shared) => Change::Worse,
            },
        })
    };
    SlopePanel {
        label: label.to_owned(),
        left: "one server".to_owned(),
        right: "one each".to_owned(),
        pairs: compared.iter().filter_map(pair).collect(),
    }
}

/// The part of an id before its first underscore where that is enough to know it by, so that the
/// change written after it has room.
fn short_name(compared: &[TopologyComparison], one: &TopologyComparison) -> String {
    let short = |c: &TopologyComparison| {
        let id = c.id.as_str();
        id.split('_').next().unwrap_or(id).to_owned()
    };
    let own = short(one);
    if compared.iter().filter(|c| short(c) == own).count() == 1 {
        own
    } else {
        one.id.to_string()
    }
}
