//! Charts against the committed ones: SVG by text, PNG by decoded pixels.
//!
//! `UPDATE_SNAPSHOTS=1` rewrites the pictures. A mismatch leaves `<name>.new.png` and `<name>.diff.png` beside the committed one.

use std::path::PathBuf;

use super::drawn;
use crate::charts::png;
use crate::charts::theme::WIDTH;

/// Largest size of a picture in a report, bytes.
const LIMIT: usize = 150_000;

fn check(name: &str, fresh: &[u8]) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/charts/snapshots");
    let path = |ending: &str| folder.join(format!("{name}{ending}"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path(".png"), fresh).unwrap();
        return;
    }
    let committed = std::fs::read(path(".png")).unwrap();
    let diff = png::compare(&committed, fresh, 1).unwrap();
    if !diff.is_match() {
        std::fs::write(path(".new.png"), fresh).unwrap();
        std::fs::write(path(".diff.png"), &diff.picture).unwrap();
        panic!("{name} differs: {diff:?}");
    }
}

#[test]
fn charts_are_the_committed_ones() {
    for (name, _, chart) in drawn(WIDTH) {
        let size = chart.png.len();
        assert!(size < LIMIT, "{name} takes {size} bytes");
        match name {
            "timeline" | "bars" | "telemetry" => check(name, &chart.png),
            _ => insta::assert_snapshot!(name, chart.svg),
        }
    }
}

#[test]
fn drawing_twice_gives_the_same_files() {
    assert!(drawn(800) == drawn(800));
}
