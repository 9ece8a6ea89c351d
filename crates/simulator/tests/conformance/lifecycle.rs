//! Loading, unloading, keep_alive and /api/ps.

use serde_json::{Value, json};

use crate::common::{Answer, post};
use crate::suite::{
    Checked, Checks, Server, content_type, holds, like, lines, object, same, seconds, text_of,
    wrong,
};

async fn load(server: &Server, more: Value) -> Checked<Value> {
    let mut body = json!({"model": server.model});
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    let answer = server.send(post("/api/generate", &body)).await?;
    same(&body.to_string(), answer.status, 200)?;
    content_type(&answer, "application/json; charset=utf-8")?;
    object(&answer)
}

fn load_duration(answer: &Answer) -> Checked<u64> {
    let lines = lines(answer)?;
    let last = lines.last().and_then(|line| line["load_duration"].as_u64());
    Ok(last.unwrap_or(0))
}

async fn entry(server: &Server) -> Checked<Value> {
    match server.loaded().await? {
        Some(entry) => Ok(entry),
        None => wrong("not in /api/ps"),
    }
}

/// An object that says nothing but that it is done, and why.
fn bare(object: &Value, reason: &str) -> Checked {
    let expected = json!({"done": true, "done_reason": reason, "total_duration": "<absent>",
        "load_duration": "<absent>", "eval_count": "<absent>", "prompt_eval_count": "<absent>",
        "context": "<absent>"});
    like(object, &expected)
}

pub(crate) fn checks(server: &Server) -> Checks<'_> {
    let mut checks = Checks::default();
    checks.add(
        "an empty prompt loads: one JSON object, reason load, no durations",
        async move {
            server.unload().await?;
            let object = load(server, json!({"stream": true})).await?;
            bare(&object, "load")?;
            same("response", &object["response"], "")?;
            entry(server).await.map(|_| ())
        },
    );
    checks.add("no messages load too", async move {
        let body = json!({"model": server.model, "messages": []});
        let answer = server.send(post("/api/chat", body)).await?;
        let object = object(&answer)?;
        bare(&object, "load")?;
        same(
            "message",
            &object["message"],
            &json!({"role": "assistant", "content": ""}),
        )
    });
    checks.add(
        "keep_alive 0 without a prompt unloads: answered at once, reason unload, no durations",
        async move {
            load(server, json!({})).await?;
            let object = load(server, json!({"keep_alive": 0})).await?;
            bare(&object, "unload")?;
            server.gone().await
        },
    );
    checks.add("unloading loads nothing", async move {
        for zero in [json!("0"), json!("0s"), json!(0)] {
            let body = json!({"model": server.model, "messages": [], "keep_alive": zero});
            let object = object(&server.send(post("/api/chat", body)).await?)?;
            bare(&object, "unload")?;
        }
        same("in /api/ps", server.loaded().await?, None::<Value>)
    });
    checks.add(
        "keep_alive in every form sets the time in /api/ps",
        async move {
            for (value, seconds) in [
                (json!(90), 90_i64),
                (json!("120s"), 120),
                (json!("1h30m"), 5400),
                (json!("1.5h"), 5400),
                (json!(45.5), 45),
                (json!("+2m"), 120),
            ] {
                load(server, json!({"keep_alive": value})).await?;
                let stated = expiry(server).await?;
                holds(
                    (stated - seconds).abs() <= 5,
                    format_args!("{value}: {stated} s to go"),
                )?;
            }
            Ok(())
        },
    );
    checks.add("a negative keep_alive is for centuries", async move {
        for value in [json!(-1), json!("-1m"), json!(-0.5)] {
            load(server, json!({"keep_alive": value})).await?;
            let entry = entry(server).await?;
            let year = text_of(&entry["expires_at"])
                .get(..4)
                .and_then(|y| y.parse().ok());
            holds(year > Some(2200), format_args!("{value}: {entry}"))?;
        }
        Ok(())
    });
    checks.add(
        "without keep_alive the loaded model's own is kept, null too",
        async move {
            load(server, json!({"keep_alive": 1000})).await?;
            for more in [json!({}), json!({"keep_alive": null})] {
                load(server, more).await?;
                let stated = expiry(server).await?;
                holds(
                    (900..=1005).contains(&stated),
                    format_args!("{stated} s to go"),
                )?;
            }
            Ok(())
        },
    );
    checks.add("a model goes when its keep_alive has passed", async move {
        load(server, json!({"keep_alive": "300ms"})).await?;
        server.gone().await
    });
    checks.add(
        "/api/ps states name, size, memory, expiry and context length",
        async move {
            load(server, json!({"options": {"num_ctx": server.ctx(512)}})).await?;
            let entry = entry(server).await?;
            let expected = json!({"model": entry["name"], "size": "<count>",
                "expires_at": "<moment>",
                "context_length": server.ctx(512), "details": {"family": "<text>"}});
            like(&entry, &expected)?;
            // Left out or 0 means: all of it in the CPU's memory.
            let number = |key: &str| entry[key].as_u64().unwrap_or(0);
            holds(number("size_vram") <= number("size"), &entry)?;
            same("digest", text_of(&entry["digest"]).len(), 64)
        },
    );
    checks.add(
        "another num_ctx reloads the model; the same one does not",
        async move {
            let ask = |ctx: u32| json!({"options": {"num_ctx": server.ctx(ctx)}});
            let load_of = async |ctx: u32| load_duration(&server.generate(&ask(ctx)).await?);
            load_of(512).await?;
            let (same_again, other) = (load_of(512).await?, load_of(768).await?);
            same(
                "context_length",
                &entry(server).await?["context_length"],
                server.ctx(768),
            )?;
            let back = load_of(512).await?;
            holds(
                other > 2 * same_again && back > 2 * same_again,
                format_args!(
                    "load_duration: same {same_again} ns, other {other} ns, back {back} ns"
                ),
            )
        },
    );
    checks.add(
        "temperature, seed, stop, num_predict and format reload nothing",
        async move {
            server
                .generate(&json!({"options": {"num_ctx": server.ctx(512)}}))
                .await?;
            let before = entry(server).await?;
            let options = json!({"num_ctx": server.ctx(512), "temperature": 0.1, "top_k": 3,
                "top_p": 0.5, "min_p": 0.1, "seed": 3, "stop": ["zz"], "repeat_penalty": 1.3});
            let same_runner = json!({"format": "json", "options": options});
            let cold = load_duration(&server.generate(&same_runner).await?)?;
            let other = server
                .generate(&json!({"options": {"num_ctx": server.ctx(640)}}))
                .await?;
            let reload = load_duration(&other)?;
            same(
                "context_length before",
                &before["context_length"],
                server.ctx(512),
            )?;
            holds(
                reload > 2 * cold,
                format_args!("load_duration {cold} ns, of a reload {reload} ns"),
            )
        },
    );
    checks
}

/// Seconds until the model goes, as /api/ps states it, by the server's own clock.
async fn expiry(server: &Server) -> Checked<i64> {
    let entry = entry(server).await?;
    let now = object(
        &server
            .send(post("/api/generate", json!({"model": server.model})))
            .await?,
    )?;
    // Loading again restarts the idle time, so the moment stated before is at most a little early.
    let (Some(then), Some(now)) = (seconds(&entry["expires_at"]), seconds(&now["created_at"]))
    else {
        return wrong(format!("no moments: {entry} {now}"));
    };
    Ok(then - now)
}

/// Leaves the server as a stranger would wish to find it.
pub(crate) fn leave_unloaded(server: &Server) -> Checks<'_> {
    let mut checks = Checks::default();
    checks.add("the model can be unloaded at the end", server.unload());
    checks
}
