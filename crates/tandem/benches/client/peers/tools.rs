//! The tools: how each is called, and where it puts its figures.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::kit::{Client, Ended, Told, Work, finish};
use crate::server::Server;

/// Prompts, tokenizers and results of one run.
type Scratch = TempDir;

/// How a tool is run, and what it said.
struct Tool {
    name: String,
    program: PathBuf,
    prepare: fn(&mut Command, &Server, Work, &Scratch) -> Result<()>,
    read: fn(&[u8], &Scratch) -> Result<Told>,
}

impl Client for Tool {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn run(&self, server: &Server, work: Work, cpu: Option<u32>) -> Result<(Told, Ended)> {
        let scratch = tempfile::tempdir()?;
        let mut command = Command::new(&self.program);
        command.current_dir(scratch.path());
        (self.prepare)(&mut command, server, work, &scratch)?;
        let ended = finish(&mut command, cpu)?;
        let told = (self.read)(&ended.output, &scratch)?;
        Ok((told, ended))
    }
}

/// The tools that are here, and why others are not.
pub(super) fn find(httpx: Option<&Path>, no_httpx: &str) -> (Vec<Box<dyn Client>>, Vec<String>) {
    let (mut found, mut absent): (Vec<Box<dyn Client>>, Vec<String>) = (Vec::new(), Vec::new());
    match httpx {
        Some(python) => found.push(Box::new(Tool {
            name: "httpx 0.28.1 (Python)".to_owned(),
            program: python.to_owned(),
            prepare: httpx_flags,
            read: |output, _| Ok(Told::Rows(serde_json::from_slice(output)?)),
        })),
        None => absent.push(format!("httpx: {no_httpx}")),
    }
    for (name, prepare, read) in [
        ("oha", oha_flags as Prepare, oha_figures as Read),
        ("locust", locust_flags, locust_rows),
        ("guidellm", guidellm_flags, guidellm_figures),
        ("aiperf", aiperf_flags, aiperf_figures),
    ] {
        match version(name) {
            Some(version) => found.push(Box::new(Tool {
                name: version,
                program: name.into(),
                prepare,
                read,
            })),
            None => absent.push(format!("{name}: not on the path")),
        }
    }
    (found, absent)
}

type Prepare = fn(&mut Command, &Server, Work, &Scratch) -> Result<()>;
type Read = fn(&[u8], &Scratch) -> Result<Told>;

/// Name and version of a tool that is on the path.
fn version(name: &str) -> Option<String> {
    let output = Command::new(name)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let number = text
        .split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    Some(number.map_or_else(|| name.to_owned(), |number| format!("{name} {number}")))
}

/// A file of ours beside the benchmarks.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("benches/peers")
        .join(name)
}

#[expect(clippy::unnecessary_wraps, reason = "one shape for all tools")]
fn httpx_flags(command: &mut Command, server: &Server, work: Work, _: &Scratch) -> Result<()> {
    command
        .arg("-B")
        .arg(script("httpx_client.py"))
        .arg(server.url())
        .args([work.streams, work.requests, work.tokens].map(|n| n.to_string()));
    Ok(())
}

/// A chat completion's body, for tools that send one body again and again.
fn chat_body(work: Work) -> String {
    format!(
        "{{\"model\":\"metronome\",\"stream\":true,\"max_tokens\":{},\
         \"messages\":[{{\"role\":\"user\",\"content\":\"stream\"}}]}}",
        work.tokens
    )
}

fn oha_flags(command: &mut Command, server: &Server, work: Work, scratch: &Scratch) -> Result<()> {
    let body = scratch.path().join("body.json");
    std::fs::write(&body, chat_body(work))?;
    command
        .args(["-n", &(work.streams * work.requests).to_string()])
        .args(["-c", &work.streams.to_string()])
        .args(["--no-tui", "--output-format", "json", "-m", "POST"])
        .args(["-T", "application/json", "-D"])
        .arg(&body)
        .arg(format!("{}/v1/chat/completions", server.url()));
    Ok(())
}

/// The first byte is the first token's here: head and first token are sent together.
fn oha_figures(output: &[u8], _: &Scratch) -> Result<Told> {
    let value: Value = serde_json::from_slice(output)?;
    let rate = &value["summary"]["successRate"];
    ensure!(
        rate.as_f64() == Some(1.0),
        "requests failed, or the success rate is not told: {rate}"
    );
    let ms = |pointer: &str| {
        value
            .pointer(pointer)
            .and_then(Value::as_f64)
            .map(|s| s * 1e3)
    };
    Ok(Told::Figures {
        ttft_mean: ms("/details/firstByte/average"),
        ttft_p50: ms("/firstBytePercentiles/p50"),
        ttft_p99: ms("/firstBytePercentiles/p99"),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "one shape for all tools")]
fn locust_flags(
    command: &mut Command,
    server: &Server,
    work: Work,
    scratch: &Scratch,
) -> Result<()> {
    let streams = work.streams.to_string();
    command
        .arg("-f")
        .arg(script("locustfile.py"))
        .args(["--headless", "--only-summary", "--loglevel", "WARNING"])
        .args(["-u", &streams, "-r", &streams])
        .args(["-H", &server.url()])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PEER_REQUESTS", work.requests.to_string())
        .env("PEER_TOKENS", work.tokens.to_string())
        .env("PEER_OUT", scratch.path().join("rows.json"));
    Ok(())
}

fn locust_rows(_: &[u8], scratch: &Scratch) -> Result<Told> {
    let text = std::fs::read(scratch.path().join("rows.json"))?;
    Ok(Told::Rows(serde_json::from_slice(&text)?))
}

fn guidellm_flags(
    command: &mut Command,
    server: &Server,
    work: Work,
    scratch: &Scratch,
) -> Result<()> {
    let prompts = scratch.path().join("prompts.jsonl");
    let requests = work.streams * work.requests;
    std::fs::write(
        &prompts,
        "{\"prompt\": \"stream\"}\n".repeat(requests as usize),
    )?;
    let path = |name: &str| scratch.path().join(name).display().to_string();
    command
        .args(["run", "--backend"])
        .arg(format!(
            "kind=openai_http,target={},model=metronome",
            server.url()
        ))
        .arg("--profile")
        .arg(format!("kind=concurrent,streams={}", work.streams))
        .arg("--constraint")
        .arg(format!("kind=max_requests,count={requests}"))
        .arg("--data")
        .arg(format!("kind=json_file,path={}", path("prompts.jsonl")))
        .arg("--output")
        .arg(format!("kind=json,path={}", path("figures.json")))
        .arg("--disable-console-interactive");
    Ok(())
}

fn guidellm_figures(_: &[u8], scratch: &Scratch) -> Result<Told> {
    let text = std::fs::read(scratch.path().join("figures.json"))?;
    let value: Value = serde_json::from_slice(&text)?;
    let ttft = value
        .pointer("/benchmarks/0/metrics/time_to_first_token_ms/successful")
        .context("guidellm told no TTFT")?;
    Ok(Told::Figures {
        ttft_mean: ttft["mean"].as_f64(),
        ttft_p50: ttft["percentiles"]["p50"].as_f64(),
        ttft_p99: ttft["percentiles"]["p99"].as_f64(),
    })
}

fn aiperf_flags(
    command: &mut Command,
    server: &Server,
    work: Work,
    scratch: &Scratch,
) -> Result<()> {
    let tokenizer = scratch.path().join("tokenizer");
    write_tokenizer(&tokenizer)?;
    let tokens = work.tokens.to_string();
    command
        .args(["profile", "--model", "metronome", "--url", &server.url()])
        .args(["--endpoint-type", "chat", "--streaming"])
        .args(["--concurrency", &work.streams.to_string()])
        .args([
            "--request-count",
            &(work.streams * work.requests).to_string(),
        ])
        .arg("--tokenizer")
        .arg(&tokenizer)
        .args(["--use-server-token-count", "--isl", "8", "--osl", &tokens])
        .args(["--ui", "none", "--no-gpu-telemetry", "--no-server-metrics"])
        .arg("--output-artifact-dir")
        .arg(scratch.path().join("out"))
        // With it set, the folder above is taken for the name of a repository.
        .env_remove("HF_HUB_OFFLINE");
    Ok(())
}

fn aiperf_figures(_: &[u8], scratch: &Scratch) -> Result<Told> {
    let path = scratch.path().join("out/profile_export_aiperf.json");
    let value: Value = serde_json::from_slice(&std::fs::read(path)?)?;
    let ttft = &value["time_to_first_token"];
    Ok(Told::Figures {
        ttft_mean: ttft["avg"].as_f64(),
        ttft_p50: ttft["p50"].as_f64(),
        ttft_p99: ttft["p99"].as_f64(),
    })
}

/// A tokenizer that knows every byte and nothing else: aiperf loads one whether it counts tokens
/// or not.
fn write_tokenizer(folder: &Path) -> Result<()> {
    std::fs::create_dir(folder)?;
    let vocabulary: serde_json::Map<String, Value> = byte_letters()
        .zip(0_u32..)
        .map(|(letter, id)| (letter.to_string(), id.into()))
        .collect();
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "post_processor": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "vocab": vocabulary, "merges": []},
    });
    let config = serde_json::json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "chat_template": "{% for m in messages %}{{m['content']}}{% endfor %}",
    });
    for (name, value) in [
        ("tokenizer.json", tokenizer),
        ("tokenizer_config.json", config),
        ("config.json", serde_json::json!({"model_type": "gpt2"})),
    ] {
        std::fs::write(folder.join(name), value.to_string())?;
    }
    Ok(())
}

/// The letters that byte-level tokenizers write bytes as: printable ones as themselves, the others
/// from U+0100 on.
fn byte_letters() -> impl Iterator<Item = char> {
    let mut next = 0x100_u32;
    (0..=255_u8).filter_map(move |byte| {
        let itself = matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
        if itself {
            return Some(char::from(byte));
        }
        let letter = char::from_u32(next);
        next += 1;
        letter
    })
}
