//! Pictures against the committed ones, by decoded pixels.
//!
//! `UPDATE_SNAPSHOTS=1` rewrites them. A mismatch leaves `<name>.new.png` and `<name>.diff.png`
//! beside the committed picture.

use std::path::PathBuf;

use super::fixtures;
use crate::charts::{Chart, Theme, png};

/// Largest size of a picture in a report, bytes.
const LIMIT: usize = 150_000;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/charts/snapshots")
}

fn check(name: &str, chart: &Chart) {
    let path = |ending: &str| folder().join(format!("{name}{ending}"));
    assert!(
        chart.png.len() < LIMIT,
        "{name} takes {} bytes",
        chart.png.len()
    );
    let committed = path(".png");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        let same = std::fs::read(&committed)
            .is_ok_and(|old| png::compare(&old, &chart.png, 0).is_ok_and(|diff| diff.is_match()));
        if !same {
            std::fs::write(&committed, &chart.png).unwrap();
        }
        return;
    }
    let old = std::fs::read(&committed).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; UPDATE_SNAPSHOTS=1 writes it",
            committed.display()
        )
    });
    let diff = png::compare(&old, &chart.png, 1).unwrap();
    if !diff.is_match() {
        std::fs::write(path(".new.png"), &chart.png).unwrap();
        if !diff.picture.is_empty() {
            std::fs::write(path(".diff.png"), &diff.picture).unwrap();
        }
        panic!(
            "{name}: {} pixels differ, by up to {} (sizes {:?}); see {} and {}",
            diff.differing_pixels,
            diff.max_channel_difference,
            diff.sizes,
            path(".new.png").display(),
            path(".diff.png").display()
        );
    }
}

#[test]
fn timeline_in_full() {
    check(
        "timeline_full",
        &fixtures::full_timeline().render(&Theme::default()).unwrap(),
    );
}

#[test]
fn timeline_of_the_front_page() {
    check(
        "timeline_front_page",
        &fixtures::front_page().render(&Theme::default()).unwrap(),
    );
}

#[test]
fn lying_bars() {
    check(
        "bars_horizontal",
        &fixtures::speedups().render(&Theme::default()).unwrap(),
    );
}

#[test]
fn upright_bars() {
    check(
        "bars_vertical",
        &fixtures::efficiencies().render(&Theme::default()).unwrap(),
    );
}

#[test]
fn stacked_bars() {
    check(
        "stacked",
        &fixtures::ttft_parts().render(&Theme::default()).unwrap(),
    );
}

#[test]
fn slopes() {
    check(
        "slopes",
        &fixtures::temperature().render(&Theme::default()).unwrap(),
    );
}

#[test]
fn panels_over_time() {
    check(
        "telemetry",
        &fixtures::telemetry().render(&Theme::default()).unwrap(),
    );
}

#[test]
fn lines_with_dots() {
    check(
        "throughput",
        &fixtures::throughput().render(&Theme::default()).unwrap(),
    );
}

#[test]
fn levels_that_double() {
    check(
        "doubling",
        &fixtures::levels().render(&Theme::default()).unwrap(),
    );
}

#[test]
fn drawing_twice_gives_the_same_file() {
    let theme = Theme::default();
    let draw = || {
        [
            fixtures::front_page().render(&theme).unwrap(),
            fixtures::temperature().render(&theme).unwrap(),
            fixtures::speedups().render(&theme).unwrap(),
        ]
    };
    assert!(draw() == draw());
}
