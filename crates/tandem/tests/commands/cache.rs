//! A running server keeps its prompt cache: no command may be answered from what an earlier one left there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use domain::record::{JournalLine, MarkKind};
use serde_json::Value;

use crate::place::{Place, code, text};
use crate::support::{journal, requests, serving, through_arm};

fn prompts(dir: &Path) -> BTreeSet<String> {
    let levels = fs::read_dir(dir.join("levels")).into_iter().flatten();
    let mut folders: Vec<_> = levels.map(|level| level.unwrap().path()).collect();
    if folders.is_empty() {
        folders.push(dir.to_owned());
    }
    let rows = folders.iter().flat_map(|folder| requests(folder));
    let prompts: BTreeSet<_> = rows.map(|row| row.prompt_sha256).collect();
    assert!(!prompts.is_empty());
    prompts
}

#[test]
fn the_same_command_run_again_repeats_no_prompt_unless_its_nonce_is_given() {
    let server = serving();
    let place = Place::new();
    for command in [
        "load --agents 2 --requests 4 --num-predict 2",
        "run --agent default --agent default --runs 1 --no-checks",
        "sweep --plan llama-cpp --model gemma3:latest --repeats 1 --no-checks",
        "capacity --max-agents 1 --requests-per-agent 2 --num-predict 2 --no-checks",
    ] {
        let name = command.split(' ').next().unwrap();
        let run = |out: &str, more: &str| {
            let out = format!("{name}-{out}");
            let output = place.run(&format!(
                "{command} --no-calibrate --endpoint {} --out {out} {more}",
                server.url
            ));
            assert!(matches!(code(&output), 0 | 1), "{}", text(&output.stderr));
            place.path(&out)
        };
        let one = run("one", "");
        let two = prompts(&run("two", ""));
        assert!(prompts(&one).is_disjoint(&two), "{name}");
        let file = match name {
            "load" => "load.json",
            "capacity" => "capacity.json",
            _ => "manifest.json",
        };
        let written: Value = place.read_json(&format!("{name}-one/{file}"));
        let nonce = written["header"]["nonce"].as_str().unwrap();
        let three = prompts(&run("three", &format!("--nonce {nonce}")));
        assert!(!prompts(&one).is_disjoint(&three), "{name}: {nonce}");
    }
    place.good(&format!(
        "load --agents 1 --requests 2 --num-predict 2 --repetitions 2 --nonce 00000000000000aa --no-calibrate \
         --endpoint {} --out several",
        server.url
    ));
    let [one, two] = [1, 2].map(|n| prompts(&place.path(&format!("several/repetition-{n}"))));
    assert!(one.is_disjoint(&two));
}

#[test]
fn a_resumed_sweep_and_a_repeated_level_repeat_no_prompt() {
    let server = serving();
    let place = Place::new();
    place.good(&format!(
        "run --endpoint {} --agent default --agent default --runs 1 --no-calibrate --no-checks --out r",
        server.url
    ));
    let dir = place.path("r");
    let before = prompts(&dir);
    let lines = place.read("r/journal.jsonl");
    place.write("r/journal.jsonl", through_arm(&lines, 1));
    let known = prompts(&dir);
    place.good("sweep --resume r --no-checks");
    let new: BTreeSet<String> = prompts(&dir).difference(&known).cloned().collect();
    assert!(!new.is_empty() && new.is_disjoint(&before));
    let resumed = journal(&dir).into_iter().find_map(|line| match line {
        JournalLine::Mark(mark) if mark.what == MarkKind::Resumed => mark.nonce,
        _ => None,
    });
    let began: Value = place.read_json("r/manifest.json");
    let began = began["header"]["nonce"].as_str().unwrap();
    assert_ne!(began, resumed.unwrap().to_string());

    // The state of a run that was killed in its first level.
    place.run(&format!(
        "capacity --endpoint {} --max-agents 1 --requests-per-agent 2 --num-predict 2 --no-checks --no-calibrate \
         --out c",
        server.url
    ));
    let dir = place.path("c");
    let before = prompts(&dir);
    let mut cut: Value = place.read_json("c/capacity.json");
    cut["probes"].as_array_mut().unwrap().clear();
    place.write("c/capacity.json", &cut.to_string());
    place.remove("c/capacity.json", "/end");
    let output = place.run("capacity --resume c --no-checks");
    assert!(matches!(code(&output), 0 | 1), "{}", text(&output.stderr));
    let again = dir.join("levels/0001-agents-1-2");
    assert!(prompts(&again).is_disjoint(&before));
}
