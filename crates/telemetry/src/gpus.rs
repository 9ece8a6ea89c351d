//! All devices of this machine, of every vendor.

use std::collections::BTreeMap;

use domain::telemetry::{DeviceFacts, GpuProcess, GpuReading, GpuSource, Gpus};

use crate::proc::Proc;
use crate::server::{ServerProcess, server_process};
use crate::{amd, nvml};

/// Where the readings of this machine's devices come from, or why there are none, and a reading of each device.
/// [`GpuProcess::server`] marks the processes of `endpoints` that run here.
pub fn gpus(endpoints: &[String]) -> (GpuSource, Vec<GpuReading>) {
    let (gpus, source) = open_gpus();
    let servers: Vec<_> = endpoints.iter().map(|e| server_process(e).ok()).collect();
    let readings = gpus.map(|mut gpus| (gpus.read)(None));
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

/// Opens the devices, NVIDIA's first, then AMD's. Without any, the source has the reason.
pub fn open_gpus() -> (Option<Gpus>, GpuSource) {
    combine([nvml::open(), amd::open()])
}

/// Devices of several makers, numbered on from one to the next.
fn combine(opened: [Result<Gpus, String>; 2]) -> (Option<Gpus>, GpuSource) {
    let (mut sources, mut facts, mut readers) = (Vec::new(), DeviceFacts::new(), Vec::new());
    let mut absences = Vec::new();
    let mut first = 0;
    for one in opened {
        match one {
            Ok(gpus) => {
                let own = gpus.facts.into_iter();
                facts.extend(own.map(|((index, what), value)| ((first + index, what), value)));
                readers.push((first, gpus.read));
                first += gpus.source.devices().len() as u32;
                sources.push(gpus.source);
            }
            Err(absent) => absences.push(absent),
        }
    }
    let source = match sources.len() {
        0 => {
            let reason = absences.join("; ");
            return (None, GpuSource::Absent { reason });
        }
        1 => sources.remove(0),
        _ => GpuSource::Several { sources },
    };
    let mut names = Names::new();
    let read = move |at| {
        let mut all = Vec::new();
        for (first, read) in &mut readers {
            for mut reading in read(at) {
                reading.index += *first;
                reading.part_of = reading.part_of.map(|whole| whole + *first);
                name(&mut reading.processes, &Proc::here(), &mut names);
                all.push(reading);
            }
        }
        all
    };
    let gpus = Gpus {
        source: source.clone(),
        facts,
        read: Box::new(read),
    };
    (Some(gpus), source)
}

/// Short names of processes, each looked up once.
type Names = BTreeMap<u32, Option<String>>;

fn name(processes: &mut [GpuProcess], proc: &Proc, known: &mut Names) {
    for process in processes.iter_mut().filter(|p| p.name.is_none()) {
        let name = known.entry(process.pid);
        process.name = name.or_insert_with(|| proc.name(process.pid)).clone();
    }
}

#[cfg(test)]
mod tests;
