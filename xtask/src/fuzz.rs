//! The fuzzers: `crates/fuzz` with libFuzzer, on the stable compiler.
//!
//! The compiler wrapper instruments the workspace's own crates alone, so that the dependencies that the
//! tests have built are reused.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::clients::{Skipped, settle};
use crate::delegate::{Profile, build_with, exit, is_installed, root, succeeds, target};

/// Set while cargo calls this program in place of the compiler.
const WRAPPER: &str = "TANDEM_FUZZ_WRAPPER";

/// Compiler flags for libFuzzer: edge counters and traced comparisons.
const INSTRUMENT: [&str; 7] = [
    // Optimised, our crates take four times the inputs a second. Overflow checks stay on, as in tests.
    "-Copt-level=1",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

/// Targets with the number of inputs that each gets in CI.
const INPUTS: &str = include_str!("fuzz_inputs.txt");

/// Most memory that an input may take, MB.
const MOST_MEMORY_MB: u32 = 512;
/// Longest that an input may take, seconds.
const LONGEST_S: u32 = 10;

#[derive(Clone, Copy)]
pub(crate) enum Effort {
    /// The inputs that [`INPUTS`] states, from the committed corpus and a fixed seed: the same program gets the
    /// same inputs, so that a failure comes from a change of the code.
    Inputs,
    /// Seconds, continuing with the inputs that earlier runs have found.
    Seconds(u32),
}

pub(crate) const HELP: &str = include_str!("help/fuzz.txt");

/// Runs the compiler where cargo calls this program as its compiler wrapper.
pub(crate) fn as_wrapper() -> Option<Result<ExitCode>> {
    std::env::var_os(WRAPPER)?;
    let mut args = std::env::args_os().skip(1);
    let compiler = args.next()?;
    let args: Vec<_> = args.collect();
    let mut rustc = Command::new(compiler);
    rustc.args(&args).env_remove(WRAPPER);
    // Build scripts run without the fuzzer.
    if !args.iter().any(|arg| arg == "build_script_build") {
        rustc.args(INSTRUMENT);
    }
    Some(succeeds(&mut rustc).map(exit))
}

pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let mut seconds = 10;
    let mut targets = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seconds" => {
                let value = args.next().context("--seconds needs a number")?;
                seconds = value.parse().context("--seconds needs a number")?;
            }
            flag if flag.starts_with('-') => bail!("unknown flag `{flag}`\n\n{HELP}"),
            name => targets.push(name.to_owned()),
        }
    }
    check(Effort::Seconds(seconds), &targets).map(exit)
}

/// True when no target fails, or when this machine cannot fuzz, which is noted as skipped.
pub(crate) fn passes(effort: Effort) -> bool {
    settle("fuzz", check(effort, &[]))
}

/// Fuzzes these targets, or all of them.
fn check(effort: Effort, targets: &[String]) -> Result<bool> {
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    if !is_installed(&compiler) {
        let compiler = compiler.display();
        bail!(Skipped(format!("no C++ compiler `{compiler}`")));
    }
    let fuzzer = build_with("fuzz", Profile::Dev, |cargo| {
        let wrapper = std::env::current_exe().context("this program has no path")?;
        cargo
            .args(["--features", "fuzz/libfuzzer"])
            .env(WRAPPER, "1")
            .env("RUSTC_WORKSPACE_WRAPPER", wrapper);
        Ok(())
    })?;
    let mut passed = true;
    // Every target has a corpus of its name.
    let mut names = fs::read_dir(corpus())
        .context("no corpus")?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    names.sort();
    for name in names {
        if targets.is_empty() || targets.contains(&name) {
            passed &= fuzz(&fuzzer, &name, effort)?;
        }
    }
    Ok(passed)
}

fn corpus() -> PathBuf {
    root().join("crates/fuzz/corpus")
}

/// Fuzzes one target. With a time limit, new inputs of interest are kept under `target` for the next run.
fn fuzz(fuzzer: &PathBuf, name: &str, effort: Effort) -> Result<bool> {
    let scratch = target().join("fuzz");
    let found = scratch.join("found").join(name);
    let grown = scratch.join("corpus").join(name);
    fs::create_dir_all(&found)?;
    let log = scratch.join(format!("{name}.log"));
    let mut command = Command::new(fuzzer);
    command
        .env("TANDEM_FUZZ", name)
        .arg(format!("-rss_limit_mb={MOST_MEMORY_MB}"))
        .arg(format!("-timeout={LONGEST_S}"))
        .arg("-max_len=65536")
        .arg(format!(
            "-dict={}",
            root().join("crates/fuzz/dictionary").display()
        ))
        .arg("-print_final_stats=1")
        .arg(format!("-artifact_prefix={}/", found.display()))
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log)?);
    match effort {
        Effort::Inputs => {
            let mut rows = INPUTS.lines().filter_map(|row| row.split_once(' '));
            let stated = rows.find(|(target, _)| *target == name);
            let (_, inputs) =
                stated.with_context(|| format!("xtask/src/fuzz_inputs.txt lacks `{name}`"))?;
            if grown.exists() {
                fs::remove_dir_all(&grown)?;
            }
            command.args([format!("-runs={inputs}"), "-seed=1".to_owned()]);
        }
        Effort::Seconds(seconds) => {
            command.arg(format!("-max_total_time={seconds}"));
        }
    }
    // libFuzzer writes new inputs of interest into the first folder.
    fs::create_dir_all(&grown)?;
    command.args([grown, corpus().join(name)]);
    let passed = succeeds(&mut command)?;
    let output = fs::read_to_string(&log).unwrap_or_default();
    if passed {
        let runs = output
            .lines()
            .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        say!("fuzz: {name}: {} inputs", runs.unwrap_or("?").trim());
    } else {
        let start = output.find("panicked at").or_else(|| output.find("=="));
        for line in output[start.unwrap_or(0)..].lines().take(12) {
            say!("fuzz: {name}: {line}");
        }
        let (found, log) = (found.display(), log.display());
        say!("fuzz: {name}: FAILED; the input is in {found}, the full output in {log}");
    }
    Ok(passed)
}
