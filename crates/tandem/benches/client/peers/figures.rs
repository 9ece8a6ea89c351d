//! What tools say of a load in their own words. A tool that does not tell of every request, or that
//! tells of one that failed, is not believed.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// TTFT as a tool reports it, ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ttft {
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// What `oha --output-format json` prints. It knows first bytes, in seconds; where head and first
/// token are sent together, that is the first token's.
pub(crate) fn oha(output: &[u8], requests: u32) -> Result<Ttft> {
    let value = parse(output)?;
    let answered = value["statusCodeDistribution"]["200"].as_u64().unwrap_or(0);
    ensure!(
        answered == u64::from(requests),
        "{answered} of {requests} requests were answered with 200: {} {}",
        value["statusCodeDistribution"],
        value["errorDistribution"]
    );
    Ok(Ttft {
        mean: 1e3 * number(&value, "/details/firstByte/average")?,
        p50: 1e3 * number(&value, "/firstBytePercentiles/p50")?,
        p99: 1e3 * number(&value, "/firstBytePercentiles/p99")?,
    })
}

/// The file that guidellm writes with `--output kind=json`, from a run of one benchmark.
pub(crate) fn guidellm(output: &[u8], requests: u32) -> Result<Ttft> {
    let value = parse(output)?;
    let ttft = "/benchmarks/0/metrics/time_to_first_token_ms/successful";
    let totals = &value["benchmarks"][0]["metrics"]["request_totals"];
    counted(&value, &format!("{ttft}/count"), requests, totals)?;
    Ok(Ttft {
        mean: number(&value, &format!("{ttft}/mean"))?,
        p50: number(&value, &format!("{ttft}/percentiles/p50"))?,
        p99: number(&value, &format!("{ttft}/percentiles/p99"))?,
    })
}

/// aiperf's `profile_export_aiperf.json`.
pub(crate) fn aiperf(output: &[u8], requests: u32) -> Result<Ttft> {
    let value = parse(output)?;
    let pointer = "/time_to_first_token/count";
    counted(&value, pointer, requests, &value["error_summary"])?;
    Ok(Ttft {
        mean: number(&value, "/time_to_first_token/avg")?,
        p50: number(&value, "/time_to_first_token/p50")?,
        p99: number(&value, "/time_to_first_token/p99")?,
    })
}

/// That every request has a TTFT.
fn counted(value: &Value, pointer: &str, requests: u32, instead: &Value) -> Result<()> {
    let counted = value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    ensure!(
        counted == u64::from(requests),
        "{counted} of {requests} requests have a TTFT: {instead}"
    );
    Ok(())
}

fn parse(output: &[u8]) -> Result<Value> {
    serde_json::from_slice(output).context("its figures are no JSON")
}

fn number(value: &Value, pointer: &str) -> Result<f64> {
    value
        .pointer(pointer)
        .and_then(Value::as_f64)
        .with_context(|| format!("it does not tell {pointer}"))
}
