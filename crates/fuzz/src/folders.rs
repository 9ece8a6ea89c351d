//! Results folders, received from another user or left by a program that was killed: one file is the
//! input, the others are good ones.

use std::fs;
use std::path::Path;

use metrics::{Summary, advice, conditions};

macro_rules! seed {
    ($path:literal) => {
        include_bytes!(concat!("../corpus/", $path)).as_slice()
    };
}

/// Files of a good sweep, load and capacity run, by their paths in the folder.
const SWEEP: [(&str, &[u8]); 3] = [
    ("manifest.json", seed!("manifest/simulated.json")),
    ("journal.jsonl", seed!("journal/simulated.jsonl")),
    ("telemetry.jsonl", seed!("telemetry/simulated.jsonl")),
];
const LOAD: [(&str, &[u8]); 2] = [
    ("load.json", seed!("load/simulated.json")),
    ("requests.jsonl", seed!("requests/simulated.jsonl")),
];
const CAPACITY: [(&str, &[u8]); 2] = [
    ("capacity.json", seed!("capacity/simulated.json")),
    (
        "levels/0001-agents-1/requests.jsonl",
        seed!("requests/capacity.jsonl"),
    ),
];

/// Reads a folder of these files, in which `input` takes the place of the one called `name`.
fn folder(files: &[(&str, &[u8])], name: &str, input: &[u8], read: impl FnOnce(&Path)) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let good = files.iter().filter(|(good, _)| *good != name).copied();
    for (name, bytes) in good.chain([(name, input)]) {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("it lies in the folder")).expect("a folder");
        fs::write(path, bytes).expect("a temporary file");
    }
    read(dir.path());
}

/// Reads a sweep and computes what its report says.
pub(crate) fn sweep(name: &str, input: &[u8]) {
    folder(&SWEEP, name, input, |path| {
        let _ = analysis::load::load(path, false);
        if let Ok(loaded) = analysis::load::load(path, true) {
            let summary = Summary::of(&loaded.dataset);
            advice::findings(&loaded.dataset, &summary);
            conditions::conditions(&loaded.dataset);
        }
    });
}

pub(crate) fn load(name: &str, input: &[u8]) {
    folder(&LOAD, name, input, |path| {
        let _ = analysis::load::read(path, false);
        let _ = analysis::load::read(path, true);
    });
}

pub(crate) fn capacity(input: &[u8]) {
    folder(&CAPACITY, "capacity.json", input, |path| {
        let _ = analysis::capacity::read(path, false);
        let _ = analysis::capacity::read(path, true);
    });
}

pub(crate) fn calibration(input: &[u8]) {
    folder(&[], "calibration.json", input, |path| {
        if let Ok(calibration) = analysis::calibration::read(path) {
            analysis::calibration::warnings(&calibration);
        }
    });
}
