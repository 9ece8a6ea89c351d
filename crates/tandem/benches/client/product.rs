//! The product itself: `tandem load --out`, as a user runs it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use domain::record::RequestRecord;

use crate::floor::Row;
use crate::kit::{Client, Ended, Report, Server, Work, finish};

/// `tandem load`, with more flags if there are any.
#[derive(Debug, Default)]
pub(crate) struct Product {
    pub(crate) flags: Vec<String>,
}

impl Product {
    /// The command, but for where it writes.
    pub(crate) fn command(&self, url: &str, work: Work) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command
            .args(["load", "--json", "--no-preload", "--no-calibrate"])
            .args(["--model", "metronome"])
            .args(["--endpoint", url])
            .args(["--agents", &work.streams.to_string()])
            .args(["--requests", &(work.streams * work.requests).to_string()])
            .args(["--num-predict", &work.tokens.to_string()])
            .args(&self.flags);
        command
    }
}

impl Client for Product {
    fn name(&self) -> String {
        if self.flags.is_empty() {
            "tandem load".to_owned()
        } else {
            format!("tandem load {}", self.flags.join(" "))
        }
    }

    fn run(&self, server: &Server, work: Work) -> Result<(Report, Ended)> {
        let folder = tempfile::tempdir()?;
        let out = folder.path().join("load");
        let mut command = self.command(&server.url(), work);
        command.arg("--out").arg(&out);
        let ended = finish(&mut command, server.client_cpu)?;
        Ok((Report::Rows(rows(&out)?), ended))
    }
}

fn rows(folder: &Path) -> Result<Vec<Row>> {
    let text = std::fs::read_to_string(folder.join("requests.jsonl"))?;
    text.lines()
        .map(|line| {
            let record: RequestRecord = serde_json::from_str(line)?;
            let (first, sent) = record
                .times
                .first_token
                .zip(record.times.sent)
                .context("a request without its stamps")?;
            Ok(Row {
                seed: record.options.seed.context("a request without its seed")?,
                ttft_ns: first.since(sent).0,
                connect_ns: record.times.connect.map(|connect| connect.0),
            })
        })
        .collect()
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

    fn run(&self, server: &Server, work: Work) -> Result<(Report, Ended)> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["floor", &server.address().to_string()])
            .args([work.streams, work.requests, work.tokens].map(|n| n.to_string()))
            .args((self.api == Api::Openai).then_some("/v1/chat/completions"));
        let ended = finish(&mut command, server.client_cpu)?;
        let rows = serde_json::from_slice(&ended.output).context("the floor's rows")?;
        Ok((Report::Rows(rows), ended))
    }
}
