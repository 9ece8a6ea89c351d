use serde_json::Value;

use super::*;

fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}

/// The facts of a case: `report` changes the server's report, `probe` adds a probe to it.
fn changed(fixture: &Value, case: &Value) -> Value {
    let mut facts = fixture["facts"].clone();
    let state = &mut facts["servers"][0]["state"];
    if let Some(kind) = case.get("kind") {
        state["server"]["kind"] = kind.clone();
        state["loads_on_demand"] = (kind == "ollama").into();
    }
    if case.get("probe").is_some() {
        state["probe"] = fixture["probe"].clone();
    }
    for (key, place) in [
        ("plan", "/plan"),
        ("machine", "/machine"),
        ("local", "/servers/0/local"),
        ("report", "/servers/0/state"),
        ("probe", "/servers/0/state/probe"),
    ] {
        if let Some(patch) = case.get(key) {
            merge(facts.pointer_mut(place).unwrap(), patch);
        }
    }
    if case.get("two_servers").is_some() {
        let second = facts["servers"][0].clone();
        facts["servers"].as_array_mut().unwrap().push(second);
    }
    facts
}

/// The findings in lines: level, code, text and fix.
fn findings(facts: Value) -> String {
    let facts: Facts = serde_json::from_value(facts).unwrap();
    let line = |f: Finding| {
        let of = f.server.map_or("machine", |_| "server");
        let todo = f.todo.map(|todo| format!("\n    -> {todo}"));
        let todo = todo.unwrap_or_default();
        format!("  {:?} {} ({of}): {}{todo}\n", f.level, f.code, f.what)
    };
    judge(&facts).into_iter().map(line).collect()
}

/// `cases.json` has facts about a good server on a quiet machine, and groups of cases that differ from them.
#[test]
fn findings_of_every_case() {
    let fixture: Value = serde_json::from_str(include_str!("cases.json")).unwrap();
    for (group, cases) in fixture["groups"].as_object().unwrap() {
        let cases = cases.as_array().unwrap().iter().map(|case| {
            let name = case["name"].as_str().unwrap();
            format!("{name}\n{}", findings(changed(&fixture, case)))
        });
        insta::assert_snapshot!(group.as_str(), cases.collect::<Vec<_>>().join("\n"));
    }
}
