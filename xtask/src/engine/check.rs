//! Checks of a sweep and of the doctor on a real llama.cpp server: with one slot the agents queue, with two
//! they decode at the same time, and every token count is the server's own. Checks of the simulator's prompt cache.

mod conversations;

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Engine, http, install};
use crate::clients::settle;
use crate::delegate::{Profile, build, root, succeeds};

const PLAN: &str = "fixtures/plans/llama-cpp.toml";

/// A key that the server does not require. It must not appear in any output.
const KEY: &str = "sk-never-printed";

/// U+FFFD in UTF-8: the server's mark for bytes that are no text.
const GARBLED: &[u8] = "\u{fffd}".as_bytes();

/// Failed expectations, each with the number of slots of the server.
#[derive(Debug, Default)]
struct Findings {
    slots: u64,
    all: Vec<String>,
}

impl Findings {
    fn expect(&mut self, holds: bool, what: impl Display) {
        if !holds {
            self.all.push(format!("slots {}: {what}", self.slots));
        }
    }

    fn same(&mut self, what: &str, found: &Value, wanted: impl Into<Value>) {
        let wanted = wanted.into();
        let what = format_args!("{what}: {found}, not {wanted}");
        self.expect(*found == wanted, what);
    }

    fn expect_no_key(&mut self, what: &str, text: &str) {
        self.expect(!text.contains(KEY), format_args!("{what} has the key"));
    }
}

/// Sweeps with one slot and with two, and conversations with up to four. True when every expectation holds, or when there is no engine.
pub(crate) fn check() -> bool {
    settle("engine", install().and_then(|engine| sweeps(&engine)))
}

fn sweeps(engine: &Engine) -> Result<bool> {
    let tandem = build("tandem", Profile::Dev)?;
    let report = build("tandem-report", Profile::Dev)?;
    let mut findings = Findings::default();
    let queued = sweep(engine, 1, &tandem, &report, &mut findings)?;
    let shared = sweep(engine, 2, &tandem, &report, &mut findings)?;
    let what = format_args!("{queued:.3} s queued with one slot, {shared:.3} s with two");
    findings.expect(queued > 2.0 * shared, what);
    conversations::check(engine, &mut findings)?;
    for finding in &findings.all {
        say!("engine: {finding}");
    }
    Ok(findings.all.is_empty())
}

/// One sweep and its report; the seconds lost to the queue for a slot.
fn sweep(
    engine: &Engine,
    slots: u64,
    tandem: &Path,
    report: &Path,
    findings: &mut Findings,
) -> Result<f64> {
    findings.slots = slots;
    let mut server = engine.start(&["--slots", &slots.to_string()], false)?;
    doctor(server.url(), tandem, findings)?;
    let before = totals(server.url())?;
    let results = engine.folder.join(format!("slots-{slots}"));
    let _ = fs::remove_dir_all(&results);
    let out = results.display().to_string();
    let output = run(tandem, "sweep", server.url(), &["--out", &out])?;
    let what = format_args!("the sweep ended with {}", output.status);
    findings.expect(output.status.success(), what);
    let printed = String::from_utf8_lossy(&output.stdout);
    let last: Value = serde_json::from_str(printed.lines().last().unwrap_or_default())
        .context("the sweep's last line is no JSON")?;
    findings.expect_no_key("what the sweep printed", &printed);
    for file in ["manifest.json", "journal.jsonl", "telemetry.jsonl"] {
        let text = fs::read_to_string(results.join(file)).unwrap_or_default();
        findings.expect_no_key(file, &text);
    }
    counts(server.url(), &before, &results, findings)?;
    garbage(server.url(), findings)?;
    let config = &last["summary"]["configs"][0];
    let [overlap, speedup, wall] =
        ["decode_overlap", "speedup", "wall_s"].map(|name| &config[name]["mean"]);
    let (pays, queue) = (&config["verdict"], &config["lost_s"]["slot_queue"]);
    say!(
        "engine: {slots} slots: verdict {pays}, overlap {overlap}, speedup {speedup}, wall {wall} s, \
         slot queue {queue} s"
    );
    let queued = verdict(config, findings);
    let out = reported(report, &results, config, findings)?;
    drop(server.child.stdin.take());
    server.child.wait()?;
    say!("engine: {slots} slots: report in {}", out.display());
    Ok(queued)
}

fn run(tandem: &Path, command: &str, url: &str, args: &[&str]) -> Result<Output> {
    Command::new(tandem)
        .args([command, "--json", "--plan", PLAN, "--endpoint", url])
        .args(args)
        .env("TANDEM_API_KEY", KEY)
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{} could not be started", tandem.display()))
}

/// Checks that `tandem doctor` finds a llama.cpp server, and its slots as reported and as inferred.
fn doctor(url: &str, tandem: &Path, findings: &mut Findings) -> Result<()> {
    let slots = findings.slots;
    let output = run(tandem, "doctor", url, &[])?;
    let printed = String::from_utf8_lossy(&output.stdout);
    findings.expect_no_key("what the doctor printed", &printed);
    let document: Value =
        serde_json::from_str(&printed).context("the doctor's answer is no JSON")?;
    let server = &document["servers"][0];
    let seen = &server["probe"]["slots"];
    say!("engine: {slots} slots: the doctor infers {seen}");
    findings.same("slots are inferred", &seen["inferred"], "exactly");
    findings.same("slots shown", &seen["n"], slots);
    findings.same("slots reported", &server["slots_reported"], slots);
    findings.same("the server's kind", &server["server"]["kind"], "llama.cpp");
    // Other work on this machine may cause warnings; no finding may stop a sweep.
    for finding in document["findings"].as_array().into_iter().flatten() {
        let what = format_args!("the doctor has a problem: {finding}");
        findings.expect(finding["level"] != "problem", what);
    }
    Ok(())
}

/// Checks the summary; returns the seconds lost to the queue for a slot.
fn verdict(config: &Value, findings: &mut Findings) -> f64 {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let overlap = number(&config["decode_overlap"]["mean"]);
    let wall = number(&config["wall_s"]["mean"]);
    let queued = number(&config["lost_s"]["slot_queue"]);
    let (gain, decoding) = (&config["gain"], &config["decoding"]);
    if findings.slots == 1 {
        findings.same("decoding", decoding, "in_turn");
        findings.expect(gain != "pays", "one slot pays");
        findings.same("why", &config["why_serial"]["why"], "slot_queue");
        findings.expect(overlap < 0.05, format_args!("overlap {overlap}"));
        let what = format_args!("{queued} s of {wall} s lost to the queue");
        findings.expect(queued > 0.2 * wall, what);
    } else {
        findings.same("why serial", &config["why_serial"], Value::Null);
        findings.same("decoding", decoding, "overlapping");
        findings.expect(overlap > 0.3, format_args!("overlap {overlap}"));
    }
    queued
}

/// The server's own totals: prompt tokens and generated tokens.
const TOTALS: [&str; 2] = [
    "llamacpp:prompt_tokens_total",
    "llamacpp:tokens_predicted_total",
];

/// The server's totals since its start; none for one that it does not report.
fn totals(url: &str) -> Result<[Option<f64>; 2]> {
    let metrics = String::from_utf8(http::request(url, "/metrics", "")?)?;
    Ok(TOTALS.map(|name| {
        metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok())
    }))
}

/// Checks that every request completed with the server's count, and that the server's totals agree.
fn counts(
    url: &str,
    before: &[Option<f64>; 2],
    results: &Path,
    findings: &mut Findings,
) -> Result<()> {
    let journal = fs::read_to_string(results.join("journal.jsonl"))?;
    let (mut requests, mut prompt, mut generated) = (0_u64, 0, 0);
    for line in journal.lines() {
        let line: Value = serde_json::from_str(line)?;
        let Some(record) = line.get("request") else {
            continue;
        };
        requests += 1;
        let times = &record["times"];
        let counters = &times["counters"];
        let count = |name: &str| counters[name].as_u64().unwrap_or(0);
        prompt += count("prompt_eval_count") - count("prompt_eval_cached_count");
        generated += count("eval_count");
        let tokens = &times["tokens"];
        findings.same("tokens", tokens, record["options"]["num_predict"].clone());
        findings.same("eval_count", &counters["eval_count"], tokens.clone());
        findings.same("tokens_from", &times["tokens_from"], "server");
        findings.same("outcome", &times["outcome"], "completed");
    }
    findings.same("requests", &requests.into(), 12);
    let after = totals(url)?;
    let ours = [prompt, generated];
    for (((name, ours), before), after) in TOTALS.iter().zip(ours).zip(before).zip(after) {
        let theirs = before.zip(after).map(|(before, after)| after - before);
        let what = format_args!("{name} grew by {theirs:?}, the records have {ours}");
        findings.expect(theirs == Some(ours as f64), what);
    }
    Ok(())
}

/// Checks that the model's text is garbled, so that the checks above cover garbled text.
fn garbage(url: &str, findings: &mut Findings) -> Result<()> {
    let body = r#"{"messages":[{"role":"user","content":"hello"}],"max_tokens":64,"stream":true,"seed":1}"#;
    let answer = http::request(url, "/v1/chat/completions", body)?;
    let garbled = answer.windows(GARBLED.len()).any(|w| w == GARBLED);
    findings.expect(garbled, "the model's text has no garbled characters");
    Ok(())
}

/// Makes the report and compares its numbers with the summary's.
fn reported(
    report: &Path,
    results: &Path,
    config: &Value,
    findings: &mut Findings,
) -> Result<PathBuf> {
    let out = results.join("report");
    let mut command = Command::new(report);
    command
        .args(["report".as_ref(), "--input".as_ref(), results.as_os_str()])
        .arg("--out")
        .arg(&out)
        .current_dir(root())
        .stdout(Stdio::null());
    let made = succeeds(&mut command)?;
    findings.expect(made, "the report failed");
    let written = fs::read_to_string(out.join("report.json")).context("no report.json")?;
    let written: Value = serde_json::from_str(&written)?;
    for name in ["verdict", "gain", "decoding", "lost_s", "decode_overlap"] {
        let ours = &config[name];
        findings.same(name, &written["configs"][0][name], ours.clone());
        let what = format_args!("the summary has no {name}");
        findings.expect(!ours.is_null(), what);
    }
    Ok(out)
}
