//! The agents' prompts: our own words, about as long as TR113's.

use domain::plan::{Arm, CachePolicy, WorkflowKind};
use domain::record::{NonceRoot, RunKey};

const CONTINUE: &str = include_str!("../prompts/continue.txt");
const PROBE: &str = include_str!("../prompts/probe.txt");

/// The first prompt of an agent. `data` are its findings in the files it read; only prompts of the `full` workflow have
/// a place for them.
pub(crate) fn first(name: &str, workflow: WorkflowKind, data: &str) -> String {
    let (of_one_call, full) = match name {
        "collector" => (
            include_str!("../prompts/collector.txt"),
            include_str!("../prompts/collector.full.txt"),
        ),
        "insight" => (
            include_str!("../prompts/insight.txt"),
            include_str!("../prompts/insight.full.txt"),
        ),
        _ => (
            include_str!("../prompts/analyst.txt"),
            include_str!("../prompts/analyst.full.txt"),
        ),
    };
    let template = match workflow {
        WorkflowKind::SingleCall => of_one_call,
        WorkflowKind::Full => full,
    };
    fill(template, &[("name", name), ("data", data.trim_end())])
}

/// The prompt of a further call: the first prompt, the answer so far, and the request to continue.
pub(crate) fn further(first: &str, answer: &str) -> String {
    fill(CONTINUE, &[("prompt", first), ("answer", answer.trim())])
}

/// A prompt that is short to read and to answer.
pub(crate) fn probe() -> String {
    PROBE.trim_end().to_owned()
}

/// Fills `{placeholders}`. Placeholders within values are not filled.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut parts = template.trim_end().split('{');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let filled = values.iter().find_map(|(name, value)| {
            let tail = part.strip_prefix(name)?.strip_prefix('}')?;
            Some([*value, tail])
        });
        text.extend(filled.unwrap_or(["{", part]));
    }
    text
}

/// The nonce of a prompt: 16 hexadecimal digits that no other prompt starts with, in this run or in one with another
/// root. `what` identifies the call of the agent: its number, or `probe`.
pub fn nonce(
    root: NonceRoot,
    run: &RunKey,
    arm: Arm,
    attempt: u32,
    agent: u32,
    what: &str,
) -> String {
    root.nonce(&[
        run.config.as_str(),
        &run.topology.to_string(),
        &run.repetition.to_string(),
        &arm.to_string(),
        &attempt.to_string(),
        &agent.to_string(),
        what,
    ])
}

/// The prompt as it is sent under a cache policy. The nonce comes first, because a prompt cache reuses the longest
/// common beginning.
pub(crate) fn under(policy: CachePolicy, nonce: &str, prompt: &str) -> String {
    match policy {
        CachePolicy::Nonce => {
            format!("{nonce} (an identifier of this run, of no meaning)\n\n{prompt}")
        }
        CachePolicy::Warm => prompt.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_once_and_other_braces_stay() {
        let filled = fill("{a} {b} {c} {", &[("a", "{b}"), ("b", "2")]);
        assert_eq!(filled, "{b} 2 {c} {");
    }

    #[test]
    fn every_prompt_is_about_as_long_as_tr113s() {
        for name in ["collector", "insight", "scout"] {
            for workflow in [WorkflowKind::SingleCall, WorkflowKind::Full] {
                let prompt = first(name, workflow, "");
                let words = prompt.split_whitespace().count();
                assert!((70..=130).contains(&words), "{name} {workflow:?}: {words}");
                assert!(!prompt.contains('{'), "{prompt}");
            }
        }
        assert!(first("scout", WorkflowKind::SingleCall, "").contains("scout"));
        assert!(first("insight", WorkflowKind::Full, "x = 1\n").contains("x = 1\n"));
    }
}
