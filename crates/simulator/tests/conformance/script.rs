//! Checks as text: requests, and what must be true of their answers.
//!
//! | line | what |
//! | --- | --- |
//! | `== NAME` | begins a check |
//! | `needs WORD`, `lacks WORD` | only where the model has, or has not, this capability, or the server is on `loopback` |
//! | `METHOD PATH [BODY]` | sends a request |
//! | `header NAME=VALUE METHOD PATH [BODY]` | the same with a header |
//! | `leave N METHOD PATH [BODY]` | the same, but the client closes the connection after N frames |
//! | `since RELEASE` | only where the server's release is this one or later |
//! | `generate [MORE]`, `chat [MORE]`, `v1 [MORE]` | asks for a few tokens, always the same, unless MORE says otherwise |
//! | `unload`, `gone` | unloads the model; waits until it is not loaded |
//! | `ps PATTERN`, `ps none` | the model's entry of /api/ps |
//! | `expires LEAST MOST` | seconds until the model goes, as /api/ps states it |
//!
//! MODEL, FULL_NAME and EMBEDDER stand for names, LONG for a long text, CTX_64 for such a context,
//! THINK for the `think` of an answer without thoughts.
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
//! | `joined PATTERN` | `text`, `thinking` and tool `calls` of all objects together |
//! | `where A OP B` | two sums of products compare so; of numbers, of values that patterns have named with `<as NAME>`, and of the nanoseconds from the request to the `head`, to the `first` frame and to the end (`seen`) |
//! | `if EXPECTATION` | the rest of the check applies only where this holds |
//! | `left` | the client left before the end, or there were two frames at most |
//! | `sized` | a content length, which is right |
//! | `chunked` | more than one HTTP chunk, each of whole objects |

use std::collections::BTreeMap;

use domain::Stamp;
use serde_json::{Value, json};

use crate::common::{Answer, call};
use crate::suite::{
    Checked, Miss, Server, holds, named, not_here, object, objects, same, seconds, text_of, wrong,
};

/// Makes the check of these steps.
pub(crate) async fn play(server: &Server, steps: &str) -> Checked {
    let steps = server.fill(steps);
    let mut known = Known::default();
    let mut answers: Vec<(&str, Answer)> = Vec::new();
    let mut judged = false;
    for line in steps.lines() {
        if let Some(expected) = line.strip_prefix("  ") {
            judged = true;
            for (request, answer) in &answers {
                let miss = |miss: Miss| format!("{request}: {expected}: {miss}");
                match expected.strip_prefix("if ") {
                    Some(guard) => known
                        .expect(request, answer, guard)
                        .or_else(|found| not_here(miss(found)))?,
                    None => known
                        .expect(request, answer, expected)
                        .or_else(|found| wrong(miss(found)))?,
                }
            }
            continue;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "" | "#" => {}
            "needs" | "lacks" if server.can(rest) == (word == "needs") => {}
            "since" if server.is_since(rest) => {}
            "needs" | "lacks" | "since" => return not_here(line),
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
    let (word, rest) = line.split_once(' ').unwrap_or((line, "{}"));
    let path = match word {
        "generate" => "/api/generate",
        "chat" => "/api/chat",
        "v1" => "/v1/chat/completions",
        _ => return server.send(call(line)).await,
    };
    server.ask(path, &parsed(rest)).await
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

/// The text, the thinking and the tool calls of all objects together, in any protocol.
fn joined(objects: &[Value]) -> Value {
    let texts = |places: &str| -> String {
        let of = |object: &Value| -> String {
            let found = places.split(' ').filter_map(|place| object.pointer(place));
            found.map(text_of).map(str::to_owned).collect()
        };
        objects.iter().map(of).collect()
    };
    let calls = objects
        .iter()
        .filter_map(|object| object["message"]["tool_calls"].as_array())
        .flatten();
    json!({
        "text": texts("/response /message/content /choices/0/text /choices/0/delta/content \
                       /choices/0/message/content"),
        "thinking": texts("/thinking /message/thinking"),
        "calls": calls.cloned().collect::<Value>(),
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
            "where" => return self.compare(answer, rest),
            "left" => {
                let left = !answer.whole || answer.frames.len() <= 2;
                return holds(left, "the client did not leave");
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
            ("joined", all) => return self.like(&joined(all), &pattern),
            _ => return wrong(format!("no object for {line}")),
        };
        of.iter().try_for_each(|seen| self.like(seen, &pattern))
    }

    fn compare(&self, answer: &Answer, comparison: &str) -> Checked {
        let mut operators = [" >= ", " <= ", " > ", " < ", " = "].into_iter();
        let (left, operator, right) = operators
            .find_map(|operator| {
                let (left, right) = comparison.split_once(operator)?;
                Some((left, operator.trim(), right))
            })
            .expect("a comparison");
        let (left, right) = (self.sum(answer, left), self.sum(answer, right));
        let is_true = match operator {
            ">=" => left >= right,
            "<=" => left <= right,
            ">" => left > right,
            "<" => left < right,
            _ => (left - right).abs() < 1e-9,
        };
        holds(is_true, format_args!("{left} {operator} {right}"))
    }

    /// The value of `2 * a + 5e6`, for example.
    fn sum(&self, answer: &Answer, text: &str) -> f64 {
        let since = |at: Stamp| at.since(answer.sent).0 as f64;
        let factor = |name: &str| match name {
            "head" => since(answer.head_at),
            "first" => since(answer.frames[0].0),
            "seen" => since(answer.ended),
            name => name.parse().unwrap_or_else(|_| {
                let value = self.0.get(name).and_then(Value::as_f64);
                value.unwrap_or_else(|| panic!("no number is called {name}"))
            }),
        };
        let product = |text: &str| text.split(" * ").map(factor).product::<f64>();
        text.split(" + ").map(product).sum()
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

    fn is_same(&mut self, name: &str, value: &Value) -> bool {
        let first = self.0.entry(name.to_owned());
        first.or_insert_with(|| value.clone()) == value
    }

    fn fits(&mut self, seen: Option<&Value>, kind: &str) -> bool {
        let value = seen.unwrap_or(&Value::Null);
        let (kind, argument) = kind.split_once(' ').unwrap_or((kind, ""));
        match kind {
            "absent" => seen.is_none(),
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
            "begins" => {
                text_of(value).trim().is_empty() || text_of(value).trim().starts_with(argument)
            }
            "json" => serde_json::from_str(text_of(value))
                .is_ok_and(|value| !self.differs(Some(&value), &parsed(argument))),
            // A number by this name; zeros are left out.
            "as" => {
                let number = value.as_u64().unwrap_or(0);
                self.0.insert(argument.to_owned(), json!(number));
                value.is_null() || value.is_u64()
            }
            // The same value as at its first occurrence.
            "same" => self.is_same(argument, value),
            // A vector of length one, as wide as others of this name.
            "vector" => {
                let numbers: Vec<f64> = serde_json::from_value(value.clone()).unwrap_or_default();
                let norm: f64 = numbers.iter().map(|x| x * x).sum();
                (norm - 1.0).abs() < 1e-3 && self.is_same(argument, &json!(numbers.len()))
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
