//! Pictures against the committed ones, by decoded pixels.
//!
//! `UPDATE_SNAPSHOTS=1` rewrites them. A mismatch leaves `<name>.new.png` and `<name>.diff.png`
//! beside the committed picture.

use std::path::PathBuf;

use super::every;
use crate::charts::{Chart, WIDTH, png};

/// Largest size of a picture in a report, bytes.
const LIMIT: usize = 150_000;

fn check(name: &str, chart: &Chart) -> Result<(), String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/charts/snapshots");
    let path = |ending: &str| folder.join(format!("{name}{ending}"));
    let size = chart.png.len();
    assert!(size < LIMIT, "{name} takes {size} bytes");
    let committed = path(".png");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        let same = std::fs::read(&committed)
            .is_ok_and(|old| png::compare(&old, &chart.png, 0).is_ok_and(|diff| diff.is_match()));
        if !same {
            std::fs::write(&committed, &chart.png).unwrap();
        }
        return Ok(());
    }
    let old = std::fs::read(&committed)
        .map_err(|e| format!("{}: {e}; UPDATE_SNAPSHOTS=1 writes it", committed.display()))?;
    let diff = png::compare(&old, &chart.png, 1).unwrap();
    if diff.is_match() {
        return Ok(());
    }
    std::fs::write(path(".new.png"), &chart.png).unwrap();
    if !diff.picture.is_empty() {
        std::fs::write(path(".diff.png"), &diff.picture).unwrap();
    }
    Err(format!(
        "{name}: {} pixels differ, by up to {} (sizes {:?}); see {}",
        diff.differing_pixels,
        diff.max_channel_difference,
        diff.sizes,
        path(".new.png").display(),
    ))
}

#[test]
fn pictures_are_the_committed_ones() {
    let charts = every(WIDTH, None).into_iter();
    let problems: Vec<String> = charts
        .filter_map(|(name, chart)| check(name, &chart).err())
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn drawing_twice_gives_the_same_file() {
    assert!(every(800, None) == every(800, None));
}
