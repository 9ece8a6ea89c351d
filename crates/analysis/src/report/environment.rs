//! What a report was made from and on: machine, servers, contexts, commands.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use domain::plan::SweepPlan;
use domain::record::Environment;
use domain::telemetry::GpuSource;

use super::Material;
use crate::tables::plain;

pub(super) fn environment(text: &mut String, material: &Material<'_>) {
    text.push_str("## Environment\n\n");
    let set = material.dataset;
    let mut line = |what: &str, value: String| {
        let _ = writeln!(text, "- {what}: {value}");
    };
    line("data", set.source.clone());
    if let Some(env) = &set.environment {
        machine(env, &mut line);
    } else {
        line("machine", "not recorded in the data".to_owned());
    }
    if let Some(manifest) = &set.manifest {
        for (endpoint, place) in manifest.header.endpoints.iter().zip(1..) {
            let model = endpoint
                .model
                .as_ref()
                .map_or("model unknown".to_owned(), |m| {
                    let facts = [
                        m.parameter_size.clone(),
                        m.quantization.clone(),
                        m.digest.clone().map(|d| format!("digest {d}")),
                    ];
                    let facts: Vec<String> = facts.into_iter().flatten().collect();
                    if facts.is_empty() {
                        m.name.clone()
                    } else {
                        format!("{} ({})", m.name, facts.join(", "))
                    }
                });
            line(
                &format!("server {place}"),
                format!(
                    "{} {}, {model}",
                    endpoint.server.kind, endpoint.server.version
                ),
            );
        }
        if let Some(most) = manifest.header.admission {
            line(
                "requests in flight",
                format!("at most {most}, by the client's own limit (`--admission`)"),
            );
        }
        line("context", context(&manifest.plan, &set.contexts));
        line("tool", manifest.header.tool.clone());
        line("started", manifest.header.started_at.clone());
        line("plan hash", manifest.plan_hash.clone());
        line(
            "command of the sweep",
            format!("`{}`", manifest.header.command),
        );
    }
    line("command of this report", material.options.command());
    text.push('\n');
}

/// The machine's lines: each a name and a value.
pub(crate) fn machine(env: &Environment, line: &mut impl FnMut(&str, String)) {
    line("operating system", env.os.clone());
    line("processor", format!("{}, {} cores", env.cpu, env.cores));
    line(
        "memory",
        format!("{} GB", plain(env.memory_bytes as f64 / 1e9, 1)),
    );
    line("GPU", gpu_words(&env.gpu));
    for note in env.gpu.notes() {
        line("not readable", note.to_owned());
    }
    for (name, value) in &env.facts {
        line(name, value.clone());
    }
}

/// Contexts in tokens: what the plan asks for, and what the servers said they had loaded.
fn context(plan: &SweepPlan, loaded: &[u64]) -> String {
    let agents = plan.configs.iter().flat_map(|config| &config.agents);
    let asked: BTreeSet<i64> = agents.filter_map(|a| a.options.num_ctx).collect();
    let asked = match asked.len() {
        0 => "the server's own is asked for".to_owned(),
        _ => format!("num_ctx {} asked for", listed(&asked)),
    };
    let loaded = match loaded.len() {
        0 => "what was loaded is not told".to_owned(),
        _ => format!("{} loaded", listed(loaded)),
    };
    format!("{asked}; {loaded}")
}

fn listed<T: ToString>(numbers: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = numbers.into_iter().map(|n| n.to_string()).collect();
    words.join(", ")
}

/// Devices and driver, or why there are none.
fn gpu_words(source: &GpuSource) -> String {
    match source {
        GpuSource::Absent { reason } => format!("none can be read: {reason}"),
        GpuSource::Nvml {
            driver, devices, ..
        }
        | GpuSource::Amd {
            driver, devices, ..
        } => format!("{}, driver {driver}", devices.join(", ")),
        GpuSource::Simulated { devices } => format!("SIMULATED {}", devices.join(", ")),
        GpuSource::Several { sources } => {
            let all: Vec<String> = sources.iter().map(gpu_words).collect();
            all.join("; ")
        }
    }
}
