//! `tandem capacity` as a user meets it: the answer, the same one again, an end before its end, exit
//! codes.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Serving, good, succeeds, tandem, text};

const SMALL: [&str; 11] = [
    "--simulate",
    "--num-parallel",
    "2",
    "--num-predict",
    "4",
    "--slo",
    "ttft_p60 < 500ms",
    "--max-agents",
    "16",
    "--beyond",
    "1",
];

fn capacity(args: &[&str]) -> Output {
    tandem(&[&["capacity"], args].concat())
}

fn run(dir: &Path, more: &[&str]) -> Output {
    capacity(&[&SMALL[..], more, &["--out", dir.to_str().unwrap()]].concat())
}

fn record(dir: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(dir.join("capacity.json")).unwrap()).unwrap()
}

#[test]
fn the_answer_is_a_sentence_and_the_same_one_every_time() {
    let place = TempDir::new().unwrap();
    let [one, two] = ["one", "two"].map(|n| place.path().join(n));
    let output = good(run(&one, &[]));
    let said = text(&output.stdout);
    assert!(said.contains("SIMULATED"), "{said}");
    assert!(said.contains("This server carries "), "{said}");
    assert!(text(&output.stderr).contains("    1 agent   pass"));
    assert_eq!(text(&run(&two, &[]).stdout), said);

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
    let place = TempDir::new().unwrap();
    let dir = place.path().join("run");
    let whole = good(run(&dir, &["--json"]));
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
    let resumed = good(capacity(&["--resume", dir.to_str().unwrap(), "--json"]));
    let [whole, resumed]: [Value; 2] =
        [whole, resumed].map(|o| serde_json::from_slice(&o.stdout).unwrap());
    assert_eq!(resumed["probes"].as_array().unwrap().len(), all);
    assert_eq!(resumed["answer"]["carries"], whole["answer"]["carries"]);
    assert_eq!(resumed["probes"][0], whole["probes"][0]);
    assert_eq!(resumed["end"]["kind"], "finished");
}

#[test]
fn a_run_goes_on_with_the_simulator_it_began_on_or_not_at_all() {
    let place = TempDir::new().unwrap();
    let shipped =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/profiles/instant.toml");
    let profile = place.path().join("profile.toml");
    let text_of = fs::read_to_string(shipped).unwrap();
    fs::write(&profile, &text_of).unwrap();
    let dir = place.path().join("run");
    let small = ["--max-agents", "1", "--requests-per-agent", "64", "--fault"];
    let named = ["busy=0.001", "--profile", profile.to_str().unwrap()];
    capacity(
        &[
            &["--simulate", "--out", dir.to_str().unwrap()],
            &small[..],
            &named,
        ]
        .concat(),
    );
    let resume = |more: &[&str]| {
        let output = capacity(&[&["--resume", dir.to_str().unwrap()], more].concat());
        (output.status.code(), text(&output.stderr))
    };
    let set = &record(&dir)["simulator"];
    assert_eq!(set["profile"], profile.to_str().unwrap());
    assert_eq!(set["faults"][0], "busy=0.001");
    assert_eq!(set["num_parallel"], Value::Null);

    for (flag, value) in [
        ("--profile", "instant"),
        ("--num-parallel", "3"),
        ("--fault", "busy=0.1"),
        ("--runtime", "current"),
        ("--workers", "2"),
        ("--pin", "0"),
    ] {
        let (code, said) = resume(&[flag, value]);
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.contains("cannot be used with") && said.contains(flag),
            "{said}"
        );
    }
    fs::write(&profile, text_of.replacen("seed = ", "seed = 1", 1)).unwrap();
    let (code, said) = resume(&[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("profile.toml or busy=0.001 changed since"),
        "{said}"
    );
    fs::write(&profile, &text_of).unwrap();
    assert_ne!(resume(&[]).0, Some(2));

    let mut old = record(&dir);
    old.as_object_mut().unwrap().remove("simulator");
    fs::write(dir.join("capacity.json"), old.to_string()).unwrap();
    let (code, said) = resume(&[]);
    assert_eq!(code, Some(2), "{said}");
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
    let server = Serving::start(&["--profile", "instant"]);
    let url = server.endpoints[0].as_str();
    // Somebody else's model is in memory.
    let load = "load --requests 1 --no-record --no-calibrate --model qwen3:8b --endpoint";
    let load: Vec<&str> = load.split(' ').chain([url]).collect();
    succeeds(&load);
    let place = TempDir::new().unwrap();
    let run = |name: &str, more: &[&str]| {
        let dir = place.path().join(name);
        let asked =
            "--no-calibrate --max-agents 1 --requests-per-agent 4 --num-predict 2 --no-preload";
        let asked: Vec<&str> = asked.split(' ').chain(["--endpoint", url]).collect();
        let out = ["--out", dir.to_str().unwrap()];
        let output = capacity(&[&asked, more, &out].concat());
        assert!(
            matches!(output.status.code(), Some(0 | 1)),
            "{}",
            text(&output.stderr)
        );
        text(&output.stderr)
    };
    let warning = format!("warning: {url}: has other models in memory: qwen3:8b");
    let said = run("one", &["--no-checks"]);
    assert!(!said.contains("other models"), "{said}");
    let said = run("two", &[]);
    let (before, after) = said
        .split_once(&warning)
        .unwrap_or_else(|| panic!("{said}"));
    assert!(before.contains("Running on"), "{said}");
    assert!(after.contains("How many agents within"), "{said}");
}

#[test]
fn what_the_budget_does_not_decide_is_unresolved() {
    let place = TempDir::new().unwrap();
    let dir = place.path().join("run");
    let dir = dir.to_str().unwrap();
    let asked = "--simulate --num-predict 4 --max-agents 1 --requests-per-agent 2 --json --out";
    let args: Vec<&str> = asked.split(' ').chain([dir]).collect();
    let output = capacity(&args);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["answer"]["kind"], "unresolved");
    assert!(said["probes"][0]["decision"]["needs"].as_u64().unwrap() > 0);
}

#[test]
fn mistakes_are_named() {
    for (args, part) in [
        (&["--slo", "latency < 2s"][..], "no figure `latency`"),
        (&["--slo", "ttft < 2s"], "ttft_p95 or ttft_mean"),
        (&["--max-agents", "0"], "--max-agents"),
        (&["--precision", "300%"], "a share from 0 to 100%"),
        (&["--resume", "nowhere"], "nowhere/capacity.json"),
        (
            &["--resume", "x", "--slo", "ttft_p95 < 1s"],
            "cannot be used with",
        ),
    ] {
        let output = capacity(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            text(&output.stderr).contains(part),
            "{}",
            text(&output.stderr)
        );
    }
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("capacity.json"), "{}").unwrap();
    let output = run(place.path(), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("already holds a capacity run"));
    let output = capacity(&["--endpoint", "http://127.0.0.1:9"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
}

#[test]
fn the_committed_run_is_what_the_simulator_gives_now() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/capacity");
    let place = TempDir::new().unwrap();
    let dir = place.path().join("run");
    good(capacity(&[
        "--simulate",
        "--num-parallel",
        "4",
        "--num-predict",
        "12",
        "--slo",
        "ttft_p85 < 600ms and tpot_p85 < 40ms",
        "--requests-per-agent",
        "128",
        "--max-agents",
        "64",
        "--out",
        dir.to_str().unwrap(),
    ]));
    let (ours, theirs) = (record(&dir), record(&committed));
    assert_eq!(ours["asked"], theirs["asked"]);
    assert_eq!(ours["probes"], theirs["probes"]);
}
