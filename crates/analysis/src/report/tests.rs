use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::LazyLock;

use domain::Nanos;
use domain::plan::{Arm, Topology};
use domain::telemetry::{GpuProcess, GpuSource, ServerReading};
use metrics::RunObservation;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::charts::png;
use crate::kind::fixture::{self, folder, options, text};
use crate::replace::ReplaceError;

/// The data of inputs in the fixtures.
fn data(inputs: &[&str]) -> Dataset {
    let inputs: Vec<PathBuf> = inputs.iter().map(|input| folder(input)).collect();
    crate::load::load_all(&inputs, false).unwrap().dataset
}

fn report(data: &Dataset, name: &str) -> Report {
    build(data, &options(name)).unwrap()
}

/// The report of one server against two, made once.
static SERVERS: LazyLock<Report> = LazyLock::new(|| {
    let inputs = ["tr113/one-server.csv", "tr113/two-servers.csv"];
    report(&data(&inputs), "servers")
});

fn json_of(report: &Report) -> Value {
    serde_json::from_str(text(report, "report.json")).unwrap()
}

/// Page one, and the limits: what a reader decides by.
fn page_one(report: &Report) -> String {
    let md = text(report, "report.md");
    let end = md.find("## Evidence").unwrap_or(md.len());
    let limits = md.find("## Limits").unwrap_or(md.len());
    let after = md.find("## Files").unwrap_or(md.len());
    let start = md.find("\n# ").unwrap() + 1;
    format!(
        "{}[…]\n\n{}",
        &md[start..end],
        &md[limits.min(after)..after]
    )
}

/// What `report.json` of one server against two, and of a published table alone, hold. The committed reports pin all
/// figures of theirs.
#[test]
fn the_figures_of_a_report_are_in_its_json() {
    let published = report(&data(&["tr113/published.csv"]), "published");
    let answer = &published.answer;
    assert!(answer.starts_with("Unknown."), "{answer}");
    // Five runs of one configuration on each kind of serving: its spread is shown, and no winner named.
    insta::assert_snapshot!("page_one_servers", page_one(&SERVERS));
    for (report, pointer, expected) in [
        (&published, "/configs/0/speedup_est/mean", json!(1.557)),
        (&published, "/configs/0/verdict", json!("unknown")),
        (&published, "/configs/0/decode_overlap", Value::Null),
        // Recorded runs are not paired.
        (&SERVERS, "/topologies/0/repetitions", json!(5)),
        (&SERVERS, "/topologies/0/paired", json!(false)),
        (
            &SERVERS,
            "/scenarios/chimera_homo@per_agent/configs",
            json!(1),
        ),
        (&SERVERS, "/overall/by_topology/1/configs", json!(1)),
        (&SERVERS, "/overall/by_topology/2", Value::Null),
    ] {
        let json = json_of(report);
        let found = json.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(*found, expected, "{} {pointer}", report.name);
    }
    let json = json_of(&SERVERS);
    let wall_s = &json["topologies"][0]["wall_s"];
    assert_eq!(json["choice"]["overall"]["wall_s"], *wall_s);
}

/// The together arm that a limit of one request in flight gives: the one in turn, with every agent
/// scheduled at once and waiting for its permit.
fn one_at_a_time(run: &mut RunObservation) {
    let mut arm = run.sequential.clone().unwrap();
    arm.arm = Arm::Together;
    let firsts = || arm.agents.iter().map(|agent| &agent.requests[0]);
    let began = firsts().filter_map(|first| first.sent).min().unwrap();
    for agent in &mut arm.agents {
        let first = &mut agent.requests[0];
        first.scheduled = began;
        first.admission_wait = first.sent.map(|sent| sent.since(began));
        for later in &mut agent.requests[1..] {
            later.admission_wait = Some(Nanos::ZERO);
        }
    }
    run.together = Some(arm);
}

#[test]
fn a_limit_of_the_clients_own_is_named_where_it_made_agents_take_turns() {
    let mut dataset = own_plan();
    dataset
        .runs
        .retain(|run| run.topology == Some(Topology::Shared));
    let plain = report(&dataset, "plain");
    let manifest = dataset.manifest.as_mut().unwrap();
    manifest.header.admission = NonZeroU32::new(1);
    manifest.plan.topologies = vec![Topology::Shared];
    dataset.runs.iter_mut().for_each(one_at_a_time);
    let limited = report(&dataset, "limited");
    insta::assert_snapshot!("page_one_limited", page_one(&limited));
    for words in [
        "- requests in flight: at most 1, by",
        "| admission (s) |",
        "client's own limit (`--admission`)",
    ] {
        assert!(text(&limited, "report.md").contains(words), "{words}");
    }
    assert!(json_of(&limited)["configs"][0]["lost_s"]["admission"].as_f64() > Some(1.0));
    // Without a limit nothing speaks of permits, and the one key is zero.
    let md = text(&plain, "report.md");
    assert!(!md.contains("permit") && !md.contains("admission"));
    assert_eq!(json_of(&plain)["configs"][0]["lost_s"]["admission"], 0.0);
}

#[test]
fn where_every_request_failed_the_report_says_that_and_counts_none() {
    let mut dataset = own_plan();
    let arms = dataset.runs.iter_mut().flat_map(RunObservation::arms_mut);
    let agents = arms.flat_map(|arm| &mut arm.agents);
    for request in agents.flat_map(|agent| &mut agent.requests) {
        request.outcome = domain::Outcome::Cancelled;
    }
    let report = report(&dataset, "failed");
    insta::assert_snapshot!("page_one_failed", page_one(&report));
}

#[test]
fn pages_are_short_pictures_small_and_links_lead_to_files_and_anchors_of_the_report() {
    for report in [&report(&data(&["tr113"]), "tr113"), &*SERVERS] {
        fixture::check(report);
        for page in ["report.md", "appendix.md"] {
            let md = text(report, page);
            for part in md.split("](").skip(1) {
                let target = part.split(')').next().unwrap();
                let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
                let is_there = file.is_empty() || report.files.contains_key(file);
                assert!(is_there, "{target}");
                let id = format!("<a id=\"{anchor}\">");
                assert!(!file.is_empty() || md.contains(&id), "{target}");
            }
        }
    }
}

/// The committed sweep of a plan of its own.
fn own_plan() -> Dataset {
    data(&["one-or-two-servers"])
}

#[test]
fn a_plan_of_its_own_gets_a_report_about_that_plan_and_no_number_is_lost() {
    let own = build(&own_plan(), &options("own")).unwrap();
    let md = text(&own, "report.md");
    for words in ["sweet spot", "TR110", "TR113's estimate", "estimate reads"] {
        assert!(!md.contains(words), "{words}");
    }
    // No picture of it is about a scenario of TR113's, nor about TR113's estimate.
    let is_timeline = |name: &&String| name.contains("timeline") && name.ends_with("png");
    let timelines: Vec<&String> = own.files.keys().filter(is_timeline).collect();
    let expected = ["charts/timeline-front.png", "charts/timeline.png"];
    assert_eq!(timelines, expected);
    assert!(!own.files.contains_key("charts/options.png"));
    let mut data = own_plan();
    data.manifest.as_mut().unwrap().plan.report = Some(domain::plan::ReportStyle::Tr113);
    let as_tr113 = report(&data, "own");
    assert!(text(&as_tr113, "report.md").contains("## Beside TR113 and TR110"));
    assert_eq!(json_of(&own)["configs"], json_of(&as_tr113)["configs"]);
}

#[test]
fn a_simulated_report_says_so_everywhere() {
    let mut set = data(&["tr113/recorded.csv"]);
    let plain = report(&set, "x");
    set.provenance = domain::record::Provenance::Simulated;
    let report = report(&set, "x");
    let md = text(&report, "report.md");
    assert!(md.contains("\n# SIMULATED: x\n"));
    assert!(md.contains("provenance: SIMULATED\nsimulated: true"));
    assert_eq!(json_of(&report)["provenance"], "simulated");
    for (name, content) in &report.files {
        if let (Content::Png(badged), Some(Content::Png(bare))) = (content, plain.files.get(name)) {
            let compared = png::compare(badged, bare, 1).unwrap();
            assert!(!compared.is_match(), "{name} has no badge");
        }
    }
}

/// Runs of configurations with both arms; in turn, each agent's second of decoding is `longer` tokens
/// longer.
fn two_arms(configs: &[&str], repetitions: u32, longer: u64) -> Report {
    use metrics::timeline::{Calls, dataset, request, unloaded};
    let runs = configs.iter().flat_map(|config| {
        (1..=repetitions).map(move |repetition| {
            let call = |sent, tokens| request(sent).prefill(100).decode(tokens, 10);
            let jitter = u64::from(repetition);
            let agents = [
                Calls::new(&[call(0, 100)], &[call(0, 100 + longer)]),
                Calls::new(&[call(jitter, 100)], &[call(2500, 100 + longer)]),
            ];
            unloaded(config, repetition, &agents)
        })
    });
    report(&dataset(runs.collect()), "arms")
}

#[test]
fn a_gain_without_overlapping_decodes_is_a_yes_and_one_repetition_is_no_no() {
    use metrics::timeline::{Calls, dataset, request, two_arms};
    for (repetitions, answer) in [
        (3, "**Yes.** Run them together: it is faster in the one"),
        (1, "**Undecided.** The repetitions are too few"),
    ] {
        let runs = (1..=repetitions).map(|repetition| {
            let short = |sent| [request(sent).prefill(50).decode(100, 10)];
            let long = |sent| [request(sent).prefill(2000).decode(100, 10)];
            let alone = 1050 + u64::from(repetition);
            let agents = [
                Calls::new(&short(0), &short(0)),
                Calls::new(&long(0), &long(alone)).on(1),
            ];
            two_arms("a", repetition, "as left", &agents)
        });
        let report = report(&dataset(runs.collect()), "gain");
        let page = page_one(&report);
        assert!(page.contains(answer), "{page}");
        let although = page.contains("It pays although the agents decode one after the other");
        assert_eq!(although, repetitions == 3, "{page}");
    }
}

#[test]
fn captions_say_what_brackets_hold_and_that_outputs_differ_in_length_only_where_they_do() {
    let differ = "Outputs differ in length between the arms";
    let alike = "every agent's outputs are as long in both";
    let of_both = "over configurations where a figure is of all of them and over repetitions where it is of one";
    let of_one = "brackets hold 95 % intervals over repetitions.";
    let of_all = "intervals over configurations; the repetitions are too few for intervals.";
    let single = "Brackets hold 95 % intervals over configurations.";
    for (configs, repetitions, longer, said) in [
        (&["a"][..], 3, 0, of_one),
        (&["a"], 3, 7, of_one),
        (&["a", "b", "c"], 3, 0, of_both),
        (&["a", "b"], 3, 0, of_one),
        (&["a", "b"], 2, 0, "too few for intervals."),
        (&["a", "b", "c"], 2, 0, of_all),
        (&["a", "b", "c"], 1, 0, single),
    ] {
        let report = two_arms(configs, repetitions, longer);
        let md = text(&report, "report.md");
        let case = format!("{configs:?} {repetitions} {longer}");
        assert!(md.contains(said), "{case}: {said} is not in\n{md}");
        let outputs = [differ, alike].map(|words| md.contains(words));
        assert_eq!(outputs, [longer > 0, longer == 0], "{case}: {md}");
    }
}

#[test]
fn nothing_at_all_gives_a_report_that_says_unknown() {
    let mut set = data(&["tr113"]);
    set.runs.clear();
    set.published.clear();
    let report = report(&set, "empty");
    assert!(report.answer.starts_with("Unknown."), "{}", report.answer);
    assert!(!text(&report, "report.md").contains("NaN"));
}

/// A small report, written to a folder in a temporary one that is removed when its handle is dropped.
fn written() -> (TempDir, PathBuf, Report) {
    let dir = TempDir::new().unwrap();
    let at = dir.path().join("small");
    let text = |words: &str| Content::Text(words.to_owned());
    let files = [
        ("report.json", text("{}\n")),
        ("report.md", text("one\ntwo\nthree\n")),
        ("charts/a.png", Content::Png(picture(100))),
    ];
    let report = Report {
        name: "small".to_owned(),
        answer: String::new(),
        provenance: Provenance::Measured,
        source: String::new(),
        files: files.map(|(name, file)| (name.to_owned(), file)).into(),
    };
    report.write(&at).unwrap();
    (dir, at, report)
}

fn picture(shade: u8) -> Vec<u8> {
    png::encode(&[shade; 12], 2, 2).unwrap()
}

/// What an earlier report was changed to, and what the check then says; nothing where it finds no difference.
#[test]
fn a_changed_report_shows_the_difference() {
    let text = |words: &str| Some(words.as_bytes().to_vec());
    let shade = |shade| Some(picture(shade));
    let (page, chart) = ("report.md", "charts/a.png");
    let extra = "stray.csv: is no longer part of the report";
    for (file, content, said, pictures) in [
        (page, text("one\ntwo\nthree\n"), None, 0),
        (page, text("one\n2\nthree\n"), Some("-2\n+two\n"), 0),
        ("stray.csv", text("x\n"), Some(extra), 0),
        (chart, shade(100), None, 0),
        // A picture may differ by one in a channel and not by more.
        (chart, shade(101), None, 0),
        (chart, shade(103), Some("4 pixels differ"), 2),
        (chart, text("not a picture"), Some("cannot be compared"), 1),
        (chart, None, Some("a.png: is missing"), 0),
    ] {
        let (_dir, at, report) = written();
        match content {
            Some(content) => fs::write(at.join(file), content).unwrap(),
            None => fs::remove_file(at.join(file)).unwrap(),
        }
        let found = report.check(&at).unwrap();
        assert_eq!(found.is_match(), said.is_none(), "{file}: {found:?}");
        let all = found.differences.join("\n");
        assert!(all.contains(said.unwrap_or_default()), "{all}");
        assert_eq!(found.written.len(), pictures, "{file} {all}");
        assert!(found.written.iter().all(|path| path.is_file()));
    }
}

#[test]
fn a_write_that_fails_leaves_what_was_there() {
    let (dir, at, mut second) = written();
    let foreign = TempDir::new().unwrap();
    fs::write(foreign.path().join("precious.txt"), "x").unwrap();
    let error = second.write(foreign.path()).unwrap_err();
    let is_foreign = matches!(error, ReportError::Replace(ReplaceError::Foreign { .. }));
    assert!(is_foreign, "{error}");
    assert_eq!(names_in(foreign.path()), ["precious.txt"]);
    // A file where a folder must be: the write fails half way.
    for (file, words) in [("charts", "in the way"), ("report.md", "new\n")] {
        second
            .files
            .insert(file.to_owned(), Content::Text(words.to_owned()));
    }
    let error = second.write(&at).unwrap_err();
    let is_write = matches!(error, ReportError::Replace(ReplaceError::Write { .. }));
    assert!(is_write, "{error}");
    let page = fs::read_to_string(at.join("report.md")).unwrap();
    assert_eq!(page, "one\ntwo\nthree\n");
    // Nothing half-written is left.
    assert_eq!(names_in(dir.path()), ["small"]);
}

/// The names of what is in a folder.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// The report is whole after concurrent writes, and after a process that was killed while it wrote.
#[test]
fn reports_that_are_written_to_one_place_at_once_are_each_whole() {
    let (dir, at, first) = written();
    let variant = |number: usize| {
        let mut report = first.clone();
        let text = Content::Text(number.to_string());
        report.files.insert(format!("tables/{number}.csv"), text);
        report
    };
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (at, variant) = (&at, &variant);
            scope.spawn(move || {
                for _ in 0..20 {
                    variant(number).write(at).unwrap();
                }
            });
        }
    });
    let whole = |number| variant(number).check(&at).unwrap().is_match();
    assert_eq!((0..6).filter(|number| whole(*number)).count(), 1);
    assert_eq!(names_in(dir.path()), ["small"]);

    // What a process leaves that was killed while it wrote, or between its two renames.
    fs::create_dir(dir.path().join(".small.partial")).unwrap();
    fs::write(dir.path().join(".small.partial/stray.csv"), "x").unwrap();
    fs::rename(&at, dir.path().join(".small.old")).unwrap();
    let mut bad = first.clone();
    let file = Content::Text(String::new());
    bad.files.insert("charts".to_owned(), file);
    bad.write(&at).unwrap_err();
    assert_eq!((0..6).filter(|number| whole(*number)).count(), 1);
    first.write(&at).unwrap();
    assert!(first.check(&at).unwrap().is_match());
    assert_eq!(names_in(dir.path()), ["small"]);
}

/// Links that another user put into or beside the folder do not lead writes out of it.
#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_a_report_leads_nothing_out_of_it() {
    use std::os::unix::fs::symlink;

    let (dir, at, report) = written();
    let private = dir.path().join("private");
    fs::create_dir(&private).unwrap();
    fs::write(private.join("key"), "secret").unwrap();
    for link in [".small.partial", ".small.old", ".small.lock"] {
        symlink(&private, dir.path().join(link)).unwrap();
    }
    symlink(private.join("key"), at.join("charts/a.new.png")).unwrap();
    fs::write(at.join("charts/a.png"), "not a picture").unwrap();
    assert!(!report.check(&at).unwrap().is_match());
    report.write(&at).unwrap();
    assert!(report.check(&at).unwrap().is_match());

    fs::remove_dir_all(&at).unwrap();
    symlink(&private, &at).unwrap();
    let refused = report.write(&at).unwrap_err();
    let is_foreign = matches!(refused, ReportError::Replace(ReplaceError::Foreign { .. }));
    assert!(is_foreign, "{refused}");
    assert_eq!(names_in(&private), ["key"]);
    assert_eq!(fs::read_to_string(private.join("key")).unwrap(), "secret");
}

/// The committed sweep's first configuration on one server, as if a real server had been measured:
/// its telemetry shows throttling, another program on the device, and the server's own process.
fn measured_on_a_troubled_machine() -> Dataset {
    let mut data = own_plan();
    data.provenance = domain::record::Provenance::Measured;
    let first = data.runs[0].clone();
    let is_first = |r: &RunObservation| r.config == first.config && r.topology == first.topology;
    data.runs.retain(is_first);
    let environment = data.environment.as_mut().unwrap();
    environment.warnings = vec!["governor is powersave".to_owned()];
    environment.gpu = GpuSource::Several {
        sources: vec![
            GpuSource::Nvml {
                driver: "570.00".to_owned(),
                devices: vec!["Big Card".to_owned()],
                notes: vec!["Big Card: no power (this user may not read it)".to_owned()],
            },
            GpuSource::Amd {
                driver: "amdgpu of kernel 6.8".to_owned(),
                devices: vec!["Small Card".to_owned()],
                notes: Vec::new(),
            },
        ],
    };
    for (place, sample) in data.telemetry.iter_mut().enumerate() {
        for gpu in &mut sample.gpus {
            gpu.energy_j = None;
            gpu.throttle_reasons = vec!["hw_thermal_slowdown".to_owned()];
            let process = |pid, name: &str, mib: u64, server| GpuProcess {
                pid,
                memory_bytes: Some(mib << 20),
                name: Some(name.to_owned()),
                server,
            };
            // The simulated processes make room; processes are not listed in every sample.
            gpu.processes = match place % 10 {
                0 => vec![
                    process(7, "ollama", 4000, Some(0)),
                    process(8, "game", 512, None),
                ],
                _ => Vec::new(),
            };
        }
        sample.servers = vec![ServerReading {
            endpoint: 0,
            processes: 2,
            cpu_percent: Some(150.0),
            memory_bytes: 2_000_000_000,
        }];
    }
    let throttled = metrics::throttle::throttled_intervals(&data.telemetry);
    for arm in data.runs.iter_mut().flat_map(RunObservation::arms_mut) {
        arm.throttled.clone_from(&throttled);
    }
    data
}

#[test]
fn conditions_stand_near_the_top_and_energy_says_how_it_was_found() {
    let data = measured_on_a_troubled_machine();
    let report = report(&data, "troubled");
    insta::assert_snapshot!("page_one_troubled", page_one(&report));
    let md = [text(&report, "report.md"), text(&report, "appendix.md")].concat();
    for line in [
        "- GPU: Big Card, driver 570.00; Small Card, driver amdgpu of kernel 6.8\n",
        "- not readable: Big Card: no power (this user may not read it)\n",
        "- context: the plan names num_ctx 512, 1024; ",
        "server 1 CPU, of one core",
        "server 1 memory on GPUs",
    ] {
        assert!(md.contains(line), "{line} in\n{md}");
    }
    let energy = text(&report, "tables/energy.csv");
    assert!(energy.contains(",estimated"), "{energy}");
    let json = json_of(&report);
    assert_eq!(json["conditions"][1]["kind"], "throttled");
    let of_one = &json["configs"][0]["energy"];
    assert_eq!(of_one["source"], "estimated");
    let per_token = of_one["joules_per_token"]["mean"].as_f64().unwrap();
    assert!((0.1..100.0).contains(&per_token), "{per_token}");
    let lost = json["configs"][0]["lost_s"]["thermal_or_power"].as_f64();
    assert!(lost.is_some(), "{}", json["configs"][0]["lost_s"]);
}
