use domain::Nanos;
use serde_json::json;

use super::*;

fn as_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

#[test]
fn a_bare_request_sends_only_what_was_set() {
    assert_eq!(
        as_json(&Request::generate("m", "hi")),
        json!({"model": "m", "prompt": "hi", "stream": true})
    );
    assert_eq!(
        as_json(&Request::chat("m", vec![Message::new("user", "hi")])),
        json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true})
    );
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
        system: Some("be brief".to_owned()),
        prompt: "hi".to_owned(),
        options: serde_json::from_value(options.clone()).unwrap(),
        keep_alive: Some(KeepAlive::Forever),
        ..GenerateCall::default()
    };
    let sent = as_json(&Request::from(&call));
    assert_eq!(sent["options"], options);
    assert_eq!(sent["system"], "be brief");
    assert_eq!(sent["keep_alive"], -1);

    let turn = |role, text: &str| domain::backend::Message {
        role,
        text: text.to_owned(),
    };
    let history = vec![
        turn(domain::backend::Role::User, "hello"),
        turn(domain::backend::Role::Assistant, "hello you"),
    ];
    let call = GenerateCall {
        history: Some(history),
        ..call
    };
    let sent = as_json(&Request::from(&call));
    assert_eq!(
        sent["messages"],
        json!([
            { "role": "system", "content": "be brief" },
            { "role": "user", "content": "hello" },
            { "role": "assistant", "content": "hello you" },
            { "role": "user", "content": "hi" },
        ])
    );
    assert_eq!(
        (&sent["options"], &sent["keep_alive"]),
        (&options, &json!(-1))
    );
}

#[test]
fn keep_alive_has_the_forms_the_server_reads() {
    for (value, form) in [
        (KeepAlive::Unload, json!(0)),
        (KeepAlive::Forever, json!(-1)),
        (KeepAlive::For(Nanos::from_secs(300)), json!(300)),
        (KeepAlive::For(Nanos::from_millis(1500)), json!("1500ms")),
        (KeepAlive::For(Nanos(1_000_001)), json!("1000001ns")),
    ] {
        let mut request = Request::generate("m", "");
        request.keep_alive = Some(value);
        assert_eq!(as_json(&request)["keep_alive"], form);
    }
}
