//! Names and files of result folders.

use std::iter;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use domain::exit::Fatal;
use domain::record::{Environment, Provenance, RunHeader};
use humantime::format_rfc3339_seconds;
use results::{Kind, Lock};

/// The wall clock's time, for names and dates; everything that is measured is stamped by the clock.
#[expect(clippy::disallowed_methods, reason = "the one reading of it")]
pub(crate) fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// The default results folder: `results/NAME-20261122-021500`, with `-simulated` for simulated results, and
/// with `-2`, `-3` where that folder exists.
pub(crate) fn default_dir(name: &str, now: SystemTime, simulated: bool) -> PathBuf {
    let now = format_rfc3339_seconds(now).to_string();
    let now = now.replace(['-', ':', 'Z'], "").replace('T', "-");
    let suffix = if simulated { "-simulated" } else { "" };
    free(Path::new("results"), &format!("{name}-{now}{suffix}"))
}

pub(crate) fn refuse_used(dir: &Path) -> Result<(), Fatal> {
    if dir.is_file() {
        let what = format!("{} is a file", dir.display());
        return Err(Fatal::usage(what).hint("give a folder with --out"));
    }
    let Some(kind) = Kind::of(dir).or_else(|| Kind::of_lines(dir)) else {
        return Ok(());
    };
    let hint = if kind.can_resume() {
        "continue it with --resume, or give another --out"
    } else {
        "give another --out"
    };
    Err(Fatal::usage(format!("{} already holds {}", dir.display(), kind.words())).hint(hint))
}

/// Locks a folder for new results, and makes it if necessary.
pub(crate) fn begin(dir: &Path) -> Result<Lock, Fatal> {
    refuse_used(dir)?;
    let lock = Lock::begin(dir)?;
    // Another run may have started and ended since the first check.
    refuse_used(dir)?;
    Ok(lock)
}

/// The first of `NAME`, `NAME-2`, `NAME-3` and so on that does not exist.
fn free(root: &Path, name: &str) -> PathBuf {
    let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
    let names = iter::once(name.to_owned()).chain(numbered);
    let mut folders = names.map(|name| root.join(name));
    folders
        .find(|dir| !dir.exists())
        .expect("there are endless names")
}

/// The last part of a path; `otherwise` for a path without one, such as `..`.
pub(crate) fn name_of(dir: &Path, otherwise: &str) -> String {
    let name = dir.file_name().map(|name| name.to_string_lossy());
    name.unwrap_or(otherwise.into()).into_owned()
}

pub(crate) fn header(
    name: String,
    provenance: Provenance,
    now: SystemTime,
    environment: Environment,
) -> RunHeader {
    RunHeader {
        name,
        provenance,
        tool: tool(),
        command: command_line(),
        started_at: format_rfc3339_seconds(now).to_string(),
        environment: Some(environment),
        ..RunHeader::default()
    }
}

pub(crate) fn tool() -> String {
    let (version, revision) = (env!("CARGO_PKG_VERSION"), env!("TANDEM_REVISION"));
    format!("tandem {version} (git {revision})")
}

/// The command line, quoted for a shell. With `--no-text` its prompts are left out.
pub(crate) fn command_line() -> String {
    let args = std::env::args_os().skip(1);
    as_typed(args.map(|arg| arg.to_string_lossy().into_owned()))
}

fn as_typed(args: impl Iterator<Item = String>) -> String {
    const TEXTS: [&str; 2] = ["--prompt", "--follow-up"];
    const LEFT_OUT: &str = "(not kept)";
    let mut args: Vec<String> = args.collect();
    if args.iter().any(|arg| arg == "--no-text") {
        let mut is_text = false;
        for arg in &mut args {
            if is_text {
                LEFT_OUT.clone_into(arg);
            }
            is_text = TEXTS.contains(&arg.as_str());
            if let Some((flag, _)) = arg.split_once('=').filter(|(flag, _)| TEXTS.contains(flag)) {
                *arg = format!("{flag}={LEFT_OUT}");
            }
        }
    }
    let quote = |arg: String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@".contains(c);
        if !arg.is_empty() && arg.chars().all(plain) {
            arg
        } else {
            format!("'{}'", arg.replace('\'', "'\\''"))
        }
    };
    let words = iter::once("tandem".to_owned()).chain(args.into_iter().map(quote));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_folder_with_results_of_any_kind_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let refusal = |dir: &Path| refuse_used(dir).map_err(|fatal| fatal.to_string());
        assert_eq!(refusal(&root.path().join("new")), Ok(()));
        assert_eq!(refusal(root.path()), Ok(()));
        let all = || Kind::ALL.into_iter();
        let files = all().map(|kind| (kind.file(), kind));
        let lines = all().filter_map(|kind| Some((kind.lines()?, kind)));
        for (file, kind) in files.chain(lines) {
            let dir = root.path().join(file);
            fs::create_dir(&dir).unwrap();
            fs::write(dir.join(file), "").unwrap();
            let refused = refusal(&dir).unwrap_err();
            let what = format!("already holds {}", kind.words());
            assert!(refused.ends_with(&what), "{refused}");
            assert!(refusal(&dir.join(file)).unwrap_err().ends_with("is a file"));
        }
    }

    #[test]
    fn a_command_line_is_quoted_and_loses_its_prompts_with_no_text() {
        let typed = |args: &str| as_typed(args.split('|').map(str::to_owned));
        let args = "load|--prompt|it's|--follow-up=why?|--agents|2";
        let whole = "tandem load --prompt 'it'\\''s' '--follow-up=why?' --agents 2";
        assert_eq!(typed(args), whole);
        let cut = "tandem load --prompt '(not kept)' '--follow-up=(not kept)' --agents 2 --no-text";
        assert_eq!(typed(&format!("{args}|--no-text")), cut);
    }

    #[test]
    fn a_second_run_in_the_same_second_gets_a_folder_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        for name in ["load-1", "load-1-2", "load-1-3"] {
            let dir = free(root.path(), "load-1");
            fs::create_dir(&dir).unwrap();
            assert_eq!(name_of(&dir, ""), name);
        }
    }
}
