//! The tools: how each is called, and where it puts its figures.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use domain::redact::words;

use super::figures::{AIPERF, Figures, GUIDELLM, OHA};
use crate::kit::{Client, LEAST, Report, Server, Work};

/// Another load tool. Arguments are templates: `{url}` is the server's, `{all}` counts the requests of all streams,
/// and `{peers}` is the folder of the scripts and the tokenizer beside the benchmarks.
pub(super) struct Tool {
    pub(super) name: &'static str,
    args: &'static str,
    /// The file with its results; its standard output without one.
    file: Option<&'static str>,
    /// Where its figures are; without them it writes a row for each request.
    figures: Option<&'static Figures>,
    /// The least streams that start all of its processes.
    processes: u32,
}

pub(super) const HTTPX: Tool = Tool {
    name: "httpx",
    args: "-B '{peers}/httpx_client.py' {url} {streams} {requests} {tokens}",
    file: None,
    figures: None,
    processes: 1,
};

/// Those that are looked for on the path.
pub(super) const TOOLS: [Tool; 4] = [
    Tool {
        name: "oha",
        args: "-n {all} -c {streams} --no-tui --output-format json -m POST -T application/json -D body.json \
               {url}/v1/chat/completions",
        file: None,
        figures: Some(&OHA),
        processes: 1,
    },
    Tool {
        name: "locust",
        args: "-f '{peers}/locustfile.py' --headless --only-summary --loglevel WARNING -u {streams} -r {streams} \
               -H {url}",
        file: Some("rows.json"),
        figures: None,
        processes: 1,
    },
    Tool {
        name: "guidellm",
        args: "run --backend kind=openai_http,target={url},model=metronome,max_tokens={tokens} \
               --profile kind=concurrent,streams={streams} --constraint kind=max_requests,count={all} \
               --data kind=json_file,path=prompts.jsonl --output kind=json,path=figures.json \
               --disable-console-interactive",
        file: Some("figures.json"),
        figures: Some(&GUIDELLM),
        // One for each stream, up to ten.
        processes: 10,
    },
    Tool {
        name: "aiperf",
        args: "profile --model metronome --url {url} --endpoint-type chat --streaming --concurrency {streams} \
               --request-count {all} --tokenizer '{peers}/tokenizer' --use-server-token-count --isl 8 \
               --osl {tokens} --ui none --no-gpu-telemetry --no-server-metrics --output-artifact-dir out",
        file: Some("out/profile_export_aiperf.json"),
        figures: Some(&AIPERF),
        // As many as the machine has use for, for any number of streams.
        processes: 1,
    },
];

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
        let mut args = self.tool.args.to_owned();
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
        let results = match self.tool.file {
            None => output.to_owned(),
            Some(file) => {
                std::fs::read(folder.join(file)).with_context(|| format!("it left no {file}"))?
            }
        };
        let all = work.streams * work.requests;
        Ok(match self.tool.figures {
            None => Report::Rows(serde_json::from_slice(&results)?),
            Some(figures) => Report::Figures(figures.read(&results, all)?),
        })
    }
}
