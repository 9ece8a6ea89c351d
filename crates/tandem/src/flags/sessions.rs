//! Flags of `tandem import` and `tandem show`.

use std::path::PathBuf;

use clap::Args;
use sessions::SourceKind;

use super::word_of;

/// The files, and what they hold.
#[derive(Debug, Args)]
pub(crate) struct SessionFiles {
    /// Recorded sessions: Weka JSON, logs of Claude Code or Codex, OpenTelemetry spans, or a trace of requests. Several
    /// files of one format are read together. Or one sessions file, as `import` writes it.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Format of the files. By default it is detected from their content.
    #[arg(long, value_name = "FORMAT", value_parser = word_of::<SourceKind, 5>([
        ("weka", "JSON of the KV-Cache-Tester collection"),
        ("claude-code", "logs of Claude Code: ~/.claude/projects/*/*.jsonl, and of its sub-agents: ~/.claude/projects/*/*/subagents/*.jsonl"),
        ("codex", "logs of Codex CLI: ~/.codex/sessions"),
        ("otel", "OpenTelemetry spans with gen_ai attributes, as OTLP JSON or one a line"),
        ("trace", "starts and lengths of requests, as `load --trace` reads them"),
    ]))]
    pub(crate) from: Option<SourceKind>,
    /// Print one JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) input: SessionFiles,
    /// The sessions file to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) input: SessionFiles,
    /// Show every session. By default the table has the first 50.
    #[arg(long)]
    pub(crate) all: bool,
}
