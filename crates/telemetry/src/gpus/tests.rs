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

fn maker(names: &[&str]) -> Box<dyn GpuSampler> {
    let count = names.len() as u32;
    Devices::boxed(names, move |_| (0..count).map(reading).collect())
}

#[test]
fn devices_of_two_makers_are_numbered_on() {
    let (sampler, source) = combine([Ok(maker(&["A", "B"])), Ok(maker(&["C"]))]);
    let mut sampler = sampler.unwrap();
    assert_eq!(source.devices(), ["A", "B", "C"]);
    assert_eq!(source.notes(), ["A: no power", "C: no power"]);
    assert_eq!(source, sampler.source());
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
fn a_moment_reaches_every_sampler() {
    let (moments, asked) = std::sync::mpsc::channel();
    let maker = Devices::boxed(&["A"], move |at| {
        moments.send(at).unwrap();
        Vec::new()
    });
    let (sampler, _) = combine([Err("none".to_owned()), Ok(maker)]);
    let mut sampler = sampler.unwrap();
    sampler.sample(Some(Stamp(7)));
    sampler.sample(None);
    assert!(asked.try_iter().eq([Some(Stamp(7)), None]));
}

#[test]
fn without_devices_both_reasons_are_told() {
    let (sampler, source) = combine([
        Err("no driver".to_owned()),
        Err("no AMD GPU here".to_owned()),
    ]);
    assert!(sampler.is_none());
    let reason = "no driver; no AMD GPU here".to_owned();
    assert_eq!(source, GpuSource::Absent { reason });
}

#[test]
fn a_list_tells_the_servers_processes_from_others() {
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
fn names_are_filled_in_and_asked_for_once() {
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
