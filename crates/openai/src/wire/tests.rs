use domain::ModelOptions;
use domain::backend::GenerateCall;

use super::*;

fn call() -> GenerateCall {
    GenerateCall {
        model: "m".to_owned(),
        history: None,
        prompt: "why?".to_owned(),
        options: ModelOptions {
            num_gpu: Some(60),
            num_ctx: Some(512),
            num_predict: Some(64),
            temperature: Some(0.5),
            top_p: Some(0.9),
            top_k: Some(40),
            min_p: Some(0.05),
            repeat_penalty: Some(1.1),
            repeat_last_n: Some(64),
            num_keep: Some(4),
            seed: Some(7),
            stop: Some(vec!["\n".to_owned()]),
            presence_penalty: Some(0.1),
            frequency_penalty: Some(0.2),
            ..ModelOptions::default()
        },
    }
}

const PLAIN: &str = r#"{"model":"m","messages":[{"role":"user","content":"why?"}],"stream":true,"stream_options":{"include_usage":true},"temperature":0.5,"top_p":0.9"#;
const LLAMA_CPP_ONLY: &str = r#","top_k":40,"min_p":0.05,"repeat_penalty":1.1,"repeat_last_n":64"#;
const PENALTIES: &str = r#","presence_penalty":0.1,"frequency_penalty":0.2"#;
const LAST: &str = r#","max_tokens":64,"seed":7,"stop":["\n"]}"#;

#[test]
fn a_server_gets_the_options_of_its_dialect_and_the_rest_is_named() {
    let left_out = "num_gpu num_ctx top_k min_p repeat_penalty repeat_last_n num_keep";
    let left_out: Vec<_> = left_out.split(' ').collect();
    let keep = r#","n_keep":4"#;
    let plain = [PLAIN, PENALTIES, LAST].concat();
    let llama_cpp = [PLAIN, LLAMA_CPP_ONLY, PENALTIES, keep, LAST].concat();
    for (dialect, left_out, body) in [
        (Dialect::Plain, &left_out[..], plain),
        (Dialect::LlamaCpp, &left_out[..2], llama_cpp),
    ] {
        let (request, sent) = ChatRequest::from_call(&call(), dialect);
        assert_eq!(serde_json::to_string(&request).unwrap(), body);
        assert_eq!(not_sent(&call().options, dialect), left_out);
        let mut rest = ModelOptions::default();
        let options = call().options;
        for (option, value) in options.iter().filter(|(o, _)| !left_out.contains(&o.name)) {
            option.set(&mut rest, value);
        }
        assert_eq!(sent, rest);
    }
}

#[test]
fn earlier_turns_come_before_the_prompt() {
    use domain::backend::{Message, Role};
    let turns = [(Role::User, "a"), (Role::Assistant, "b")].map(|(role, text)| Message {
        role,
        text: text.to_owned(),
    });
    let history = Some(turns.to_vec());
    let call = GenerateCall { history, ..call() };
    let (request, _) = ChatRequest::from_call(&call, Dialect::Plain);
    let messages = r#"[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"why?"}]"#;
    assert_eq!(serde_json::to_string(&request.messages).unwrap(), messages);
}

#[test]
fn what_means_the_servers_own_choice_is_not_sent() {
    let mut call = call();
    call.options = ModelOptions {
        num_predict: Some(-1),
        seed: Some(-1),
        ..ModelOptions::default()
    };
    let (request, sent) = ChatRequest::from_call(&call, Dialect::LlamaCpp);
    let body = r#"{"model":"m","messages":[{"role":"user","content":"why?"}],"stream":true,"stream_options":{"include_usage":true}}"#;
    assert_eq!(serde_json::to_string(&request).unwrap(), body);
    assert_eq!(sent, ModelOptions::default());
    assert!(not_sent(&call.options, Dialect::LlamaCpp).is_empty());
}

#[test]
fn kinds_have_dialects() {
    assert_eq!(Dialect::of_kind("llama.cpp"), Dialect::LlamaCpp);
    assert_eq!(Dialect::of_kind("llama.cpp router"), Dialect::LlamaCpp);
    assert_eq!(Dialect::of_kind("vllm"), Dialect::Plain);
}
