use domain::ModelOptions;
use domain::backend::{GenerateCall, KeepAlive};

use super::*;

fn call() -> GenerateCall {
    GenerateCall {
        model: "m".to_owned(),
        system: Some("be brief".to_owned()),
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
        keep_alive: Some(KeepAlive::Forever),
    }
}

const PLAIN: &str = r#"{"model":"m","messages":[{"role":"system","content":"be brief"},{"role":"user","content":"why?"}],"stream":true,"stream_options":{"include_usage":true},"max_tokens":64,"temperature":0.5,"top_p":0.9,"seed":7,"stop":["\n"],"presence_penalty":0.1,"frequency_penalty":0.2"#;

#[test]
fn plain_servers_get_the_protocol_and_the_rest_is_named() {
    let (request, dropped) = ChatRequest::from_call(&call(), Dialect::Plain);
    let body = serde_json::to_string(&request).unwrap();
    assert_eq!(body, format!("{PLAIN}}}"));
    assert_eq!(
        dropped,
        [
            "num_gpu",
            "num_ctx",
            "top_k",
            "min_p",
            "repeat_penalty",
            "repeat_last_n",
            "num_keep",
            "keep_alive"
        ]
    );
}

#[test]
fn what_was_said_before_comes_before_the_prompt() {
    use domain::backend::{Message as Said, Role};
    let said = |role, text: &str| Said {
        role,
        text: text.to_owned(),
    };
    let history = Some(vec![said(Role::User, "a"), said(Role::Assistant, "b")]);
    let call = GenerateCall { history, ..call() };
    let (request, _) = ChatRequest::from_call(&call, Dialect::Plain);
    let messages: Vec<_> = request
        .messages
        .iter()
        .map(|m| (m.role, m.content.as_str()))
        .collect();
    let expected = [
        ("system", "be brief"),
        ("user", "a"),
        ("assistant", "b"),
        ("user", "why?"),
    ];
    assert_eq!(messages, expected);
}

#[test]
fn llama_cpp_gets_its_sampling_options_too() {
    let (request, dropped) = ChatRequest::from_call(&call(), Dialect::LlamaCpp);
    let body = serde_json::to_string(&request).unwrap();
    let more = r#","top_k":40,"min_p":0.05,"repeat_penalty":1.1,"repeat_last_n":64,"n_keep":4}"#;
    assert_eq!(body, format!("{PLAIN}{more}"));
    assert_eq!(dropped, ["num_gpu", "num_ctx", "keep_alive"]);
}

#[test]
fn what_means_the_servers_own_choice_is_not_sent() {
    let mut call = call();
    call.system = None;
    call.keep_alive = None;
    call.options = ModelOptions {
        num_predict: Some(-1),
        seed: Some(-1),
        ..ModelOptions::default()
    };
    let (request, dropped) = ChatRequest::from_call(&call, Dialect::LlamaCpp);
    assert_eq!(
        serde_json::to_string(&request).unwrap(),
        r#"{"model":"m","messages":[{"role":"user","content":"why?"}],"stream":true,"stream_options":{"include_usage":true}}"#
    );
    assert!(dropped.is_empty());
}

#[test]
fn every_option_is_sent_or_named() {
    // A new option must be put on one of the two lists.
    let all = ModelOptions {
        num_batch: Some(1),
        num_thread: Some(1),
        main_gpu: Some(0),
        use_mmap: Some(true),
        draft_num_predict: Some(1),
        typical_p: Some(1.0),
        ..call().options
    };
    let set = serde_json::to_value(&all)
        .unwrap()
        .as_object()
        .unwrap()
        .len();
    for dialect in [Dialect::Plain, Dialect::LlamaCpp] {
        let mut with = call();
        with.options = all.clone();
        with.keep_alive = None;
        let (request, dropped) = ChatRequest::from_call(&with, dialect);
        let sent = serde_json::to_value(&request).unwrap();
        let members = sent.as_object().unwrap().len() - 4;
        assert_eq!(members + dropped.len(), set, "{dialect:?}");
    }
}

#[test]
fn kinds_have_dialects() {
    assert_eq!(Dialect::of_kind("llama.cpp"), Dialect::LlamaCpp);
    assert_eq!(Dialect::of_kind("llama.cpp router"), Dialect::LlamaCpp);
    assert_eq!(Dialect::of_kind("vllm"), Dialect::Plain);
}
