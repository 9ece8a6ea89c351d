use domain::Stamp;

use super::*;
use crate::fixture::{devices, on_device, put_all};
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
fn maker(names: &[&str]) -> Gpus {
    let count = names.len() as u32;
    devices(names, move |at| {
        let read = at.is_none_or(|at| at >= Stamp(5));
        (0..count).filter(|_| read).map(reading).collect()
    })
}

#[test]
fn devices_of_two_makers_are_numbered_on() {
    let (gpus, source) = combine([Ok(maker(&["A", "B"])), Ok(maker(&["C"]))]);
    let mut gpus = gpus.unwrap();
    assert_eq!(source.devices(), ["A", "B", "C"]);
    assert_eq!(source.notes(), ["A: no power", "C: no power"]);
    assert_eq!(source, gpus.source);
    assert!((gpus.read)(Some(Stamp(4))).is_empty());
    let readings = (gpus.read)(Some(Stamp(5)));
    let places = readings.iter().map(|r| (r.index, r.part_of));
    assert!(places.eq([(0, None), (1, Some(0)), (2, None)]));
    let facts = gpus.facts;
    assert_eq!((&*facts[&(0, "link")], &*facts[&(2, "link")]), ("A", "C"));
}

#[test]
fn without_devices_both_reasons_are_given() {
    let reasons = ["no driver", "no AMD GPU here"];
    let (gpus, source) = combine(reasons.map(|reason| Err(reason.to_owned())));
    assert!(gpus.is_none());
    let reason = "no driver; no AMD GPU here".to_owned();
    assert_eq!(source, GpuSource::Absent { reason });
}

#[test]
fn a_list_distinguishes_the_servers_processes_from_others() {
    let (gpus, source) = combine([Ok(maker(&["A", "B", "C"])), Err("none".to_owned())]);
    let mut readings = (gpus.unwrap().read)(None);
    readings.remove(2);
    let server = ServerProcess {
        pid: 39,
        name: "ollama".to_owned(),
        descendants: vec![41],
        cores: None,
        found: FoundBy::Socket,
    };
    let devices = list(&source, readings, &[None, Some(server)]);
    let servers = |gpu: &GpuReading| gpu.processes.iter().map(|p| (p.pid, p.server)).collect();
    let servers: Vec<Vec<_>> = devices.iter().map(servers).collect();
    // A device that gives no reading is still listed.
    let expected = [vec![(40, None)], vec![(41, Some(1))], Vec::new()];
    assert_eq!(servers, expected);
    assert!(devices.iter().map(|gpu| gpu.index).eq([0, 1, 2]));
    assert_eq!(devices[0].memory_total_bytes, Some(10));
    assert_eq!(devices[2].memory_total_bytes, None);
}

#[test]
fn names_are_filled_in_and_looked_up_once() {
    let proc = tempfile::tempdir().unwrap();
    put_all(proc.path(), "process 40 1 firefox");
    let (table, mut names) = (Proc::at(proc.path()), Names::new());
    let mut seen = |pid| {
        let mut processes = [on_device(pid, None)];
        name(&mut processes, &table, &mut names);
        processes[0].name.clone()
    };
    assert_eq!(seen(40).as_deref(), Some("firefox"));
    assert_eq!(seen(41), None);
    std::fs::remove_dir_all(proc.path().join("40")).unwrap();
    assert_eq!(seen(40).as_deref(), Some("firefox"));
}

#[test]
fn this_machine_is_listed() {
    let (source, devices) = gpus(&[]);
    assert_eq!(devices.len(), source.devices().len());
    assert!(devices.iter().all(|d| d.memory_total_bytes != Some(0)));
    if let GpuSource::Absent { reason } = &source {
        println!("no device here: {reason}");
        let both = reason.contains("NVIDIA") && reason.contains("AMD");
        assert!(both, "{reason}");
    }
}
