//! The client's layers alone, socket to decoded token, with a read buffer of a given size: agents in
//! closed loops, without records and figures.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use clock::Clock;
use domain::backend::{ChatBackend, Exchange, GenerateCall};
use domain::{ModelOptions, Outcome};

use crate::floor::Row;

/// What to read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Host and port.
    address: String,
    streams: u32,
    /// Of each stream, one after another.
    requests: u32,
    tokens: u32,
    /// Bytes of a connection's read buffer; growing with what arrives when not given.
    buffer: Option<usize>,
}

/// Reads all streams and prints a row for each request.
pub(crate) fn read(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let rows = runtime.block_on(all(args))?;
    serde_json::to_writer(std::io::stdout().lock(), &rows)?;
    Ok(())
}

async fn all(args: &Args) -> Result<Vec<Row>> {
    let settings = ollama::Builder::new(Clock::real()).read_buffer(args.buffer);
    let client = ollama::Client::build(settings, &args.address)?;
    let client = Arc::new(client);
    let mut agents = Vec::new();
    for agent in 0..args.streams {
        let (client, requests) = (Arc::clone(&client), args.requests);
        let tokens = args.tokens;
        agents.push(tokio::spawn(async move {
            let mut rows = Vec::new();
            for nth in 0..requests {
                let seed = i64::from(agent * requests + nth);
                rows.push(one(&client, seed, tokens).await?);
            }
            anyhow::Ok(rows)
        }));
    }
    let mut rows = Vec::new();
    for agent in agents {
        rows.extend(agent.await??);
    }
    Ok(rows)
}

async fn one(client: &ollama::Client, seed: i64, tokens: u32) -> Result<Row> {
    let call = GenerateCall {
        model: "metronome".to_owned(),
        prompt: "stream".to_owned(),
        options: ModelOptions {
            seed: Some(seed),
            num_predict: Some(tokens.into()),
            ..ModelOptions::default()
        },
        ..GenerateCall::default()
    };
    let mut exchange = Exchange::default();
    let outcome = client.generate(&call, &mut exchange).await;
    ensure!(outcome == Outcome::Completed, "{outcome:?}");
    let first = exchange
        .times
        .first_token
        .context("a response without tokens")?;
    let sent = exchange.times.sent.context("a request that was not sent")?;
    Ok(Row {
        seed,
        ttft_ns: first.since(sent).0,
        connect_ns: exchange.times.connect.map(|connect| connect.0),
    })
}
