//! The product itself: `tandem load --out`, as a user runs it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use domain::record::RequestRecord;

use crate::floor::Row;
use crate::kit::{Client, Report, Server, Work};

/// `tandem load`, with more flags if there are any.
#[derive(Debug, Default)]
pub(crate) struct Product {
    pub(crate) flags: Vec<String>,
}

impl Client for Product {
    fn name(&self) -> String {
        let flags = self.flags.iter().map(|flag| format!(" {flag}"));
        format!("tandem load{}", flags.collect::<String>())
    }

    fn command(&self, server: &Server, work: Work, folder: &Path) -> Result<Command> {
        let (url, all) = (server.url(), work.streams * work.requests);
        let line = format!(
            "load --json --no-preload --no-calibrate --model metronome --endpoint {url} \
             --agents {} --requests {all} --num-predict {}",
            work.streams, work.tokens
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command.args(line.split(' ')).args(&self.flags);
        command.arg("--out").arg(folder.join("load"));
        Ok(command)
    }

    fn report(&self, _: &[u8], _: Work, folder: &Path) -> Result<Report> {
        let text = std::fs::read_to_string(folder.join("load/requests.jsonl"))?;
        let rows = text.lines().map(|line| {
            let record: RequestRecord = serde_json::from_str(line)?;
            let stamps = record.times.first_token.zip(record.times.sent);
            let (first, sent) = stamps.context("a request without its stamps")?;
            Ok(Row {
                seed: record.options.seed.context("a request without its seed")?,
                ttft_ns: first.since(sent).0,
                connect_ns: record.times.connect.map(|connect| connect.0),
            })
        });
        rows.collect::<Result<_>>().map(Report::Rows)
    }
}

/// The floor, as a client.
#[derive(Debug, Default)]
pub(crate) struct Floor {
    pub(crate) api: Api,
}

/// What the server is made to speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Api {
    /// Ollama's own API.
    #[default]
    Ollama,
    /// OpenAI-compatible chat completions.
    Openai,
}

impl Client for Floor {
    fn name(&self) -> String {
        "floor".to_owned()
    }

    fn command(&self, server: &Server, work: Work, _: &Path) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["floor", &server.address().to_string()])
            .args([work.streams, work.requests, work.tokens].map(|n| n.to_string()))
            .args((self.api == Api::Openai).then_some("/v1/chat/completions"));
        Ok(command)
    }

    fn report(&self, output: &[u8], _: Work, _: &Path) -> Result<Report> {
        let rows = serde_json::from_slice(output).context("the floor's rows")?;
        Ok(Report::Rows(rows))
    }
}
