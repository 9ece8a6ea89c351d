//! Files that are read and refused, importers, figures with hand-worked values, and the page that describes the format.

mod figures;
mod importers;
mod made;
mod page;
mod reader;

use std::path::{Path, PathBuf};

use crate::graph::Workload;

/// A path of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn parse(text: &str) -> Result<Workload, String> {
    Workload::parse(Path::new("s.jsonl"), text).map_err(|error| error.to_string())
}

fn written(workload: &Workload) -> String {
    let mut text = Vec::new();
    workload.write_lines(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}
