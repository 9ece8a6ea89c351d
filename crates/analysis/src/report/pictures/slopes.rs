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

/// One server against one per agent.
pub(super) fn servers(view: &View<'_>, theme: &Theme) -> Result<Option<Picture>, ChartError> {
    let compared = &view.summary.topologies;
    if compared.is_empty() {
        return Ok(None);
    }
    let panel = |label: &str, get: fn(&TopologyComparison) -> Option<&Paired>| {
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
