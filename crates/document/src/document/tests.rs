use std::fmt::Write as _;

use super::*;
use crate::table::{Cell, Kind, Origin};

/// A report with everything in it, names that try to be markup included.
fn document() -> Document {
    let mut table = Table::new("speedup", "Speedup").note("At equal work.");
    table.label("config", "config");
    table.column(
        "speedup",
        "true speedup (×)",
        Kind::Number,
        Origin::Simulated,
    );
    for (config, speedup) in [("a|b <i>", 1.25), ("plain", -2.0), ("third", 0.5)] {
        table.row(vec![Cell::text(config), Cell::number(speedup, 2)]);
    }
    let hidden = Table {
        id: "hidden".to_owned(),
        title: "Shown nowhere".to_owned(),
        ..table.clone()
    };
    Document {
        kind: "sweep",
        name: "a `name`".to_owned(),
        provenance: Provenance::Simulated,
        source: "results folder \"x\"".to_owned(),
        inputs: vec!["results/x".to_owned()],
        front: Front {
            question: "Does it pay?".to_owned(),
            answer: "**Yes.** By 1.25×.".to_owned(),
            sure: "Three repetitions each.".to_owned(),
            why: (1..=13).map(|n| format!("Reason {n}.")).collect(),
            next: vec!["Give it two slots.".to_owned()],
            picture: Some("front".to_owned()),
            figures: table.first(1),
            ..Front::default()
        },
        sections: vec![Section::new(
            "Evidence",
            vec![
                Block::Text("The agents overlapped.".to_owned()),
                Block::Rows("speedup".to_owned(), 2),
                Block::Picture("front".to_owned()),
            ],
        )],
        appendix: vec![Section::new(
            "Details",
            vec![Block::Table("speedup".to_owned())],
        )],
        method: vec!["Arms in seeded random order.".to_owned()],
        environment: vec![("server 1".to_owned(), "ollama 0.12".to_owned())],
        limits: vec!["SIMULATED: the server is a model of one.".to_owned()],
        tables: vec![table, hidden],
        pictures: vec![Picture {
            name: "front".to_owned(),
            caption: "One run of `a`.".to_owned(),
            svg: "<svg/>\n".to_owned(),
            png: vec![1, 2, 3],
        }],
        figures: Map::new(),
        attachments: BTreeMap::from([("audit.md".to_owned(), "# Audit\n".to_owned())]),
    }
}

#[test]
fn every_file() {
    let files = document().files().unwrap();
    let mut text = String::new();
    for (name, content) in &files {
        let _ = writeln!(text, "==== {name}");
        match content {
            Content::Text(words) => text.push_str(words),
            Content::Png(bytes) => writeln!(text, "{} bytes", bytes.len()).unwrap(),
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn page_one_is_short() {
    let front = document().front;
    let lines = 1 + 1 + front.reasons_on_page_one() + front.next.len();
    assert_eq!(lines, MOST_LINES);
    insta::assert_snapshot!(document().to_text(60));
}

#[test]
fn a_comment_folds_its_sections() {
    insta::assert_snapshot!(document().to_comment());
}
