//! The JSON Schemas of the lines, and the page that lists their keys.

use std::env;
use std::fmt::Write as _;
use std::fs;

use schemars::schema_for;
use serde_json::Value;

use super::*;
use crate::file::{Header, Line};

/// The schemas by their names under `docs/schemas`.
fn schemas() -> [(&'static str, Value); 2] {
    [
        ("sessions-header", schema_for!(Header).to_value()),
        ("sessions-line", schema_for!(Line).to_value()),
    ]
}

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    let accept = env::var_os("INSTA_UPDATE").is_some_and(|how| how == "always");
    for (name, schema) in schemas() {
        let path = repository(&format!("docs/schemas/{name}.json"));
        let made = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if accept {
            fs::write(&path, &made).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        let update = "INSTA_UPDATE=always cargo test --workspace";
        assert!(
            committed == made,
            "docs/schemas/{name}.json is stale; {update}"
        );
    }
}

fn one_line(text: &Value) -> String {
    text.as_str().unwrap_or("TODO").replace('\n', " ")
}

/// The words for the type of a value.
fn kind(schema: &Value) -> String {
    if let Some(cases) = schema["anyOf"].as_array() {
        return kind(&cases[0]);
    }
    if let Some(name) = schema["$ref"].as_str() {
        return match name.rsplit('/').next().unwrap() {
            "Seconds" => "seconds".to_owned(),
            other => format!("[{other}](#{})", other.to_lowercase()),
        };
    }
    let name = match &schema["type"] {
        Value::Array(kinds) => &kinds[0],
        name => name,
    };
    match name.as_str().unwrap() {
        "array" => format!("list of {}", kind(&schema["items"])),
        name => name.to_owned(),
    }
}

/// The keys of an object, or the words that a value may be.
fn table(schema: &Value) -> String {
    let mut table = String::new();
    if let Some(words) = schema["oneOf"].as_array() {
        table += "| value | meaning |\n|---|---|\n";
        for word in words {
            let meaning = one_line(&word["description"]);
            writeln!(
                table,
                "| `{}` | {meaning} |",
                word["const"].as_str().unwrap()
            )
            .unwrap();
        }
        return table;
    }
    table += "| key | type | needed | meaning |\n|---|---|---|---|\n";
    for (key, member) in schema["properties"].as_object().unwrap() {
        let required = schema["required"].as_array().into_iter().flatten();
        let needed = required.into_iter().any(|name| name == key);
        let needed = if needed { "yes" } else { "" };
        let meaning = one_line(&member["description"]);
        writeln!(
            table,
            "| `{key}` | {} | {needed} | {meaning} |",
            kind(member)
        )
        .unwrap();
    }
    table
}

#[test]
fn the_page_shows_every_key_of_a_sessions_file() {
    let [(_, header), (_, line)] = schemas();
    let mut tables = format!("## Keys\n\n### Header\n\n{}", table(&header));
    for definitions in [&header["$defs"], &line["$defs"]] {
        for (name, schema) in definitions.as_object().unwrap() {
            if name != "Seconds" {
                write!(tables, "\n### {name}\n\n{}", table(schema)).unwrap();
            }
        }
    }
    let path = repository("docs/sessions.md");
    let page = fs::read_to_string(&path).unwrap();
    let (by_hand, _) = page
        .split_once("## Keys")
        .expect("the page has the section");
    let right = format!("{by_hand}{tables}");
    if env::var_os("UPDATE_DOCS").is_some() {
        return fs::write(&path, &right).unwrap();
    }
    let update = "UPDATE_DOCS=1 cargo test --workspace the_page_shows";
    assert!(page == right, "docs/sessions.md is stale; {update}");
    assert!(!page.contains("TODO"), "a key has no meaning");
    let example = by_hand
        .split("```json\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let example = example.expect("the page has an example");
    assert_eq!(parse(example).unwrap().sessions().len(), 4);
    let keys = tables
        .lines()
        .filter(|line| line.starts_with("| `") && line.matches(" |").count() == 4);
    for key in keys.filter_map(|line| line.split('`').nth(1)) {
        assert!(
            example.contains(&format!("\"{key}\":")),
            "the example lacks {key}"
        );
    }
}
