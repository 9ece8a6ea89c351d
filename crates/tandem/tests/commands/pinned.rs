//! Output of the commands as snapshots: help, figures, and errors with their exit codes.
//!
//! A script in `scripts/` is a list of lines. `write FILE: TEXT` writes a file, `remove FILE POINTER` takes a value out of
//! a JSON file, `tandem …` runs the binary, and every other line is the shell's, so that a script with such a line needs
//! Unix. `SERVER` stands for the URL of a running simulator, `CLOSED` for an address without a listener, `FIXTURES` and
//! `SCRIPTS` for the folders of those names. The snapshot is the transcript of the commands.

use std::fs;

use crate::support::{FIXTURES, Place, SCRIPTS, Serving, closed_port};

fn pin(name: &str, transcript: &str) {
    insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(name, transcript) });
}

fn script(name: &str) {
    let script = fs::read_to_string(format!("{SCRIPTS}/{name}.txt")).unwrap();
    let place = Place::new();
    let server = script.contains("SERVER").then(Serving::start);
    let script = script
        .replace("SCRIPTS", SCRIPTS)
        .replace("SERVER", server.as_ref().map_or("", |server| &server.url))
        .replace("CLOSED", &closed_port())
        .replace("FIXTURES", FIXTURES);
    let mut transcript = Vec::new();
    for line in script.lines().filter(|line| !line.starts_with('#')) {
        if let Some(file) = line.strip_prefix("write ") {
            let (file, text) = file.split_once(": ").unwrap();
            place.write(file, &text.replace("\\n", "\n"));
        } else if let Some(value) = line.strip_prefix("remove ") {
            let (file, pointer) = value.split_once(' ').unwrap();
            place.remove(file, pointer);
        } else {
            transcript.push(place.transcript(line));
        }
    }
    pin(name, &transcript.join("\n"));
}

#[test]
fn help() {
    let place = Place::new();
    for command in [
        "",
        "sweep",
        "init",
        "run",
        "load",
        "doctor",
        "capacity",
        "serve",
        "calibrate",
        "calibrate-profile",
    ] {
        let line = format!("tandem {command} --help").replace("  ", " ");
        pin(&format!("help_{command}"), &place.transcript(&line));
    }
}

/// A test of each script.
macro_rules! scripts {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            script(stringify!($name));
        })*
    };
}

scripts! { capacity doctor errors loads resumes starter_plan sweeps }

#[cfg(unix)]
scripts! {
    capacity_runs changed_files committed_sweep links missing_servers mixed open_files profiles proxies real_servers
    real_time resumes_on_a_server servers_of_a_topology steps texts traces
}

// With `flock` and `/dev/full`.
#[cfg(target_os = "linux")]
scripts! { full_disk held_folders }
