//! Folders of loads whose rows are known.

use std::fs;
use std::path::Path;

use domain::backend::ServerIdentity;
use domain::plan::{Arm, Topology};
use domain::record::load::{Asked, ClientCost, LOAD_SCHEMA, LoadResult, Shape};
use domain::record::{
    EndpointFacts, Provenance, RequestRecord, RequestRole, RequestTimes, RunHeader, RunKey,
    ServerCounters, TokenSource, Turn,
};
use domain::work::WorkRecord;
use domain::{FailureKind, Nanos, Outcome, Stamp, TimeoutPhase};
use metrics::load::{Collected, End};
use tempfile::TempDir;

use super::*;

const MS: u64 = 1_000_000;

fn record(agent: u32, call: u32, outcome: Outcome) -> RequestRecord {
    let scheduled = Stamp(u64::from(agent) * 3 * MS + u64::from(call) * 500 * MS);
    let sent = scheduled + Nanos(1_000);
    let first = sent + Nanos(40 * MS + u64::from(agent));
    let chunks = [0, 20 * MS, 40 * MS + 7, 61 * MS + 7].map(|ns| first + Nanos(ns));
    let last = chunks[3];
    let completed = outcome.is_completed();
    let times = RequestTimes {
        scheduled,
        connect: (call == 0).then_some(Nanos(300_000)),
        sent: Some(sent),
        headers: Some(first),
        first_token: Some(first),
        first_content: Some(first),
        last_token: Some(last),
        done: completed.then_some(last + Nanos(MS)),
        ended: last + Nanos(MS),
        outcome,
        tokens: 4,
        tokens_from: TokenSource::Server,
        counters: ServerCounters {
            total: Some(Nanos(102 * MS)),
            ..ServerCounters::default()
        },
        chunks: chunks.to_vec(),
        ..RequestTimes::default()
    };
    RequestRecord {
        agent,
        agent_name: format!("agent{agent}"),
        call,
        model: "m\"\u{e9}".to_owned(),
        done_reason: completed.then(|| "length".to_owned()),
        turn: Some(Turn {
            session: agent,
            turn: call + 1,
        }),
        work: (call > 0).then_some(WorkRecord {
            queue_ns: Nanos(MS),
            cpu_ns: Some(Nanos(u64::from(call) * MS)),
            file_ns: None,
        }),
        ..RequestRecord::new(RunKey::of_load(Topology::Shared), Arm::Together, times)
    }
}

/// Two agents with three requests each, three of which do not complete.
fn records() -> Vec<RequestRecord> {
    let mut all = Vec::new();
    for call in 0..3 {
        for agent in 0..2 {
            let outcome = match (agent, call) {
                (1, 0) => Outcome::Failed {
                    failure: FailureKind::Http { status: 500 },
                    message: "HTTP 500: \"out\nof\" memory \u{2026}".to_owned(),
                },
                (1, 1) => Outcome::TimedOut {
                    phase: TimeoutPhase::BetweenChunks,
                },
                (0, 2) => Outcome::Incomplete,
                _ => Outcome::Completed,
            };
            all.push(record(agent, call, outcome));
        }
    }
    all
}

fn figures(records: &[RequestRecord], slo: &str) -> Figures {
    let mut collected = Collected::new(Some(Objective::of_requests(slo).unwrap()));
    for record in records {
        collected.add(record);
    }
    collected.figures()
}

fn file(records: &[RequestRecord]) -> LoadFile {
    let slo = "ttft<40000001ns";
    LoadFile {
        schema: LOAD_SCHEMA,
        header: RunHeader {
            endpoints: vec![EndpointFacts {
                url: "http://127.0.0.1:1".to_owned(),
                server: ServerIdentity {
                    kind: "tandem-simulator".to_owned(),
                    version: "1".to_owned(),
                },
                model: None,
            }],
            ..RunHeader::new(
                "small".to_owned(),
                Provenance::Simulated,
                "tandem 0.1.0 (git 1234abc)".to_owned(),
                "tandem load --simulate".to_owned(),
                "2026-11-22T02:00:00Z".to_owned(),
            )
        },
        asked: Asked {
            model: "m".to_owned(),
            shape: Shape::Closed {
                agents: 2,
                think_s: 0.0,
            },
            requests: 6,
            num_predict: 4,
            seed: 1,
            same_prompt: false,
            turns: None,
            work: None,
            timeouts: None,
            slo: Some(slo.to_owned()),
        },
        result: Some(LoadResult {
            warmed: None,
            interrupted: false,
            not_begun: 0,
            peak_in_flight: 2,
            figures: figures(records, slo),
            client: ClientCost::default(),
        }),
    }
}

fn rows(records: &[RequestRecord]) -> String {
    let line = |record| serde_json::to_string(record).unwrap() + "\n";
    records.iter().map(line).collect()
}

fn folder(file: &LoadFile, rows: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(
        dir.path().join(LOAD_FILE),
        serde_json::to_string(file).unwrap(),
    )
    .unwrap();
    fs::write(dir.path().join(REQUESTS_FILE), rows).unwrap();
    dir
}

fn error(dir: &Path) -> String {
    let error = read(dir, false).unwrap_err();
    format!("{error}: {}", error.kind)
}

#[test]
fn figures_made_again_are_those_that_were_written() {
    let records = records();
    let file = file(&records);
    let dir = folder(&file, &rows(&records));
    let load = read(dir.path(), false).unwrap();
    assert_eq!(load.warnings, [""; 0]);
    assert_eq!(
        Some(&load.figures),
        file.result.as_ref().map(|r| &r.figures)
    );
    assert_eq!(load.file.asked, file.asked);
    assert_eq!(load.figures.outcomes.completed, 3);
    assert_eq!(load.figures.failures.len(), 2);
    // Agent 1's first token comes a nanosecond later, over the limit.
    assert_eq!(load.figures.slo.as_ref().unwrap().good, 2);
    let ends: Vec<End> = load.requests.iter().map(|r| r.end).collect();
    let expected = [
        End::Good,
        End::Failed,
        End::Good,
        End::TimedOut,
        End::Incomplete,
        End::OverLimit,
    ];
    assert_eq!(ends, expected);
    let first = load.requests[0];
    assert_eq!(first.ttft(), Some(Nanos(40 * MS)));
    assert_eq!(first.ttft_scheduled(), Some(Nanos(40 * MS + 1_000)));
    assert_eq!(
        (first.client_queue(), first.connect),
        (Some(Nanos(1_000)), Some(Nanos(300_000)))
    );
    assert_eq!(
        (first.e2e(), load.requests[2].connect),
        (Some(Nanos(102 * MS + 7)), None)
    );
    assert_eq!(first.tpot_ms(), Some((61 * MS + 7) as f64 / 3e6));
    assert_eq!(load.itl.len(), 9);
    assert_eq!(load.arrivals.windows().map(|(_, n)| n).sum::<u32>(), 24);
    let agents: Vec<_> = load
        .agents
        .iter()
        .map(|a| (a.agent, a.requests, a.completed))
        .collect();
    assert_eq!(agents, [(0, 3, 2), (1, 3, 1)]);
}

#[test]
fn a_row_that_a_killed_client_left_half_written_is_said() {
    let records = records();
    let mut file = file(&records);
    file.result = None;
    let mut text = rows(&records);
    text.truncate(text.len() - 40);
    let load = read(folder(&file, &text).path(), false).unwrap();
    assert_eq!(load.requests.len(), 5);
    let said = load.warnings.join("\n");
    assert!(said.contains("requests.jsonl line 6 is cut off"), "{said}");
    assert!(said.contains("load.json has no result"), "{said}");
    assert!(said.contains("5 of 6 requests have a row"), "{said}");
}

#[test]
fn a_malformed_row_is_an_error_with_its_line_or_left_out_when_asked() {
    let records = records();
    let text = rows(&records);
    for (part, with, says) in [
        ("\"agent\":1", "\"agent\":-1", "invalid value"),
        (
            "\"scheduled\":",
            "\"planned\":",
            "missing field `scheduled`",
        ),
        (
            "\"failure\":{\"http\":{\"status\":500}},",
            "",
            "missing field `failure`",
        ),
        ("\"chunks\":[", "\"chunks\":[-1,", "invalid value"),
        ("{\"run", "{run", "key must be a string"),
    ] {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        assert!(lines[1].contains(part), "{} lacks {part}", lines[1]);
        lines[1] = lines[1].replacen(part, with, 1);
        let dir = folder(&file(&records), &(lines.join("\n") + "\n"));
        let error = error(dir.path());
        assert!(error.contains("requests.jsonl:2: request row: "), "{error}");
        assert!(error.contains(says), "{error}");
        let load = read(dir.path(), true).unwrap();
        assert_eq!((load.requests.len(), load.skipped.len()), (5, 1));
        assert_eq!(load.skipped[0].line, Some(2));
        let said = load.warnings.join("\n");
        assert!(
            said.contains("counts 6 requests where requests.jsonl has 5 rows"),
            "{said}"
        );
    }
}

#[test]
fn figures_that_do_not_follow_from_the_rows_are_named() {
    let records = records();
    let mut file = file(&records);
    let result = file.result.as_mut().unwrap();
    result.figures.tokens += 1;
    result.figures.ttft_ms.as_mut().unwrap().p50 += 0.5;
    // Less than decimals can tell.
    result.figures.ttft_ms.as_mut().unwrap().mean *= 1.0 + 1e-12;
    let load = read(folder(&file, &rows(&records)).path(), false).unwrap();
    assert_eq!(load.warnings.len(), 1, "{:?}", load.warnings);
    let said = &load.warnings[0];
    assert!(said.contains("tokens 13, again 12"), "{said}");
    assert!(said.contains("ttft_ms.p50 40.5, again 40"), "{said}");
    assert!(!said.contains("mean"), "{said}");
}

#[test]
fn files_of_another_version_and_odd_or_empty_ones_are_refused() {
    let records = records();
    let file = file(&records);
    let dir = folder(&file, &rows(&records));
    let mut newer = file.clone();
    newer.schema += 1;
    let newer = error(folder(&newer, "").path());
    assert!(newer.contains("newer than this program"), "{newer}");
    let mut older = file.clone();
    older.schema = 1;
    let older = error(folder(&older, "").path());
    assert!(older.contains("measure again"), "{older}");
    let mut odd = file.clone();
    odd.asked.slo = Some("speed<2s".to_owned());
    let odd = error(folder(&odd, &rows(&records)).path());
    assert!(odd.contains("load.json: `slo`: no figure `speed`"), "{odd}");

    assert!(error(folder(&file, "").path()).contains("the file is empty"));
    assert!(error(folder(&file, "\n\n").path()).contains("nothing in it could be loaded"));
    fs::remove_file(dir.path().join(LOAD_FILE)).unwrap();
    let missing = error(dir.path());
    assert!(missing.contains("load.json: no such file"), "{missing}");
}

#[test]
fn probes_enter_no_figure_and_blank_lines_are_no_rows() {
    let records = records();
    let mut probe = record(0, 9, Outcome::Completed);
    probe.role = RequestRole::Probe;
    let text = format!("\n{}\n{}", rows(&records), rows(&[probe]));
    let load = read(folder(&file(&records), &text).path(), false).unwrap();
    assert_eq!((load.requests.len(), load.probes), (6, 1));
    assert_eq!(load.warnings, [""; 0]);
}
