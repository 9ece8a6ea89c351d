//! The sentences, each with the numbers it rests on.

use domain::plan::Topology;
use domain::{ModelOptions, OptionSpec};

use super::{EvidenceRef, Finding};
use crate::cause::WhySerial;
use crate::observation::{ArmObservation, Dataset};
use crate::run::RunMetrics;
use crate::stats::{Estimate, mean};
use crate::summary::{ConfigSummary, Overall, Paired, Summary, TopologyComparison, Verdict};

/// A number as a reader wants it: three significant digits, no exponent.
fn short(value: f64) -> String {
    let size = value.abs();
    let digits = match size {
        s if s >= 100.0 => 0,
        s if s >= 10.0 => 1,
        s if s >= 0.995 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// `1.02 [0.98, 1.06], n = 5`.
fn with_interval(e: Estimate) -> String {
    match e.interval() {
        Some(i) => format!(
            "{} [{}, {}], n = {}",
            short(e.mean),
            short(i.lo),
            short(i.hi),
            e.n
        ),
        None => format!("{}, n = {}, no interval", short(e.mean), e.n),
    }
}

fn reference(
    config: Option<&ConfigSummary>,
    figure: &'static str,
    value: f64,
    n: u32,
) -> EvidenceRef {
    EvidenceRef {
        config: config.map(|c| c.id.clone()),
        topology: config.and_then(|c| c.topology),
        figure,
        value,
        n,
    }
}

fn of(config: &ConfigSummary, figure: &'static str, e: Estimate) -> EvidenceRef {
    reference(Some(config), figure, e.mean, e.n)
}

fn place(config: &ConfigSummary) -> String {
    match config.topology {
        Some(Topology::PerAgent) => format!("{} (a server per agent)", config.id),
        Some(Topology::Shared) => format!("{} (one server)", config.id),
        None => config.id.to_string(),
    }
}

fn key(what: &str, config: &ConfigSummary) -> String {
    match config.topology {
        Some(topology) => format!("{what}:{}:{topology}", config.id),
        None => format!("{what}:{}", config.id),
    }
}

pub(super) fn overall(summary: &Summary) -> Vec<Finding> {
    summary
        .overall
        .iter()
        .filter_map(|all| never_overlapped(summary, all))
        .collect()
}

/// The estimated speedup beside the evidence that nothing ran at once.
fn never_overlapped(summary: &Summary, all: &Overall) -> Option<Finding> {
    let overlap = all.stats.overlap;
    // The average is over exactly the runs that the sentence is about.
    let estimated: Vec<f64> = summary
        .runs
        .iter()
        .filter(|r| r.topology == all.topology && r.agents > 1 && r.excluded.is_none())
        .filter(|r| r.decode_overlap.is_some_and(|o| o <= 0.0))
        .filter_map(|r| Some(r.tr113?.speedup_est))
        .collect();
    let average = mean(&estimated)?;
    let topology = match all.topology {
        Some(t) if summary.overall.len() > 1 => format!(" ({t})"),
        _ => String::new(),
    };
    let sentence = format!(
        "In {} of {} runs{topology} no two agents ever decoded at the same time, yet their \
         estimated speedup averages {}.",
        overlap.zero,
        overlap.known,
        short(average)
    );
    let at = |figure, value, n| EvidenceRef {
        config: None,
        topology: all.topology,
        figure,
        value,
        n,
    };
    Some(Finding {
        id: match all.topology {
            Some(topology) => format!("never-overlapped:{topology}"),
            None => "never-overlapped".to_owned(),
        },
        sentence,
        evidence: vec![
            at("overlap.zero", f64::from(overlap.zero), overlap.known),
            at("speedup_est", average, estimated.len() as u32),
        ],
    })
}

pub(super) fn config(data: &Dataset, summary: &Summary, config: &ConfigSummary) -> Vec<Finding> {
    let runs: Vec<&RunMetrics> = summary
        .runs
        .iter()
        .filter(|r| r.config == config.id && r.topology == config.topology && r.excluded.is_none())
        .collect();
    [
        verdict(config),
        serial(data, config, &runs),
        spared(config, &runs),
        costliest(config),
        throttled(config),
        left_out(config),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn verdict(config: &ConfigSummary) -> Option<Finding> {
    let speedup = config.stats.speedup?;
    let said = match config.verdict {
        Verdict::Parallel => "running together was faster than running in turn",
        Verdict::Degraded => "running together was slower than running in turn",
        Verdict::Shared => "the agents overlapped, but no gain over running in turn can be shown",
        Verdict::Serial => "the agents decoded one after another",
        Verdict::Undecided => "these runs do not decide whether running together pays",
        Verdict::Unknown => return None,
    };
    let mut evidence = vec![of(config, "speedup", speedup)];
    evidence.extend(
        config
            .stats
            .decode_overlap
            .map(|o| of(config, "decode_overlap", o)),
    );
    Some(Finding {
        id: key("verdict", config),
        sentence: format!(
            "{}: {said}: measured speedup {}.",
            place(config),
            with_interval(speedup)
        ),
        evidence,
    })
}

/// Runner options in which two agents differ, in words.
fn differing(arm: &ArmObservation, a: u32, b: u32) -> Option<String> {
    let options = |who: u32| {
        arm.agents
            .iter()
            .find(|x| x.agent == who)
            .map(|x| &x.options)
    };
    let (a, b) = (options(a)?, options(b)?);
    let value = |option: &OptionSpec, of: &ModelOptions| match option.get(of) {
        Some(value) => value.to_string(),
        None => "unset".to_owned(),
    };
    let differences = a.runner_differences(b);
    let named: Vec<String> = differences
        .into_iter()
        .map(|o| format!("{} {} and {}", o.name, value(o, a), value(o, b)))
        .collect();
    (!named.is_empty()).then(|| named.join(", "))
}

/// Why the agents took turns: of all runs that show why, how many show what.
fn serial(data: &Dataset, config: &ConfigSummary, runs: &[&RunMetrics]) -> Option<Finding> {
    let overlap = config.stats.overlap;
    let (mut other, mut slot, mut permit) = (Vec::new(), Vec::new(), Vec::new());
    let mut pair = None;
    for run in runs {
        match run.cause.why_serial {
            Some(WhySerial::OtherConfig {
                waiting,
                behind,
                waited,
                load_after_wait,
            }) => {
                pair.get_or_insert((behind, waiting));
                other.push((waited.as_secs_f64(), load_after_wait.as_secs_f64()));
            }
            Some(WhySerial::SlotQueue { waited, .. }) => slot.push(waited.as_secs_f64()),
            Some(WhySerial::Admission { waited, .. }) => permit.push(waited.as_secs_f64()),
            None => {}
        }
    }
    let overlapped = reference(
        Some(config),
        "overlap.below_5_percent",
        f64::from(overlap.below_5_percent),
        overlap.known,
    );
    if let Some((behind, waiting)) = pair
        && other.len() >= slot.len().max(permit.len())
    {
        let arm = data
            .runs
            .iter()
            .filter(|r| r.config == config.id && r.topology == config.topology)
            .find_map(|r| r.together.as_ref())?;
        let differ = differing(arm, behind, waiting)?;
        let waited = mean(&other.iter().map(|w| w.0).collect::<Vec<_>>())?;
        let load = mean(&other.iter().map(|w| w.1).collect::<Vec<_>>())?;
        let n = other.len() as u32;
        return Some(Finding {
            id: key("serial-other-options", config),
            sentence: format!(
                "{}: the agents took turns because their options differ ({differ}): in {n} of {} \
                 runs one waited {} s for the other's requests and then {} s until the model was \
                 loaded with its own options.",
                place(config),
                runs.len(),
                short(waited),
                short(load),
            ),
            evidence: vec![
                overlapped,
                reference(Some(config), "cause.waits.wait_other_config", waited, n),
                reference(Some(config), "cause.waits.load_after_wait", load, n),
            ],
        });
    }
    if permit.len() > slot.len() {
        let waited = mean(&permit)?;
        let n = permit.len() as u32;
        return Some(Finding {
            id: key("serial-admission", config),
            sentence: format!(
                "{}: the agents took turns because the client let too few requests through \
                 (`--admission`): in {n} of {} runs one waited {} s for a permit while the other was \
                 served.",
                place(config),
                runs.len(),
                short(waited),
            ),
            evidence: vec![
                overlapped,
                reference(Some(config), "cause.waits.admission", waited, n),
            ],
        });
    }
    let waited = mean(&slot)?;
    let n = slot.len() as u32;
    Some(Finding {
        id: key("serial-slot-queue", config),
        sentence: format!(
            "{}: the agents took turns because the server had no free slot: in {n} of {} runs \
             one waited {} s in its queue while the other was served.",
            place(config),
            runs.len(),
            short(waited),
        ),
        evidence: vec![
            overlapped,
            reference(Some(config), "cause.waits.slot_queue", waited, n),
        ],
    })
}

/// What equal options would have spared.
fn spared(config: &ConfigSummary, runs: &[&RunMetrics]) -> Option<Finding> {
    let with: Vec<_> = runs
        .iter()
        .map(|r| r.cause.avoidable_reloads)
        .filter(|r| r.count > 0)
        .collect();
    let n = with.len() as u32;
    let count = mean(&with.iter().map(|r| f64::from(r.count)).collect::<Vec<_>>())?;
    let time = mean(
        &with
            .iter()
            .map(|r| r.time.as_secs_f64())
            .collect::<Vec<_>>(),
    )?;
    Some(Finding {
        id: key("equal-options", config),
        sentence: format!(
            "{}: equal options would have spared {} of the model per run, about {} s (seen in {n} \
             of {} runs).",
            place(config),
            if (count - 1.0).abs() < f64::EPSILON {
                "one reload".to_owned()
            } else {
                format!("{} reloads", short(count))
            },
            short(time),
            runs.len(),
        ),
        evidence: vec![
            reference(Some(config), "cause.avoidable_reloads.count", count, n),
            reference(Some(config), "cause.avoidable_reloads.time", time, n),
        ],
    })
}

/// The cause that costs most, when it costs more than a twentieth of the wall.
fn costliest(config: &ConfigSummary) -> Option<Finding> {
    let lost = config.stats.lost_s?;
    let wall = config.stats.wall_s?;
    let (name, seconds) = lost
        .named()
        .into_iter()
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    if seconds < wall.mean / 20.0 {
        return None;
    }
    let words = match name {
        "wait_other_config" => "waiting for requests with other options",
        "model_reload" => "loading the model",
        "slot_queue" => "waiting for a slot",
        "shared_prefill" => "prefill beside others",
        "shared_decode" => "decoding beside others",
        "admission" => "waiting for a permit of the client's own limit (`--admission`)",
        "client" => "our own overhead",
        "thermal_or_power" => "clocks held down for heat or power",
        _ => "no cause that could be named",
    };
    let n = config.stats.speedup.map_or(wall.n, |s| s.n);
    Some(Finding {
        id: key("costliest", config),
        sentence: format!(
            "{}: of {} s lost per run against perfect concurrency, {} s went to {words}.",
            place(config),
            short(lost.total()),
            short(seconds),
        ),
        evidence: vec![
            reference(Some(config), "lost_s", lost.total(), n),
            reference(Some(config), name, seconds, n),
        ],
    })
}

fn throttled(config: &ConfigSummary) -> Option<Finding> {
    let lost = config.stats.lost_s?;
    let n = config.stats.wall_s?.n;
    (lost.thermal_or_power > 0.0).then(|| Finding {
        id: key("throttled", config),
        sentence: format!(
            "{}: the device held its clocks down; at least {} s per run were lost to it.",
            place(config),
            short(lost.thermal_or_power)
        ),
        evidence: vec![reference(
            Some(config),
            "lost_s.thermal_or_power",
            lost.thermal_or_power,
            n,
        )],
    })
}

fn left_out(config: &ConfigSummary) -> Option<Finding> {
    (config.runs_excluded > 0).then(|| Finding {
        id: key("left-out", config),
        sentence: format!(
            "{}: {} of {} runs are left out because a request did not complete or the arm was not \
             usable.",
            place(config),
            config.runs_excluded,
            config.runs
        ),
        evidence: vec![reference(
            Some(config),
            "runs_excluded",
            f64::from(config.runs_excluded),
            config.runs,
        )],
    })
}

/// `12.3 % [10.1, 14.5] longer`, or that no change can be shown.
fn change(paired: &Paired, more: &str, less: &str) -> Option<String> {
    let ratio = paired.ratio?;
    let percent = |r: f64| 100.0 * (r - 1.0);
    let Some(i) = ratio.interval() else {
        let word = if ratio.mean > 1.0 { more } else { less };
        return Some(format!(
            "{} % {word} (no interval)",
            short(percent(ratio.mean).abs())
        ));
    };
    Some(if i.contains(1.0) {
        format!(
            "not shown to change ({} % [{}, {}])",
            short(percent(ratio.mean)),
            short(percent(i.lo)),
            short(percent(i.hi))
        )
    } else if i.lo > 1.0 {
        format!(
            "{} % [{}, {}] {more}",
            short(percent(ratio.mean)),
            short(percent(i.lo)),
            short(percent(i.hi))
        )
    } else {
        format!(
            "{} % [{}, {}] {less}",
            short(-percent(ratio.mean)),
            short(-percent(i.hi)),
            short(-percent(i.lo))
        )
    })
}

/// Decode rate together over the rate in turn, over all agents, and the least `n` behind it.
fn solo_share(config: &ConfigSummary) -> Option<(f64, u32)> {
    let shares = config
        .per_agent
        .iter()
        .map(|a| {
            Some((
                a.rate?.mean / a.rate_sequential?.mean,
                a.rate?.n.min(a.rate_sequential?.n),
            ))
        })
        .collect::<Option<Vec<_>>>()?;
    let n = shares.iter().map(|s| s.1).min()?;
    Some((mean(&shares.iter().map(|s| s.0).collect::<Vec<_>>())?, n))
}

pub(super) fn topology(summary: &Summary, compared: &TopologyComparison) -> Option<Finding> {
    let wall = compared.wall_s?;
    let own = summary
        .configs
        .iter()
        .find(|c| c.id == compared.id && c.topology == Some(Topology::PerAgent))?;
    let mut parts = vec![format!(
        "wall time is {}",
        change(&wall, "longer", "shorter")?
    )];
    let mut evidence = vec![of(own, "topologies.wall_s.difference", wall.difference)];
    if let Some(throughput) = compared.throughput
        && let Some(words) = change(&throughput, "higher", "lower")
    {
        parts.push(format!("throughput is {words}"));
        evidence.push(of(
            own,
            "topologies.throughput.difference",
            throughput.difference,
        ));
    }
    if let Some(ttft) = compared.ttft_s
        && let Some(words) = change(&ttft, "longer", "shorter")
    {
        parts.push(format!("time to the first token is {words}"));
        evidence.push(of(own, "topologies.ttft_s.difference", ttft.difference));
    }
    if let Some(share) = solo_share(own) {
        parts.push(format!(
            "each agent decodes at {} % of its rate in turn",
            short(100.0 * share.0)
        ));
        evidence.push(reference(
            Some(own),
            "per_agent.rate / per_agent.rate_sequential",
            share.0,
            share.1,
        ));
    } else if let Some(rate) = compared.rate
        && let Some(ratio) = rate.ratio
    {
        parts.push(format!(
            "each agent decodes at {} % of its rate on one server",
            short(100.0 * ratio.mean)
        ));
        evidence.push(of(own, "topologies.rate.ratio", ratio));
    }
    if let Some(overlap) = own.stats.decode_overlap {
        parts.push(format!(
            "two or more agents decode in {} % of the decoding time",
            short(100.0 * overlap.mean)
        ));
        evidence.push(of(own, "decode_overlap", overlap));
    }
    Some(Finding {
        id: format!("two-servers:{}", compared.id),
        sentence: format!(
            "{}, a server per agent instead of one ({} pairs): {}.",
            compared.id,
            compared.pairs,
            parts.join("; ")
        ),
        evidence,
    })
}
