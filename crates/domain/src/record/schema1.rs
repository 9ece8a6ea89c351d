//! Conversion of results folders of schema 1 to schema 2. In schema 1 the run's key and the times were members of the
//! record itself, chunks were gaps, and enums had internal tags.

use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

const RUN: &str = "config topology repetition";

const TIMES: &str = "scheduled admission_wait_ns connect_ns sent headers first_token first_thinking first_content \
                     last_token done ended outcome tokens tokens_from counters";

/// Converts a row of `requests.jsonl`. Anything else is returned unchanged, and its reader refuses it.
pub fn request(row: Value) -> Value {
    let Value::Object(mut row) = row else {
        return row;
    };
    let mut times = take(&mut row, TIMES);
    if let Some(Value::Array(gaps)) = row.remove("chunk_gaps_ns") {
        let mut at = times.get("sent").and_then(Value::as_u64).unwrap_or(0);
        let chunks = gaps.iter().map(|gap| match gap.as_u64() {
            Some(gap) => {
                at = at.saturating_add(gap);
                json!(at)
            }
            None => gap.clone(),
        });
        times.insert("chunks".to_owned(), chunks.collect());
    }
    if let Some(Value::Object(outcome)) = times.get_mut("outcome") {
        let outcome = untagged(outcome, "kind");
        times.insert("outcome".to_owned(), outcome);
    }
    row.insert("times".to_owned(), times.into());
    with_run(row)
}

/// Converts a line of `journal.jsonl`.
pub fn journal_line(line: Value) -> Value {
    let Value::Object(mut line) = line else {
        return line;
    };
    let Some(Value::String(what)) = line.remove("t") else {
        return line.into();
    };
    let content = match what.as_str() {
        "request" => request(line.into()),
        "step" | "arm" => with_run(line),
        _ => line.into(),
    };
    json!({ what: content })
}

const HEADER: &str = "name provenance tool command started_at endpoints time_scale simulator admission runtime \
                      client_budget environment";

/// The shipped plans whose results fill TR113's tables. Plans of schema 1 had no key for it.
const TR113_PLANS: [&str; 3] = ["tr113", "tr113-extended", "tr110"];

/// Converts `manifest.json` of schema 1.
pub fn manifest(file: Value) -> Value {
    let mut file = with_header(file);
    if let Some(Value::Object(plan)) = file.get_mut("plan")
        && TR113_PLANS
            .iter()
            .any(|name| plan.get("name") == Some(&json!(name)))
    {
        plan.insert("report".to_owned(), json!("tr113"));
    }
    file
}

/// Converts `capacity.json` of schema 1, and the part common to other files: the keys of the header were members of the
/// file itself.
pub fn with_header(file: Value) -> Value {
    let Value::Object(mut file) = file else {
        return file;
    };
    let header = take(&mut file, HEADER);
    file.insert("header".to_owned(), header.into());
    file.into()
}

/// Converts `load.json` of schema 2, in which the settings and the figures were members of the file itself.
pub fn load(file: Value) -> Value {
    let mut file = with_header(file);
    let Some(object) = file.as_object_mut() else {
        return file;
    };
    let asked = "model shape requests num_predict seed same_prompt turns work slo";
    let asked = take(object, asked);
    object.insert("asked".to_owned(), asked.into());
    if let Some(Value::Object(result)) = object.get_mut("result") {
        let mut lifted = take(result, "interrupted not_begun peak_in_flight client");
        let figures = std::mem::take(result);
        lifted.insert("figures".to_owned(), figures.into());
        object.insert("result".to_owned(), lifted.into());
    }
    file
}

/// Converts `calibration.json` of schema 1, which was always measured.
pub fn calibration(file: Value) -> Value {
    let mut file = with_header(file);
    if let Some(Value::Object(header)) = file.get_mut("header") {
        header.insert("provenance".to_owned(), json!("measured"));
    }
    file
}

fn with_run(mut row: Object) -> Value {
    let run = take(&mut row, RUN);
    row.insert("run".to_owned(), run.into());
    row.into()
}

/// An internally tagged object as an externally tagged one.
fn untagged(object: &mut Object, key: &str) -> Value {
    match object.remove(key) {
        Some(Value::String(tag)) if object.is_empty() => tag.into(),
        Some(Value::String(tag)) => json!({ tag: object }),
        _ => Value::Null,
    }
}

/// Moves the members with these space-separated keys.
fn take(from: &mut Object, keys: &str) -> Object {
    let taken = keys.split(' ').filter_map(|key| from.remove_entry(key));
    taken.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stamp;
    use crate::outcome::{FailureKind, Outcome};
    use crate::record::JournalLine;

    const OLD: &str = include_str!("../../tests/schema1.jsonl");

    #[test]
    fn every_line_of_an_old_journal_is_read() {
        use JournalLine::{Arm, Mark, Request, Step};
        let lines: Vec<JournalLine> = OLD
            .lines()
            .map(|line| journal_line(serde_json::from_str(line).unwrap()))
            .map(|line| serde_json::from_value(line).unwrap())
            .collect();
        let [Mark(_), Request(first), Step(_), Arm(_), Request(failed)] = &lines[..] else {
            panic!("{lines:?}")
        };
        assert_eq!(first.run.config.as_str(), "bvc_g80_c512_t0.8");
        let chunks = [14_552_722_000, 14_577_532_000, 14_602_341_000];
        assert_eq!(first.times.chunks, chunks.map(Stamp));
        assert!(first.times.outcome.is_completed());
        let failure = FailureKind::Http { status: 500 };
        let outcome = &failed.times.outcome;
        assert!(matches!(outcome, Outcome::Failed { failure: f, .. } if *f == failure));
    }

    #[test]
    fn plans_that_shipped_keep_their_tables() {
        let report =
            |plan: &str| manifest(json!({ "plan": { "name": plan } }))["plan"]["report"].clone();
        assert_eq!(report("tr113"), json!("tr113"));
        assert_eq!(report("one-or-two-servers"), Value::Null);
    }

    #[test]
    fn what_is_no_line_is_left_for_its_reader_to_refuse() {
        for text in ["1", "{}", r#"{"t":"request"}"#, r#"{"t":"nonsense"}"#] {
            let line = journal_line(serde_json::from_str(text).unwrap());
            assert!(serde_json::from_value::<JournalLine>(line).is_err());
        }
    }
}
