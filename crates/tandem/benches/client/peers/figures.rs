//! What tools report of a load. A tool that does not report every request, or that reports one that failed, is not
//! believed.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// TTFT as a tool reports it, ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ttft {
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Where the JSON of a tool has its figures, as JSON pointers.
pub(crate) struct Figures {
    /// Number of requests with a TTFT.
    count: &'static str,
    /// Where it reports failed requests.
    failures: &'static [&'static str],
    mean: &'static str,
    p50: &'static str,
    p99: &'static str,
    /// Milliseconds in its unit.
    unit_ms: f64,
}

/// What `oha --output-format json` prints. It knows first bytes; where head and first token are sent together, that
/// is the first token's.
pub(crate) const OHA: Figures = Figures {
    count: "/statusCodeDistribution/200",
    failures: &["/statusCodeDistribution", "/errorDistribution"],
    mean: "/details/firstByte/average",
    p50: "/firstBytePercentiles/p50",
    p99: "/firstBytePercentiles/p99",
    unit_ms: 1e3,
};

/// The file that guidellm writes with `--output kind=json`, from a run of one benchmark.
pub(crate) const GUIDELLM: Figures = Figures {
    count: "/benchmarks/0/metrics/time_to_first_token_ms/successful/count",
    failures: &["/benchmarks/0/metrics/request_totals"],
    mean: "/benchmarks/0/metrics/time_to_first_token_ms/successful/mean",
    p50: "/benchmarks/0/metrics/time_to_first_token_ms/successful/percentiles/p50",
    p99: "/benchmarks/0/metrics/time_to_first_token_ms/successful/percentiles/p99",
    unit_ms: 1.0,
};

/// aiperf's `profile_export_aiperf.json`.
pub(crate) const AIPERF: Figures = Figures {
    count: "/time_to_first_token/count",
    failures: &["/error_summary"],
    mean: "/time_to_first_token/avg",
    p50: "/time_to_first_token/p50",
    p99: "/time_to_first_token/p99",
    unit_ms: 1.0,
};

impl Figures {
    /// The TTFT in a tool's output; an error unless each of so many requests has one.
    pub(crate) fn read(&self, output: &[u8], requests: u32) -> Result<Ttft> {
        let value: Value = serde_json::from_slice(output).context("its figures are no JSON")?;
        let at = |pointer| value.pointer(pointer).unwrap_or(&Value::Null);
        let count = at(self.count).as_u64().unwrap_or(0);
        let failures: Vec<_> = self.failures.iter().map(|f| at(f).to_string()).collect();
        ensure!(
            count == u64::from(requests),
            "{count} of {requests} requests have a TTFT: {}",
            failures.join(" ")
        );
        let ms = |pointer| {
            let figure = at(pointer).as_f64().map(|figure| self.unit_ms * figure);
            figure.with_context(|| format!("its figures have no {pointer}"))
        };
        Ok(Ttft {
            mean: ms(self.mean)?,
            p50: ms(self.p50)?,
            p99: ms(self.p99)?,
        })
    }
}
