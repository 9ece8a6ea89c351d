//! `tandem capacity` as a user meets it: the answer, the same one again, an end before its end, exit
//! codes.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Place, Serving, code, json, said, text};

const SMALL: &str = "capacity --simulate --num-parallel 2 --num-predict 4 --slo 'ttft_p60 < 500ms' \
                     --max-agents 16 --beyond 1";

fn record(dir: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(dir.join("capacity.json")).unwrap()).unwrap()
}

#[test]
fn the_answer_and_every_row_are_the_same_every_time() {
    let place = Place::new();
    let said = ["one", "two"].map(|name| place.good(&format!("{SMALL} --out {name}")).stdout);
    assert_eq!(said[0], said[1]);

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
fn a_run_that_was_cut_off_goes_on_where_it_was() {
    let place = Place::new();
    let dir = place.path("run");
    let whole = json(&place.good(&format!("{SMALL} --json --out run")));
    // As it stands after two levels: the rest of the search is gone.
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

    // The simulator is set as it was: nothing is to be given again, and nothing can be changed.
    let resumed = json(&place.good("capacity --resume run --json"));
    assert_eq!(resumed["record"]["probes"].as_array().unwrap().len(), all);
    assert_eq!(resumed["answer"]["carries"], whole["answer"]["carries"]);
    assert_eq!(resumed["record"]["probes"][0], whole["record"]["probes"][0]);
    assert_eq!(resumed["record"]["end"]["kind"], "finished");
}

#[test]
fn a_run_goes_on_with_the_simulator_it_began_on_or_not_at_all() {
    let place = Place::new();
    let shipped =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/profiles/instant.toml");
    let profile = fs::read_to_string(shipped).unwrap();
    place.write("profile.toml", &profile);
    place.run(
        "capacity --simulate --out run --max-agents 1 --requests-per-agent 64 --fault busy=0.001 \
         --profile profile.toml",
    );
    let resume = |more: &str| said(&place.run(&format!("capacity --resume run {more}")));
    let dir = place.path("run");
    let set = &record(&dir)["header"]["simulator"];
    assert_eq!(set["profile"], "profile.toml");
    assert_eq!(set["faults"][0], "busy=0.001");
    assert_eq!(set["num_parallel"], Value::Null);

    place.write("profile.toml", &profile.replacen("seed = ", "seed = 1", 1));
    let (code, said) = resume("");
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("profile.toml or busy=0.001 changed since"),
        "{said}"
    );
    place.write("profile.toml", &profile);
    assert_ne!(resume("").0, 2);

    let mut old = record(&dir);
    old["header"].as_object_mut().unwrap().remove("simulator");
    fs::write(dir.join("capacity.json"), old.to_string()).unwrap();
    let (code, said) = resume("");
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("does not say how the simulator was set"),
        "{said}"
    );
    assert!(
        said.contains("begin a new one: tandem capacity --simulate"),
        "{said}"
    );
}

#[test]
fn real_servers_are_looked_at_first() {
    let server = Serving::start();
    let url = server.url.as_str();
    // Somebody else's model is in memory.
    let place = Place::new();
    place.good(&format!(
        "load --requests 1 --no-record --no-calibrate --model qwen3:8b --endpoint {url}"
    ));
    let run = |name: &str| {
        let output = place.run(&format!(
            "capacity --no-calibrate --max-agents 1 --requests-per-agent 4 --num-predict 2 \
             --no-preload --endpoint {url} --out {name}"
        ));
        let said = text(&output.stderr);
        assert!(matches!(code(&output), 0 | 1), "{said}");
        said
    };
    let warning = format!("warning: {url}: has other models in memory: qwen3:8b");
    let said = run("one --no-checks");
    assert!(!said.contains("other models"), "{said}");
    let said = run("two");
    let (before, after) = said
        .split_once(&warning)
        .unwrap_or_else(|| panic!("{said}"));
    assert!(before.contains("Running on"), "{said}");
    assert!(after.contains("How many agents within"), "{said}");
}

#[test]
fn the_committed_run_is_what_the_simulator_gives_now() {
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
