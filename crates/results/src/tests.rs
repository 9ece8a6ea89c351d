//! Folders that earlier versions wrote, under `tests/old`, are read like new ones.

use std::path::{Path, PathBuf};

use domain::Stamp;
use domain::record::capacity::{RunEnd, SearchEnd};
use domain::record::load::{REQUESTS_FILE, Shape};
use domain::record::{Provenance, RequestRecord, TimeScale};

use super::*;

fn old(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/old");
    folder.join(name)
}

/// The rows that `read` returns; it must skip nothing.
fn rows(
    read: impl FnOnce(&mut LeftOut) -> Result<Vec<RequestRecord>, LoadError>,
) -> Vec<RequestRecord> {
    let mut left_out = LeftOut::default();
    let rows = read(&mut left_out).unwrap();
    assert_eq!(left_out, LeftOut::default());
    rows
}

/// Agent, send, first three chunks and end of each row, in microseconds.
fn stamps(rows: &[RequestRecord]) -> Vec<(u32, [u64; 5])> {
    let of = |row: &RequestRecord| {
        let times = &row.times;
        assert!(times.outcome.is_completed());
        let stamps = [&[times.sent.unwrap()], &times.chunks[..3], &[times.ended]].concat();
        let us: Vec<_> = stamps.iter().map(|at: &Stamp| at.0 / 1_000).collect();
        (row.agent, us.try_into().unwrap())
    };
    rows.iter().map(of).collect()
}

#[test]
fn a_load_of_schema_2_is_read() {
    let (schema, file) = load::read(&old("load")).unwrap();
    assert_eq!((schema, file.schema), (2, 2), "what it was written in");
    assert_eq!(file.header.time_scale, Some(TimeScale::Virtual));
    let closed = Shape::Closed {
        agents: 12,
        think_s: 0.25,
    };
    assert_eq!((file.asked.shape, file.asked.turns), (closed, Some(3)));
    let result = file.result.unwrap();
    assert_eq!(result.figures.outcomes.completed, 705);
    assert_eq!(result.figures.slo.unwrap().limits, "ttft<2s,tpot<80ms");

    let rows = rows(|left_out| load::rows(&old("load").join(REQUESTS_FILE), schema, left_out));
    let expected = [
        (7, [5_443_547, 6_013_044, 6_049_575, 6_062_200, 6_226_321]),
        (1, [5_443_547, 6_049_575, 6_062_200, 6_074_824, 6_248_558]),
    ];
    assert_eq!(stamps(&rows), expected);
    assert_eq!(rows[0].turn.unwrap().session, 7);
}

#[test]
fn a_capacity_run_of_schema_1_is_read_and_does_not_go_on() {
    let (schema, record) = capacity::read(&old("capacity")).unwrap();
    assert_eq!(schema, 1);
    assert_eq!(record.header.provenance, Provenance::Simulated);
    assert_eq!(record.asked.slo, "ttft_p85 < 600ms and tpot_p85 < 40ms");
    assert_eq!(record.end, Some(RunEnd::Finished(SearchEnd::Bracketed)));
    let [probe] = &record.probes[..] else {
        panic!()
    };
    let rows = rows(|left_out| capacity::rows(&old("capacity"), schema, probe, left_out));
    let expected = [
        (0, [5_443_902, 6_012_942, 6_023_123, 6_033_304, 6_124_935]),
        (0, [6_124_935, 6_352_452, 6_362_634, 6_372_815, 6_464_446]),
    ];
    assert_eq!(stamps(&rows), expected);
    let copy = tempfile::tempdir().unwrap();
    let file = Kind::Capacity.file();
    std::fs::copy(old("capacity").join(file), copy.path().join(file)).unwrap();
    let refused = capacity::resume(copy.path()).unwrap_err();
    let FolderError::BadManifest(refused) = refused else {
        panic!("{refused}")
    };
    assert!(matches!(refused.kind, LoadErrorKind::OlderSchema { .. }));
}

#[test]
fn a_calibration_of_schema_1_is_read() {
    let calibration = calibration::read(&old("calibration")).unwrap();
    assert_eq!(calibration.header.provenance, Provenance::Measured);
    assert_eq!(calibration.header.started_at, "2026-11-22T07:56:35Z");
    assert_eq!(calibration.budget.steps[0].streams, 1);
    assert_eq!(calibration.budget.runtime.pinned, [1]);
}
