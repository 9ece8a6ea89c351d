//! `docs/plans.md`: every key of a plan file, from its JSON Schema, the defaults and an example that sets each key.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Protocol, Timeouts, file::PlanFile, parse};
use crate::options::{OPTIONS, OnV1, OptionKind};

const EXAMPLE: &str = include_str!("reference/example.toml");

/// What a key may be set to, in words.
fn allowed(root: &Value, schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return allowed(root, root.pointer(&name[1..]).unwrap());
    }
    if let Some(cases) = schema["oneOf"].as_array() {
        let names = cases.iter().map(|case| format!("`{}`", case["const"]));
        return names.collect::<Vec<_>>().join(" or ");
    }
    if let Some(cases) = schema["anyOf"].as_array() {
        return allowed(root, &cases[0]);
    }
    let kind = schema["type"].as_str().or(schema["type"][0].as_str());
    match (kind.unwrap(), schema["format"].as_str()) {
        ("array", _) => format!("list of {}", allowed(root, &schema["items"])),
        (_, Some("duration")) => "duration above 0, at most 7 days".to_owned(),
        (kind, _) => match (&schema["minimum"], &schema["maximum"]) {
            (Value::Null, Value::Null) => kind.to_owned(),
            (least, Value::Null) => format!("{kind}, {least} or more"),
            (Value::Null, most) => format!("{kind}, at most {most}"),
            (least, most) if least == most => least.to_string(),
            (least, most) => format!("{kind}, {least} to {most}"),
        },
    }
}

/// The description of a key and of each of its named values.
fn meaning(root: &Value, schema: &Value) -> String {
    let mut text = one_line(&schema["description"]);
    let inner = [&schema["items"], &schema["anyOf"][0], schema];
    let named = inner.iter().find_map(|inner| inner["$ref"].as_str());
    let cases = named.map(|name| &root.pointer(&name[1..]).unwrap()["oneOf"]);
    for case in cases.and_then(Value::as_array).into_iter().flatten() {
        let (value, what) = (&case["const"], one_line(&case["description"]));
        write!(text, "<br>`{value}`: {what}").unwrap();
    }
    text
}

fn one_line(description: &Value) -> String {
    let text = description.as_str().expect("every key has a doc comment");
    text.replace('\n', " ").replace('|', "\\|")
}

/// A table of the keys of one part of a plan, in the order of the example.
fn keys(
    root: &Value,
    part: &Value,
    example: &toml::Table,
    defaults: impl Fn(&str) -> String,
) -> String {
    let properties = part["properties"].as_object().unwrap();
    let is_leaf = |schema: &Value| !schema["description"].is_null();
    let known = properties.iter().filter(|(_, schema)| is_leaf(schema));
    for (key, _) in known {
        assert!(example.contains_key(key), "example.toml lacks {key}");
    }
    let required = part["required"].as_array();
    let mut table =
        "| key | value | default | example | meaning |\n| --- | --- | --- | --- | --- |\n"
            .to_owned();
    for (key, value) in example {
        let schema = &properties[key];
        if !is_leaf(schema) {
            continue;
        }
        let is_required = required.is_some_and(|keys| keys.contains(&key.as_str().into()));
        let default = match &schema["default"] {
            _ if is_required => "required".to_owned(),
            Value::Null => defaults(key),
            default => format!("`{default}`"),
        };
        let (values, meaning) = (allowed(root, schema), meaning(root, schema));
        writeln!(
            table,
            "| `{key}` | {values} | {default} | `{key} = {value}` | {meaning} |"
        )
        .unwrap();
    }
    table
}

/// A table of the model options.
fn options(root: &Value, example: &toml::Table) -> String {
    let mut table = "| option | value | example | reloads the model | on `/v1` | meaning |\n\
                     | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for option in OPTIONS {
        let name = option.name;
        let kind = match option.kind {
            OptionKind::Integer => "integer",
            OptionKind::Float => "number",
            OptionKind::Boolean => "boolean",
            OptionKind::Strings => "list of strings",
        };
        let range = option
            .range
            .map_or(String::new(), |range| format!(": {}", range.words));
        let reloads = if option.reloads { "yes" } else { "no" };
        let on_v1 = match option.on_v1 {
            OnV1::No => "not sent".to_owned(),
            OnV1::Everywhere(member) => format!("`{member}`"),
            OnV1::Unsigned(member) => format!("`{member}`, unless negative"),
            OnV1::LlamaCpp(member) => format!("`{member}`, llama.cpp only"),
        };
        let value = &example[name];
        let meaning = one_line(&root["$defs"]["ModelOptions"]["properties"][name]["description"]);
        writeln!(
            table,
            "| `{name}` | {kind}{range} | `{name} = {value}` | {reloads} | {on_v1} | {meaning} |"
        )
        .unwrap();
    }
    table
}

fn reference() -> String {
    let root = schemars::schema_for!(PlanFile).to_value();
    let example: toml::Table = EXAMPLE.parse().unwrap();
    parse("example.toml", EXAMPLE).unwrap();
    let config = example["configs"][0].as_table().unwrap();
    let of = |key: &str| example[key].as_table().unwrap();
    let part = |name: &str| &root["$defs"][name];
    let none = |_: &str| "none".to_owned();
    let [rigorous, tr113] = [Protocol::rigorous(), Protocol::tr113()]
        .map(|protocol| serde_json::to_value(protocol).unwrap());
    let of_protocol = |key: &str| format!("`{}`; `tr113`: `{}`", rigorous[key], tr113[key]);
    let timeouts = serde_json::to_value(Timeouts::default()).unwrap();
    let of_timeouts = |key: &str| {
        let ns = timeouts[format!("{key}_ns")].as_u64().unwrap();
        format!(
            "`\"{}\"`",
            humantime::format_duration(std::time::Duration::from_nanos(ns))
        )
    };
    let agent = config["agents"][0].as_table().unwrap();
    let precise = example["presets"]["precise"].as_table().unwrap();
    let tables = [
        ("top", keys(&root, &root, &example, none)),
        (
            "protocol",
            keys(&root, part("ProtocolFile"), of("protocol"), of_protocol),
        ),
        (
            "timeouts",
            keys(&root, part("TimeoutsFile"), of("timeouts"), of_timeouts),
        ),
        ("config", keys(&root, part("ConfigFile"), config, none)),
        ("agent", keys(&root, part("AgentFile"), agent, none)),
        ("options", options(&root, precise)),
        ("example", EXAMPLE.to_owned()),
    ];
    let page = include_str!("reference/page.md").to_owned();
    tables.iter().fold(page, |page, (name, table)| {
        page.replace(&format!("{{{name}}}\n"), table)
    })
}

#[test]
fn the_page_shows_every_key_of_a_plan() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/plans.md");
    let page = std::fs::read_to_string(path).unwrap();
    let parts = page.split_once("## Top level");
    let (by_hand, _) = parts.expect("the page has the section");
    let right = format!("{by_hand}{}", reference());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(path, &right).expect("docs/plans.md can be written");
    }
    assert!(
        page == right,
        "docs/plans.md is stale; UPDATE_DOCS=1 cargo test --workspace the_page_shows"
    );
}

#[test]
fn the_starter_plan_shows_the_defaults() {
    let starter = parse("starter.toml", super::STARTER).unwrap();
    let mut bare: toml::Table = super::STARTER.parse().unwrap();
    bare.retain(|key, _| matches!(key, "schema" | "name" | "model" | "presets" | "configs"));
    for key in ["workflow", "calls"] {
        let agent = bare["configs"][0]["agents"][0].as_table_mut().unwrap();
        agent.remove(key).expect("the starter has the key");
    }
    assert_eq!(parse("bare.toml", &bare.to_string()), Ok(starter));
}
