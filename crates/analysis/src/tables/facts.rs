//! Words for causes, agents and scenarios.

use metrics::ConfigSummary;
use metrics::cause::{WaitedFor, WhySerial};

use super::plain;

/// The main cause of what was lost: the largest measured part, else what the waits show.
pub(crate) fn cause_phrase(config: &ConfigSummary) -> Option<String> {
    let Some(lost) = &config.stats.lost_s else {
        return config.why_serial.map(|why| why_phrase(&why));
    };
    let largest = lost.costliest().filter(|(_, seconds)| *seconds >= 0.05);
    Some(largest.map_or_else(
        || "none above 0.05 s".to_owned(),
        |(name, seconds)| format!("{} {} s", name.replace('_', " "), plain(seconds, 2)),
    ))
}

/// Why the agents ran in turn, in a few words.
fn why_phrase(why: &WhySerial) -> String {
    let who = agent_letter(why.waiting);
    let waited = plain(why.waited.as_secs_f64(), 1);
    match why.waited_for {
        WaitedFor::OtherConfig => {
            let load = why.load_after_wait.unwrap_or_default().as_secs_f64();
            let load = plain(load, 1);
            format!("{who} waited {waited} s behind other options, then {load} s of load")
        }
        WaitedFor::SlotQueue => format!("{who} waited {waited} s for the slot"),
        WaitedFor::Admission => format!("{who} waited {waited} s for a permit of the client"),
    }
}

/// `A`, `B`, … as TR113 names its agents; `agent 26` and on beyond the alphabet.
pub(crate) fn agent_letter(agent: u32) -> String {
    u8::try_from(agent).ok().filter(|a| *a < 26).map_or_else(
        || format!("agent {agent}"),
        |a| char::from(b'A' + a).to_string(),
    )
}

pub(crate) fn scenario_title(scenario: &str) -> String {
    match scenario {
        "baseline_vs_chimera" => "Baseline vs Chimera".to_owned(),
        "chimera_hetero" => "Heterogeneous Chimera".to_owned(),
        "chimera_homo" => "Homogeneous Chimera".to_owned(),
        other => other.replace('_', " "),
    }
}

/// TR113's section of a scenario.
pub(super) fn section(scenario: &str) -> Option<&'static str> {
    match scenario {
        "baseline_vs_chimera" => Some("3.1"),
        "chimera_hetero" => Some("3.2"),
        "chimera_homo" => Some("3.3"),
        _ => None,
    }
}
