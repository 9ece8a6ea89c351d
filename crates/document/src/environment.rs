//! What data were measured on: machine and servers, as names and values.

use domain::record::{EndpointFacts, Environment};
use domain::telemetry::GpuSource;
use itertools::Itertools as _;

use crate::number::plain;
use crate::safe;

pub type Line = (String, String);

/// The value is not escaped.
pub fn line(name: impl Into<String>, value: impl Into<String>) -> Line {
    (name.into(), value.into())
}

pub fn command(name: &str, command: &str) -> Line {
    line(name, safe::code(command))
}

pub fn machine(env: Option<&Environment>) -> Vec<Line> {
    let Some(env) = env else {
        return vec![line("machine", "not recorded in the data")];
    };
    let cpu = safe::markdown(&env.cpu);
    let memory = plain(env.memory_bytes as f64 / 1e9, 1);
    let mut lines = vec![
        line("operating system", safe::markdown(&env.os)),
        line("processor", format!("{cpu}, {} cores", env.cores)),
        line("memory", format!("{memory} GB")),
        line("GPU", safe::markdown(&gpu_words(&env.gpu))),
    ];
    let notes = env.gpu.notes().into_iter();
    lines.extend(notes.map(|note| line("not readable", safe::markdown(note))));
    let facts = env.facts.iter();
    lines.extend(facts.map(|(name, value)| line(name, safe::markdown(value))));
    lines
}

pub fn servers(endpoints: &[EndpointFacts]) -> Vec<Line> {
    let server = |(endpoint, place): (&EndpointFacts, usize)| {
        let model = endpoint.model.as_ref().map(|m| {
            let digest = m.digest.as_ref().map(|d| format!("digest {d}"));
            let facts = [m.parameter_size.clone(), m.quantization.clone(), digest];
            match facts.into_iter().flatten().join(", ") {
                facts if facts.is_empty() => m.name.clone(),
                facts => format!("{} ({facts})", m.name),
            }
        });
        let model = model.unwrap_or_else(|| "model unknown".to_owned());
        let server = &endpoint.server;
        let words = format!("{} {}, {model}", server.kind, server.version);
        line(format!("server {place}"), safe::markdown(&words))
    };
    endpoints.iter().zip(1..).map(server).collect()
}

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
        GpuSource::Several { sources } => sources.iter().map(gpu_words).join("; "),
    }
}
