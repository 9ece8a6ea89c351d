//! The JSON Schemas of the files on disk, generated from the types and committed under `docs/schemas`.

use std::path::{Path, PathBuf};
use std::{env, fs};

use schemars::{Schema, schema_for};
use serde_json::Value;

use crate::plan::PlanFile;
use crate::record::capacity::CapacityRecord;
use crate::record::load::LoadFile;
use crate::record::{Calibration, JournalLine, Manifest, RequestRecord};
use crate::telemetry::Sample;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The schema of every file, and of a line where a file has one value a line.
fn schemas() -> [(&'static str, Schema); 8] {
    [
        ("manifest", schema_for!(Manifest)),
        ("journal-line", schema_for!(JournalLine)),
        ("telemetry-sample", schema_for!(Sample)),
        ("load", schema_for!(LoadFile)),
        ("request-row", schema_for!(RequestRecord)),
        ("capacity", schema_for!(CapacityRecord)),
        ("calibration", schema_for!(Calibration)),
        ("plan", schema_for!(PlanFile)),
    ]
}

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    let accept = env::var_os("INSTA_UPDATE").is_some_and(|how| how == "always");
    for (name, schema) in schemas() {
        let path = root().join(format!("docs/schemas/{name}.json"));
        let made = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if accept {
            fs::write(&path, &made).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == made,
            "docs/schemas/{name}.json is not what the types say: accept it by \
             `INSTA_UPDATE=always cargo test -p domain schemas`, and read CONTRIBUTING.md on \
             changing what is written to disk"
        );
    }
}

/// Fails if a value does not fit its schema, as far as `schemars` uses the keywords for our types.
fn check_fits(root: &Value, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    let refused = |why: &str| Err(format!("{place}: {why}"));
    if schema == &Value::Bool(false) {
        return refused("is not allowed");
    }
    if let Some(name) = schema["$ref"].as_str() {
        let named = root.pointer(&name[1..]).expect("references are local");
        check_fits(root, named, value, place)?;
    }
    for words in ["oneOf", "anyOf"] {
        if let Some(cases) = schema[words].as_array() {
            let fits = |case| check_fits(root, case, value, place).is_ok();
            if !cases.iter().any(fits) {
                return refused("fits none of the cases");
            }
        }
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is = |name: &Value| name == kind || (kind == "integer" && name == "number");
    match &schema["type"] {
        Value::Null => {}
        Value::Array(names) if names.iter().any(is) => {}
        name if is(name) => {}
        _ => return refused(&format!("is {kind}")),
    }
    let one_of = schema["enum"].as_array();
    let known = one_of.is_none_or(|values| values.contains(value));
    if !known || !(schema["const"].is_null() || schema["const"] == *value) {
        return refused(&format!("has an unknown value {value}"));
    }
    for key in schema["required"].as_array().into_iter().flatten() {
        let key = key.as_str().expect("keys are text");
        if value.get(key).is_none() {
            return refused(&format!("lacks {key}"));
        }
    }
    let items = value.as_array().into_iter().flatten();
    for (at, item) in items.enumerate() {
        check_fits(root, &schema["items"], item, &format!("{place}[{at}]"))?;
    }
    for (key, member) in value.as_object().into_iter().flatten() {
        let known = &schema["properties"][key];
        let schema = match known {
            Value::Null => &schema["additionalProperties"],
            known => known,
        };
        // Only a type with all its keys in one place has `properties`: what has none allows any.
        check_fits(root, schema, member, &format!("{place}.{key}"))?;
    }
    Ok(())
}

/// The values of a file: one a line, or one in all.
fn values(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let parse = |text: &str| serde_json::from_str(text).unwrap();
    match path.extension().unwrap().to_str().unwrap() {
        "jsonl" => text.lines().map(parse).collect(),
        "toml" => vec![toml::from_str(&text).unwrap()],
        _ => vec![parse(&text)],
    }
}

#[test]
fn what_the_fixtures_hold_fits_the_schemas() {
    let schemas = schemas().map(|(name, schema)| (name, schema.to_value()));
    for (name, path) in [
        ("manifest", "one-or-two-servers/manifest.json"),
        ("journal-line", "one-or-two-servers/journal.jsonl"),
        ("telemetry-sample", "one-or-two-servers/telemetry.jsonl"),
        ("load", "load/load.json"),
        ("request-row", "load/requests.jsonl"),
        ("capacity", "capacity/capacity.json"),
        ("load", "capacity/levels/0001-agents-1/load.json"),
        (
            "request-row",
            "capacity/levels/0001-agents-1/requests.jsonl",
        ),
        ("calibration", "calibration/calibration.json"),
        ("plan", "plans/tr113.toml"),
    ] {
        let (_, schema) = schemas.iter().find(|(known, _)| *known == name).unwrap();
        let values = values(&root().join("fixtures").join(path));
        for (line, mut value) in values.into_iter().enumerate() {
            let fits = |value: &Value| check_fits(schema, schema, value, name);
            assert_eq!(fits(&value), Ok(()), "{path}:{}", line + 1);
            // A value of the wrong type and a missing key are refused.
            if let Some(key) = schema["required"][0].as_str() {
                value[key] = Value::Array(vec![Value::Null]);
                assert!(fits(&value).is_err(), "{path}: {key}");
                value.as_object_mut().unwrap().remove(key);
                assert!(fits(&value).is_err(), "{path}: {key}");
            }
        }
    }
}
