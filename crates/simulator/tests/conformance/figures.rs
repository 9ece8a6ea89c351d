//! The checks that a script cannot make.

use serde_json::{Value, json};

use crate::suite::{Checked, Server, last, not_here, object, same, text_of};

pub(crate) async fn stop(server: &Server) -> Checked {
    let whole = async |stop: Value| {
        let options = json!({"num_predict": 12, "stop": stop});
        let more = json!({"stream": false, "think": server.unthinking(), "options": options});
        object(&server.ask("/api/generate", &more).await?)
    };
    let plain = whole(Value::Null).await?;
    let text = text_of(&plain["response"]);
    let mut letters = text.char_indices();
    let Some((at, stop)) = letters.find(|(at, c)| *at > 4 && c.is_ascii_lowercase()) else {
        return not_here(format!("no letter to stop at in {text:?}"));
    };
    let at = text[..at].find(stop).unwrap_or(at);
    let stopped = whole(json!([stop.to_string()])).await?;
    same("response", text_of(&stopped["response"]), &text[..at])?;
    same("done_reason", &stopped["done_reason"], "stop")
}

pub(crate) async fn two_at_once(server: &Server) -> Checked {
    let ask = json!({});
    let (one, two) = tokio::join!(
        server.ask("/api/generate", &ask),
        server.ask("/api/chat", &ask)
    );
    last(&one?)?;
    last(&two?).map(|_| ())
}
