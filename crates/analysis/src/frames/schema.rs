//! What the columns of each frame are. Figures come from `metrics`; nothing is computed here.

use domain::options::{OPTIONS, OptionKind, OptionValue};
use domain::plan::Topology;
use domain::record::load::Figures;
use domain::record::{RequestRecord, RequestRole, RequestTimes, StampSource, TokenSource};
use domain::telemetry::{GpuProcess, GpuReading, HostReading, Sample, ServerReading};
use domain::{FailureKind, ModelOptions, Nanos, Outcome, OutcomeCounts, Stamp};
use metrics::RequestMetrics;
use metrics::cause::{AgentWaits, LostSeconds};
use metrics::load::AgentFigures;
use metrics::run::{AgentMetrics, RunFigures, RunMetrics};
use serde::Serialize;
use serde_json::Value;

use super::columns::Columns;
use crate::capacity::Level;

/// A request as it was recorded, with its figures.
pub(super) struct RequestRow<'a> {
    pub(super) number: u32,
    pub(super) level: Option<&'a str>,
    pub(super) record: &'a RequestRecord,
    pub(super) metrics: RequestMetrics,
    pub(super) is_final_attempt: bool,
}

/// A chunk: the request's number, its place in the request, when it arrived, and the gap before it.
pub(super) type ChunkRow = (u32, u32, Stamp, Option<Nanos>);

/// A run of a sweep, a load, or a capacity level.
#[derive(Clone, Copy, Default)]
pub(super) struct RunRow<'a> {
    pub(super) sweep: Option<&'a RunMetrics>,
    pub(super) load: Option<&'a Figures>,
    pub(super) level: Option<&'a Level>,
    pub(super) agents: Option<u32>,
}

pub(super) struct AgentRow<'a> {
    pub(super) run: RunRow<'a>,
    pub(super) agent: u32,
    pub(super) sweep: Option<&'a AgentMetrics>,
    pub(super) load: Option<&'a AgentFigures>,
    pub(super) options: Option<&'a ModelOptions>,
}

/// One reading of a sample.
#[derive(Clone, Copy, Default)]
pub(super) struct SampleRow<'a> {
    at: Stamp,
    source: &'static str,
    /// The device, also of a process on it.
    device: Option<&'a GpuReading>,
    gpu: Option<&'a GpuReading>,
    process: Option<&'a GpuProcess>,
    host: Option<&'a HostReading>,
    server: Option<&'a ServerReading>,
}

pub(super) fn readings(samples: &[Sample]) -> impl Iterator<Item = SampleRow<'_>> + Clone {
    samples.iter().flat_map(|sample| {
        let row = |source| SampleRow {
            at: sample.at,
            source,
            ..SampleRow::default()
        };
        let gpus = sample.gpus.iter().flat_map(move |gpu| {
            let device = Some(gpu);
            let processes = gpu.processes.iter().map(move |process| SampleRow {
                device,
                process: Some(process),
                ..row("gpu_process")
            });
            let own = SampleRow {
                device,
                gpu: device,
                ..row("gpu")
            };
            std::iter::once(own).chain(processes)
        });
        let host = sample.host.iter().map(move |host| SampleRow {
            host: Some(host),
            ..row("host")
        });
        let servers = sample.servers.iter().map(move |server| SampleRow {
            server: Some(server),
            ..row("server")
        });
        gpus.chain(host).chain(servers)
    })
}

/// Adds a column for each model option, read from the options of a row.
fn with_options<'f, R: 'f>(
    columns: Columns<'f, R>,
    of: fn(&R) -> Option<&ModelOptions>,
) -> Columns<'f, R> {
    OPTIONS.iter().fold(columns, |columns, option| {
        let name = format!("option_{}", option.name);
        let get = move |row: &R| option.get(of(row)?);
        match option.kind {
            OptionKind::Integer => columns.int(name, move |row| match get(row)? {
                OptionValue::Integer(value) => Some(value),
                _ => None,
            }),
            OptionKind::Float => columns.column(name, move |row| get(row)?.as_f64()),
            OptionKind::Boolean => columns.column(name, move |row| match get(row)? {
                OptionValue::Boolean(value) => Some(value),
                _ => None,
            }),
            OptionKind::Strings => columns.words(name, get),
        }
    })
}

/// The name that a value has in records: `busy`, `http`.
pub(crate) fn name(value: &impl Serialize) -> Option<String> {
    match serde_json::to_value(value).ok()? {
        Value::String(name) => Some(name),
        Value::Object(object) => object.into_iter().next().map(|(name, _)| name),
        _ => None,
    }
}

pub(super) fn requests<'f>() -> Columns<'f, RequestRow<'f>> {
    let columns = Columns::<RequestRow<'f>>::new()
        .column("request", |r| Some(r.number))
        .text("level", |r| r.level)
        .text("config", |r| Some(r.record.run.config.as_str()))
        .words("topology", |r| Some(r.record.run.topology))
        .column("repetition", |r| Some(r.record.run.repetition))
        .words("arm", |r| Some(r.record.arm))
        .column("attempt", |r| Some(r.record.attempt))
        .column("is_final_attempt", |r| Some(r.is_final_attempt))
        .column("is_probe", |r| Some(r.record.role == RequestRole::Probe))
        .column("agent", |r| Some(r.record.agent))
        .text("agent_name", |r| Some(&r.record.agent_name))
        .text("step", |r| Some(&r.record.step))
        .column("call", |r| Some(r.record.call))
        .column("session", |r| Some(r.record.turn?.session))
        .column("turn", |r| Some(r.record.turn?.turn))
        .column("parent", |r| r.record.parent)
        .column("shard", |r| r.record.shard)
        .text("node", |r| r.record.node.as_deref())
        .column("endpoint", |r| Some(r.record.endpoint))
        .text("model", |r| Some(&r.record.model))
        .text("outcome", |r| Some(r.times().outcome.class()))
        .words("failure", |r| match &r.times().outcome {
            Outcome::Failed { failure, .. } => name(failure),
            Outcome::TimedOut { phase } => name(phase),
            _ => None,
        })
        .column("http_status", |r| match &r.times().outcome {
            Outcome::Failed {
                failure: FailureKind::Http { status },
                ..
            } => Some(u32::from(*status)),
            _ => None,
        })
        .text("message", |r| match &r.times().outcome {
            Outcome::Failed { message, .. } => Some(message),
            _ => None,
        })
        .words("notes", |r| {
            let notes: Option<Vec<String>> = r.times().notes.iter().map(name).collect();
            notes
                .filter(|notes| !notes.is_empty())
                .map(|notes| notes.join(" "))
        })
        .text("done_reason", |r| r.record.done_reason.as_deref())
        .stamp("scheduled_ns", |r| Some(r.times().scheduled))
        .stamp("sent_ns", |r| r.times().sent)
        .stamp("headers_ns", |r| r.times().headers)
        .stamp("first_token_ns", |r| r.times().first_token)
        .stamp("first_thinking_ns", |r| r.times().first_thinking)
        .stamp("first_content_ns", |r| r.times().first_content)
        .stamp("first_tool_call_ns", |r| r.times().first_tool_call)
        .stamp("first_refusal_ns", |r| r.times().first_refusal)
        .stamp("last_token_ns", |r| r.times().last_token)
        .stamp("done_ns", |r| r.times().done)
        .stamp("ended_ns", |r| Some(r.times().ended))
        .column("is_rebuilt", |r| {
            Some(r.times().stamps == StampSource::Rebuilt)
        })
        .millis("admission_wait_ms", |r| r.times().admission_wait)
        .millis("connect_ms", |r| r.times().connect)
        .millis("client_queue_ms", |r| r.metrics.client_queue)
        .millis("ttft_ms", |r| r.metrics.ttft)
        .millis("ttft_scheduled_ms", |r| r.metrics.ttft_scheduled)
        .column("tpot_ms", |r| Some(1e3 * r.metrics.tpot_s?))
        .millis("e2e_ms", |r| r.metrics.e2e)
        .millis("slot_wait_ms", |r| r.metrics.slot_wait)
        .column("transport_ms", |r| {
            Some(r.metrics.transport_ns? as f64 / 1e6)
        })
        .column("decode_tokens_per_s", |r| {
            r.metrics.decode_server_tokens_per_s
        })
        .column("decode_client_tokens_per_s", |r| {
            r.metrics.decode_client_tokens_per_s
        })
        .int("clock_warnings", |r| Some(r.metrics.clock_warnings.len()))
        .int("tokens", |r| Some(r.times().tokens))
        .column("is_estimated", |r| {
            Some(r.times().tokens_from == TokenSource::Estimated)
        })
        .int("chunks", |r| Some(r.times().chunks.len()))
        .int("output_chars", |r| Some(r.record.output_chars))
        .int("server_prompt_tokens", |r| {
            r.times().counters.prompt_eval_count
        })
        .int("server_cached_tokens", |r| {
            r.times().counters.prompt_eval_cached_count
        })
        .int("server_generated_tokens", |r| r.times().counters.eval_count)
        .millis("server_total_ms", |r| r.times().counters.total)
        .millis("server_load_ms", |r| r.times().counters.load)
        .millis("server_prefill_ms", |r| r.times().counters.prompt_eval)
        .millis("server_decode_ms", |r| r.times().counters.eval)
        .millis("work_queue_ms", |r| Some(r.record.work?.queue_ns))
        .millis("work_cpu_ms", |r| r.record.work?.cpu_ns)
        .millis("work_file_ms", |r| r.record.work?.file_ns)
        .text("prompt_sha256", |r| Some(&r.record.prompt_sha256));
    with_options(columns, |r| Some(&r.record.options))
}

pub(super) fn chunks<'f>() -> Columns<'f, ChunkRow> {
    Columns::<ChunkRow>::new()
        .column("request", |c| Some(c.0))
        .column("chunk", |c| Some(c.1))
        .stamp("at_ns", |c| Some(c.2))
        .int("itl_ns", |c| Some(c.3?.0))
}

impl RequestRow<'_> {
    fn times(&self) -> &RequestTimes {
        &self.record.times
    }
}

impl<'a> RunRow<'a> {
    fn of_sweep(&self) -> Option<&'a RunFigures> {
        Some(&self.sweep?.figures)
    }

    /// The figures of a load, or of the window of a capacity level.
    fn figures(&self) -> Option<&'a Figures> {
        self.load
            .or_else(|| Some(&self.level?.figures.as_ref()?.load))
    }

    fn outcomes(&self) -> Option<&'a OutcomeCounts> {
        let of_sweep = self.sweep.map(|run| &run.outcomes);
        of_sweep.or_else(|| Some(&self.figures()?.outcomes))
    }

    fn topology(&self) -> Option<Topology> {
        self.sweep.and_then(|run| run.topology)
    }
}

/// Adds a column for each part of a loss.
fn with_losses<'f, R: 'f>(
    columns: Columns<'f, R>,
    of: fn(&R) -> Option<LostSeconds>,
) -> Columns<'f, R> {
    let columns = columns.column("lost_s", move |r| Some(of(r)?.total()));
    let names = LostSeconds::default().named().map(|(name, _)| name);
    names
        .into_iter()
        .enumerate()
        .fold(columns, |columns, (place, name)| {
            columns.column(format!("lost_{name}_s"), move |r| {
                Some(of(r)?.named()[place].1)
            })
        })
}

pub(super) fn runs<'f>() -> Columns<'f, RunRow<'f>> {
    let columns = Columns::<RunRow<'f>>::new()
        .text("level", |r| Some(&r.level?.probe.folder))
        .text("config", |r| Some(r.sweep?.config.as_str()))
        .text("scenario", |r| Some(&r.sweep?.scenario))
        .words("topology", RunRow::topology)
        .column("repetition", |r| Some(r.sweep?.repetition))
        .column("agents", |r| r.agents)
        .column("is_excluded", |r| Some(r.sweep?.excluded.is_some()))
        .column("requests", |r| Some(r.outcomes()?.total()))
        .column("completed", |r| Some(r.outcomes()?.completed))
        .column("wall_s", |r| match r.sweep {
            Some(run) => run.figures.wall_s,
            None => r.figures()?.wall_s,
        })
        .column("throughput_tokens_per_s", |r| match r.sweep {
            Some(run) => run.figures.throughput_together_tokens_per_s,
            None => r.level.map_or_else(
                || r.figures()?.tokens_per_s,
                |level| Some(level.figures.as_ref()?.tokens_per_s.mean),
            ),
        })
        .column("requests_per_s", |r| match r.level {
            Some(level) => Some(level.figures.as_ref()?.requests_per_s),
            None => r.figures()?.requests_per_s,
        })
        .column("wall_sequential_s", |r| r.of_sweep()?.wall_sequential_s)
        .column("wall_sequential_raw_s", |r| {
            r.of_sweep()?.wall_sequential_raw_s
        })
        .column("throughput_sequential_tokens_per_s", |r| {
            r.of_sweep()?.throughput_sequential_tokens_per_s
        })
        .column("speedup", |r| r.of_sweep()?.speedup)
        .column("speedup_raw", |r| r.of_sweep()?.speedup_raw)
        .column("speedup_upper_bound", |r| r.of_sweep()?.speedup_upper_bound)
        .column("efficiency_percent", |r| r.of_sweep()?.efficiency_percent)
        .column("stp", |r| r.of_sweep()?.stp)
        .column("antt", |r| r.of_sweep()?.antt)
        .column("fairness", |r| r.of_sweep()?.fairness)
        .column("jain", |r| r.of_sweep()?.jain)
        .column("sequential_estimated_s", |r| {
            r.of_sweep()?.sequential_estimated_s
        })
        .column("speedup_est", |r| r.of_sweep()?.speedup_est)
        .column("efficiency_est_percent", |r| {
            r.of_sweep()?.efficiency_est_percent
        })
        .column("ttft_delta_ms", |r| r.of_sweep()?.ttft_delta_ms)
        .column("tp_delta_tokens_per_s", |r| {
            r.of_sweep()?.tp_delta_tokens_per_s
        })
        .column("decode_overlap", |r| r.of_sweep()?.decode_overlap)
        .column("contention_ttft", |r| r.sweep?.contention.ttft_rule)
        .column("contention_speedup", |r| r.sweep?.contention.speedup_rule)
        .column("contention_cause", |r| r.sweep?.contention.cause)
        .column("memory_peak_bytes", |r| r.sweep?.memory_peak_bytes)
        .words("verdict", |r| name(&r.level?.probe.observed().verdict))
        .words("phase", |r| name(&r.level?.probe.phase))
        .stamp("window_from_ns", |r| Some(r.level?.probe.window?.from))
        .stamp("window_to_ns", |r| Some(r.level?.probe.window?.to));
    with_losses(columns, |r| Some(r.sweep?.cause.lost?.into()))
}

pub(super) fn agents<'f>() -> Columns<'f, AgentRow<'f>> {
    let columns = Columns::<AgentRow<'f>>::new()
        .text("config", |a| Some(a.run.sweep?.config.as_str()))
        .words("topology", |a| a.run.topology())
        .column("repetition", |a| Some(a.run.sweep?.repetition))
        .column("agent", |a| Some(a.agent))
        .text("agent_name", |a| Some(&a.sweep?.name))
        .column("requests", |a| Some(a.load?.requests))
        .column("completed", |a| Some(a.load?.completed))
        .int("tokens", |a| {
            a.load.map(|load| load.tokens).or(Some(a.sweep?.tokens))
        })
        .column("time_s", |a| a.sweep?.time_s)
        .column("solo_s", |a| a.sweep?.solo_s)
        .column("np", |a| a.sweep?.np)
        .column("warm_load_s", |a| a.sweep?.warm_load_s)
        .column("ttft_s", |a| a.sweep?.ttft_s)
        .column("ttft_solo_s", |a| a.sweep?.ttft_solo_s)
        .column("decode_tokens_per_s", |a| a.sweep?.decode_tokens_per_s)
        .column("decode_sequential_tokens_per_s", |a| {
            a.sweep?.decode_sequential_tokens_per_s
        })
        .column("asking_s", |a| Some(a.load?.asking_s))
        .column("served_tokens_per_s", |a| a.load?.tokens_per_s)
        .column("ttft_scheduled_mean_ms", |a| a.load?.ttft_scheduled_mean_ms)
        .column("ttft_scheduled_max_ms", |a| a.load?.ttft_scheduled_max_ms)
        .column("e2e_mean_ms", |a| a.load?.e2e_mean_ms)
        .millis("wait_other_config_ms", |a| a.waits()?.wait_other_config)
        .millis("load_after_wait_ms", |a| a.waits()?.load_after_wait)
        .millis("slot_queue_ms", |a| a.waits()?.slot_queue)
        .millis("admission_ms", |a| a.waits()?.admission);
    let columns = with_losses(columns, |a| {
        let all = a.run.sweep?.cause.agents.as_ref()?;
        Some((*all.get(a.agent as usize)?).into())
    });
    with_options(columns, |a| a.options)
}

impl AgentRow<'_> {
    fn waits(&self) -> Option<&AgentWaits> {
        self.run.sweep?.cause.waits.get(self.agent as usize)
    }
}

pub(super) fn samples<'f>() -> Columns<'f, SampleRow<'f>> {
    Columns::<SampleRow<'f>>::new()
        .stamp("at_ns", |s| Some(s.at))
        .text("source", |s| Some(s.source))
        .column("gpu", |s| Some(s.device?.index))
        .column("endpoint", |s| {
            let server = s.server.map(|server| server.endpoint);
            server.or_else(|| s.process?.server)
        })
        .column("pid", |s| Some(s.process?.pid))
        .column("part_of_gpu", |s| s.device?.part_of)
        .column("busy_percent", |s| s.gpu?.utilisation_percent)
        .column("cpu_percent", |s| {
            let host = s.host.map(|host| host.cpu_percent);
            host.or_else(|| s.server?.cpu_percent)
        })
        .int("memory_used_bytes", |s| {
            let gpu = s.gpu.and_then(|gpu| gpu.memory_used_bytes);
            let process = s.process.and_then(|process| process.memory_bytes);
            let host = s.host.map(|host| host.memory_used_bytes);
            let server = s.server.map(|server| server.memory_bytes);
            gpu.or(process).or(host).or(server)
        })
        .int("memory_total_bytes", |s| {
            let host = s.host.map(|host| host.memory_total_bytes);
            host.or_else(|| s.gpu?.memory_total_bytes)
        })
        .column("power_w", |s| s.gpu?.power_w)
        .column("energy_j", |s| s.gpu?.energy_j)
        .column("sm_clock_mhz", |s| s.gpu?.sm_clock_mhz)
        .column("memory_clock_mhz", |s| s.gpu?.memory_clock_mhz)
        .column("temperature_celsius", |s| s.gpu?.temperature_c)
        .words("throttle_reasons", |s| {
            let reasons = &s.gpu?.throttle_reasons;
            (!reasons.is_empty()).then(|| reasons.join(" "))
        })
        .column("load_1m", |s| s.host?.load_1m)
        .int("swap_used_bytes", |s| s.host?.swap_used_bytes)
}
