//! The tools: how each is called, and where it puts its figures.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use domain::redact::words;
use serde_json::json;
use tempfile::TempDir;

use super::figures;
use super::tokenizer;
use crate::kit::{Client, Ended, LEAST, Told, Work, finish};
use crate::server::Server;

/// Prompts, tokenizers and results of one run.
type Scratch = TempDir;

/// How a tool is run, and what it said.
struct Way {
    prepare: fn(&mut Command, &Server, Work, &Scratch) -> Result<()>,
    read: fn(&[u8], &Scratch, Work) -> Result<Told>,
    /// What only starts it, for a number of streams.
    least: fn(u32) -> Work,
}

/// A tool that is here.
pub(super) struct Tool {
    name: String,
    program: PathBuf,
    way: Way,
}

impl Tool {
    pub(super) fn least(&self) -> fn(u32) -> Work {
        self.way.least
    }
}

impl Client for Tool {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn run(&self, server: &Server, work: Work, cpu: Option<u32>) -> Result<(Told, Ended)> {
        let scratch = tempfile::tempdir()?;
        let mut command = Command::new(&self.program);
        command.current_dir(scratch.path());
        (self.way.prepare)(&mut command, server, work, &scratch)?;
        let ended = finish(&mut command, cpu)?;
        let told = (self.way.read)(&ended.output, &scratch, work)?;
        Ok((told, ended))
    }
}

/// Each tool, or its name and why it is not here.
pub(super) fn find(
    httpx: Option<&Path>,
    no_httpx: &str,
) -> Vec<Result<Tool, (&'static str, String)>> {
    let httpx = match httpx {
        None => Err(("httpx", no_httpx.to_owned())),
        Some(python) => {
            const VERSION: &str = "import httpx; print(httpx.__version__)";
            let asked = version(Command::new(python).args(["-c", VERSION]));
            tool("httpx", python.to_owned(), asked, HTTPX)
        }
    };
    let mut tools = vec![httpx];
    for (name, way) in [
        ("oha", OHA),
        ("locust", LOCUST),
        ("guidellm", GUIDELLM),
        ("aiperf", AIPERF),
    ] {
        let asked = version(Command::new(name).arg("--version"));
        tools.push(tool(name, name.into(), asked, way));
    }
    tools
}

fn tool(
    name: &'static str,
    program: PathBuf,
    version: Result<String, String>,
    way: Way,
) -> Result<Tool, (&'static str, String)> {
    match version {
        Ok(version) => Ok(Tool {
            name: format!("{name} {version}"),
            program,
            way,
        }),
        Err(why) => Err((name, why)),
    }
}

/// The first number in what a program says of its version, or why it does not.
fn version(command: &mut Command) -> Result<String, String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "not on the path".to_owned(),
            _ => format!("it cannot be started: {error}"),
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or("it said nothing");
        return Err(format!(
            "asked for its version it ended with {}: {last}",
            output.status
        ));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
        .ok_or_else(|| format!("it told no version: {}", text.trim()))
}

/// A file of ours beside the benchmarks.
fn script(name: &str) -> String {
    format!("{}/benches/peers/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn read(scratch: &Scratch, name: &str) -> Result<Vec<u8>> {
    std::fs::read(scratch.path().join(name)).with_context(|| format!("it left no {name}"))
}

fn all(work: Work) -> u32 {
    work.streams * work.requests
}

const HTTPX: Way = Way {
    prepare: |command, server, work, _| {
        let Work {
            streams,
            requests,
            tokens,
        } = work;
        let (script, url) = (script("httpx_client.py"), server.url());
        command.args(words(&format!(
            "-B '{script}' {url} {streams} {requests} {tokens}"
        )));
        Ok(())
    },
    read: |output, _, _| Ok(Told::Rows(serde_json::from_slice(output)?)),
    least: |_| LEAST,
};

const OHA: Way = Way {
    prepare: |command, server, work, scratch| {
        let body = json!({
            "model": "metronome", "stream": true, "max_tokens": work.tokens,
            "messages": [{ "role": "user", "content": "stream" }],
        });
        std::fs::write(scratch.path().join("body.json"), body.to_string())?;
        let (all, streams, url) = (all(work), work.streams, server.url());
        command.args(words(&format!(
            "-n {all} -c {streams} --no-tui --output-format json -m POST -T application/json \
             -D body.json {url}/v1/chat/completions"
        )));
        Ok(())
    },
    read: |output, _, work| figures::oha(output, all(work)).map(Told::Figures),
    least: |_| LEAST,
};

const LOCUST: Way = Way {
    prepare: |command, server, work, scratch| {
        let (script, streams, url) = (script("locustfile.py"), work.streams, server.url());
        command
            .args(words(&format!(
                "-f '{script}' --headless --only-summary --loglevel WARNING -u {streams} -r {streams} \
                 -H {url}"
            )))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PEER_REQUESTS", work.requests.to_string())
            .env("PEER_TOKENS", work.tokens.to_string())
            .env("PEER_OUT", scratch.path().join("rows.json"));
        Ok(())
    },
    read: |_, scratch, _| {
        let rows = read(scratch, "rows.json")?;
        Ok(Told::Rows(serde_json::from_slice(&rows)?))
    },
    least: |_| LEAST,
};

const GUIDELLM: Way = Way {
    prepare: |command, server, work, scratch| {
        let (all, streams, tokens) = (all(work), work.streams, work.tokens);
        let prompts = "{\"prompt\": \"stream\"}\n".repeat(all as usize);
        std::fs::write(scratch.path().join("prompts.jsonl"), prompts)?;
        let url = server.url();
        command.args(words(&format!(
            "run --backend kind=openai_http,target={url},model=metronome,max_tokens={tokens} \
             --profile kind=concurrent,streams={streams} --constraint kind=max_requests,count={all} \
             --data kind=json_file,path=prompts.jsonl --output kind=json,path=figures.json \
             --disable-console-interactive"
        )));
        Ok(())
    },
    read: |_, scratch, work| {
        figures::guidellm(&read(scratch, "figures.json")?, all(work)).map(Told::Figures)
    },
    // It starts a process for each stream, up to ten.
    least: |streams| Work {
        streams: streams.min(10),
        ..LEAST
    },
};

const AIPERF: Way = Way {
    prepare: |command, server, work, scratch| {
        let tokenizer = scratch.path().join("tokenizer");
        tokenizer::write(&tokenizer)?;
        let (url, tokenizer) = (server.url(), tokenizer.display());
        let (all, streams, tokens) = (all(work), work.streams, work.tokens);
        command
            .args(words(&format!(
                "profile --model metronome --url {url} --endpoint-type chat --streaming \
                 --concurrency {streams} --request-count {all} --tokenizer '{tokenizer}' \
                 --use-server-token-count --isl 8 --osl {tokens} --ui none --no-gpu-telemetry \
                 --no-server-metrics --output-artifact-dir out"
            )))
            // With it set, the tokenizer's folder is taken for the name of a repository.
            .env_remove("HF_HUB_OFFLINE");
        Ok(())
    },
    read: |_, scratch, work| {
        let exported = read(scratch, "out/profile_export_aiperf.json")?;
        figures::aiperf(&exported, all(work)).map(Told::Figures)
    },
    // Its processes are as many as the machine has use for, whatever the streams.
    least: |_| LEAST,
};
