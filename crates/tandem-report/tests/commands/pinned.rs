//! Snapshots of the program's output: help, answers, and errors with their exit codes.

use crate::fixtures::{with_fixtures, write_slower};
use crate::place::Place;

fn pin(name: &str, transcript: &str) {
    insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(name, transcript) });
}

#[test]
fn help() {
    for command in ["", "report", "audit", "compare"] {
        let line = format!("tandem-report {command} --help");
        pin(&format!("help_{command}"), &Place::new().transcript(&line));
    }
}

#[test]
fn scripts() {
    for name in ["audits", "comparisons", "errors", "reports"] {
        let place = with_fixtures();
        write_slower(&place);
        pin(name, &place.script(name, &[]));
    }
}
