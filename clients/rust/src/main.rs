//! The crate ollama-rs against the simulator at the URL given. It has no call for /api/ps.

use anyhow::{Context, Result, ensure};
use ollama_rs::error::OllamaError;
use ollama_rs::generation::chat::request::ChatMessageRequest;
use ollama_rs::generation::chat::{ChatMessage, MessageRole};
use ollama_rs::generation::completion::request::GenerationRequest;
use ollama_rs::generation::embeddings::request::GenerateEmbeddingsRequest;
use ollama_rs::generation::parameters::{FormatType, JsonStructure, KeepAlive, ThinkType};
use ollama_rs::generation::tools::{ToolFunctionInfo, ToolInfo, ToolType};
use ollama_rs::models::ModelOptions;
use ollama_rs::{Ollama, OllamaBuilder};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_stream::StreamExt as _;

const MODEL: &str = "gemma3:latest";
const THINKER: &str = "qwen3:8b";
const EMBEDDER: &str = "nomic-embed-text:latest";
const BUSY: &str = "server busy, please try again.  maximum pending requests exceeded";

struct Bench {
    host: String,
}

fn seeded() -> ModelOptions {
    ModelOptions::default().seed(3)
}

fn story() -> GenerationRequest<'static> {
    GenerationRequest::new(MODEL.to_owned(), "Once upon a time").options(seeded())
}

fn question(model: &str) -> ChatMessageRequest {
    let message = ChatMessage::user("Why is the sky blue?".to_owned());
    ChatMessageRequest::new(model.to_owned(), vec![message]).options(seeded())
}

/// What the server said when it refused.
fn words<T>(outcome: Result<T, OllamaError>) -> Result<String> {
    match outcome {
        Ok(_) => anyhow::bail!("it was not refused"),
        Err(OllamaError::Other(body)) => {
            let body: Value = serde_json::from_str(&body)?;
            Ok(body["error"].as_str().context("no error")?.to_owned())
        }
        Err(OllamaError::InternalError(error)) => Ok(error.message),
        Err(error) => Err(error.into()),
    }
}

impl Bench {
    fn client(&self) -> Ollama {
        Ollama::try_new(self.host.as_str()).expect("a URL")
    }

    fn faulty(&self, what: &'static str) -> Ollama {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-tandem-agent", http::HeaderValue::from_static(what));
        OllamaBuilder::new()
            .url(self.host.as_str())
            .request_headers(headers)
            .build()
    }

    async fn lists_the_models(&self) -> Result<()> {
        let models = self.client().list_local_models().await?;
        let mut names: Vec<_> = models.iter().map(|model| model.name.as_str()).collect();
        names.sort_unstable();
        ensure!(names == [MODEL, EMBEDDER, THINKER], "{names:?}");
        ensure!(models.iter().any(|model| model.size == 3_338_801_804));
        Ok(())
    }

    async fn shows_a_model(&self) -> Result<()> {
        let shown = self.client().show_model_info(THINKER.to_owned()).await?;
        ensure!(shown.model_info["qwen3.block_count"] == 36);
        ensure!(shown.capabilities.iter().any(|name| name == "thinking"));
        Ok(())
    }

    async fn generates_and_streams_the_same_text(&self) -> Result<()> {
        let whole = self.client().generate(story()).await?;
        ensure!(whole.done && whole.response.len() > 10);
        let (prompt, answer) = (whole.prompt_eval_count, whole.eval_count);
        let ids = whole.context.context("no context")?.0.len() as u64;
        ensure!(prompt.zip(answer).map(|(p, a)| p + a) == Some(ids));
        let mut stream = self.client().generate_stream(story()).await?;
        let mut parts = Vec::new();
        while let Some(chunk) = stream.next().await {
            parts.extend(chunk?);
        }
        let text: String = parts.iter().map(|part| part.response.as_str()).collect();
        ensure!(text == whole.response, "{text:?}");
        ensure!(parts.last().is_some_and(|part| part.done) && parts.len() > 3);
        Ok(())
    }

    async fn chats_and_streams_the_same_text(&self) -> Result<()> {
        let whole = self.client().send_chat_messages(question(MODEL)).await?;
        ensure!(whole.done && whole.message.role == MessageRole::Assistant);
        let last = whole.final_data.context("no final data")?;
        ensure!(last.eval_count > 0 && last.total_duration >= last.load_duration);
        let mut stream = self
            .client()
            .send_chat_messages_stream(question(MODEL))
            .await?;
        let mut text = String::new();
        let mut done = false;
        while let Some(part) = stream.next().await {
            let part = part.map_err(|()| anyhow::anyhow!("the stream broke"))?;
            text.push_str(&part.message.content);
            done = part.done;
        }
        ensure!(done && text == whole.message.content, "{text:?}");
        Ok(())
    }

    async fn thinks(&self) -> Result<()> {
        let ask = question(THINKER).think(ThinkType::High);
        let answer = self.client().send_chat_messages(ask).await?;
        ensure!(answer.message.thinking.is_some_and(|text| !text.is_empty()));
        let ask = question(MODEL).think(true);
        let refused = words(self.client().send_chat_messages(ask).await)?;
        ensure!(refused == format!("{MODEL:?} does not support thinking"));
        Ok(())
    }

    async fn calls_tools(&self) -> Result<()> {
        let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}},
            "required": ["city"]});
        let tool = ToolInfo {
            tool_type: ToolType::Function,
            function: ToolFunctionInfo {
                name: "weather".to_owned(),
                description: "The weather in a city".to_owned(),
                parameters: parameters.try_into()?,
            },
        };
        let ask = question(MODEL).tools(vec![tool]);
        let answer = self.client().send_chat_messages(ask.clone()).await?;
        let call = answer.message.tool_calls.first().context("no call")?;
        ensure!(call.function.name == "weather" && call.function.arguments["city"].is_string());
        let mut next = ask;
        next.messages.push(answer.message.clone());
        next.messages.push(ChatMessage::tool("rain".to_owned()));
        let answer = self.client().send_chat_messages(next).await?;
        ensure!(answer.message.tool_calls.is_empty() && !answer.message.content.is_empty());
        Ok(())
    }

    async fn answers_in_json(&self) -> Result<()> {
        #[derive(Deserialize, JsonSchema)]
        struct Answer {
            n: i64,
        }
        let format = FormatType::StructuredJson(Box::new(JsonStructure::new::<Answer>()));
        let answer = self.client().generate(story().format(format)).await?;
        let fitted: Answer = serde_json::from_str(&answer.response)?;
        ensure!(answer.response.contains(&fitted.n.to_string()));
        Ok(())
    }

    async fn obeys_options(&self) -> Result<()> {
        let options = seeded().num_predict(2);
        let answer = self.client().generate(story().options(options)).await?;
        ensure!(answer.eval_count == Some(2));
        Ok(())
    }

    async fn loads_and_unloads(&self) -> Result<()> {
        let ask = GenerationRequest::new(MODEL.to_owned(), "").keep_alive(KeepAlive::Indefinitely);
        let loaded = self.client().generate(ask).await?;
        ensure!(loaded.done && loaded.response.is_empty() && loaded.total_duration.is_none());
        let ask =
            GenerationRequest::new(MODEL.to_owned(), "").keep_alive(KeepAlive::UnloadOnCompletion);
        ensure!(self.client().generate(ask).await?.done);
        Ok(())
    }

    async fn embeds(&self) -> Result<()> {
        let input = vec!["one", "two", "one"].into();
        let ask = GenerateEmbeddingsRequest::new(EMBEDDER.to_owned(), input);
        let vectors = self.client().generate_embeddings(ask).await?.embeddings;
        ensure!(vectors.len() == 3 && vectors[0].len() == 768);
        ensure!(vectors[0] == vectors[2] && vectors[0] != vectors[1]);
        Ok(())
    }

    async fn reports_refusals(&self) -> Result<()> {
        let refused = words(
            self.client()
                .send_chat_messages(question("no-such-model"))
                .await,
        )?;
        ensure!(refused == "model 'no-such-model' not found", "{refused}");
        let ask = GenerationRequest::new("no-such-model".to_owned(), "x");
        let refused = words(self.client().generate_stream(ask).await)?;
        ensure!(refused == "model 'no-such-model' not found", "{refused}");
        let busy = self.faulty("wants-busy");
        ensure!(words(busy.send_chat_messages(question(MODEL)).await)? == BUSY);
        Ok(())
    }

    /// This crate passes over lines it cannot read, so an error in the stream only looks like an end.
    async fn sees_that_an_answer_is_not_done(&self) -> Result<()> {
        for what in ["wants-error-line", "wants-eof"] {
            let mut stream = self.faulty(what).generate_stream(story()).await?;
            let mut parts = Vec::new();
            while let Some(chunk) = stream.next().await {
                parts.extend(chunk?);
            }
            ensure!(
                !parts.is_empty() && parts.iter().all(|part| !part.done),
                "{what}"
            );
        }
        Ok(())
    }

    async fn reports_a_broken_connection(&self) -> Result<()> {
        let mut stream = self.faulty("wants-reset").generate_stream(story()).await?;
        let mut broken = false;
        while let Some(chunk) = stream.next().await {
            broken |= chunk.is_err();
        }
        ensure!(broken, "the reset went unnoticed");
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let host = std::env::args().nth(1).expect("the server's URL");
    let bench = Bench { host };
    let mut checks = Vec::new();
    macro_rules! check {
        ($($name:ident),+ $(,)?) => {
            $(checks.push((stringify!($name), bench.$name().await));)+
        };
    }
    check!(
        lists_the_models,
        shows_a_model,
        generates_and_streams_the_same_text,
        chats_and_streams_the_same_text,
        thinks,
        calls_tools,
        answers_in_json,
        obeys_options,
        loads_and_unloads,
        embeds,
        reports_refusals,
        sees_that_an_answer_is_not_done,
        reports_a_broken_connection,
    );
    let failed: Vec<_> = checks
        .iter()
        .filter(|(_, outcome)| outcome.is_err())
        .collect();
    for (name, outcome) in &failed {
        eprintln!("{name}: {outcome:?}");
    }
    let (held, all) = (checks.len() - failed.len(), checks.len());
    println!("ollama-rs 0.3.6: {held} of {all} checks hold");
    if !failed.is_empty() {
        let names: Vec<_> = failed.iter().map(|(name, _)| *name).collect();
        println!("  failed: {}", names.join(", "));
        std::process::exit(1);
    }
}
