//! What tools report of a load. A tool that does not report every request, or that reports one that failed, is not
//! believed.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

/// TTFT as a tool reports it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(clippy::struct_field_names, reason = "each says its unit")]
pub(crate) struct Ttft {
    pub(crate) mean_ms: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Where the JSON of a tool has its figures, as JSON pointers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Figures {
    /// Number of requests with a TTFT.
    count: String,
    /// Where it reports failed requests.
    failures: Vec<String>,
    mean: String,
    p50: String,
    p99: String,
    /// Milliseconds in its unit.
    unit_ms: f64,
}

impl Figures {
    /// The TTFT in a tool's output; an error unless each of so many requests has one.
    pub(crate) fn read(&self, output: &[u8], requests: u32) -> Result<Ttft> {
        let value: Value = serde_json::from_slice(output).context("its figures are no JSON")?;
        let at = |pointer: &str| value.pointer(pointer).unwrap_or(&Value::Null);
        let count = at(&self.count).as_u64().unwrap_or(0);
        let failures: Vec<_> = self.failures.iter().map(|f| at(f).to_string()).collect();
        ensure!(
            count == u64::from(requests),
            "{count} of {requests} requests have a TTFT: {}",
            failures.join(" ")
        );
        let ms = |pointer: &str| {
            let figure = at(pointer).as_f64().map(|figure| self.unit_ms * figure);
            figure.with_context(|| format!("its figures have no {pointer}"))
        };
        Ok(Ttft {
            mean_ms: ms(&self.mean)?,
            p50_ms: ms(&self.p50)?,
            p99_ms: ms(&self.p99)?,
        })
    }
}
