//! Pairs under two settings: options, and one server against one per agent.

use metrics::summary::{Paired, TopologyComparison};

use crate::album::{Album, value};
use crate::charts::{Change, ChartError, Pair, SlopePanel, Slopes, Value};
use crate::tables::View;

/// Temperature and context effects as slopes.
pub(super) fn options(view: &View<'_>, album: &mut Album) -> Result<(), ChartError> {
    let Some(source) = (0..view.sources.len()).next_back() else {
        return Ok(());
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
                // It is an estimate that cannot tell serial from parallel: more of it is not better.
                change: Change::Neutral,
            });
        }
        (low < high && !pairs.is_empty()).then(|| SlopePanel {
            label: label.to_owned(),
            left: format!("{unit} {low}"),
            right: format!("{unit} {high}"),
            pairs,
        })
    };
    let panels: Vec<SlopePanel> = [
        panel("temperature: efficiency est (%)", 3, "TEMP"),
        panel("context: efficiency est (%)", 2, "CTX"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let label = &view.sources[source].label;
    let slopes = Slopes {
        heading: album.heading(
            "Temperature and context: the same configuration under two settings",
            format!("Efficiency est, {label}. A line is one pair of configurations that differ in nothing else."),
        ),
        panels,
        shared_axis: true,
    };
    album.put(
        "options",
        "Efficiency est under two temperatures and under two contexts. If a setting helped, its lines would \
         rise or fall together; lines that cross show none.",
        slopes.render(&album.theme),
    )
}

/// A quantity of a comparison: its label, where it stands, and whether less of it is better; none:
/// neither is.
type Quantity = (
    &'static str,
    fn(&TopologyComparison) -> Option<&Paired>,
    Option<bool>,
);

/// One server against one per agent, two quantities to a picture.
pub(super) fn servers(view: &View<'_>, album: &mut Album) -> Result<(), ChartError> {
    let compared = &view.summary.topologies;
    let subtitle = match &compared[..] {
        [single] => format!(
            "{}: means over {} paired repetitions with 95 % intervals.",
            single.id, single.pairs
        ),
        _ => "Means over paired repetitions with 95 % intervals.".to_owned(),
    };
    let mut put = |name: &str, title: &str, caption: &str, quantities: [Quantity; 2]| {
        let panels = quantities.into_iter().map(|q| servers_panel(compared, q));
        let slopes = Slopes {
            heading: album.heading(title, &*subtitle),
            panels: panels.collect(),
            shared_axis: false,
        };
        album.put(name, caption, slopes.render(&album.theme))
    };
    let wall: Quantity = ("wall time (s)", |c| c.wall_s.as_ref(), Some(true));
    if view.tr113 {
        put(
            "servers",
            "One server or one per agent: the estimate and the wall time",
            "TR113's estimate and the wall time of the same agents on one server and on a server each. The \
             estimate rises with every overlap, whether the wall time falls or not.",
            [("speedup est (×)", |c| c.speedup_est.as_ref(), None), wall],
        )?;
    } else {
        put(
            "servers",
            "One server or one per agent: speedup and wall time",
            "The true speedup and the wall time of the same agents on one server and on a server each. A speedup is \
             against the same servers in turn: the wall time says which way of serving is faster.",
            [("true speedup (×)", |c| c.speedup.as_ref(), None), wall],
        )?;
    }
    put(
        "servers-rates",
        "One server or one per agent: throughput and time to first token",
        "Aggregate throughput and mean time to first token of the same agents on one server and on a server \
         each.",
        [
            ("aggregate (tok/s)", |c| c.throughput.as_ref(), Some(false)),
            ("mean TTFT (s)", |c| c.ttft_s.as_ref(), Some(true)),
        ],
    )
}

fn servers_panel(
    compared: &[TopologyComparison],
    (label, get, less_is_better): Quantity,
) -> SlopePanel {
    let pair = |c: &TopologyComparison| {
        let paired = get(c)?;
        let is_clear = paired.p_holm.is_some_and(|p| p < 0.05);
        let fell = paired.difference.mean < 0.0;
        Some(Pair {
            label: if compared.len() == 1 {
                String::new()
            } else {
                short_name(compared, c)
            },
            left: value(Some(&paired.shared), 1.0),
            right: value(Some(&paired.per_agent), 1.0),
            change: match less_is_better.filter(|_| is_clear) {
                None => Change::Neutral,
                Some(less) if less == fell => Change::Better,
                Some(_) => Change::Worse,
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
