//! Snapshots of the program's output: help, answers, and errors with their exit codes.

use std::fs;

use crate::place::Place;

fn pin(name: &str, place: &Place, lines: &[&str]) {
    let seen = place.transcripts(lines);
    insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(name, seen) });
}

#[test]
fn help() {
    let place = Place::new();
    for command in ["", "report", "audit", "compare"] {
        let help = place.transcripts(&[&format!("{command} --help")]);
        insta::assert_snapshot!(format!("help_{command}"), help);
    }
}

#[test]
fn reports() {
    let place = Place::new();
    pin(
        "reports",
        &place,
        &[
            "report --input fixtures/tr113",
            "report --input fixtures/load --out a/load",
            "report --input fixtures/capacity --out a/capacity",
            "report --input fixtures/calibration --out a/calibration",
            "report --input fixtures/one-or-two-servers --out a/servers",
            "report --input fixtures/load --out a/load --check",
            "report --input fixtures/tr113/one-server.csv --name one --out here --json",
            "report --check",
        ],
    );
}

#[test]
fn audits() {
    pin("audits", &Place::new(), &["audit"]);
}

#[test]
fn comparisons() {
    let place = Place::new();
    place.slower(1.2);
    // As from a server that keeps running: the nonce is not the seed.
    let load = place.read("fixtures/load/load.json");
    let mut load: serde_json::Value = serde_json::from_str(&load).unwrap();
    load["header"]["nonce"] = "00000000000000aa".into();
    place.write("fixtures/load/load.json", &load.to_string());
    let [one, two] = ["one-server", "two-servers"].map(|n| format!("fixtures/tr113/{n}.csv"));
    pin(
        "comparisons",
        &place,
        &[
            &format!("compare {one} slower.csv"),
            &format!("compare {one} slower.csv --fail-if 'wall_s > +5%'"),
            &format!("compare {one} {one} --fail-if 'wall_s > +5%'"),
            &format!(
                "compare {one} {one} --fail-if 'wall_s > -1%' --fail-if 'ttft_p95 > +5%' --each"
            ),
            &format!("compare {one} slower.csv --markdown --fail-if 'wall_s > +5%'"),
            &format!("compare {one} {two} --fail-if 'wall_s > +5%'"),
            &format!("compare {two} {one} --fail-if 'wall_s > +5%'"),
            "compare fixtures/load fixtures/load --fail-if 'ttft_p95 > +5%'",
            "compare fixtures/capacity fixtures/capacity",
        ],
    );
}

#[test]
fn errors() {
    let place = Place::new();
    place.write("file", "x");
    fs::create_dir(place.path("empty")).unwrap();
    let (servers, load) = ("one-or-two-servers/journal.jsonl", "load/requests.jsonl");
    for (from, to, found, replaced) in [
        ("tr113/one-server.csv", "../oops.csv", "10.5867744", "oops"),
        (servers, servers, "{\"arm\":", "{\"leg\":"),
        (load, load, "\"outcome\"", "\"outcom\""),
    ] {
        let text = place.read(&format!("fixtures/{from}"));
        assert!(text.contains(found));
        let changed = text.replacen(found, replaced, 1);
        place.write(&format!("fixtures/{to}"), &changed);
    }
    let one = "fixtures/tr113/one-server.csv";
    pin(
        "errors",
        &place,
        &[
            "reprot",
            "report",
            "report --nonsense",
            "report --check",
            "report --input gone",
            "report --input empty",
            "report --input fixtures/tr113 --name ../x",
            "report --input fixtures/tr113/published.csv --out file/report",
            "report --input oops.csv",
            "report --input oops.csv --keep-going --out kept",
            "report --input fixtures/one-or-two-servers --out kept2",
            "report --input fixtures/load --out kept3",
            "report --input fixtures/load --out kept3 --keep-going",
            "report --input fixtures/calibration --input fixtures/load",
            "audit --claims gone/claims.toml",
            &format!("compare fixtures/calibration {one}"),
            &format!("compare {one} {one} --fail-if 'warp > 9'"),
            &format!("compare {one} {one} --fail-if wall_s"),
            &format!("compare {one} {one} --each"),
            &format!("compare {one} {one} --primary warp"),
            &format!("compare fixtures/capacity {one}"),
            &format!("compare fixtures/capacity,{one} fixtures/capacity"),
            "compare fixtures/load, fixtures/load",
            &format!("compare {one},{one} {one}"),
        ],
    );
}
