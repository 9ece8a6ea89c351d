//! A thousand concurrent streams with restarts, faults and stops. Time is virtual, so that nothing depends
//! on the speed of the machine; the client's rows are compared with the server's log.

#![expect(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::sync::{Arc, mpsc};

use clock::Clock;
use domain::backend::ChatBackend;
use domain::plan::{CachePolicy, Timeouts};
use domain::record::{RequestRecord, ResponseNote};
use domain::{FailureKind, ModelOptions, Nanos, Outcome, Stamp};
use itertools::Itertools as _;
use runtime::Shutdown;
use runtime::load::{LoadEnd, LoadPlan, LoadSetup, LoadShape, OnRecord, run_load};
use serde_json::Value;
use simulator::faults::FaultRules;
use simulator::profile::{Distribution, Profile};
use simulator::{Simulator, SimulatorConfig};
use tempfile::NamedTempFile;

const AGENTS: u32 = 1000;
const TOKENS: u32 = 12;
/// A token every 50 ms. The simulator takes new prompts between its decoding steps, as llama.cpp does, so that
/// a thousand streams begin within a second.
const RATE: f64 = 20.0;

fn profile() -> Profile {
    let mut profile = Profile::builtin("instant").unwrap();
    profile.server.num_parallel = AGENTS as usize;
    profile.server.max_queue = 10 * AGENTS as usize;
    profile.devices[0].memory_bytes = u64::MAX / 4;
    let model = &mut profile.models[0];
    model.memory.kv_bytes_per_token = 0;
    model.rates.decode_tps = RATE;
    let outputs = &mut model.outputs[0];
    outputs.distribution = Distribution::Fixed;
    outputs.mean_tokens = f64::from(TOKENS);
    outputs.max = TOKENS;
    profile
}

/// Runs a test in virtual time.
fn simulated(test: impl AsyncFnOnce(Clock)) {
    let runtime = clock::virtual_runtime().unwrap();
    runtime.block_on(async { test(Clock::start_virtual()).await });
}

/// A simulator, and the file of its log.
async fn server(clock: &Clock, port: u16, faults: &str) -> (Simulator, NamedTempFile) {
    let log = NamedTempFile::new().unwrap();
    let config = SimulatorConfig {
        port,
        faults: FaultRules::parse("faults", faults).unwrap(),
        log: Some(log.reopen().unwrap()),
        ..SimulatorConfig::new(profile(), clock.clone())
    };
    (Simulator::start(config).await.unwrap(), log)
}

/// The generation requests in a log. The call that loads the model is the only whole answer without text.
fn generations(log: &NamedTempFile) -> Vec<Value> {
    let loads =
        |line: &Value| line["whole"] == true && line["status"] == 200 && line["chunks"] == 0;
    let text = std::fs::read_to_string(log).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter(|line| line["log"] == "request" && line["path"] == "/api/generate")
        .filter(|line| !line["fault"].is_null() || !loads(line))
        .collect()
}

/// Runs a closed loop of all agents on one server; returns the rows.
async fn load(
    clock: &Clock,
    endpoint: &str,
    each: u32,
    think: Nanos,
    shutdown: &Shutdown,
) -> (LoadEnd, Vec<RequestRecord>) {
    let timeouts = Timeouts {
        between_chunks: Nanos::from_secs(5),
        ..Timeouts::default()
    };
    let settings = ollama::Settings::new(clock.clone(), timeouts);
    let client = ollama::Client::new(settings, endpoint).unwrap();
    let model = profile().models[0].name.clone();
    client
        .preload(&model, &ModelOptions::default())
        .await
        .unwrap();
    let shape = LoadShape::Closed {
        agents: NonZeroU32::new(AGENTS).unwrap(),
        think,
    };
    let plan = LoadPlan {
        cache: CachePolicy::Nonce,
        seed: 11,
        ..LoadPlan::new(shape, AGENTS * each, &model, "Say something.")
    };
    let (sender, rows) = mpsc::channel();
    let on_record: OnRecord = Arc::new(move |row| sender.send(row).unwrap());
    let backends = vec![Arc::new(client) as Arc<dyn ChatBackend>];
    let setup = LoadSetup::new(plan, backends, clock.clone(), on_record);
    let end = run_load(setup, shutdown).await.unwrap();
    (end, rows.try_iter().collect())
}

/// Checks that each request of each agent has one row.
fn nothing_lost_and_nothing_twice(rows: &[RequestRecord], each: u32) {
    let places: BTreeSet<_> = rows.iter().map(|row| (row.agent, row.call)).collect();
    assert_eq!(rows.len(), (AGENTS * each) as usize);
    assert_eq!(places.len(), rows.len());
}

fn completed(rows: &[RequestRecord]) -> impl Iterator<Item = &RequestRecord> {
    rows.iter().filter(|row| row.times.outcome.is_completed())
}

/// Number of answers by their send time and number of chunks.
type Answers = HashMap<(u64, u64), usize>;

/// The whole answers in the client's rows.
fn received(rows: &[RequestRecord]) -> Answers {
    let answer = |row: &RequestRecord| (row.times.sent.unwrap().0, row.times.chunks.len() as u64);
    completed(rows).map(answer).counts()
}

/// The whole answers in the servers' logs; the simulated network has no latency here.
fn answered(lines: &[Value]) -> Answers {
    let whole = lines
        .iter()
        .filter(|line| line["whole"] == true && line["status"] == 200 && line["fault"].is_null());
    let number = |line: &Value, key: &str| line[key].as_u64().unwrap();
    let answer = |line| (number(line, "received"), number(line, "chunks"));
    whole.map(answer).counts()
}

#[test]
fn a_server_that_restarts_under_a_thousand_streams_loses_no_row_and_counts_none_twice() {
    const EACH: u32 = 3;
    const GONE: Stamp = Stamp(1_200_000_000);
    simulated(async |clock| {
        let (first, before) = server(&clock, 0, "").await;
        let url = first.endpoints()[0].clone();
        let port = url.rsplit(':').next().unwrap().parse().unwrap();
        let shutdown = Shutdown::new(Nanos::ZERO);
        let work = load(&clock, &url, EACH, Nanos::from_millis(300), &shutdown);
        let restart = async {
            clock.sleep_until(GONE).await;
            first.shutdown(Nanos::ZERO).await;
            clock.sleep(Nanos::from_millis(500)).await;
            server(&clock, port, "").await
        };
        let ((end, rows), (second, after)) = tokio::join!(work, restart);
        second.shutdown(Nanos::from_secs(1)).await;

        nothing_lost_and_nothing_twice(&rows, EACH);
        assert_eq!(end.started_requests, EACH * AGENTS);
        assert!(end.peak_in_flight > AGENTS / 2, "{}", end.peak_in_flight);
        let failed = |kind: FailureKind| -> Vec<&RequestRecord> {
            let of_kind = |r: &&RequestRecord| matches!(&r.times.outcome, Outcome::Failed { failure, .. } if *failure == kind);
            rows.iter().filter(of_kind).collect()
        };
        let broken = failed(FailureKind::ConnectionReset);
        let refused = failed(FailureKind::ConnectionRefused);
        assert!(broken.len() > AGENTS as usize / 2, "{}", broken.len());
        assert_eq!(
            completed(&rows).count() + broken.len() + refused.len(),
            rows.len()
        );
        // Tokens that arrived before the restart are kept.
        assert!(broken.iter().any(|row| row.times.tokens > 0));
        for row in &broken {
            assert!(
                row.times.ended == GONE && row.times.tokens < u64::from(TOKENS),
                "{row:?}"
            );
        }
        for row in &refused {
            assert!(row.times.ended >= GONE && row.times.tokens == 0, "{row:?}");
        }
        // The logs of both servers account for every answer, whole or cut, and every request sent twice.
        let noted = |row: &&RequestRecord| row.times.notes.contains(&ResponseNote::SentAgain);
        let sent_again = rows.iter().filter(noted).count();
        let mut lines = generations(&before);
        let cut = lines.iter().filter(|line| line["whole"] == false).count();
        assert_eq!(cut, broken.len() + sent_again);
        lines.extend(generations(&after));
        assert_eq!(lines.len(), rows.len() - refused.len() + sent_again);
        assert_eq!(answered(&lines), received(&rows));
    });
}

#[test]
fn five_percent_of_faulty_streams_are_identified_exactly() {
    // The faults that break an answer of the native API; docs/faults.md lists all.
    let kinds = [
        "reset_before_headers",
        "reset_mid_token",
        "stall",
        "malformed_json",
        "error_line",
        "eof_without_done",
        "busy",
        "wrong_content_type",
        "truncated_final",
    ];
    let rules = kinds
        .map(|kind| format!("[[fault]]\nkind = \"{kind}\"\nrate = 0.005\n"))
        .concat();
    simulated(async |clock| {
        let (simulator, log) = server(&clock, 0, &rules).await;
        let shutdown = Shutdown::new(Nanos::ZERO);
        let url = &simulator.endpoints()[0];
        let (_, rows) = load(&clock, url, 2, Nanos::ZERO, &shutdown).await;
        simulator.shutdown(Nanos::from_secs(1)).await;

        nothing_lost_and_nothing_twice(&rows, 2);
        let lines = generations(&log);
        let faults: Vec<_> = lines
            .iter()
            .filter_map(|line| line["fault"].as_str())
            .collect();
        let played: BTreeSet<_> = faults.iter().copied().collect();
        assert_eq!(played, BTreeSet::from(kinds));
        let share = faults.len() as f64 / rows.len() as f64;
        assert!((0.03..0.07).contains(&share), "{share}");
        assert_eq!(answered(&lines), received(&rows));
    });
}

#[test]
fn stopping_a_thousand_streams_takes_the_grace_period_and_no_longer() {
    simulated(async |clock| {
        // Every third stream stalls, up to the timeout of 5 s between chunks.
        let stall = "[[fault]]\nkind = \"stall\"\nevery = 3\nafter_tokens = 2\n";
        let (simulator, log) = server(&clock, 0, stall).await;
        let shutdown = Shutdown::new(Nanos::from_millis(300));
        let at = Stamp(1_200_000_000);
        let endpoints = simulator.endpoints();
        let work = load(&clock, &endpoints[0], 1, Nanos::ZERO, &shutdown);
        let stop = async {
            clock.sleep_until(at).await;
            shutdown.stop();
        };
        let ((end, rows), ()) = tokio::join!(work, stop);
        simulator.shutdown(Nanos::ZERO).await;

        assert!(end.interrupted);
        assert_eq!(end.started_requests, AGENTS);
        nothing_lost_and_nothing_twice(&rows, 1);
        let dropped = rows.iter().filter(|row| !row.times.outcome.is_completed());
        let dropped: Vec<_> = dropped
            .map(|row| (&row.times.outcome, row.times.ended))
            .collect();
        let cancelled = (&Outcome::Cancelled, end.ended);
        assert!(dropped.iter().all(|row| *row == cancelled));
        assert!((AGENTS as usize / 3 + 1..rows.len()).contains(&dropped.len()));
        assert_eq!(end.ended, at + Nanos::from_millis(300));
        assert_eq!(answered(&generations(&log)), received(&rows));
    });
}
