//! The whole of `reports/tr113` in memory: load the published table and the 19 recorded runs,
//! compute, draw every chart, render every table.
//!
//! `cargo xtask bench report`
#![expect(clippy::disallowed_types, reason = "a benchmark measures the host")]

use std::path::Path;
use std::time::Instant;

use analysis::load;
use analysis::report::{self, ReportOptions};

fn main() {
    // `cargo test --all-targets` runs this too, without `--bench`: once checks that it works.
    let rounds = if std::env::args().any(|argument| argument == "--bench") {
        10
    } else {
        1
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let input = root.join("fixtures/tr113");
    let options = ReportOptions {
        name: "tr113".to_owned(),
        inputs: vec!["fixtures/tr113".to_owned()],
        published: Some(input.clone()),
    };
    let mut seconds: Vec<f64> = (0..rounds)
        .map(|_| {
            let started = Instant::now();
            let loaded = load::load(&input, false).expect("the fixture loads");
            let report = report::build(&loaded.dataset, &options).expect("the report builds");
            assert!(
                report.files.len() > 5,
                "a report has text, data and pictures"
            );
            started.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    println!(
        "reports/tr113 from fixtures, charts included: fastest {:.3} s, median {:.3} s of {rounds}",
        seconds[0],
        seconds[seconds.len() / 2]
    );
}
