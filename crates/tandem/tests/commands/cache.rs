//! A running server keeps its prompt cache: no command may be answered from what an earlier one left there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use domain::record::{JournalLine, MarkKind, RequestRecord};

use crate::support::{Place, Serving, code, journal, lines, requests, text};

fn prompts(dir: &Path) -> BTreeSet<String> {
    let levels = fs::read_dir(dir.join("levels")).into_iter().flatten();
    let folders = levels.map(|level| level.unwrap().path());
    let mut all: Vec<RequestRecord> = Vec::new();
    for folder in folders.chain([dir.to_owned()]) {
        let rows = folder.join("requests.jsonl");
        if rows.is_file() {
            all.extend(lines(&rows));
        }
    }
    if dir.join("journal.jsonl").is_file() {
        all.extend(requests(dir));
    }
    assert!(!all.is_empty());
    all.into_iter().map(|row| row.prompt_sha256).collect()
}

#[test]
fn the_same_command_run_again_repeats_no_prompt_unless_its_nonce_is_given() {
    let server = Serving::start();
    let place = Place::new();
    for (command, file) in [
        ("load --agents 2 --requests 4 --num-predict 2", "load.json"),
        (
            "run --agent default --agent default --runs 1 --no-checks",
            "manifest.json",
        ),
        (
            "sweep --plan llama-cpp --model gemma3:latest --repeats 1 --no-checks",
            "manifest.json",
        ),
        (
            "capacity --max-agents 1 --requests-per-agent 2 --num-predict 2 --no-checks",
            "capacity.json",
        ),
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
        let written = place.read_json(&format!("{name}-one/{file}"));
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
    let line = "load --simulate --nonce 12";
    place.fails(line, 2, &["16 hexadecimal digits"]);
}

#[test]
fn a_resumed_sweep_and_a_repeated_level_repeat_no_prompt() {
    let server = Serving::start();
    let place = Place::new();
    place.good(&format!(
        "run --endpoint {} --agent default --agent default --runs 1 --no-calibrate --no-checks --out r",
        server.url
    ));
    let dir = place.path("r");
    let before = prompts(&dir);
    let lines = place.read("r/journal.jsonl");
    let first_arm = lines
        .lines()
        .position(|line| line.starts_with("{\"arm\""))
        .unwrap();
    let kept: Vec<&str> = lines.lines().take(first_arm + 1).collect();
    let known: BTreeSet<String> = {
        fs::write(dir.join("journal.jsonl"), kept.join("\n") + "\n").unwrap();
        prompts(&dir)
    };
    place.good("sweep --resume r --no-checks");
    let new: BTreeSet<String> = prompts(&dir).difference(&known).cloned().collect();
    assert!(!new.is_empty() && new.is_disjoint(&before));
    let resumed = journal(&dir).into_iter().find_map(|line| match line {
        JournalLine::Mark(mark) if mark.what == MarkKind::Resumed => mark.nonce,
        _ => None,
    });
    let began = place.read_json("r/manifest.json")["header"]["nonce"].clone();
    assert_ne!(began.as_str().unwrap(), resumed.unwrap().to_string());

    // The state of a run that was killed in its first level.
    place.run(&format!(
        "capacity --endpoint {} --max-agents 1 --requests-per-agent 2 --num-predict 2 --no-checks --no-calibrate \
         --out c",
        server.url
    ));
    let dir = place.path("c");
    let before = prompts(&dir);
    let mut cut = place.read_json("c/capacity.json");
    cut["probes"].as_array_mut().unwrap().clear();
    cut.as_object_mut().unwrap().remove("end");
    fs::write(dir.join("capacity.json"), cut.to_string()).unwrap();
    let output = place.run("capacity --resume c --no-checks");
    assert!(matches!(code(&output), 0 | 1), "{}", text(&output.stderr));
    let again = dir.join("levels/0001-agents-1-2");
    assert!(prompts(&again).is_disjoint(&before));
}
