//! The program in a temporary folder with fixtures.

use std::fs;
use std::path::Path;

use crate::place::{FIXTURES, Place, code, text};

pub(crate) fn with_fixtures() -> Place {
    let place = Place::new();
    for name in "tr113 load calibration capacity one-or-two-servers".split(' ') {
        let name = Path::new(name);
        copy(
            &Path::new(FIXTURES).join(name),
            &place.path("fixtures").join(name),
        );
    }
    place
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap().path();
        let place = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            copy(&entry, &place);
        } else {
            fs::copy(&entry, place).unwrap();
        }
    }
}

/// Runs a command line that must succeed, and returns its standard output.
pub(crate) fn succeeds(place: &Place, line: &str) -> String {
    text(&place.good(line).stdout)
}

/// Runs a command line: exit code, standard output, standard error.
pub(crate) fn run(place: &Place, line: &str) -> (i32, String, String) {
    let output = place.run(line);
    (code(&output), text(&output.stdout), text(&output.stderr))
}

/// Writes the one-server runs with every wall time and execution time 1.2 times as long to `slower.csv`.
pub(crate) fn write_slower(place: &Place) {
    let text = place.read("fixtures/tr113/one-server.csv");
    let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    let longer = |(cell, name): (&str, &&str)| match cell.parse::<f64>() {
        Ok(value) if name.ends_with("_s") => (value * 1.2).to_string(),
        _ => cell.to_owned(),
    };
    let lines = text.lines().map(|line| {
        let cells: Vec<_> = line.split(',').zip(&header).map(longer).collect();
        cells.join(",") + "\n"
    });
    place.write("slower.csv", &lines.collect::<String>());
}
