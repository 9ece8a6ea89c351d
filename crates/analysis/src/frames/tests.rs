//! Frames of the committed results folders.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use polars::prelude::{ChunkAgg as _, DataFrame};
use polars_io::SerReader as _;
use polars_io::csv::read::CsvReadOptions;
use polars_io::parquet::read::ParquetReader;

use super::{Export, ExportError, Format, Frame, export, read};
use crate::kind::fixture::folder;
use crate::load;
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
        let chunks = requests.column("chunks").unwrap().i64().unwrap().sum();
        let all = i64::try_from(frames["chunks"].height()).ok();
        assert_eq!(chunks, all);
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
    let gaps = of.iter().zip(gaps.iter());
    let gaps = gaps.filter_map(|(of, gap)| Some((of?, gap?)));
    let gaps = gaps.filter(|(of, _)| is_completed[*of as usize]);
    assert_eq!(gaps.count(), load.figures.itl_ms.as_ref().unwrap().n);

    let sweep = load::load(&folder("one-or-two-servers"), false).unwrap();
    let summary = metrics::Summary::of(&sweep.dataset);
    let speedups = frames("one-or-two-servers").remove("runs").unwrap();
    let speedups = speedups.column("speedup").unwrap().f64().unwrap();
    let theirs = summary.runs.iter().map(|run| run.figures.speedup);
    assert!(speedups.iter().eq(theirs));
}

fn written(dir: &Path, format: Format, overwrite: bool) -> Result<Export, ExportError> {
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
    let is_other = matches!(refused, ExportError::NotExportable(_));
    assert!(is_other, "{refused}");
    let names = fs::read_dir(place.path()).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["broken", "foreign", "out"]);
}

/// The unit that a column's name ends with.
fn unit(name: &str) -> &'static str {
    const ENDINGS: [(&str, &str); 13] = [
        ("tokens_per_s", "tokens/s"),
        ("_per_s", "1/s"),
        ("_ns", "ns"),
        ("_ms", "ms"),
        ("_s", "s"),
        ("_percent", "%"),
        ("_bytes", "bytes"),
        ("_mhz", "MHz"),
        ("_celsius", "°C"),
        ("_w", "W"),
        ("_j", "J"),
        ("tokens", "tokens"),
        ("_chars", "characters"),
    ];
    let known = ENDINGS.iter().find(|(ending, _)| name.ends_with(ending));
    known.map_or("", |(_, unit)| unit)
}

/// The page's table of a frame: the columns as the code has them, with the meanings that the page gives.
fn table(page: &str, frame: &DataFrame) -> String {
    let mut table = "| column | type | unit | meaning |\n|---|---|---|---|\n".to_owned();
    for column in frame.columns() {
        let (name, kind) = (column.name().as_str(), column.dtype());
        let begin = format!("| `{name}` |");
        let row = page.lines().find(|line| line.starts_with(&begin));
        let meaning = row.and_then(|row| row.trim_end_matches(" |").rsplit(" | ").next());
        let meaning = meaning.unwrap_or("TODO");
        writeln!(table, "{begin} {kind:?} | {} | {meaning} |", unit(name)).unwrap();
    }
    table
}

#[test]
fn the_page_shows_the_columns() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/export.md");
    let page = fs::read_to_string(&path).unwrap();
    let frames = frames("load");
    let mut right = page.clone();
    for name in Frame::ALL.iter().map(|frame| frame.name()) {
        let heading = format!("## `{name}`");
        let section = page.split(&heading).nth(1);
        let section = section.expect("the page has the section");
        let section = section.split("\n## ").next().unwrap();
        let begin = section.find("| column |").expect("the section has a table");
        let lines = section[begin..].split_inclusive('\n');
        let shown: String = lines.take_while(|line| line.starts_with('|')).collect();
        right = right.replace(&shown, &table(section, &frames[name]));
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &right).expect("docs/export.md can be written");
    }
    let update = "UPDATE_DOCS=1 cargo test --workspace the_page_shows";
    assert!(page == right, "docs/export.md is stale; {update}");
    assert!(!page.contains("TODO"), "a column has no meaning");
}
