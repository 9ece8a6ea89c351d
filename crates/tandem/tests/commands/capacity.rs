//! `tandem capacity`: repeatable answers, resumed runs, exit codes.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{FIXTURES, Place, json};

const SMALL: &str = "capacity --simulate --num-parallel 2 --num-predict 4 --slo 'ttft_p60 < 500ms' \
                     --max-agents 16 --beyond 1";

#[test]
fn an_interrupted_run_is_resumed_at_its_next_level() {
    let place = Place::new();
    let dir = place.path("run");
    let whole = json(&place.good(&format!("{SMALL} --json --out run")));
    // The state after two levels.
    let mut cut: Value = place.read_json("run/capacity.json");
    let all = cut["probes"].as_array().unwrap().len();
    assert!(all > 3);
    for probe in &cut["probes"].as_array().unwrap()[2..] {
        let folder = probe["folder"].as_str().unwrap();
        fs::remove_dir_all(dir.join("levels").join(folder)).unwrap();
    }
    cut["probes"].as_array_mut().unwrap().truncate(2);
    place.write("run/capacity.json", &cut.to_string());
    place.remove("run/capacity.json", "/end");

    let resumed = json(&place.good("capacity --resume run --json"));
    assert_eq!(resumed["record"]["probes"].as_array().unwrap().len(), all);
    assert_eq!(resumed["answer"]["carries"], whole["answer"]["carries"]);
    assert_eq!(resumed["record"]["probes"][0], whole["record"]["probes"][0]);
    assert_eq!(resumed["record"]["end"]["kind"], "finished");
}

#[test]
fn the_committed_run_is_reproduced_with_every_row() {
    let place = Place::new();
    place.good(
        "capacity --simulate --num-parallel 4 --num-predict 12 --requests-per-agent 128 \
         --slo 'ttft_p85 < 600ms and tpot_p85 < 40ms' --max-agents 64 --out run",
    );
    let (ours, theirs) = (place.path("run"), Path::new(FIXTURES).join("capacity"));
    let [run, committed] = [&ours, &theirs].map(|dir| {
        let text = fs::read(dir.join("capacity.json")).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap()
    });
    assert_eq!(run["asked"], committed["asked"]);
    assert_eq!(run["probes"], committed["probes"]);
    for probe in run["probes"].as_array().unwrap() {
        let level = Path::new("levels").join(probe["folder"].as_str().unwrap());
        let rows = |dir: &Path| fs::read(dir.join(&level).join("requests.jsonl")).unwrap();
        assert!(rows(&ours) == rows(&theirs), "{level:?}");
        assert!(ours.join(&level).join("load.json").is_file());
    }
}
