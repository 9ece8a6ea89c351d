use super::*;
use crate::fixture::{Devices, Process, on_device};
use crate::server::FoundBy;

fn reading(index: u32) -> GpuReading {
    GpuReading {
        index,
        part_of: index.checked_sub(1),
        memory_used_bytes: Some(3),
        memory_total_bytes: Some(10),
        processes: vec![on_device(40 + index, None)],
        ..GpuReading::default()
    }
}

/// Devices that give readings only at moments from 5 ns on, and without a moment.
fn maker(names: &[&str]) -> Box<dyn GpuSampler> {
    let count = names.len() as u32;
    Devices::boxed(names, move |at| {
        let read = at.is_none_or(|at| at >= Stamp(5));
        (0..count).filter(|_| read).map(reading).collect()
    })
}

#[test]
fn devices_of_two_makers_are_numbered_on() {
    let (sampler, source) = combine([Ok(maker(&["A", "B"])), Ok(maker(&["C"]))]);
    let mut sampler = sampler.unwrap();
    assert_eq!(source.devices(), ["A", "B", "C"]);
    assert_eq!(source.notes(), ["A: no power", "C: no power"]);
    assert_eq!(source, sampler.source());
    assert!(sampler.sample(Some(Stamp(4))).is_empty());
    let places: Vec<_> = sampler
        .sample(Some(Stamp(5)))
        .iter()
        .map(|r| (r.index, r.part_of))
        .collect();
    assert_eq!(places, [(0, None), (1, Some(0)), (2, None)]);
    let facts = sampler.facts();
    assert_eq!((&*facts["gpu_0_link"], &*facts["gpu_2_link"]), ("A", "C"));
}

#[test]
fn without_devices_both_reasons_are_given() {
    let reasons = ["no driver", "no AMD GPU here"];
    let (sampler, source) = combine(reasons.map(|reason| Err(reason.to_owned())));
    assert!(sampler.is_none());
    let reason = "no driver; no AMD GPU here".to_owned();
    assert_eq!(source, GpuSource::Absent { reason });
}

#[test]
fn a_list_distinguishes_the_servers_processes_from_others() {
    let (sampler, source) = combine([Ok(maker(&["A", "B", "C"])), Err("none".to_owned())]);
    let mut readings = sampler.unwrap().sample(None);
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
fn names_are_filled_in_and_looked_up_once() {
    let proc = tempfile::tempdir().unwrap();
    Process::new(40, 1, "firefox").put(proc.path());
    let mut names = Names {
        proc: Proc::at(proc.path()),
        known: BTreeMap::new(),
    };
    let seen = |names: &mut Names, pid| {
        let mut processes = [on_device(pid, None)];
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
