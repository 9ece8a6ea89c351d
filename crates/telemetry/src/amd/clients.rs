//! Which processes hold a card's memory.
//!
//! Graphics and compute clients show in `/proc/<pid>/fdinfo` (the kernel's "DRM client usage
//! stats"), compute processes in `/sys/class/kfd/kfd/proc` as well. Of other users' processes only
//! root sees the first.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use domain::telemetry::GpuProcess;
use domain::{Nanos, Stamp};

use crate::every::Every;
use crate::file::{entries, name, read, value};
use crate::proc::Proc;

/// Who has a device open is looked for this often; it means looking at every open file there is.
const LOOK: Every = Every::new(Nanos::from_secs(10));

pub(super) struct Clients {
    proc: Proc,
    kfd: PathBuf,
    slots: BTreeSet<String>,
    /// KFD's numbers of the cards.
    ids: BTreeMap<String, String>,
    /// Descriptions of open device files.
    open: Vec<(u32, PathBuf)>,
    look: Every,
}

impl Clients {
    pub(super) fn new(proc: Proc, sys: &Path, slots: BTreeSet<String>) -> Self {
        let kfd = sys.join("class/kfd/kfd");
        let ids = ids(&kfd);
        Self {
            proc,
            kfd,
            slots,
            ids,
            open: Vec::new(),
            look: LOOK,
        }
    }

    /// The processes with memory on each card, by the card's place on the bus, in order of ids.
    pub(super) fn list(&mut self, at: Option<Stamp>) -> BTreeMap<String, Vec<GpuProcess>> {
        if self.look.is_due(at) {
            self.open = self.look();
        }
        // A client may be open several times and in several processes; it counts once in each.
        let mut clients: BTreeMap<(String, u32, String), u64> = BTreeMap::new();
        self.open.retain(|(pid, path)| {
            let client = read(path).and_then(|text| client(&text));
            let is_open = client.is_some();
            if let Some((slot, id, bytes)) = client.filter(|(slot, ..)| self.slots.contains(slot)) {
                clients.insert((slot, *pid, id), bytes);
            }
            is_open
        });
        let mut held: BTreeMap<String, BTreeMap<u32, u64>> = BTreeMap::new();
        for ((slot, pid, _), bytes) in clients {
            *held.entry(slot).or_default().entry(pid).or_default() += bytes;
        }
        for (slot, pid, bytes) in self.compute() {
            // The kernel counts compute memory in both places, or only here.
            let known = held.entry(slot).or_default().entry(pid).or_default();
            *known = bytes.max(*known);
        }
        let process = |(pid, bytes)| GpuProcess {
            pid,
            memory_bytes: Some(bytes),
            ..GpuProcess::default()
        };
        let of_card = |(slot, held): (String, BTreeMap<u32, u64>)| {
            (slot, held.into_iter().map(process).collect())
        };
        held.into_iter().map(of_card).collect()
    }

    /// The descriptions of all open device files that may be seen.
    fn look(&self) -> Vec<(u32, PathBuf)> {
        let mut found = Vec::new();
        for pid in self.proc.pids() {
            let folder = self.proc.process(pid);
            for file in entries(&folder.join("fd")) {
                let target = file.read_link();
                if target.is_ok_and(|target| target.starts_with("/dev/dri")) {
                    found.push((pid, folder.join("fdinfo").join(name(&file))));
                }
            }
        }
        found
    }

    /// What KFD lists: card, process, bytes.
    fn compute(&self) -> Vec<(String, u32, u64)> {
        let ids = self.ids.iter();
        let cards: Vec<_> = ids.filter(|(_, slot)| self.slots.contains(*slot)).collect();
        let processes = entries(&self.kfd.join("proc")).into_iter();
        let held = processes.flat_map(|process| {
            cards.iter().filter_map(move |(id, slot)| {
                let pid = name(&process).parse().ok()?;
                let bytes: u64 = read(&process.join(format!("vram_{id}")))?.parse().ok()?;
                (bytes > 0).then(|| ((*slot).clone(), pid, bytes))
            })
        });
        held.collect()
    }
}

/// The card's place on the bus, the client's id and its bytes, in a description of an open device file.
fn client(text: &str) -> Option<(String, String, u64)> {
    if value(text, "drm-driver:")? != super::DRIVER {
        return None;
    }
    // Of newer kernels, then of older ones.
    let keys = ["drm-resident-vram:", "drm-memory-vram:", "drm-total-vram:"];
    let bytes = keys.iter().find_map(|key| size(value(text, key)?))?;
    let id = value(text, "drm-client-id:").unwrap_or("");
    Some((value(text, "drm-pdev:")?.to_owned(), id.to_owned(), bytes))
}

/// Bytes, of a number with or without its unit.
fn size(value: &str) -> Option<u64> {
    let mut words = value.split_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    let unit = match words.next() {
        None => 1,
        Some("KiB") => 1 << 10,
        Some("MiB") => 1 << 20,
        Some("GiB") => 1 << 30,
        Some(_) => return None,
    };
    number.checked_mul(unit)
}

/// KFD's number of each card, with the card's place on the bus.
fn ids(kfd: &Path) -> BTreeMap<String, String> {
    let nodes = entries(&kfd.join("topology/nodes")).into_iter();
    let ids = nodes.filter_map(|node| {
        let id = read(&node.join("gpu_id")).filter(|id| id != "0")?;
        let properties = read(&node.join("properties"))?;
        let property = |name: &str| value(&properties, name)?.parse::<u64>().ok();
        let place = property("location_id ")?;
        let (bus, device, function) = (place >> 8 & 0xff, place >> 3 & 0x1f, place & 7);
        let domain = property("domain ").unwrap_or(0);
        Some((
            id,
            format!("{domain:04x}:{bus:02x}:{device:02x}.{function}"),
        ))
    });
    ids.collect()
}
