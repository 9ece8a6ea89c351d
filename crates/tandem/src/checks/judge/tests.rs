use serde_json::Value;

use super::*;

/// Facts about a good server on a quiet machine, and groups of cases that differ from them.
fn fixture() -> Value {
    serde_json::from_str(include_str!("cases.json")).unwrap()
}

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
    facts
}

/// The findings in lines: level, code, text and fix.
fn findings(name: &str, facts: Value) -> String {
    let facts: Facts = serde_json::from_value(facts).unwrap();
    let lines = judge(&facts).into_iter().map(|f| {
        let of = f.server.map_or("machine", |_| "server");
        let todo = f
            .todo
            .map_or_else(String::new, |todo| format!("\n    -> {todo}"));
        format!("  {:?} {} ({of}): {}{todo}\n", f.level, f.code, f.what)
    });
    format!("{name}\n{}", lines.collect::<String>())
}

#[test]
fn findings_of_every_case() {
    let base = fixture();
    for (group, cases) in base["groups"].as_object().unwrap() {
        let cases = cases.as_array().unwrap().iter().map(|case| {
            let name = case["name"].as_str().unwrap();
            findings(name, changed(&base, case))
        });
        insta::assert_snapshot!(group.as_str(), cases.collect::<Vec<_>>().join("\n"));
    }
}

/// Two servers with a loaded model of 4.7 GB each.
#[test]
fn servers_on_one_gpu_need_their_memory_together() {
    let needs = "2 servers on this machine need 9.4 GB together (4.7 GB + 4.7 GB)";
    let spills = format!("{needs} of 8.0 GB on the GPU: part of a model will run on the CPU");
    let fits = format!("{needs} of 16.0 GB on the GPU");
    for (gpu_bytes, servers, expected) in [
        (8_000_000_000_u64, 2, Some((Level::Warning, spills))),
        (16_000_000_000, 2, Some((Level::Ok, fits))),
        // A plan that uses one of them loads one model.
        (8_000_000_000, 1, None),
    ] {
        let loaded = serde_json::json!({
            "name": "gemma3:latest", "size_bytes": 4_700_000_000_u64, "size_vram_bytes": 4_700_000_000_u64,
        });
        let gpu = serde_json::json!({ "index": 0, "name": "G", "memory_total_bytes": gpu_bytes, "others": [] });
        let case = serde_json::json!({
            "plan": { "servers": servers }, "report": { "loaded": loaded }, "machine": { "gpus": [gpu] },
        });
        let mut facts: Facts = serde_json::from_value(changed(&fixture(), &case)).unwrap();
        facts.servers.push(facts.servers[0].clone());
        let found = judge(&facts)
            .into_iter()
            .find(|f| f.code == "memory_together");
        assert_eq!(found.map(|f| (f.level, f.what)), expected);
    }
}
