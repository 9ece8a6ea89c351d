//! Words for verdicts, causes and scenarios.

use metrics::ConfigSummary;
use metrics::cause::WhySerial;

use super::plain;
use super::view::seconds;

/// The main cause of what was lost: the largest measured part, else what the waits show.
pub(crate) fn cause_phrase(config: &ConfigSummary) -> Option<String> {
    if let Some(lost) = &config.stats.lost_s {
        let (name, value) = lost
            .named()
            .into_iter()
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .expect("a loss has parts");
        return Some(if value < 0.05 {
            "none above 0.05 s".to_owned()
        } else {
            format!("{} {} s", name.replace('_', " "), plain(value, 2))
        });
    }
    config.why_serial.map(|why| why_phrase(&why))
}

/// Why the agents ran in turn, in a few words.
fn why_phrase(why: &WhySerial) -> String {
    match why {
        WhySerial::OtherConfig {
            waiting,
            waited,
            load_after_wait,
            ..
        } => format!(
            "{} waited {} s behind other options, then {} s of load",
            agent_letter(*waiting),
            plain(seconds(*waited), 1),
            plain(seconds(*load_after_wait), 1)
        ),
        WhySerial::SlotQueue {
            waiting, waited, ..
        } => format!(
            "{} waited {} s for the slot",
            agent_letter(*waiting),
            plain(seconds(*waited), 1)
        ),
        WhySerial::Admission {
            waiting, waited, ..
        } => format!(
            "{} waited {} s for a permit of the client",
            agent_letter(*waiting),
            plain(seconds(*waited), 1)
        ),
    }
}

/// `A`, `B`, … as TR113 names its agents; `agent 26` and on beyond the alphabet.
pub(crate) fn agent_letter(agent: u32) -> String {
    u8::try_from(agent).ok().filter(|a| *a < 26).map_or_else(
        || format!("agent {agent}"),
        |a| char::from(b'A' + a).to_string(),
    )
}

/// A scenario's name for headings.
pub(crate) fn scenario_title(scenario: &str) -> String {
    match scenario {
        "baseline_vs_chimera" => "Baseline vs Chimera".to_owned(),
        "chimera_hetero" => "Heterogeneous Chimera".to_owned(),
        "chimera_homo" => "Homogeneous Chimera".to_owned(),
        other => other.replace('_', " "),
    }
}
