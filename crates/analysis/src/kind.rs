//! What reports of loads, capacity runs and calibrations have in common.

use std::collections::BTreeMap;

use document::environment::{self, Line, line};
use document::number::short;
use document::{Block, Cell, Document, Field, Front, Origin, Picture, Section, Table};
use domain::record::load::Spread;
use domain::record::{Provenance, RunHeader, RuntimeFlavour, TimeScale};
use serde_json::Map;

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

/// The client's runtime, what carried the measured streams, and how simulated time passed.
pub(crate) fn client(header: &RunHeader) -> Vec<Line> {
    let client = header.runtime.as_ref().map(|runtime| {
        let flavour = match runtime.flavour {
            RuntimeFlavour::Multi => "several threads",
            RuntimeFlavour::Current => "one thread",
        };
        let http = runtime.http_in_words();
        let http = http.unwrap_or_else(|| "Tandem's own HTTP client".to_owned());
        let workers = runtime.workers;
        line(
            "client",
            format!("{flavour}, {workers} workers; measured streams through {http}"),
        )
    });
    let time = header.time_scale.map(|scale| match scale {
        TimeScale::Virtual => "simulated; waits were skipped".to_owned(),
        TimeScale::Scaled(scale) => format!("simulated, {} times as fast", short(scale)),
    });
    let time = time.map(|time| line("time", time));
    client.into_iter().chain(time).collect()
}

/// The section of the pictures that are not on the front page.
pub(crate) fn evidence(pictures: &[Picture]) -> Section {
    let rest = pictures.iter().skip(1);
    let blocks = rest.map(|picture| Block::Picture(picture.name.clone()));
    Section::new("Evidence", blocks.collect())
}

/// The three figures of a front page, each with name, value and unit.
pub(crate) fn three_figures(figures: [(&str, Cell, &str); 3]) -> Table {
    type Figure<'a> = (&'a str, Cell, &'a str);
    let columns = vec![
        Field::label("figure", "figure", |f: &Figure<'_>| Cell::text(f.0)),
        Field::estimate("value", "value", Origin::Derived, |f: &Figure<'_>| {
            f.1.clone()
        }),
        Field::label("unit", "unit", |f: &Figure<'_>| Cell::text(f.2)),
    ];
    Table::of("front", "Figures", columns, figures)
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
            assert!(report.files.contains_key(file.as_str().unwrap()), "{file}");
        }
        let links = text(report, "report.md").matches("](..").count();
        assert_eq!(links, 0, "a link leaves the report");
    }
}
