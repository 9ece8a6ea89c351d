use domain::Nanos;
use domain::backend::{Progress, ServerCounters};
use proptest::prelude::*;

use super::*;

const fn ms(ms: u64) -> Stamp {
    Stamp(ms * 1_000_000)
}

/// Records pieces, one a millisecond.
fn record(pieces: &[&[u8]]) -> (Result<(), Trouble>, Exchange) {
    let mut shown = Shown {
        exchange: Exchange {
            progress: Progress::watched(),
            ..Exchange::default()
        },
    };
    let mut decoder = Decoder::new();
    let mut at = Stamp::ZERO;
    for (piece, n) in pieces.iter().zip(0..) {
        at = ms(n);
        match shown.take(&mut decoder, piece, at) {
            Ok(false) => {}
            Ok(true) => {
                let ended = shown.ended();
                return (ended, shown.exchange);
            }
            Err(trouble) => return (Err(trouble), shown.exchange),
        }
    }
    let ended = shown.finish(&mut decoder, at);
    (ended, shown.exchange)
}

fn whole(stream: &str) -> (Result<(), Trouble>, Exchange) {
    record(&[stream.as_bytes()])
}

const LLAMA_CPP: &str = include_str!("../../../../fixtures/sse/llama_cpp.sse");
const VLLM: &str = include_str!("../../../../fixtures/sse/vllm_reasoning.sse");
const OLLAMA: &str = include_str!("../../../../fixtures/sse/ollama_reasoning.sse");

#[test]
fn llama_cpp() {
    let (ended, exchange) = whole(LLAMA_CPP);
    assert_eq!(ended, Ok(()));
    assert_eq!(exchange.text, "Grüße \u{fffd}🦀\n");
    assert_eq!(exchange.times.chunks.len(), 4);
    assert_eq!(exchange.done_reason.as_deref(), Some("length"));
    assert_eq!(
        exchange.times.counters,
        ServerCounters {
            prompt_eval_count: Some(34),
            prompt_eval_cached_count: Some(3),
            prompt_eval: Some(Nanos(12_500_000)),
            eval_count: Some(6),
            eval: Some(Nanos(30_123_457)),
            ..ServerCounters::default()
        }
    );
}

#[test]
fn vllm_tells_where_the_time_went() {
    let (ended, exchange) = whole(VLLM);
    assert_eq!(ended, Ok(()));
    assert_eq!(exchange.thinking, "Let me think");
    assert_eq!(exchange.text, "42");
    assert_eq!(exchange.times.chunks.len(), 3);
    let counters = exchange.times.counters;
    assert_eq!(counters.total, Some(Nanos(1_338_000_000)));
    assert_eq!(counters.prompt_eval, Some(Nanos(85_200_000)));
    assert_eq!(counters.eval, Some(Nanos(1_240_500_000)));
    assert_eq!(counters.load, None);
    assert_eq!(
        (counters.eval_count, counters.prompt_eval_count),
        (Some(9), Some(42))
    );
    assert_eq!(counters.prompt_eval_cached_count, Some(16));
}

#[test]
fn a_server_that_tells_no_durations_has_none() {
    let (ended, exchange) = whole(OLLAMA);
    assert_eq!(ended, Ok(()));
    assert_eq!(
        (exchange.thinking.as_str(), exchange.text.as_str()),
        ("hm", "hi")
    );
    assert_eq!(
        exchange.times.counters,
        ServerCounters {
            prompt_eval_count: Some(11),
            eval_count: Some(5),
            ..ServerCounters::default()
        }
    );
}

fn chunk(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
    )
}

const ROLE: &str = r#"{"role":"assistant","content":null}"#;

#[test]
fn chunks_without_text_are_no_first_token() {
    let pieces = [
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
    let pieces: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
    let (ended, exchange) = record(&pieces);
    assert_eq!(ended, Ok(()));
    assert_eq!(exchange.times.first_token, Some(ms(5)));
    assert_eq!(exchange.times.first_thinking, Some(ms(5)));
    assert_eq!(exchange.times.first_content, Some(ms(6)));
    assert_eq!(exchange.times.last_token, Some(ms(6)));
    assert_eq!(exchange.times.done, Some(ms(9)));
    assert_eq!(exchange.times.chunks, [ms(5), ms(6)]);
    assert_eq!(exchange.progress.get(), 2);
    assert_eq!(exchange.times.counters.eval_count, Some(5));
}

#[test]
fn reasoning_sent_under_both_names_is_taken_once() {
    let both = chunk(r#"{"reasoning":"x","reasoning_content":"x"}"#, "null");
    let one = chunk(r#"{"reasoning":"y","reasoning_content":""}"#, "null");
    let (_, exchange) = whole(&format!("{both}{one}"));
    assert_eq!(exchange.thinking, "xy");
}

#[test]
fn half_a_surrogate_pair_is_a_garbled_character() {
    let (_, exchange) = whole(&chunk(r#"{"content":"a\ud83d"}"#, "null"));
    assert!(exchange.text.starts_with('a'));
    assert!(exchange.text.contains('\u{fffd}'));
}

#[test]
fn an_answer_is_complete_with_a_reason_and_done() {
    let text = chunk(r#"{"content":"a"}"#, "null");
    let stop = chunk("{}", "\"stop\"");
    for (stream, complete) in [
        (format!("{text}{stop}data: [DONE]\n\n"), true),
        (format!("{text}{stop}data: [DONE]"), true),
        (format!("{text}{stop}data:[DONE] \r\n\r\n"), true),
        (format!("{text}{stop}"), false),
        (format!("{text}data: [DONE]\n\n"), false),
        (text.clone(), false),
        (format!("{text}data: {{\"choices\":[{{\"del"), false),
        (String::new(), false),
    ] {
        let (ended, exchange) = whole(&stream);
        let expected = if complete {
            Ok(())
        } else {
            Err(Trouble::Incomplete)
        };
        assert_eq!(ended, expected, "{stream}");
        assert!(stream.is_empty() || exchange.text == "a");
    }
}

#[test]
fn errors_in_the_stream_carry_the_servers_words() {
    let text = chunk(r#"{"content":"a"}"#, "null");
    for event in [
        "data: {\"error\":{\"message\":\"out of memory\",\"code\":500}}\n\n",
        "data: {\"error\":\"out of memory\"}\n\n",
        "error: {\"code\":500,\"message\":\"out of memory\"}\n\n",
        "event: error\ndata: {\"error\":{\"message\":\"out of memory\"}}\n\n",
        "data: {\"object\":\"error\",\"error\":{\"message\":\"out of memory\"}}\n\ndata: [DONE]\n\n",
    ] {
        let (ended, exchange) = whole(&format!("{text}{event}"));
        let Err(Trouble::Failed(kind, words)) = ended else {
            panic!("{event}: {ended:?}");
        };
        assert_eq!(kind, FailureKind::MidStream);
        assert!(words.contains("out of memory"), "{words}");
        assert_eq!(exchange.text, "a");
    }
}

#[test]
fn what_is_no_chunk_is_malformed() {
    for (event, words) in [
        ("data: {\"a\":1}\n\n", "neither `choices` nor `error`"),
        ("data: hello\n\n", "expected value"),
        ("data: {\"choices\":\n\n", "in the middle of a value"),
        (
            "data: {\"choices\":[{\"delta\":{\"content\":[]}}]}\n\n",
            "expected text",
        ),
    ] {
        let (ended, _) = whole(event);
        let Err(Trouble::Failed(FailureKind::Malformed, message)) = ended else {
            panic!("{event}: {ended:?}");
        };
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn split_at_every_byte_nothing_changes_but_stamps() {
    for stream in [LLAMA_CPP, VLLM, OLLAMA] {
        let (_, expected) = whole(stream);
        for at in 0..=stream.len() {
            let (a, b) = stream.as_bytes().split_at(at);
            let (ended, exchange) = record(&[a, b]);
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
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
        let (ended, exchange) = record(&pieces);
        prop_assert_eq!(ended, Ok(()));
        prop_assert_eq!(exchange.text, texts.concat());
        prop_assert_eq!(exchange.times.chunks.len(), texts.len());
        prop_assert!(exchange.times.chunks.is_sorted());
    }
}
