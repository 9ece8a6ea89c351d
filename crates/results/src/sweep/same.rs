//! What differs between a sweep and one that is to go on in its folder.

use std::collections::BTreeSet;

use domain::record::{EndpointFacts, Manifest};
use serde_json::Value;

/// Each difference as `key: there X, here Y`.
pub(super) fn differences(there: &Manifest, here: &Manifest) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |key: &str, there: String, here: String| {
        if there != here {
            found.push(format!("{key}: there {there}, here {here}"));
        }
    };
    compare(
        "repetitions",
        there.repetitions.to_string(),
        here.repetitions.to_string(),
    );
    compare(
        "provenance",
        format!("{:?}", there.header.provenance),
        format!("{:?}", here.header.provenance),
    );
    compare(
        "endpoints",
        there.header.endpoints.len().to_string(),
        here.header.endpoints.len().to_string(),
    );
    for (i, (a, b)) in there
        .header
        .endpoints
        .iter()
        .zip(&here.header.endpoints)
        .enumerate()
    {
        compare(
            &format!("endpoints[{i}].server"),
            format!("{} {}", a.server.kind, a.server.version),
            format!("{} {}", b.server.kind, b.server.version),
        );
        let digest = |facts: &EndpointFacts| {
            facts
                .model
                .as_ref()
                .and_then(|model| model.digest.clone())
                .unwrap_or_else(|| "unknown".to_owned())
        };
        compare(
            &format!("endpoints[{i}].model.digest"),
            digest(a),
            digest(b),
        );
    }
    if there.plan_hash != here.plan_hash {
        let plan = |manifest: &Manifest| {
            serde_json::to_value(&manifest.plan).expect("a plan has no maps with non-string keys")
        };
        let before = found.len();
        value_differences("plan", &plan(there), &plan(here), &mut found);
        if found.len() == before {
            found.push(format!(
                "plan_hash: there {}, here {}",
                there.plan_hash, here.plan_hash
            ));
        }
    }
    found
}

/// Paths at which two JSON values differ.
fn value_differences(path: &str, there: &Value, here: &Value, found: &mut Vec<String>) {
    match (there, here) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                value_differences(
                    &format!("{path}.{key}"),
                    a.get(key).unwrap_or(&Value::Null),
                    b.get(key).unwrap_or(&Value::Null),
                    found,
                );
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                value_differences(&format!("{path}[{i}]"), a, b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            found.push(format!(
                "{path}: there {} entries, here {}",
                a.len(),
                b.len()
            ));
        }
        (a, b) if a == b => {}
        (a, b) => found.push(format!("{path}: there {a}, here {b}")),
    }
}
