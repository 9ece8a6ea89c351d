//! Pairs under two settings: options, and one server against one per agent.

use metrics::summary::{Paired, TopologyComparison};

use super::{Picture, heading, value};
use crate::charts::{ChartError, Pair, SlopePanel, Slopes, Theme, Value};
use crate::tables::View;

/// Temperature and context effects as slopes.
pub(super) fn options(view: &View<'_>, theme: &Theme) -> Result<Option<Picture>, ChartError> {
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

/// File stem, title, caption, and the two quantities with their labels.
type ServersPicture = (
    &'static str,
    &'static str,
    &'static str,
    [(&'static str, Quantity); 2],
);

/// A quantity of a comparison.
type Quantity = fn(&TopologyComparison) -> Option<&Paired>;

/// One server against one per agent, two quantities to a picture.
pub(super) fn servers(view: &View<'_>, theme: &Theme) -> Result<Vec<Picture>, ChartError> {
    let pictures: [ServersPicture; 2] = [
        (
            "servers",
            "One server or one per agent: the estimate and the wall time",
            "TR113's estimate and the wall time of the same agents on one server and on a server each. \
             The estimate rises with every overlap, whether the wall time falls or not.",
            [
                ("speedup est (×)", |c| c.speedup_est.as_ref()),
                ("wall time (s)", |c| c.wall_s.as_ref()),
            ],
        ),
        (
            "servers-rates",
            "One server or one per agent: throughput and time to first token",
            "Aggregate throughput and mean time to first token of the same agents on one server and on a \
             server each.",
            [
                ("aggregate (tok/s)", |c| c.throughput.as_ref()),
                ("mean TTFT (s)", |c| c.ttft_s.as_ref()),
            ],
        ),
    ];
    let compared = &view.summary.topologies;
    let mut drawn = Vec::new();
    for (name, title, caption, quantities) in pictures {
        let panels: Vec<SlopePanel> = quantities
            .into_iter()
            .filter_map(|(label, get)| servers_panel(compared, label, get))
            .collect();
        if panels.is_empty() {
            continue;
        }
        let subtitle = match &compared[..] {
            [single] => format!(
                "{}: means over {} paired repetitions with 95 % intervals.",
                single.id, single.pairs
            ),
            _ => "Means over paired repetitions with 95 % intervals.".to_owned(),
        };
        let chart = Slopes {
            heading: heading(view, title, subtitle),
            panels,
            shared_axis: false,
        }
        .render(theme)?;
        drawn.push(Picture {
            name: name.to_owned(),
            caption: caption.to_owned(),
            chart,
        });
    }
    Ok(drawn)
}

fn servers_panel(
    compared: &[TopologyComparison],
    label: &str,
    get: Quantity,
) -> Option<SlopePanel> {
    let pairs: Vec<Pair> = compared
        .iter()
        .filter_map(|c| {
            let paired = get(c)?;
            Some(Pair {
                label: if compared.len() == 1 {
                    String::new()
                } else {
                    short_name(compared, c)
                },
                left: value(Some(&paired.shared), 1.0),
                right: value(Some(&paired.per_agent), 1.0),
                emphasis: false,
            })
        })
        .collect();
    (!pairs.is_empty()).then(|| SlopePanel {
        label: label.to_owned(),
        left: "one server".to_owned(),
        right: "one each".to_owned(),
        pairs,
        reference_lines: Vec::new(),
    })
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
