//! What reports of loads, capacity runs and calibrations have in common.

use document::environment::{self, Line, line};
use document::number::{decimals, short};
use document::{Block, Cell, Document, Front, Origin, Picture, Section, Table};
use domain::record::load::Spread;
use domain::record::{RunHeader, RuntimeFacts, RuntimeFlavour, TimeScale};
use serde_json::{Map, Value, json};

use crate::report::ReportOptions;

/// A document without content. The first of `pictures` is the front page's.
pub(crate) fn page(
    kind: &'static str,
    options: &ReportOptions,
    header: &RunHeader,
    source: String,
    pictures: Vec<Picture>,
) -> Document {
    Document {
        kind,
        name: options.name.clone(),
        provenance: header.provenance,
        source,
        inputs: options.inputs.clone(),
        front: Front {
            picture: pictures.first().map(|picture| picture.name.clone()),
            ..Front::default()
        },
        pictures,
        ..Document::default()
    }
}

/// The members of an object, for `report.json`.
pub(crate) fn figures(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// The source line of a run's report.
pub(crate) fn source(what: &str, header: &RunHeader) -> String {
    let (name, tool, started_at) = (&header.name, &header.tool, &header.started_at);
    format!("{what} `{name}`, written by {tool} from {started_at}")
}

/// The lines of an environment, with `more` after the machine and the servers.
pub(crate) fn environment(
    page: &Document,
    header: &RunHeader,
    more: Vec<Line>,
    what: &str,
    options: &ReportOptions,
) -> Vec<Line> {
    let mut lines = vec![line("data", &*page.source)];
    lines.extend(environment::machine(header.environment.as_ref()));
    lines.extend(environment::servers(&header.endpoints));
    lines.extend(more);
    lines.extend([
        environment::command(&format!("command of the {what}"), &header.command),
        line("command of this report", options.command()),
    ]);
    lines
}

/// What read the measured streams.
pub(crate) fn http_client(runtime: Option<&RuntimeFacts>) -> Line {
    let client = match runtime {
        None => "not recorded".to_owned(),
        Some(runtime) => runtime
            .http_in_words()
            .unwrap_or_else(|| "direct, Tandem's own on sockets".to_owned()),
    };
    line("HTTP client of the measured streams", client)
}

/// The client's runtime, what read the measured streams, and how simulated time passed.
pub(crate) fn client(header: &RunHeader) -> Vec<Line> {
    let client = header.runtime.as_ref().map(|runtime| {
        let flavour = match runtime.flavour {
            RuntimeFlavour::Multi => "several threads",
            RuntimeFlavour::Current => "one thread",
        };
        line("client", format!("{flavour}, {} workers", runtime.workers))
    });
    let http = http_client(header.runtime.as_ref());
    let time = header.time_scale.map(|scale| match scale {
        TimeScale::Virtual => "simulated; waits were skipped".to_owned(),
        TimeScale::Scaled(scale) => format!("simulated, {} times as fast", short(scale)),
    });
    let time = time.map(|time| line("time", time));
    client.into_iter().chain([http]).chain(time).collect()
}

/// The section of the pictures that are not on the front page.
pub(crate) fn evidence(pictures: &[Picture]) -> Section {
    let rest = pictures.iter().skip(1);
    let blocks = rest.map(|picture| Block::Picture(picture.name.clone()));
    Section::new("Evidence", blocks.collect())
}

/// The three figures of a front page, each with name, value and unit.
pub(crate) fn three_figures(figures: [(&str, Cell, &str); 3]) -> Table {
    let mut table = Table::new("front", "Figures");
    table.label("figure", "figure");
    table.column("value", "value", document::Kind::Estimate, Origin::Derived);
    table.label("unit", "unit");
    for (name, value, unit) in figures {
        table.row(vec![Cell::text(name), value, Cell::text(unit)]);
    }
    table
}

/// A line for each statement that reports of a kind make of their method or their limits (`load:method`), for each
/// advice (`load:prefill`), and for each answer of a sweep that is a fixed sentence (`sweep:answer:published`).
const NOTES: &str = include_str!("notes.txt");

/// What the lines with a key say: `load:method` is what every report of a load says of its method.
fn lines(key: &str) -> impl Iterator<Item = &'static str> {
    NOTES
        .lines()
        .filter_map(move |line| line.strip_prefix(key)?.strip_prefix(" | "))
}

pub(crate) fn statements(key: &str) -> Vec<String> {
    lines(key).map(str::to_owned).collect()
}

/// What the only line with a key says.
pub(crate) fn stated(key: &str) -> &'static str {
    lines(key).next().expect("a test finds every key")
}

/// The rows of a table of the spreads that are known, each with its name. Decimals give the median three digits.
pub(crate) fn spread_rows<'s>(
    spreads: impl IntoIterator<Item = (&'s str, &'s Option<Spread>)>,
) -> impl Iterator<Item = Value> {
    spreads.into_iter().filter_map(|(figure, spread)| {
        let spread = spread.as_ref()?;
        let needs = spread.needs.iter().map(|(p, n)| format!("{p} {n}"));
        let needs = needs.reduce(|all, next| format!("{all}, {next}"));
        let decimals = decimals(spread.p50, [1.0, 10.0, 100.0]);
        Some(json!({ "figure": figure, "decimals": decimals, "spread": spread, "needs": needs }))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{NOTES, lines};

    /// Every key in the code has its words, and all words have their key, or what follows the kind in it, in the code.
    #[test]
    fn keys_and_words_match() {
        let mut code = String::new();
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                match entry.unwrap().path() {
                    folder if folder.is_dir() => folders.push(folder),
                    file => code += &fs::read_to_string(file).unwrap_or_default(),
                }
            }
        }
        for line in NOTES.lines() {
            let (key, _) = line.split_once(" | ").unwrap();
            let (kind, rest) = key.split_once(':').unwrap();
            let is_used = [key, rest].map(|words| code.contains(&format!("\"{words}\"")));
            assert!(is_used.contains(&true), "no code uses {key}");
            for rest in code.split(&format!("\"{kind}:")).skip(1) {
                let (rest, _) = rest.split_once('"').unwrap();
                let key = format!("{kind}:{rest}");
                assert!(rest.contains('{') || lines(&key).next().is_some(), "{key}");
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod fixture {
    use std::fs;
    use std::path::{Path, PathBuf};

    use document::Content;
    use tempfile::TempDir;

    use crate::report::{Report, ReportOptions};

    pub(crate) fn folder(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fixtures")
            .join(name)
    }

    /// A copy of a folder in the fixtures, for a test to change.
    pub(crate) fn copied(name: &str) -> TempDir {
        let dir = TempDir::new().unwrap();
        copy(&folder(name), dir.path());
        dir
    }

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap().path();
            let target = to.join(entry.file_name().unwrap());
            if entry.is_dir() {
                copy(&entry, &target);
            } else {
                fs::copy(&entry, &target).unwrap();
            }
        }
    }

    /// The options of the committed report on a fixture.
    pub(crate) fn options(name: &str) -> ReportOptions {
        ReportOptions {
            name: name.to_owned(),
            inputs: vec![format!("fixtures/{name}")],
            published: None,
        }
    }

    /// The text of a file of a report.
    pub(crate) fn text<'r>(report: &'r Report, file: &str) -> &'r str {
        match &report.files[file] {
            Content::Text(text) => text,
            Content::Png(_) => panic!("{file} is a picture"),
        }
    }

    /// The front page: everything before the first section.
    pub(crate) fn front(report: &Report) -> &str {
        let page = text(report, "report.md");
        page.split("\n## ").next().unwrap_or(page)
    }

    /// Checks that the front page is short and that `report.json` names every file.
    pub(crate) fn check(report: &Report) {
        let front = front(report);
        let (_, answer) = front.split_once("**Answer.**").unwrap();
        let lines = answer.lines().take_while(|line| !line.starts_with('|'));
        let said = lines.filter(|line| !line.is_empty()).count();
        assert!(said <= document::MOST_LINES + 2, "{said} lines:\n{front}");
        assert!(!report.answer.contains('*'), "{}", report.answer);
        let json: serde_json::Value = serde_json::from_str(text(report, "report.json")).unwrap();
        assert_eq!(json["answer"], report.answer);
        for file in json["files"].as_array().unwrap() {
            let content = &report.files[file.as_str().unwrap()];
            let is_large = matches!(content, Content::Png(_)) && content.bytes().len() > 150_000;
            assert!(!is_large, "{file}");
        }
        let links = text(report, "report.md").matches("](..").count();
        assert_eq!(links, 0, "a link leaves the report");
    }
}
