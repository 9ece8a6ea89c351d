//! `tandem capacity`: repeatable answers, resumed runs, exit codes.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Place, Serving, code, json, text};

const SMALL: &str = "capacity --simulate --num-parallel 2 --num-predict 4 --slo 'ttft_p60 < 500ms' \
                     --max-agents 16 --beyond 1";

fn record(dir: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(dir.join("capacity.json")).unwrap()).unwrap()
}

#[test]
fn the_answer_and_every_row_are_the_same_every_time() {
    let place = Place::new();
    let outputs = ["one", "two"].map(|name| place.good(&format!("{SMALL} --out {name}")).stdout);
    assert_eq!(outputs[0], outputs[1]);

    let [one, two] = ["one", "two"].map(|name| place.path(name));
    let (a, b) = (record(&one), record(&two));
    assert_eq!(a["probes"], b["probes"]);
    assert_eq!(a["end"]["kind"], "finished");
    for probe in a["probes"].as_array().unwrap() {
        let folder = Path::new("levels").join(probe["folder"].as_str().unwrap());
        let rows = |dir: &Path| fs::read(dir.join(&folder).join("requests.jsonl")).unwrap();
        assert_eq!(rows(&one), rows(&two), "{folder:?}");
        assert!(one.join(&folder).join("load.json").is_file());
    }
}

#[test]
fn an_interrupted_run_is_resumed_at_its_next_level() {
    let place = Place::new();
    let dir = place.path("run");
    let whole = json(&place.good(&format!("{SMALL} --json --out run")));
    // The state after two levels.
    let mut cut = record(&dir);
    let all = cut["probes"].as_array().unwrap().len();
    assert!(all > 3);
    for probe in &cut["probes"].as_array().unwrap()[2..] {
        let folder = probe["folder"].as_str().unwrap();
        fs::remove_dir_all(dir.join("levels").join(folder)).unwrap();
    }
    cut["probes"].as_array_mut().unwrap().truncate(2);
    cut.as_object_mut().unwrap().remove("end");
    fs::write(dir.join("capacity.json"), cut.to_string()).unwrap();

    let resumed = json(&place.good("capacity --resume run --json"));
    assert_eq!(resumed["record"]["probes"].as_array().unwrap().len(), all);
    assert_eq!(resumed["answer"]["carries"], whole["answer"]["carries"]);
    assert_eq!(resumed["record"]["probes"][0], whole["record"]["probes"][0]);
    assert_eq!(resumed["record"]["end"]["kind"], "finished");
}

#[test]
fn a_run_is_resumed_with_its_simulator_settings_only() {
    let place = Place::new();
    let shipped =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/profiles/instant.toml");
    let profile = fs::read_to_string(shipped).unwrap();
    place.write("profile.toml", &profile);
    place.run(
        "capacity --simulate --out run --max-agents 1 --requests-per-agent 64 --fault busy=0.001 \
         --profile profile.toml",
    );
    let resume = "capacity --resume run";
    let dir = place.path("run");
    let set = &record(&dir)["header"]["simulator"];
    assert_eq!(set["profile"], "profile.toml");
    assert_eq!(set["faults"][0], "busy=0.001");
    assert_eq!(set["num_parallel"], Value::Null);

    place.write("profile.toml", &profile.replacen("seed = ", "seed = 1", 1));
    place.fails(resume, 2, &["profile.toml or busy=0.001 has changed since"]);
    place.write("profile.toml", &profile);
    assert_ne!(code(&place.run(resume)), 2);

    let mut old = record(&dir);
    old["header"].as_object_mut().unwrap().remove("simulator");
    fs::write(dir.join("capacity.json"), old.to_string()).unwrap();
    let hint = "start a new one: tandem capacity --simulate";
    place.fails(resume, 2, &["has no simulator settings", hint]);
}

#[test]
fn real_servers_are_checked_first() {
    let server = Serving::start();
    let url = server.url.as_str();
    let place = Place::new();
    place.good(&format!(
        "load --requests 1 --no-record --no-calibrate --model qwen3:8b --endpoint {url}"
    ));
    let run = |name: &str| {
        let output = place.run(&format!(
            "capacity --no-calibrate --max-agents 1 --requests-per-agent 4 --num-predict 2 \
             --no-preload --endpoint {url} --out {name}"
        ));
        let errors = text(&output.stderr);
        assert!(matches!(code(&output), 0 | 1), "{errors}");
        errors
    };
    let warning = format!("warning: {url}: has other models in memory: qwen3:8b");
    let errors = run("one --no-checks");
    assert!(!errors.contains("other models"), "{errors}");
    let errors = run("two");
    let (before, after) = errors.split_once(&warning).unwrap();
    assert!(before.contains("Running on"), "{errors}");
    assert!(after.contains("How many agents within"), "{errors}");
}

#[test]
fn the_committed_run_is_reproduced() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/capacity");
    let place = Place::new();
    place.good(
        "capacity --simulate --num-parallel 4 --num-predict 12 --requests-per-agent 128 \
         --slo 'ttft_p85 < 600ms and tpot_p85 < 40ms' --max-agents 64 --out run",
    );
    let dir = place.path("run");
    let (ours, theirs) = (record(&dir), record(&committed));
    assert_eq!(ours["asked"], theirs["asked"]);
    assert_eq!(ours["probes"], theirs["probes"]);
}
