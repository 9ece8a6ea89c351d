//! All devices of this machine, of every vendor.

use std::collections::BTreeMap;

use domain::Stamp;
use domain::telemetry::{GpuProcess, GpuReading, GpuSampler, GpuSource};

use crate::amd::AmdSampler;
use crate::nvml::NvmlSampler;
use crate::proc::Proc;
use crate::server::{ServerProcess, server_process};

/// Where the readings of this machine's devices come from, or why there are none, and a reading of each device.
/// [`GpuProcess::server`] marks the processes of `endpoints` that run here.
pub fn gpus(endpoints: &[String]) -> (GpuSource, Vec<GpuReading>) {
    let (sampler, source) = open_gpus();
    let servers: Vec<_> = endpoints.iter().map(|e| server_process(e).ok()).collect();
    let readings = sampler.map(|mut sampler| sampler.sample(None));
    let readings = list(&source, readings.unwrap_or_default(), &servers);
    (source, readings)
}

/// A reading of each device, an empty one of a device that gives none.
fn list(
    source: &GpuSource,
    readings: Vec<GpuReading>,
    servers: &[Option<ServerProcess>],
) -> Vec<GpuReading> {
    let mut readings: BTreeMap<u32, GpuReading> =
        readings.into_iter().map(|r| (r.index, r)).collect();
    let owner = |pid: u32| {
        let owns = |s: &Option<ServerProcess>| s.as_ref().is_some_and(|s| s.owns(pid));
        servers.iter().position(owns).map(|place| place as u32)
    };
    let device = |index| {
        let mut reading = readings.remove(&index).unwrap_or_default();
        attribute(&mut reading.processes, owner);
        GpuReading { index, ..reading }
    };
    (0..source.devices().len() as u32).map(device).collect()
}

pub(crate) fn attribute(processes: &mut [GpuProcess], owner: impl Fn(u32) -> Option<u32>) {
    for process in processes {
        process.server = owner(process.pid);
    }
}

/// Opens the devices, NVIDIA's first, then AMD's. Without a sampler, the source has the reason.
pub fn open_gpus() -> (Option<Box<dyn GpuSampler>>, GpuSource) {
    combine([
        NvmlSampler::open().map(|s| Box::new(s) as _),
        AmdSampler::open().map(|s| Box::new(s) as _),
    ])
}

fn combine(
    opened: [Result<Box<dyn GpuSampler>, String>; 2],
) -> (Option<Box<dyn GpuSampler>>, GpuSource) {
    let mut samplers = Vec::new();
    let mut absences = Vec::new();
    let mut first = 0;
    for one in opened {
        match one {
            Ok(sampler) => {
                let devices = sampler.source().devices().len() as u32;
                samplers.push((first, sampler));
                first += devices;
            }
            Err(absent) => absences.push(absent),
        }
    }
    if samplers.is_empty() {
        let reason = absences.join("; ");
        return (None, GpuSource::Absent { reason });
    }
    let names = Names::new();
    let all = Combined { samplers, names };
    let source = all.source();
    (Some(Box::new(all)), source)
}

/// Several samplers in a row; devices are numbered on from one to the next.
struct Combined {
    samplers: Vec<(u32, Box<dyn GpuSampler>)>,
    names: Names,
}

impl GpuSampler for Combined {
    fn source(&self) -> GpuSource {
        let mut sources: Vec<_> = self.samplers.iter().map(|(_, s)| s.source()).collect();
        match sources.len() {
            1 => sources.remove(0),
            _ => GpuSource::Several { sources },
        }
    }

    fn sample(&mut self, at: Option<Stamp>) -> Vec<GpuReading> {
        let Self { samplers, names } = self;
        let mut all = Vec::new();
        for (first, sampler) in samplers {
            for mut reading in sampler.sample(at) {
                reading.index += *first;
                reading.part_of = reading.part_of.map(|whole| whole + *first);
                name(&mut reading.processes, &Proc::here(), names);
                all.push(reading);
            }
        }
        all
    }

    fn facts(&self) -> BTreeMap<(u32, &'static str), String> {
        let facts = self.samplers.iter().flat_map(|(first, sampler)| {
            let facts = sampler.facts().into_iter();
            facts.map(move |((index, what), value)| ((index + first, what), value))
        });
        facts.collect()
    }
}

/// Short names of processes, each looked up once.
type Names = BTreeMap<u32, Option<String>>;

fn name(processes: &mut [GpuProcess], proc: &Proc, known: &mut Names) {
    for process in processes.iter_mut().filter(|p| p.name.is_none()) {
        let name = known.entry(process.pid);
        process
            .name
            .clone_from(name.or_insert_with(|| proc.name(process.pid)));
    }
}

#[cfg(test)]
mod tests;
