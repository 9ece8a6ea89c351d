//! Writing an agent's findings into the results folder.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use domain::plan::Arm;
use domain::record::RunKey;

use crate::analyse::{Findings, PRIME_LIMIT};

/// The path of an agent's artefact under `root`, in a folder for each attempt at an arm.
pub(crate) fn artefact_path(
    root: &Path,
    run: &RunKey,
    arm: Arm,
    attempt: u32,
    agent: u32,
    name: &str,
) -> PathBuf {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let name: String = name
        .chars()
        .map(|c| if fits(c) { c } else { '_' })
        .collect();
    root.join(run.config.as_str())
        .join(run.topology.to_string())
        .join(format!("repetition-{}", run.repetition))
        .join(format!("{arm}-attempt-{attempt}"))
        .join(format!("{agent}-{name}.md"))
}

/// The artefact: the findings, the model's answer, and the outcome of each call. Without `keep_text` it has only the
/// length of findings and answer.
pub(crate) fn artefact(
    name: &str,
    findings: Option<&Findings>,
    ends: &[String],
    answer: &str,
    keep_text: bool,
) -> String {
    let kept = |text: &str| {
        if keep_text {
            text.to_owned()
        } else {
            format!("{} characters, not kept.\n", text.chars().count())
        }
    };
    let mut text = format!("# Findings of {name}\n");
    if let Some(findings) = findings {
        let _ = write!(
            text,
            "\n## Read from the benchmark tables\n\n{}\nPrimes below {PRIME_LIMIT} sum to {}.\n",
            kept(&findings.text),
            findings.prime_sum
        );
    }
    text.push_str("\n## Written by the model\n\n");
    if answer.trim().is_empty() {
        text.push_str("No text.\n");
    } else {
        text.push_str(kept(answer.trim()).trim_end());
        text.push('\n');
    }
    for (end, call) in ends.iter().zip(1..) {
        let _ = write!(text, "\nCall {call}: {end}.");
    }
    text.push('\n');
    text
}

pub(crate) fn write_artefact(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}
