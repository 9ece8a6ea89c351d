//! The differences between a recorded sweep and the settings with which it is resumed.

use std::collections::BTreeSet;

use domain::record::{EndpointFacts, Manifest};
use serde_json::Value;

/// Each difference as `key: recorded X, now Y`.
pub(super) fn differences(recorded: &Manifest, now: &Manifest) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |key: &str, of: &dyn Fn(&Manifest) -> String| {
        let (recorded, now) = (of(recorded), of(now));
        if recorded != now {
            found.push(format!("{key}: recorded {recorded}, now {now}"));
        }
    };
    compare("repetitions", &|m| m.repetitions.to_string());
    compare("provenance", &|m| m.header.provenance.to_string());
    compare("endpoints", &|m| m.header.endpoints.len().to_string());
    let endpoints = [recorded, now].map(|m| m.header.endpoints.len());
    for i in 0..endpoints[0].min(endpoints[1]) {
        let of = |m: &Manifest| -> EndpointFacts { m.header.endpoints[i].clone() };
        compare(&format!("endpoints[{i}].server"), &|m| {
            let server = of(m).server;
            format!("{} {}", server.kind, server.version)
        });
        compare(&format!("endpoints[{i}].model.digest"), &|m| {
            let digest = of(m).model.and_then(|model| model.digest);
            digest.unwrap_or_else(|| "unknown".to_owned())
        });
    }
    if recorded.plan_hash != now.plan_hash {
        let [old, new] = [recorded, now].map(|manifest| {
            serde_json::to_value(&manifest.plan).expect("a plan has no maps with non-string keys")
        });
        let before = found.len();
        value_differences("plan", &old, &new, &mut found);
        if found.len() == before {
            let (recorded, now) = (&recorded.plan_hash, &now.plan_hash);
            found.push(format!("plan_hash: recorded {recorded}, now {now}"));
        }
    }
    found
}

/// Paths at which two JSON values differ.
fn value_differences(path: &str, recorded: &Value, now: &Value, found: &mut Vec<String>) {
    match (recorded, now) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let [a, b] = [a, b].map(|map| map.get(key).unwrap_or(&Value::Null));
                value_differences(&format!("{path}.{key}"), a, b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                value_differences(&format!("{path}[{i}]"), a, b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            let (a, b) = (a.len(), b.len());
            found.push(format!("{path}: recorded {a} entries, now {b}"));
        }
        (a, b) if a == b => {}
        (a, b) => found.push(format!("{path}: recorded {a}, now {b}")),
    }
}
