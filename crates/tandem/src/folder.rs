//! Names and files of result folders.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

/// The one wall-clock reading of a command; everything else is stamped by the clock.
pub(crate) fn wall_clock() -> SystemTime {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one wall-clock reading of a command"
    )]
    SystemTime::now()
}

/// As records say it: RFC 3339, UTC, whole seconds.
pub(crate) fn started_at(now: SystemTime) -> String {
    humantime::format_rfc3339_seconds(now).to_string()
}

/// Where results go when no folder was named: `results/NAME-20261122-021500`, with `-simulated` at
/// its end where they are; and `-2`, `-3`, where something stands there already.
pub(crate) fn default_dir(name: &str, now: SystemTime, simulated: bool) -> PathBuf {
    let day: String = started_at(now)
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .replace('T', "-");
    let suffix = if simulated { "-simulated" } else { "" };
    let day = day.trim_end_matches('Z');
    free(Path::new("results"), &format!("{name}-{day}{suffix}"))
}

/// The first of `NAME`, `NAME-2`, `NAME-3` and so on that is not there yet.
fn free(root: &Path, name: &str) -> PathBuf {
    let mut dir = root.join(name);
    let mut number = 1_u32;
    while dir.exists() {
        number += 1;
        dir = root.join(format!("{name}-{number}"));
    }
    dir
}

/// A folder's own name; `otherwise` where it has none, such as `..`.
pub(crate) fn name_of(dir: &Path, otherwise: &str) -> String {
    dir.file_name().map_or_else(
        || otherwise.to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// What wrote a file.
pub(crate) fn tool() -> String {
    format!(
        "tandem {} (git {})",
        env!("CARGO_PKG_VERSION"),
        env!("TANDEM_REVISION")
    )
}

/// Writes a JSON file whole or not at all: to a temporary file beside it, then renamed.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let temporary = path.with_extension("json.tmp");
    let write = || {
        let mut file = File::create(&temporary)?;
        serde_json::to_writer_pretty(&mut file, value)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().inspect_err(|_| {
        // The error that matters is the first one.
        let _ = fs::remove_file(&temporary);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_in_the_same_second_gets_a_folder_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let mut names = Vec::new();
        for _ in 0..3 {
            let dir = free(root.path(), "load-20261122-021500");
            fs::create_dir(&dir).unwrap();
            names.push(name_of(&dir, ""));
        }
        assert_eq!(
            names,
            [
                "load-20261122-021500",
                "load-20261122-021500-2",
                "load-20261122-021500-3"
            ]
        );
    }
}
