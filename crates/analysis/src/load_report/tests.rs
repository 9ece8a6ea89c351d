//! Reports of loads whose rows are known.

use domain::Nanos;
use itertools::Itertools as _;

use super::*;
use crate::kind::fixture::{check, folder, front, options, text};
use crate::load;

fn read() -> Load {
    load::read(&folder("load"), false).unwrap()
}

#[test]
fn the_committed_load_agrees_with_its_own_figures() {
    let load = read();
    assert_eq!(load.warnings, [""; 0]);
    // The committed report pins what it says.
    check(&build(&load, &options("load")).unwrap());
}

#[test]
fn what_spoils_a_load_stands_on_its_front_page() {
    let mut load = read();
    let warnings = [
        "the load was interrupted: 3 of 720",
        "requests.jsonl line 7 is cut off",
    ];
    load.warnings = warnings.map(str::to_owned).to_vec();
    let report = build(&load, &options("load")).unwrap();
    let items = "- The load was interrupted: 3 of 720.\n- requests.jsonl line 7 is cut off.\n";
    assert!(front(&report).contains(items), "{}", front(&report));
}

#[test]
fn windows_lose_no_chunk_and_no_request() {
    let load = read();
    let series = Series::of(&load);
    let chunks: u64 = series.windows.iter().map(|w| w.chunks).sum();
    let arrived: u64 = load.arrivals.windows().map(|(_, n)| u64::from(n)).sum();
    assert_eq!(chunks, arrived);
    let windows = series.windows.iter();
    let ended: u32 = windows.clone().map(|w| w.completed + w.not_completed).sum();
    assert_eq!(ended, load.figures.outcomes.total());
    let planned: usize = series.latencies.iter().map(|l| l.completed).sum();
    assert_eq!(planned as u32, load.figures.outcomes.completed);
    // Little's law holds exactly: the time in flight is equal, summed over requests or over windows.
    let in_windows: f64 = windows
        .map(|w| (w.waiting + w.answering) * w.width_s())
        .sum();
    let requests = load.requests.iter();
    let in_flight = requests.filter_map(|r| Some(r.ended.since(r.sent?)));
    let in_requests: f64 = in_flight.map(Nanos::as_secs_f64).sum();
    let off = (in_windows - in_requests).abs();
    assert!(off < 1e-6 * in_requests, "{in_windows} {in_requests}");
}

#[test]
fn a_load_that_carried_nothing_and_one_that_was_killed_have_reports_too() {
    let mut load = read();
    load.file.result = None;
    for request in &mut load.requests {
        request.end = metrics::load::End::Failed;
    }
    load.figures = metrics::load::Collected::new(None).figures();
    load.figures.outcomes.failed = load.requests.len() as u32;
    load.figures
        .failures
        .insert("a|b\nc".to_owned(), load.requests.len() as u32);
    load.phases = metrics::load::Phases::default();
    let report = build(&load, &options("load")).unwrap();
    let answer = &report.answer;
    assert!(answer.contains("carried nothing: none of"), "{answer}");
    let page = text(&report, "report.md");
    assert!(page.contains("a\\|b c"), "{page}");
    assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
}

/// Each request takes one second: 200 ms of prefill, 500 ms of decoding, 280 ms before them.
fn phases_with_waits(waits_known: u32, waits_inferred: u32) -> metrics::load::Phases {
    let ms = |ms: u64| domain::Nanos::from_millis(10 * ms);
    metrics::load::Phases {
        n: 10,
        waits_known,
        waits_inferred,
        slot_wait: ms(if waits_known > 0 { 280 } else { 0 }),
        prefill: ms(200),
        decode: ms(500),
        whole: ms(1000),
        ..metrics::load::Phases::default()
    }
}

#[test]
fn the_phases_that_a_server_tells_are_said_with_what_is_inferred_and_what_is_unknown() {
    let whole = "28.0 % went to waiting for a slot, 0.0 % to loading, 20.0 % to prefill";
    for (phases, words) in [
        (phases_with_waits(10, 0), &[whole][..]),
        // llama.cpp: phases and no total.
        (
            phases_with_waits(10, 10),
            &[
                "What cost most besides decoding: waiting for a slot, 28 % of the requests' time.",
                "The wait for a slot is inferred where a server reports no total",
                "`waiting for a slot` is inferred where the server reports no total",
            ],
        ),
        // A server that loads models on demand and reports neither a total nor a load.
        (
            phases_with_waits(0, 0),
            &[
                "What limited it is unknown: 30 % of the requests' time lies in no phase",
                "Of a request's time 20.0 % went to prefill, 50.0 % to decoding",
                "| waiting for a slot | unknown |",
            ],
        ),
        (
            metrics::load::Phases::default(),
            &["What limited it is unknown: the server does not report its phases."],
        ),
    ] {
        let mut load = read();
        load.phases = phases;
        let report = build(&load, &options("load")).unwrap();
        let page = text(&report, "report.md").split_whitespace().join(" ");
        for words in words {
            assert!(page.contains(words), "{words} is not in\n{page}");
        }
    }
}

#[test]
fn cached_tokens_stand_beside_each_turn() {
    let mut load = read();
    for (at, request) in load.requests.iter_mut().enumerate() {
        request.turn = 1 + at as u32 % 2;
    }
    let turn = |turn, cached| domain::record::load::TurnFigures {
        turn,
        ttft_ms: None,
        prompt_tokens_mean: Some(120.0),
        cached_tokens_mean: cached,
    };
    load.figures.turns = vec![turn(1, None), turn(2, Some(96.5))];
    let report = build(&load, &options("load")).unwrap();
    let csv = text(&report, "tables/turns.csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].ends_with(",prompt_tokens,cached_tokens"), "{csv}");
    assert!(lines[1].ends_with(",120,"), "{csv}");
    assert!(lines[2].ends_with(",120,96.5"), "{csv}");
}
