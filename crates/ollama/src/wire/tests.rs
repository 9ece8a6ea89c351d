use domain::backend::Role;
use serde_json::{Value, json};

use super::*;

fn as_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

#[test]
fn a_bare_request_sends_only_what_was_set() {
    let mut call = GenerateCall {
        model: "m".to_owned(),
        prompt: "hi".to_owned(),
        ..GenerateCall::default()
    };
    let generate = json!({"model": "m", "prompt": "hi", "stream": true});
    assert_eq!(as_json(&Request::from(&call)), generate);
    call.history = Some(Vec::new());
    let messages = json!([{"role": "user", "content": "hi"}]);
    let chat = json!({"model": "m", "messages": messages, "stream": true});
    assert_eq!(as_json(&Request::from(&call)), chat);
}

#[test]
fn every_option_goes_out_under_its_own_name() {
    let options = json!({
        "num_gpu": 60, "num_ctx": 512, "num_batch": 256, "num_thread": 4, "main_gpu": 1,
        "use_mmap": false, "draft_num_predict": 2, "temperature": 0.6, "top_p": 0.9, "top_k": 40,
        "min_p": 0.05, "typical_p": 1.0, "repeat_penalty": 1.1, "repeat_last_n": 64,
        "presence_penalty": 0.5, "frequency_penalty": 0.25, "num_keep": 4, "num_predict": 128,
        "seed": 7, "stop": ["\n\n"],
    });
    let call = GenerateCall {
        model: "m".to_owned(),
        prompt: "hi".to_owned(),
        options: serde_json::from_value(options.clone()).unwrap(),
        ..GenerateCall::default()
    };
    let sent = as_json(&Request::from(&call));
    assert_eq!(sent["options"], options);

    let turns = [(Role::User, "hello"), (Role::Assistant, "hello you")];
    let history = turns.map(|(role, text)| Message {
        role,
        text: text.to_owned(),
    });
    let call = GenerateCall {
        history: Some(history.to_vec()),
        ..call
    };
    let sent = as_json(&Request::from(&call));
    let messages = json!([
        { "role": "user", "content": "hello" },
        { "role": "assistant", "content": "hello you" },
        { "role": "user", "content": "hi" },
    ]);
    assert_eq!(sent["messages"], messages);
    assert_eq!(sent["options"], options);
}
