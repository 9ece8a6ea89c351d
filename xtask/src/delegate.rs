//! Builds one of the binaries and runs it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

/// The workspace's root: the folder above this crate's.
pub(crate) fn root() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.parent().unwrap_or(folder).to_owned()
}

/// Cargo's build folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    let status = command
        .status()
        .with_context(|| format!("{} could not be started", command.get_program().display()))?;
    Ok(status.success())
}

/// Runs a command whose output is shown only in the error of its failure.
pub(crate) fn quietly(command: &mut Command) -> Result<()> {
    let program = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("{program} could not be started"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{program} failed: {}",
        errors.trim_end()
    );
    Ok(())
}

pub(crate) fn exit(ok: bool) -> ExitCode {
    ExitCode::from(u8::from(!ok))
}

/// True when a program is found and answers `--version`.
pub(crate) fn is_installed(program: impl AsRef<OsStr>) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A cargo command in the workspace's root, with the toolchain that runs this program.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

pub(crate) fn tandem(command: &str, args: &[String]) -> Result<ExitCode> {
    run(&build("tandem", Profile::Release)?, command, args)
}

pub(crate) fn tandem_report(command: &str, args: &[String]) -> Result<ExitCode> {
    run(&build("tandem-report", Profile::Dev)?, command, args)
}

/// Builds a binary and returns its path. It passes `--workspace` because one package alone resolves features
/// differently, which would compile half the dependencies a second time.
pub(crate) fn build(binary: &str, profile: Profile) -> Result<PathBuf> {
    let (folder, what) = match profile {
        Profile::Dev => ("debug", "compiles polars, which takes 2 to 10 minutes"),
        Profile::Release => ("release", "takes about 3 minutes"),
    };
    let file = format!("{binary}{}", std::env::consts::EXE_SUFFIX);
    if !target().join(folder).join(file).exists() {
        say!("The first build of {binary} {what}; later ones take seconds.");
    }
    build_with(binary, profile, |_| Ok(()))
}

/// As [`build`], with the flags and variables that `settings` adds to the command.
pub(crate) fn build_with(
    binary: &str,
    profile: Profile,
    settings: impl FnOnce(&mut Command) -> Result<()>,
) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--locked", "--workspace", "--bin", binary]);
    command.arg("--message-format=json-render-diagnostics");
    if profile == Profile::Release {
        command.arg("--release");
    }
    settings(&mut command)?;
    let output = command
        .stderr(Stdio::inherit())
        .stdout(Stdio::piped())
        .output()
        .context("cargo could not be started")?;
    ensure!(output.status.success(), "building {binary} failed");
    let messages = output.stdout.split(|byte| *byte == b'\n');
    let messages = messages.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let mut built = messages.filter(|message| message["target"]["name"] == binary);
    built
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .with_context(|| format!("cargo did not report the path of {binary}"))
}

fn run(binary: &Path, command: &str, args: &[String]) -> Result<ExitCode> {
    let status = Command::new(binary)
        .arg(command)
        .args(args)
        .current_dir(root())
        // The binaries repeat it in their hints.
        .env("TANDEM_INVOKED_AS", "cargo xtask")
        .status()
        .with_context(|| format!("{} could not be started", binary.display()))?;
    Ok(match status.code() {
        Some(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        // Ended by a signal: Ctrl-C reaches the child as well as this process.
        None => ExitCode::from(130),
    })
}
