//! The artefact: the file that an agent writes at the end of its full workflow.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::analyse::PRIME_LIMIT;
use crate::job::{AgentJob, Memory};

/// The path of an agent's artefact, in a folder for each attempt at an arm.
pub(crate) fn artefact_path(job: &AgentJob) -> PathBuf {
    let is_safe = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let name = job.spec.name.replace(|c| !is_safe(c), "_");
    (job.artefacts.join(job.run.config.as_str()))
        .join(job.run.topology.to_string())
        .join(format!("repetition-{}", job.run.repetition))
        .join(format!("{}-attempt-{}", job.arm, job.attempt))
        .join(format!("{}-{name}.md", job.agent))
}

/// The artefact's text: the findings, the model's answer, and the outcome of each call. Without `keep_text` it has only the
/// length of findings and answer.
pub(crate) fn artefact(job: &AgentJob, memory: &Memory) -> String {
    let (name, answer) = (&job.spec.name, memory.answer.trim());
    let kept = |text: &str| {
        if job.plan.keep_text {
            text.to_owned()
        } else {
            format!("{} characters, not kept.\n", text.chars().count())
        }
    };
    let mut text = format!("# Findings of {name}\n");
    if let Some(findings) = &memory.findings {
        let _ = write!(
            text,
            "\n## Read from the benchmark tables\n\n{}\nPrimes below {PRIME_LIMIT} sum to {}.\n",
            kept(&findings.text),
            findings.prime_sum
        );
    }
    text.push_str("\n## Written by the model\n\n");
    if answer.is_empty() {
        text.push_str("No text.\n");
    } else {
        text.push_str(kept(answer).trim_end());
        text.push('\n');
    }
    for (end, call) in memory.ends.iter().zip(1..) {
        let _ = write!(text, "\nCall {call}: {end}.");
    }
    text.push('\n');
    text
}

/// Writes an artefact and creates its folder. Fails when either cannot be written.
pub(crate) fn write_artefact(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}
