//! Frames of the committed results folders.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use polars::prelude::{ChunkAgg as _, DataFrame};
use polars_io::SerReader as _;
use polars_io::csv::read::CsvReadOptions;
use polars_io::parquet::read::ParquetReader;

use super::{ExportError, Exported, Format, Frame, export, read, schema};
use crate::kind::fixture::folder;
use crate::load::{self, InputKind};
use crate::replace::ReplaceError;

/// The frames of a fixture, each in one piece.
fn frames(name: &str) -> BTreeMap<&'static str, DataFrame> {
    let mut all = BTreeMap::<_, DataFrame>::new();
    read(&folder(name), false, &mut |frame, part| {
        all.entry(frame.name())
            .and_modify(|known| {
                known.vstack_mut(&part).unwrap();
            })
            .or_insert(part);
        Ok(())
    })
    .unwrap();
    all
}

fn mean(frame: &DataFrame, column: &str) -> f64 {
    frame.column(column).unwrap().f64().unwrap().mean().unwrap()
}

fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

#[test]
fn every_kind_of_results_folder_has_every_frame() {
    let mut rows = String::new();
    for name in ["load", "capacity", "one-or-two-servers"] {
        let frames = frames(name);
        assert_eq!(frames.len(), Frame::ALL.len());
        for frame in Frame::ALL {
            let height = frames[frame.name()].height();
            writeln!(rows, "{name} {} {height}", frame.name()).unwrap();
        }
        let requests = &frames["requests"];
        let numbers = requests.column("request").unwrap().u32().unwrap();
        assert!(numbers.iter().eq((0..).map(Some).take(numbers.len())));
        let chunks: i64 = requests
            .column("chunks")
            .unwrap()
            .i64()
            .unwrap()
            .sum()
            .unwrap();
        assert_eq!(usize::try_from(chunks).unwrap(), frames["chunks"].height());
        let of = frames["chunks"].column("request").unwrap().u32().unwrap();
        assert!(of.max().unwrap() < requests.height() as u32);
    }
    insta::assert_snapshot!(rows);
}

#[test]
fn figures_are_those_of_the_reports() {
    let load = load::read(&folder("load"), false).unwrap();
    let of_load = frames("load");
    let ttft = load.figures.ttft_ms.as_ref().unwrap();
    let requests = &of_load["requests"];
    let outcomes = requests.column("outcome").unwrap().str().unwrap();
    let is_completed: Vec<bool> = outcomes.iter().map(|o| o == Some("completed")).collect();
    let completed = is_completed.iter().copied().collect();
    let completed = requests.filter(&completed).unwrap();
    assert_eq!(completed.height(), ttft.n);
    assert!(is_near(mean(&completed, "ttft_ms"), ttft.mean));
    let chunks = &of_load["chunks"];
    let of = chunks.column("request").unwrap().u32().unwrap();
    let gaps = chunks.column("itl_ns").unwrap().i64().unwrap();
    let gaps = of
        .iter()
        .zip(gaps.iter())
        .filter_map(|(of, gap)| Some((of?, gap?)));
    let gaps = gaps.filter(|(of, _)| is_completed[*of as usize]);
    assert_eq!(gaps.count(), load.figures.itl_ms.as_ref().unwrap().n);

    let dataset = load::load(&folder("one-or-two-servers"), false)
        .unwrap()
        .dataset;
    let summary = metrics::Summary::of(&dataset);
    let speedups = frames("one-or-two-servers").remove("runs").unwrap();
    let speedups = speedups.column("speedup").unwrap().f64().unwrap();
    let theirs = summary.runs.iter().map(|run| Some(run.baseline?.speedup));
    assert!(speedups.iter().eq(theirs));
}

fn written(dir: &Path, format: Format, overwrite: bool) -> Result<Exported, ExportError> {
    export(&folder("load"), dir, format, false, overwrite)
}

#[test]
fn files_hold_the_frames() {
    let place = tempfile::tempdir().unwrap();
    let frames = frames("load");
    for (format, name) in [(Format::Parquet, "parquet"), (Format::Csv, "csv")] {
        let dir = place.path().join(name);
        let exported = written(&dir, format, false).unwrap();
        for (frame, (path, rows)) in Frame::ALL.iter().zip(&exported.files) {
            let expected = &frames[frame.name()];
            assert_eq!(*rows, expected.height());
            let file = fs::File::open(path).unwrap();
            let found = match format {
                Format::Parquet => ParquetReader::new(file).finish().unwrap(),
                Format::Csv => CsvReadOptions::default()
                    .with_schema(Some(expected.schema().clone()))
                    .into_reader_with_file_handle(file)
                    .finish()
                    .unwrap(),
            };
            assert!(found.equals_missing(expected), "{}", path.display());
        }
    }
}

#[test]
fn an_export_is_only_replaced_on_request_and_a_failed_one_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("out");
    written(&dir, Format::Csv, false).unwrap();
    let refused = written(&dir, Format::Parquet, false).unwrap_err();
    assert!(matches!(refused, ExportError::Exists(_)), "{refused}");
    written(&dir, Format::Parquet, true).unwrap();
    assert!(dir.join("requests.parquet").exists() && !dir.join("requests.csv").exists());

    let foreign = place.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("notes.txt"), "mine").unwrap();
    let refused = written(&foreign, Format::Csv, true).unwrap_err();
    let is_foreign = matches!(refused, ExportError::Replace(ReplaceError::Foreign { .. }));
    assert!(is_foreign, "{refused}");
    fs::write(dir.join("notes.txt"), "mine").unwrap();
    let refused = written(&dir, Format::Csv, true).unwrap_err();
    let is_mixed = matches!(refused, ExportError::Replace(ReplaceError::Mixed { .. }));
    assert!(is_mixed && dir.join("notes.txt").exists(), "{refused}");

    let broken = place.path().join("broken");
    fs::create_dir(&broken).unwrap();
    fs::copy(folder("load/load.json"), broken.join("load.json")).unwrap();
    fs::write(broken.join("requests.jsonl"), "{}\n{}\n").unwrap();
    let new = place.path().join("new");
    export(&broken, &new, Format::Csv, false, false).unwrap_err();
    let refused = export(&folder("calibration"), &new, Format::Csv, false, false).unwrap_err();
    assert_eq!(
        load::detect(&folder("calibration")).unwrap(),
        InputKind::Results(load::Kind::Calibration)
    );
    assert!(
        matches!(refused, ExportError::NotExportable(_)),
        "{refused}"
    );
    let names = fs::read_dir(place.path()).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["broken", "foreign", "out"]);
}

/// The page's table of a frame: the columns as the code has them, with the meanings that the page gives.
fn table(page: &str, columns: &[[&str; 3]]) -> String {
    let mut table = "| column | type | unit | meaning |\n|---|---|---|---|\n".to_owned();
    for [name, kind, unit] in columns {
        let begin = format!("| `{name}` |");
        let row = page.lines().find(|line| line.starts_with(&begin));
        let meaning = row.and_then(|row| row.trim_end_matches(" |").rsplit(" | ").next());
        let meaning = meaning.unwrap_or("TODO");
        writeln!(table, "{begin} {kind} | {unit} | {meaning} |").unwrap();
    }
    table
}

#[test]
fn the_page_shows_the_columns() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/export.md");
    let page = fs::read_to_string(&path).unwrap();
    let (requests, chunks, runs) = (schema::requests(), schema::chunks(), schema::runs());
    let (agents, samples) = (schema::agents(), schema::samples());
    let columns = [
        requests.described(),
        chunks.described(),
        runs.described(),
        agents.described(),
        samples.described(),
    ];
    let mut right = page.clone();
    for (frame, columns) in Frame::ALL.into_iter().zip(columns) {
        let heading = format!("## `{}`", frame.name());
        let section = page
            .split(&heading)
            .nth(1)
            .expect("the page has the section");
        let section = section.split("\n## ").next().unwrap();
        let begin = section.find("| column |").expect("the section has a table");
        let shown: String = section[begin..]
            .split_inclusive('\n')
            .take_while(|line| line.starts_with('|'))
            .collect();
        right = right.replace(&shown, &table(section, &columns));
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &right).expect("docs/export.md can be written");
    }
    assert!(
        page == right,
        "docs/export.md is stale; UPDATE_DOCS=1 cargo test --workspace the_page_shows"
    );
    assert!(
        !page.contains("TODO"),
        "a column of docs/export.md has no meaning"
    );
}
