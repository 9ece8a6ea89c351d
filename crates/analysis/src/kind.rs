//! What reports of loads, capacity runs and calibrations have in common.

use std::collections::BTreeMap;

use document::environment::{self, Line, line};
use document::number::short;
use document::{Block, Cell, Columns, Document, Field, Front, Origin, Picture, Section, Table};
use domain::record::load::Spread;
use domain::record::{Provenance, RunHeader, RuntimeFacts, RuntimeFlavour, TimeScale};
use serde_json::{Map, Value};

use crate::report::ReportOptions;

/// A document without content. The first of `pictures` is the front page's.
pub(crate) fn page(
    kind: &'static str,
    options: &ReportOptions,
    provenance: Provenance,
    source: String,
    pictures: Vec<Picture>,
) -> Document {
    Document {
        kind,
        name: options.name.clone(),
        provenance,
        source,
        inputs: options.inputs.clone(),
        front: Front {
            picture: pictures.first().map(|picture| picture.name.clone()),
            ..Front::default()
        },
        sections: Vec::new(),
        appendix: Vec::new(),
        method: Vec::new(),
        environment: Vec::new(),
        limits: Vec::new(),
        tables: Vec::new(),
        pictures,
        figures: Map::new(),
        attachments: BTreeMap::new(),
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
    let RunHeader {
        name,
        tool,
        started_at,
        ..
    } = header;
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
    Columns::<(&str, Cell, &str)>::new(Origin::Derived)
        .words("figure", "figure", |f| f.0.to_owned())
        .with([Field::estimate(
            "value",
            "value",
            Origin::Derived,
            |f: &(&str, Cell, &str)| f.1.clone(),
        )])
        .words("unit", "unit", |f| f.2.to_owned())
        .table("front", "Figures", figures)
}

/// A line for each note on a table (`load/turns`), for each statement that every report of a kind makes of its method or its
/// limits (`load:method`), and for each advice (`load:prefill`).
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

/// What the only line with a key says; empty where there is none.
pub(crate) fn statement(key: &str) -> &'static str {
    lines(key).next().unwrap_or_default()
}

/// The tables that have rows, each with its note.
pub(crate) fn with_notes(kind: &str, mut tables: Vec<Table>) -> Vec<Table> {
    tables.retain(|table| !table.rows.is_empty());
    for table in &mut tables {
        if table.note.is_empty() {
            statement(&format!("{kind}/{}", table.id)).clone_into(&mut table.note);
        }
    }
    tables
}

/// Columns for a spread of times, ms; each key ends with `ending`.
pub(crate) fn spread_columns<'f, T: 'f>(
    origin: Origin,
    ending: &str,
    spread: fn(&T) -> &Spread,
    decimals: fn(&Spread) -> usize,
) -> Vec<Field<'f, T>> {
    type Get = fn(&Spread) -> Option<f64>;
    let column = |(name, get): (&str, Get)| {
        Field::number(format!("{name}{ending}"), name, origin, move |item: &T| {
            Cell::known(get(spread(item)), decimals(spread(item)))
        })
    };
    let figures: [(&str, Get); 7] = [
        ("mean", |s| Some(s.mean)),
        ("min", |s| Some(s.min)),
        ("p50", |s| Some(s.p50)),
        ("p90", |s| s.p90),
        ("p95", |s| s.p95),
        ("p99", |s| s.p99),
        ("max", |s| Some(s.max)),
    ];
    let n = Field::number("n", "n", origin, move |item: &T| {
        Cell::number(spread(item).n as f64, 0)
    });
    let needs = Field::label("needs", "needs", move |item: &T| {
        let needs = spread(item).needs.iter();
        let needs: Vec<String> = needs.map(|(p, n)| format!("{p} {n}")).collect();
        match &needs[..] {
            [] => Cell::Empty,
            needs => Cell::text(needs.join(", ")),
        }
    });
    let figures = figures.into_iter().map(column);
    std::iter::once(n).chain(figures).chain([needs]).collect()
}

#[cfg(test)]
pub(crate) mod fixture {
    use std::path::{Path, PathBuf};

    use document::Content;

    use crate::report::{Report, ReportOptions};

    pub(crate) fn folder(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fixtures")
            .join(name)
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
