use std::collections::BTreeMap;
use std::fmt::Write as _;

use domain::backend::Exchange;
use proptest::prelude::*;
use scripted::{cut, recorded, replay};

use super::*;

/// Records pieces, one per nanosecond from 0.
fn record<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> (Result<(), RequestError>, Exchange) {
    replay::<Reading>(pieces, Stamp::ZERO)
}

fn whole(stream: &str) -> (Result<(), RequestError>, Exchange) {
    record([stream.as_bytes()])
}

const LLAMA_CPP: &str = include_str!("../../../../fixtures/sse/llama_cpp.sse");
const VLLM: &str = include_str!("../../../../fixtures/sse/vllm_reasoning.sse");
const OLLAMA: &str = include_str!("../../../../fixtures/sse/ollama_reasoning.sse");

fn chunk(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
    )
}

/// A list of what no recorded stream has.
fn fixture(list: &str) -> Vec<String> {
    let text = include_str!("../../../../fixtures/sse/dialects.toml");
    let mut lists: BTreeMap<String, Vec<String>> = toml::from_str(text).unwrap();
    let rows = lists.remove(list).unwrap().into_iter();
    rows.map(|row| row.replace("\\n", "\n").replace("\\r", "\r"))
        .collect()
}

const ROLE: &str = r#"{"role":"assistant","content":null}"#;

/// Streams by name: recorded streams, chunks without text, ends, errors, and invalid chunks.
fn streams() -> Vec<(&'static str, String)> {
    let text = chunk(r#"{"content":"a"}"#, "null");
    let stop = chunk("{}", "\"stop\"");
    let without_text = [
        chunk(ROLE, "null"),
        chunk(r#"{"role":"assistant","content":""}"#, "null"),
        chunk("{}", "null"),
        chunk(r#"{"reasoning_content":null,"content":""}"#, "null"),
        "data: {\"choices\":[],\"usage\":null}\n\n".to_owned(),
        chunk(r#"{"reasoning":"r"}"#, "null"),
        chunk(r#"{"content":"a b c"}"#, "null"),
        chunk(r#"{"content":""}"#, "\"stop\""),
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":5}}\n\n"
            .to_owned(),
        "data: [DONE]\n\n".to_owned(),
    ];
    let both = chunk(r#"{"reasoning":"x","reasoning_content":"x"}"#, "null");
    let one = chunk(r#"{"reasoning":"y","reasoning_content":""}"#, "null");
    let mut all = vec![
        ("llama.cpp", LLAMA_CPP.to_owned()),
        ("vLLM tells where the time went", VLLM.to_owned()),
        ("Ollama tells no durations", OLLAMA.to_owned()),
        (
            "chunks without text are no first token",
            without_text.concat(),
        ),
        ("reasoning under both names is taken once", both + &one),
        (
            "half a surrogate pair is a garbled character",
            chunk(r#"{"content":"a\ud83d"}"#, "null"),
        ),
        ("nothing", String::new()),
    ];
    for end in fixture("ends") {
        let rest = end.replace("{stop}", &stop);
        all.push(("a chunk, then", format!("{text}{rest}")));
    }
    all
}

/// The end of a stream and its record, for a call of at most 100 tokens.
fn shown(stream: &str) -> String {
    let (ended, mut exchange) = record(stream.split_inclusive("\n\n").map(str::as_bytes));
    let mut call = domain::backend::GenerateCall::default();
    call.options.num_predict = Some(100);
    exchange.drop_impossible_counts(&call);
    format!("{ended:?}\n  {}", recorded(&exchange, 1))
}

#[test]
fn every_dialect_is_output_a_failure_or_nothing() {
    let last = chunk("{}", "\"stop\"") + "data: [DONE]\n\n";
    let text = chunk(r#"{"content":"a"}"#, "null");
    let mut all = String::new();
    for delta in fixture("deltas") {
        let stream = chunk(&delta, "null") + &last;
        writeln!(all, "{delta}\n  {}", shown(&stream)).unwrap();
    }
    for event in fixture("between") {
        let stream = format!("{text}{event}{text}{last}");
        let plain = shown(&format!("{text}: nothing\n\n{text}{last}"));
        assert_eq!(shown(&stream), plain, "{event}");
    }
    for event in fixture("failures") {
        let (ended, exchange) = whole(&format!("{text}{event}"));
        writeln!(all, "{}\n  {ended:?}", event.escape_debug()).unwrap();
        assert_eq!((exchange.text.as_str(), ended.is_err()), ("a", true));
    }
    for usage in fixture("usages") {
        let usage_chunk = format!("data: {{\"choices\":[],\"usage\":{usage}}}\n\n");
        let stream = format!(
            "{text}{text}{}{usage_chunk}data: [DONE]\n\n",
            chunk("{}", "\"stop\"")
        );
        writeln!(all, "{usage}\n  {}", shown(&stream)).unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn an_answer_without_end_is_given_up() {
    let text = "x".repeat(1024 * 1024);
    let delta = serde_json::json!({ "content": text }).to_string();
    let (ended, exchange) = whole(&chunk(&delta, "null").repeat(17));
    let Err(RequestError::Failed(FailureKind::LineTooLong, words)) = ended else {
        panic!("{ended:?}");
    };
    let expected =
        "the answer is longer than 16777216 bytes or 1048576 chunks of output; it was given up";
    assert_eq!(words, expected.into());
    assert_eq!(exchange.text.len(), 16 * 1024 * 1024);
}

/// Streams event by event.
#[test]
fn every_stream_says_what_it_should() {
    let mut all = String::new();
    for (name, stream) in streams() {
        let (ended, exchange) = record(stream.split_inclusive("\n\n").map(str::as_bytes));
        let (_, after_first) = stream.split_once("\n\n").unwrap_or_default();
        let shown = match name {
            "a chunk, then" => after_first.escape_debug().to_string(),
            _ => String::new(),
        };
        let recorded = recorded(&exchange, 1);
        writeln!(all, "{name} {shown}\n  {ended:?}\n  {recorded}").unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn split_at_every_byte_nothing_changes_but_stamps() {
    for stream in [LLAMA_CPP, VLLM, OLLAMA] {
        let (_, expected) = whole(stream);
        for at in 0..=stream.len() {
            let (ended, exchange) = record(cut(stream.as_bytes(), [at]));
            assert_eq!(ended, Ok(()), "split at {at}");
            assert_eq!(exchange.text, expected.text, "split at {at}");
            assert_eq!(exchange.thinking, expected.thinking);
            assert_eq!(exchange.times.chunks.len(), expected.times.chunks.len());
            assert_eq!(exchange.times.counters, expected.times.counters);
        }
    }
}

proptest! {
    #[test]
    fn any_cuts_and_any_text(
        texts in proptest::collection::vec(".{1,12}", 1..20),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let mut stream = chunk(ROLE, "null");
        for text in &texts {
            let delta = serde_json::json!({ "content": text }).to_string();
            stream.push_str(&chunk(&delta, "null"));
        }
        stream.push_str(&chunk("{}", "\"stop\""));
        stream.push_str("data: [DONE]\n\n");
        let bytes = stream.as_bytes();
        let cuts = cuts.iter().map(|place| place.index(bytes.len() + 1));
        let (ended, exchange) = record(cut(bytes, cuts));
        prop_assert_eq!(ended, Ok(()));
        prop_assert_eq!(exchange.text, texts.concat());
        prop_assert_eq!(exchange.times.chunks.len(), texts.len());
        prop_assert!(exchange.times.chunks.is_sorted());
    }
}
