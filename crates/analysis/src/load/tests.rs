use std::fs;
use std::path::{Path, PathBuf};

use domain::Nanos;
use domain::plan::Topology;
use domain::record::Provenance;
use domain::record::load::{LOAD_FILE, REQUESTS_FILE};
use metrics::cause::WaitedFor;
use metrics::notes::Warning;
use metrics::summary::Faster;
use metrics::{Decoding, Gain, Summary};
use tempfile::TempDir;

use super::*;
use crate::kind::fixture::{copied, folder};

/// The recorded runs outside the repository, where they exist.
fn recorded_folder(name: &str) -> Option<PathBuf> {
    let folder = folder("../../shared/data").join(name);
    if !folder.is_dir() {
        eprintln!("skipped: no recorded runs beside the repository");
        return None;
    }
    Some(folder)
}

/// The error of loading a path, and its message with the place.
#[track_caller]
fn refused(path: &Path, keep_going: bool) -> (LoadError, String) {
    let error = load(path, keep_going).unwrap_err();
    let message = format!("{error}: {}", error.kind);
    (error, message)
}

#[test]
fn each_kind_of_input_is_recognized() {
    let dir = folder("tr113");
    for (name, kind) in [
        ("", InputKind::PublishedAndFigures),
        ("published.csv", InputKind::Published),
        ("two-servers.csv", InputKind::Figures),
        ("../load", InputKind::Results(Kind::Load)),
    ] {
        assert_eq!(detect(&dir.join(name)).unwrap(), kind, "{name}");
    }
    let odd = detect(&dir.join("README.md")).unwrap_err();
    assert!(matches!(odd.kind, LoadErrorKind::NotUnderstood), "{odd:?}");
    let (_, alone) = refused(&dir.join("../load"), false);
    let words = "which stands alone; report it by";
    assert!(alone.contains(words), "{alone}");
    let gone = detect(&dir.join("gone")).unwrap_err();
    assert!(matches!(gone.kind, LoadErrorKind::NotFound), "{gone:?}");
}

#[test]
fn the_nineteen_recorded_runs_were_served_in_turn() {
    let set = load(&folder("tr113"), false).unwrap().dataset;
    assert_eq!((set.runs.len(), set.published.len()), (19, 19));
    assert_eq!(set.provenance, Provenance::Imported);
    let first = &set.runs[0].config;
    assert_eq!(*first, set.published[0].config, "the published order");
    let summary = Summary::of(&set);
    for ((observed, m), config) in set.runs.iter().zip(&summary.runs).zip(&summary.configs) {
        let id = &observed.config;
        let recorded = observed.speedup_recorded.unwrap();
        let speedup = config.stats.speedup_est.unwrap().mean;
        let efficiency = config.stats.efficiency_est_percent.unwrap().mean;
        let off = (speedup - recorded).abs() + (efficiency - 50.0 * recorded).abs();
        assert!(off < 1e-9, "{id}: {speedup} {efficiency}");
        let contention = m.contention;
        assert_eq!(contention.speedup_rule, contention.published, "{id}");
        let others = (contention.cause, contention.ttft_rule);
        assert_eq!(others, (Some(true), None), "{id}");
        let of_both_arms = [m.figures.wall_sequential_s, m.figures.stp];
        assert_eq!(of_both_arms, [None; 2], "{id}");
        let unpaired = (&m.excluded, m.figures.decode_overlap, m.figures.speedup);
        assert_eq!(unpaired, (&None, Some(0.0), None), "{id}");
        // Agents on separate servers can gain only the load that both waited for.
        let bound = m.figures.speedup_upper_bound.unwrap();
        assert!((0.9..1.35).contains(&bound), "{id}: {bound}");
        let why = m.cause.why_serial.unwrap();
        // The remaining load is the reload: about 3 to 5 s on that machine.
        let reload = why.load_after_wait.map(Nanos::as_secs_f64);
        let is_expected = match observed.scenario.as_str() {
            "chimera_homo" => why.waited_for == WaitedFor::SlotQueue && reload.is_none(),
            _ => {
                why.waited_for == WaitedFor::OtherConfig
                    && reload.is_some_and(|s| (2.0..6.0).contains(&s))
            }
        };
        assert!(is_expected, "{id}: {:?}, {reload:?}", why.waited_for);
    }
    let overall = &summary.overall[0];
    let overlap = overall.stats.overlap;
    assert_eq!((overlap.zero, overlap.known), (19, 19));
    assert_eq!(overall.verdicts.with(Gain::Unknown), 19);
    assert_eq!(overall.verdicts.served(Decoding::InTurn), 19);
    assert_eq!(overall.stats.speedup, None);
}

#[test]
fn a_folder_of_recorded_runs_gives_what_its_figures_table_gives() {
    let Some(recorded) = recorded_folder("tr113") else {
        return;
    };
    let from_json = Summary::of(&load(&recorded, false).unwrap().dataset);
    let table = folder("tr113/recorded.csv");
    let from_csv = Summary::of(&load(&table, false).unwrap().dataset);
    assert_eq!(from_json.configs.len(), 19);
    for (a, b) in from_json.configs.iter().zip(&from_csv.configs) {
        let key = |c: &metrics::ConfigSummary| (c.id.clone(), c.scenario.clone(), c.topology);
        assert_eq!((key(a), a.verdict), (key(b), b.verdict));
        for name in ["speedup_est", "ttft_delta_ms", "tp_delta"] {
            let quantity = metrics::summary::Quantity::named(name).unwrap();
            let [x, y] = [a, b].map(|c| quantity.of(&c.stats).unwrap().mean);
            assert!((x - y).abs() < 1e-9, "{} {name}", a.id);
        }
    }
}

#[test]
fn recorded_options_are_the_decimals_that_were_meant() {
    let Some(folder) = recorded_folder("tr113") else {
        return;
    };
    let config = load(&folder.join("bvc_gpu60_ctx512_temp0p6"), false);
    let set = config.unwrap().dataset;
    let agents = &set.runs[0].together.as_ref().unwrap().agents;
    assert!(agents[0].options.is_empty());
    assert_eq!(agents[1].options.temperature, Some(0.6));
    assert_eq!(agents[1].options.repeat_penalty, Some(1.1));
    assert_eq!(set.runs[0].config.as_str(), "bvc_g60_c512_t0.6");
}

#[test]
fn one_server_and_two_pool_into_two_topologies() {
    let inputs = ["one-server.csv", "two-servers.csv"].map(|f| folder("tr113").join(f));
    let set = load_all(&inputs, false).unwrap().dataset;
    let count = |t| set.runs.iter().filter(|r| r.topology == Some(t)).count();
    assert_eq!((count(Topology::Shared), count(Topology::PerAgent)), (5, 5));
    let summary = Summary::of(&set);
    // Without a sequential arm the gain is unknown, however the agents were served.
    for (config, decoding) in [(0, Decoding::InTurn), (1, Decoding::Overlapping)] {
        let verdict = summary.configs[config].verdict;
        assert_eq!((verdict.gain, verdict.decoding), (Gain::Unknown, decoding));
    }
    assert!(summary.configs[1].stats.decode_overlap.unwrap().mean > 0.7);
    let [compared] = &summary.topologies[..] else {
        panic!("{:?}", summary.topologies);
    };
    assert_eq!((compared.repetitions, compared.paired), (5, false));
    // TR113's metric says two servers are better, the wall says they are slower.
    assert!(compared.speedup_est.unwrap().ratio.lo.unwrap() > 1.0);
    assert_eq!(compared.faster, Faster::Shared);
    let rate = compared.decode_tokens_per_s.unwrap().ratio;
    assert!((0.4..0.6).contains(&rate.mean), "{rate:?}");
    insta::assert_debug_snapshot!(metrics::advice::findings(&set, &summary));
}

#[test]
fn the_same_input_twice_counts_as_further_repetitions_and_another_provenance_is_refused() {
    let one = folder("tr113/one-server.csv");
    let set = load_all(&[one.clone(), one], false).unwrap().dataset;
    let repetitions: Vec<u32> = set.runs.iter().map(|r| r.repetition).collect();
    assert_eq!(repetitions, (1..=10).collect::<Vec<_>>());
    let warnings = warnings_of(&set);
    assert!(warnings.contains("further repetitions"), "{warnings}");
    let inputs = [folder("one-or-two-servers"), folder("tr113")];
    let error = load_all(&inputs, false).unwrap_err();
    let is_mixed = matches!(error.kind, LoadErrorKind::MixedProvenance { .. });
    assert!(is_mixed, "{error:?}");
}

/// The warnings of a dataset, one per line.
fn warnings_of(set: &Dataset) -> String {
    let all: Vec<String> = set.warnings.iter().map(document::notes::warning).collect();
    all.join("\n")
}

fn csv(text: &str) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("runs.csv");
    fs::write(&path, text).unwrap();
    (dir, path)
}

#[test]
fn tables_that_cannot_be_read_are_refused_with_file_line_and_column() {
    let good = fs::read_to_string(folder("tr113/recorded.csv")).unwrap();
    let one_server = fs::read_to_string(folder("tr113/one-server.csv")).unwrap();
    let bad_cell = one_server.replace("11.6836929", "eleven");
    let without_scenario = "config,concurrent_wall_time_s\nbvc_g60_c512_t0.6,1\n";
    let without_rows = "config,scenario,concurrent_wall_time_s\n";
    let bad = "runs.csv:3: column `concurrent_wall_time_s` holds `eleven`";
    for (text, line, words) in [
        (&*bad_cell, Some(3), bad),
        (&good[..good.len() - 60], Some(20), "cut off"),
        ("", None, "the file is empty"),
        (without_scenario, Some(1), "no column `scenario`"),
        (without_rows, None, "nothing in it could be loaded"),
    ] {
        let (_dir, path) = csv(text);
        let (error, message) = refused(&path, line == Some(1));
        assert_eq!(error.line, line, "{message}");
        assert!(message.contains(words), "{message}");
    }
    let (_dir, path) = csv(&bad_cell);
    let loaded = load(&path, true).unwrap();
    assert_eq!((loaded.dataset.runs.len(), loaded.skipped.len()), (4, 1));
    assert_eq!(loaded.skipped[0].line, Some(3));
}

/// A copy of one recorded configuration, for a test to damage.
fn recorded_copy() -> Option<(TempDir, PathBuf)> {
    let from = recorded_folder("one-server")?.join("homo_gpu80_ctx1024_temp0p8");
    let dir = TempDir::new().unwrap();
    let to = dir.path().join("homo_gpu80_ctx1024_temp0p8");
    for run in 1..=5 {
        let run = format!("run_{run}");
        fs::create_dir_all(to.join(&run)).unwrap();
        let file = Path::new(&run).join("metrics.json");
        fs::copy(from.join(&file), to.join(&file)).unwrap();
    }
    fs::copy(from.join("summary.json"), to.join("summary.json")).unwrap();
    Some((dir, to))
}

#[test]
fn recorded_runs_that_are_cut_off_or_missing_are_named_and_the_rest_loads() {
    let Some((dir, config)) = recorded_copy() else {
        return;
    };
    let broken = config.join("run_2/metrics.json");
    let whole = fs::read_to_string(&broken).unwrap();
    fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    let error = load(dir.path(), false).unwrap_err();
    assert_eq!(error.path, broken);
    assert!(error.line.is_some_and(|l| l > 1), "{error:?}");
    let loaded = load(dir.path(), true).unwrap();
    assert_eq!((loaded.dataset.runs.len(), loaded.skipped.len()), (4, 1));
    let warnings = warnings_of(&loaded.dataset);
    assert!(warnings.contains("run_2/metrics.json"), "{warnings}");

    // The summary lists a run that the folder lacks.
    fs::write(&broken, whole).unwrap();
    fs::remove_dir_all(config.join("run_4")).unwrap();
    let error = load(dir.path(), false).unwrap_err();
    assert!(error.path.ends_with("run_4/metrics.json"), "{error:?}");
    assert_eq!(load(dir.path(), true).unwrap().dataset.runs.len(), 4);
}

#[test]
fn folders_that_lack_something_say_what() {
    let newer = r#"{"schema": 99, "shape": "new"}"#;
    let manifest = "manifest.json";
    for (name, text, place, words) in [
        (manifest, newer, manifest, "schema 99 is newer"),
        ("journal.jsonl", "{}\n", manifest, "no such file"),
        (REQUESTS_FILE, "", LOAD_FILE, "no such file"),
    ] {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join(name), text).unwrap();
        let (error, message) = refused(dir.path(), false);
        assert!(error.path.ends_with(place), "{message}");
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn ids_sort_with_numbers_as_numbers() {
    let mut ids = ["g120_c512", "g60_c1024", "g60_c512"];
    ids.sort_by_key(|id| natural_key(id));
    assert_eq!(ids, ["g60_c512", "g60_c1024", "g120_c512"]);
}

#[test]
fn a_sweep_is_loaded_by_its_folder() {
    let from = folder("one-or-two-servers");
    let loaded = load(&from, false).unwrap();
    assert_eq!(loaded.kind, InputKind::Results(Kind::Sweep));
    assert_eq!(loaded.dataset.name, "one-or-two-servers");
    assert!(!loaded.dataset.runs.is_empty());

    let spoiled = copied("one-or-two-servers");
    let journal = spoiled.path().join("journal.jsonl");
    let good = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, format!("{good}{{\"t\":\"nonsense\"}}\n")).unwrap();
    let loaded = load(spoiled.path(), true).unwrap();
    let [skipped] = &loaded.skipped[..] else {
        panic!("{:?}", loaded.skipped);
    };
    let line = skipped.line();
    assert!(line.contains("/journal.jsonl line "), "{line}");
    assert_eq!(loaded.dataset.warnings.last(), Some(&Warning::Text(line)));
}

#[test]
fn the_newest_results_are_those_started_last() {
    let root = TempDir::new().unwrap();
    for (name, at) in [("b", "2026-01-01T00:00:00Z"), ("a", "2026-02-01T00:00:00Z")] {
        let dir = root.path().join(name);
        fs::create_dir(&dir).unwrap();
        let text = format!(r#"{{"schema":1,"started_at":"{at}"}}"#);
        fs::write(dir.join("manifest.json"), text).unwrap();
    }
    assert!(newest(root.path()).unwrap().ends_with("a"));
    let empty = TempDir::new().unwrap();
    let kind = newest(empty.path()).unwrap_err().kind;
    assert!(matches!(kind, LoadErrorKind::NothingLoaded));
}

/// The terminal sums up a folder with the same figures as the report: both leave out arms without
/// requests.
#[test]
fn an_arm_without_requests_is_left_out_of_the_report_and_of_the_terminals_summary() {
    let temp = copied("one-or-two-servers");
    let folder = temp.path();
    // One agent's requests in the first repetition's together arms are lost.
    let journal = fs::read_to_string(folder.join("journal.jsonl")).unwrap();
    let lines = journal.lines().map(|line| line.parse().unwrap());
    let is_lost = |line: &serde_json::Value| {
        let request = &line["request"];
        request["agent"] == 1 && request["arm"] == "together" && request["run"]["repetition"] == 1
    };
    let mut kept: Vec<serde_json::Value> = lines.filter(|line| !is_lost(line)).collect();
    assert!(kept.len() < journal.lines().count());
    // One of the remaining requests lacks its `[DONE]`.
    let mut requests = kept.iter_mut().filter_map(|line| line.get_mut("request"));
    let noted = requests.find(|request| request["role"] == "main").unwrap();
    noted["times"]["notes"] = serde_json::json!(["no_done"]);
    let text: String = kept.iter().map(|line| line.to_string() + "\n").collect();
    fs::write(folder.join("journal.jsonl"), text).unwrap();

    let records = results::sweep::read(folder, &mut LeftOut::default()).unwrap();
    let terminal = Summary::of(&metrics::from_records::dataset(records));
    let report = Summary::of(&load(folder, false).unwrap().dataset);
    assert_eq!(terminal.configs, report.configs);
    assert_eq!(terminal.warnings, report.warnings);
    let one = Warning::Responses(domain::record::ResponseNote::NoDone, 1);
    assert!(report.warnings.contains(&one), "{:?}", report.warnings);
    let is_left_out = |warning: &&Warning| matches!(warning, Warning::NoRequestOf(..));
    let left_out = report.warnings.iter().filter(is_left_out);
    assert_eq!(left_out.count(), 6, "{:?}", report.warnings);
}
