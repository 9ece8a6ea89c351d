//! Checks as text: requests, and what must be true of their answers.
//!
//! | line | what |
//! | --- | --- |
//! | `== NAME` | begins a check |
//! | `needs WORD`, `lacks WORD` | only where the model has, or has not, this capability, or the server is on `loopback` |
//! | `METHOD PATH [BODY]` | sends a request |
//! | `with NAME=VALUE METHOD PATH [BODY]` | the same with a header |
//! | `generate [MORE]`, `chat [MORE]`, `v1 [MORE]` | asks for a few tokens, always the same, unless MORE says otherwise |
//! | `unload`, `gone` | unloads the model; waits until it is not loaded |
//! | `ps PATTERN`, `ps none` | the model's entry of /api/ps |
//! | `expires LEAST MOST` | seconds until the model goes, as /api/ps states it |
//!
//! MODEL, FULL_NAME and EMBEDDER stand for names, LONG for a long text, CTX_64 for such a context.
//! An indented line must hold of every request since the indented lines before:
//!
//! | line | what |
//! | --- | --- |
//! | `status STATUS` | the status |
//! | `type GLOB` | the content type |
//! | `text [TEXT]` | the whole body |
//! | `error STATUS WORDS` | a refusal in the protocol's shape with exactly these words |
//! | `refused PATTERN` | a refusal, and its JSON |
//! | `object PATTERN` | status 200 and one JSON object |
//! | `each`, `first`, `rest`, `before`, `last` and a PATTERN | objects of a stream: all, the first, all but the first, all but the last, the last |
//! | `said PATTERN` | `text` and `thinking` of all objects together |
//! | `sized` | a content length, which is right |
//! | `chunked` | more than one HTTP chunk, each of whole objects |

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::common::{Answer, call};
use crate::suite::{
    Checked, Checks, Server, holds, named, not_here, object, objects, same, seconds, text_of, wrong,
};

impl<'a> Checks<'a> {
    pub(crate) fn script(&mut self, server: &'a Server, script: &'static str) {
        for check in script.split("\n== ").skip(1) {
            let (name, steps) = check.split_once('\n').expect("a name and steps");
            self.add(name, play(server, server.fill(steps)));
        }
    }
}

async fn play(server: &Server, steps: String) -> Checked {
    let mut known = Known::default();
    let mut answers: Vec<(&str, Answer)> = Vec::new();
    let mut judged = false;
    for line in steps.lines() {
        if let Some(expected) = line.strip_prefix("  ") {
            judged = true;
            for (request, answer) in &answers {
                let miss = |miss| wrong(format!("{request}: {expected}: {miss}"));
                known.expect(request, answer, expected).or_else(miss)?;
            }
            continue;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "" | "#" => {}
            "needs" | "lacks" if server.can(rest) == (word == "needs") => {}
            "needs" | "lacks" => return not_here(line),
            "unload" => server.unload().await?,
            "gone" => server.gone().await?,
            "ps" => match (server.loaded().await?, rest) {
                (None, "none") => {}
                (Some(entry), pattern) if pattern != "none" => known.like(&entry, &parsed(rest))?,
                (entry, _) => return wrong(format!("{line}: {entry:?}")),
            },
            "expires" => {
                let (least, most) = rest.split_once(' ').expect("the least and the most");
                let number = |text: &str| text.parse::<i64>().expect("a number");
                let stated = server.expiry().await?;
                let fits = (number(least)..=number(most)).contains(&stated);
                holds(fits, format_args!("{line}: {stated} s to go"))?;
            }
            _ => {
                if std::mem::take(&mut judged) {
                    answers.clear();
                }
                let answer = request(server, line).await?;
                if answer.status == 501 && server.embedder == server.model {
                    return not_here(format!("the model makes no vectors: {}", answer.text()));
                }
                answers.push((line, answer));
            }
        }
    }
    Ok(())
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

async fn request(server: &Server, line: &str) -> Checked<Answer> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let asked = match word {
        "generate" => Some("/api/generate"),
        "chat" => Some("/api/chat"),
        "v1" => Some("/v1/chat/completions"),
        _ => None,
    };
    if let Some(path) = asked {
        let more = if rest.is_empty() { "{}" } else { rest };
        return server.ask(path, &parsed(more)).await;
    }
    let (header, line) = match word {
        "with" => {
            let (header, line) = rest.split_once(' ').expect("a header and a request");
            (header.split_once('='), line)
        }
        _ => (None, line),
    };
    let mut call = call(line);
    if let Some(header) = header {
        call.headers.retain(|(name, _)| *name != header.0);
        call.headers.push(header);
    }
    server.send(call).await
}

/// A refusal as the protocol of the path writes it.
fn refusal(request: &str, status: u16, words: &str) -> Value {
    if !request.contains(" /v1/") {
        return json!({"error": words});
    }
    let kind = match status {
        404 => "not_found_error",
        _ => "invalid_request_error",
    };
    json!({"error": {"message": words, "type": kind, "param": null, "code": null}})
}

/// The text and the thinking of all objects together, in any protocol.
fn said(objects: &[Value]) -> Value {
    let joined = |places: &str| -> String {
        let of = |object: &Value| -> String {
            let found = places.split(' ').filter_map(|place| object.pointer(place));
            found.map(text_of).map(str::to_owned).collect()
        };
        objects.iter().map(of).collect()
    };
    json!({
        "text": joined("/response /message/content /choices/0/text /choices/0/delta/content \
                        /choices/0/message/content"),
        "thinking": joined("/thinking /message/thinking"),
    })
}

/// Values that a check has seen under a name.
#[derive(Debug, Default)]
pub(crate) struct Known(BTreeMap<String, Value>);

impl Known {
    /// Fails the check unless a line holds of an answer.
    fn expect(&mut self, request: &str, answer: &Answer, line: &str) -> Checked {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "status" => return same("status", answer.status.to_string().as_str(), rest),
            "type" => {
                let kind = answer.header("content-type").unwrap_or_default();
                return holds(glob(kind, rest), kind);
            }
            "text" => return same("body", answer.text().as_str(), rest),
            "error" => {
                let (status, words) = rest.split_once(' ').expect("status and words");
                let status = status.parse().expect("a status");
                let expected = refusal(request, status, words);
                let seen = (answer.status, object(answer)?);
                same("refusal", seen, (status, expected))?;
                return self.expect(request, answer, "type application/json*");
            }
            "refused" => {
                same("refused", answer.status >= 400, true)?;
                return self.like(&object(answer)?, &parsed(rest));
            }
            "sized" => {
                let length = answer.body.len().to_string();
                return same("length", answer.header("content-length"), Some(&*length));
            }
            "chunked" => {
                let encoding = answer.header("transfer-encoding");
                same("transfer encoding", encoding, Some("chunked"))?;
                let whole = answer.frames.iter().all(|(_, f)| f.ends_with(b"\n"));
                holds(whole, "an HTTP chunk ends inside an object")?;
                holds(answer.frames.len() > 1, "all in one chunk")?;
                return holds(objects(answer)?.len() > 1, "one object");
            }
            _ => {}
        }
        same("status", answer.status, 200)?;
        let pattern = parsed(rest);
        if word == "object" {
            return self.like(&object(answer)?, &pattern);
        }
        let objects = objects(answer)?;
        let of = match (word, objects.as_slice()) {
            ("each", all) => all,
            ("first", [first, ..]) => std::slice::from_ref(first),
            ("rest", [_, rest @ ..]) => rest,
            ("before", [before @ .., _]) => before,
            ("last", [.., last]) => std::slice::from_ref(last),
            ("said", all) => return self.like(&said(all), &pattern),
            _ => return wrong(format!("no object for {line}")),
        };
        of.iter().try_for_each(|seen| self.like(seen, &pattern))
    }

    /// Fails the check unless the members of a pattern are there and alike; others are ignored.
    /// `<…>` stands for any value of a kind, `*.NAME` for any member that ends so, and
    /// `{"<some>": PATTERN}` for a list with an element like that.
    pub(crate) fn like(&mut self, seen: &Value, pattern: &Value) -> Checked {
        holds(
            !self.differs(Some(seen), pattern),
            format_args!("expected {pattern}, got {seen}"),
        )
    }

    fn differs(&mut self, seen: Option<&Value>, pattern: &Value) -> bool {
        let value = seen.unwrap_or(&Value::Null);
        match pattern {
            Value::Object(members) => members.iter().any(|(key, pattern)| {
                if key == "<some>" {
                    let mut items = value.as_array().into_iter().flatten();
                    return items.all(|item| self.differs(Some(item), pattern));
                }
                let member = match key.strip_prefix('*') {
                    Some(end) => {
                        let mut members = value.as_object().into_iter().flatten();
                        members.find(|(key, _)| key.ends_with(end)).map(|m| m.1)
                    }
                    None => value.get(key),
                };
                self.differs(member, pattern)
            }),
            Value::Array(items) if !items.is_empty() => (0..)
                .zip(items)
                .any(|(index, pattern): (usize, _)| self.differs(value.get(index), pattern)),
            Value::String(kind) if kind.starts_with('<') => {
                !self.fits(seen, kind.trim_matches(['<', '>']))
            }
            pattern => value != pattern,
        }
    }

    fn fits(&mut self, seen: Option<&Value>, kind: &str) -> bool {
        let value = seen.unwrap_or(&Value::Null);
        let (kind, argument) = kind.split_once(' ').unwrap_or((kind, ""));
        match kind {
            "absent" => seen.is_none(),
            "null" => value.is_null(),
            "nothing" => text_of(value).is_empty(),
            "text" => value.is_string(),
            "words" => !text_of(value).is_empty(),
            "bool" => value.is_boolean(),
            "number" => value.is_number(),
            "count" => value.as_u64() > Some(0),
            "list" => value.is_array(),
            "object" => value.is_object(),
            "moment" => seconds(value).is_some(),
            // Beyond the year 2200.
            "far" => seconds(value) > Some(7_258_118_400),
            "ids" => value.as_array().is_some_and(|ids| {
                let id = |id: &Value| id.as_u64().is_some_and(|id| id < 1 << 31);
                !ids.is_empty() && ids.iter().all(id)
            }),
            "digest" => {
                let digest = text_of(value);
                digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
            }
            "glob" => glob(text_of(value), argument),
            "one" => argument.split(' ').any(|one| one == text_of(value)),
            "named" => named(value, argument),
            // The same value as at its first occurrence.
            "same" => {
                self.0
                    .entry(argument.to_owned())
                    .or_insert_with(|| value.clone())
                    == value
            }
            other => panic!("{other} is no kind of value"),
        }
    }
}

/// Whether a text is like a pattern in which `*` stands for any text.
fn glob(text: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return text == pattern;
    };
    let Some(text) = text.strip_prefix(start) else {
        return false;
    };
    (0..=text.len()).any(|at| text.get(at..).is_some_and(|text| glob(text, rest)))
}
