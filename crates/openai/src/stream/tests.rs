use std::fmt::Write as _;

use domain::backend::Progress;
use proptest::prelude::*;
use scripted::{cut, recorded};

use super::*;

/// Records pieces, one a millisecond.
fn record<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> (Result<(), Trouble>, Exchange) {
    let mut reading = Reading::default();
    reading.exchange.progress = Progress::watched();
    let mut at = Stamp::ZERO;
    for (piece, n) in pieces.into_iter().zip(0..) {
        at = Stamp(n * 1_000_000);
        match reading.take(piece, at) {
            Ok(false) => {}
            Ok(true) => return (reading.ended(), reading.exchange),
            Err(trouble) => return (Err(trouble), reading.exchange),
        }
    }
    (reading.finish(at), reading.exchange)
}

fn whole(stream: &str) -> (Result<(), Trouble>, Exchange) {
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

const ROLE: &str = r#"{"role":"assistant","content":null}"#;

/// Events by the words that say what is the matter with them: recorded streams, chunks without text,
/// ends, errors, and what is no chunk.
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
    for rest in [
        format!("{stop}data: [DONE]\n\n"),
        format!("{stop}data: [DONE]"),
        format!("{stop}data:[DONE] \r\n\r\n"),
        stop,
        "data: [DONE]\n\n".to_owned(),
        String::new(),
        "data: {\"choices\":[{\"del".to_owned(),
        "data: {\"error\":{\"message\":\"out of memory\",\"code\":500}}\n\n".to_owned(),
        "data: {\"error\":\"out of memory\"}\n\n".to_owned(),
        "error: {\"code\":500,\"message\":\"out of memory\"}\n\n".to_owned(),
        "event: error\ndata: {\"error\":{\"message\":\"out of memory\"}}\n\n".to_owned(),
        "data: {\"object\":\"error\",\"error\":{\"message\":\"out of memory\"}}\n\ndata: [DONE]\n\n"
            .to_owned(),
        "data: {\"a\":1}\n\n".to_owned(),
        "data: hello\n\n".to_owned(),
        "data: {\"choices\":\n\n".to_owned(),
        "data: {\"choices\":[{\"delta\":{\"content\":[]}}]}\n\n".to_owned(),
    ] {
        all.push(("a chunk, then", format!("{text}{rest}")));
    }
    all
}

/// Streams event by event.
#[test]
fn every_stream_says_what_it_should() {
    let mut all = String::new();
    for (name, stream) in streams() {
        let (ended, exchange) = record(stream.split_inclusive("\n\n").map(str::as_bytes));
        assert_eq!(exchange.progress.get(), exchange.times.chunks.len() as u64);
        let shown = match name {
            "a chunk, then" => stream
                .split_once("\n\n")
                .unwrap()
                .1
                .escape_debug()
                .to_string(),
            _ => String::new(),
        };
        let recorded = recorded(&exchange, 1_000_000);
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
