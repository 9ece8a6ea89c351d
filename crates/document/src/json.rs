//! Objects for machines, whose keys do not follow how types are nested in code.

use serde::Serialize;
use serde_json::Value;

/// `value` as JSON in which the members of each object under `key`, at any depth, move up to that key's siblings.
/// Fails when it has no JSON.
pub fn lifted(value: &impl Serialize, key: &str) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(value)?;
    lift(&mut value, key);
    Ok(value)
}

fn lift(value: &mut Value, key: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| lift(item, key)),
        Value::Object(members) => {
            match members.remove(key) {
                Some(Value::Object(lifted)) => members.extend(lifted),
                Some(other) => drop(members.insert(key.to_owned(), other)),
                None => {}
            }
            members.values_mut().for_each(|member| lift(member, key));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_become_siblings_of_their_key() {
        let nested = json!([{ "id": "a", "stats": { "n": 3, "deep": { "stats": { "m": 1 } } } }]);
        let expected = json!([{ "id": "a", "n": 3, "deep": { "m": 1 } }]);
        assert_eq!(lifted(&nested, "stats").unwrap(), expected);
        let own = json!({ "state": { "state": "there", "slots": 2 } });
        let expected = json!({ "state": "there", "slots": 2 });
        assert_eq!(lifted(&own, "state").unwrap(), expected);
    }
}
