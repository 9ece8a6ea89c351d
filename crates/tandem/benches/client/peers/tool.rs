//! The tools: how each is called, and where it puts its figures.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use domain::redact::words;
use serde::Deserialize;

use super::figures::Figures;
use crate::kit::{Client, LEAST, Report, Server, Work};

/// Another load tool: `tools.toml` says what its fields mean.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tool {
    pub(super) name: String,
    args: String,
    file: Option<String>,
    figures: Option<Figures>,
    processes: u32,
}

/// The tools of `tools.toml`; the first runs in the Python that `--httpx` names, the others are looked for on the path.
pub(super) fn tools() -> Result<Vec<Tool>> {
    #[derive(Deserialize)]
    struct Tools {
        tool: Vec<Tool>,
    }
    let tools: Tools = toml::from_str(include_str!("tools.toml"))?;
    Ok(tools.tool)
}

impl Tool {
    /// The work that only starts it, for a number of streams.
    pub(super) fn least(&self, streams: u32) -> Work {
        Work {
            streams: streams.min(self.processes),
            ..LEAST
        }
    }
}

/// A tool that is installed.
pub(super) struct Installed<'t> {
    pub(super) tool: &'t Tool,
    program: PathBuf,
    version: String,
}

impl<'t> Installed<'t> {
    /// The tool with its version, or why there is none. `version` are the arguments that print it.
    pub(super) fn find(tool: &'t Tool, program: &Path, version: &[&str]) -> Result<Self, String> {
        let output = Command::new(program)
            .args(version)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => "not on the path".to_owned(),
                _ => format!("it cannot be started: {error}"),
            })?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            let last = errors.lines().last().unwrap_or("no output");
            let status = output.status;
            return Err(format!(
                "asked for its version it ended with {status}: {last}"
            ));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let is_number = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
        let version = text.split_whitespace().find(is_number);
        let version = version.ok_or_else(|| format!("it has no version: {}", text.trim()))?;
        Ok(Self {
            tool,
            program: program.to_owned(),
            version: version.to_owned(),
        })
    }
}

impl Client for Installed<'_> {
    fn name(&self) -> String {
        format!("{} {}", self.tool.name, self.version)
    }

    fn command(&self, server: &Server, work: Work, folder: &Path) -> Result<Command> {
        let all = work.streams * work.requests;
        let body = serde_json::json!({
            "model": "metronome", "stream": true, "max_tokens": work.tokens,
            "messages": [{ "role": "user", "content": "stream" }],
        });
        let prompts = "{\"prompt\": \"stream\"}\n".repeat(all as usize);
        std::fs::write(folder.join("body.json"), body.to_string())?;
        std::fs::write(folder.join("prompts.jsonl"), prompts)?;
        let mut args = self.tool.args.clone();
        for (name, value) in [
            ("{url}", server.url()),
            ("{streams}", work.streams.to_string()),
            ("{requests}", work.requests.to_string()),
            ("{tokens}", work.tokens.to_string()),
            ("{all}", all.to_string()),
            (
                "{peers}",
                format!("{}/benches/peers", env!("CARGO_MANIFEST_DIR")),
            ),
        ] {
            args = args.replace(name, &value);
        }
        let mut command = Command::new(&self.program);
        command
            .args(words(&args))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PEER_REQUESTS", work.requests.to_string())
            .env("PEER_TOKENS", work.tokens.to_string())
            .env("PEER_OUT", folder.join("rows.json"));
        if self.tool.name == "aiperf" {
            // With it set, the tokenizer's folder is taken for the name of a repository.
            command.env_remove("HF_HUB_OFFLINE");
        }
        Ok(command)
    }

    fn report(&self, output: &[u8], work: Work, folder: &Path) -> Result<Report> {
        let results = match &self.tool.file {
            None => output.to_owned(),
            Some(file) => {
                std::fs::read(folder.join(file)).with_context(|| format!("it left no {file}"))?
            }
        };
        let all = work.streams * work.requests;
        Ok(match &self.tool.figures {
            None => Report::Rows(serde_json::from_slice(&results)?),
            Some(figures) => Report::Figures(figures.read(&results, all)?),
        })
    }
}
