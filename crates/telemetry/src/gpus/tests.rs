use std::sync::{Arc, Mutex};

use super::*;
use crate::fixture::Process;
use crate::server::FoundBy;

/// A maker's devices; what they were asked.
struct Maker {
    devices: Vec<String>,
    asked: Arc<Mutex<Vec<Option<Stamp>>>>,
}

impl Maker {
    fn boxed(devices: &[&str]) -> Box<dyn GpuSampler> {
        Box::new(Self {
            devices: devices.iter().map(|&d| d.to_owned()).collect(),
            asked: Arc::default(),
        })
    }

    fn readings(&self) -> Vec<GpuReading> {
        (0..self.devices.len() as u32)
            .map(|index| GpuReading {
                index,
                part_of: index.checked_sub(1),
                memory_used_bytes: Some(3),
                memory_total_bytes: Some(10),
                processes: vec![GpuProcess {
                    pid: 40 + index,
                    ..GpuProcess::default()
                }],
                ..GpuReading::default()
            })
            .collect()
    }
}

impl GpuSampler for Maker {
    fn source(&self) -> GpuSource {
        GpuSource::Amd {
            driver: "1".to_owned(),
            devices: self.devices.clone(),
            notes: vec![format!("{}: no power", self.devices[0])],
        }
    }
    fn sample(&mut self) -> Vec<GpuReading> {
        self.asked.lock().unwrap().push(None);
        self.readings()
    }
    fn sample_at(&mut self, at: Stamp) -> Vec<GpuReading> {
        self.asked.lock().unwrap().push(Some(at));
        self.readings()
    }
    fn facts(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("gpu_0_link".to_owned(), self.devices[0].clone())])
    }
}

fn absent(reason: &str) -> GpuAbsent {
    GpuAbsent {
        reason: reason.to_owned(),
    }
}

#[test]
fn devices_of_two_makers_are_numbered_on() {
    let (sampler, source) = combine([Ok(Maker::boxed(&["A", "B"])), Ok(Maker::boxed(&["C"]))]);
    let mut sampler = sampler.unwrap();
    assert_eq!(source.devices(), ["A", "B", "C"]);
    assert_eq!(source.notes(), ["A: no power", "C: no power"]);
    assert_eq!(source, sampler.source());
    let places: Vec<_> = sampler
        .sample_at(Stamp(5))
        .iter()
        .map(|r| (r.index, r.part_of))
        .collect();
    assert_eq!(places, [(0, None), (1, Some(0)), (2, None)]);
    let facts = sampler.facts();
    assert_eq!((&*facts["gpu_0_link"], &*facts["gpu_2_link"]), ("A", "C"));
}

#[test]
fn a_moment_reaches_every_sampler() {
    let asked = Arc::default();
    let maker = Maker {
        devices: vec!["A".to_owned()],
        asked: Arc::clone(&asked),
    };
    let (sampler, _) = combine([Err(absent("none")), Ok(Box::new(maker))]);
    let mut sampler = sampler.unwrap();
    sampler.sample_at(Stamp(7));
    sampler.sample();
    assert_eq!(*asked.lock().unwrap(), [Some(Stamp(7)), None]);
}

#[test]
fn without_devices_both_reasons_are_told() {
    let (sampler, source) = combine([Err(absent("no driver")), Err(absent("no AMD GPU here"))]);
    assert!(sampler.is_none());
    let reason = "no driver; no AMD GPU here".to_owned();
    assert_eq!(source, GpuSource::Absent { reason });
}

#[test]
fn a_list_tells_the_servers_processes_from_others() {
    let (sampler, source) = combine([Ok(Maker::boxed(&["A", "B", "C"])), Err(absent("none"))]);
    let mut readings = sampler.unwrap().sample();
    readings.remove(2);
    let server = ServerProcess {
        pid: 39,
        name: "ollama".to_owned(),
        descendants: vec![41],
        cores: None,
        found: FoundBy::Socket,
    };
    let list = list(source, readings, &[None, Some(server)]);
    let of = |index: usize| &list.devices[index];
    assert_eq!(of(0).memory_free_bytes(), Some(7));
    assert_eq!(of(0).others().map(|p| p.pid).collect::<Vec<_>>(), [40]);
    assert_eq!(of(1).processes[0].server, Some(1));
    assert_eq!(of(1).others().count(), 0);
    // A device that gives no reading is still listed.
    assert_eq!((of(2).name.as_str(), of(2).memory_total_bytes), ("C", None));
}

#[test]
fn names_are_filled_in_and_asked_for_once() {
    let proc = tempfile::tempdir().unwrap();
    Process::new(40, 1, "firefox").put(proc.path());
    let mut names = Names::new(Proc::at(proc.path()));
    let seen = |names: &mut Names, pid| {
        let mut processes = [GpuProcess {
            pid,
            ..GpuProcess::default()
        }];
        names.fill(&mut processes);
        processes[0].name.clone()
    };
    assert_eq!(seen(&mut names, 40).as_deref(), Some("firefox"));
    assert_eq!(seen(&mut names, 41), None);
    std::fs::remove_dir_all(proc.path().join("40")).unwrap();
    assert_eq!(seen(&mut names, 40).as_deref(), Some("firefox"));
}

#[test]
fn this_machine_is_listed() {
    let list = gpus(&[]);
    assert_eq!(list.devices.len(), list.source.devices().len());
    if let GpuSource::Absent { reason } = &list.source {
        println!("no device here: {reason}");
        assert!(
            reason.contains("NVIDIA") && reason.contains("AMD"),
            "{reason}"
        );
    }
}
