//! AMD devices through the kernel's files.
//!
//! Everything comes from `/sys/class/drm/card*/device` and its `hwmon` folder, so it needs no
//! library and, but for other users' processes, no rights. `pcie_bw` is left alone: the driver
//! sleeps for a second whenever it is read.

use std::path::{Path, PathBuf};

use domain::telemetry::{DeviceFacts, GpuSource, Gpus};

use crate::every::PROCESSES;
use crate::file::{entries, name, read, value};
use crate::proc::Proc;

mod card;
mod clients;
mod throttle;

use card::Card;
use clients::Clients;

/// AMD's number among the makers of PCI devices.
const AMD: &str = "0x1002";
/// The one driver that reports readings.
const DRIVER: &str = "amdgpu";

/// Finds this machine's AMD devices. The source's notes name missing values; a device without any is left out.
/// Without devices, the error is the reason.
pub(crate) fn open() -> Result<Gpus, String> {
    let [sys, proc] = ["/sys", "/proc"].map(Path::new);
    under(sys, proc, &PCI_IDS.map(PathBuf::from))
}

/// The devices in copies of the kernel's trees. `pci_ids` may be lists of PCI device names.
fn under(sys: &Path, proc: &Path, pci_ids: &[PathBuf]) -> Result<Gpus, String> {
    let (mut notes, mut facts) = (Vec::new(), DeviceFacts::new());
    let (mut names, mut cards) = (Vec::new(), Vec::new());
    for folder in card_folders(&sys.join("class/drm")) {
        let device = folder.join("device");
        if read(&device.join("vendor")).as_deref() != Some(AMD) {
            continue;
        }
        let driver = uevent(&device, "DRIVER");
        if driver.as_deref() == Some(DRIVER) {
            let card = Card::open(cards.len() as u32, &device);
            let name = card::name(&device, pci_ids);
            notes.extend(card.missing().map(|why| format!("{name}: {why}")));
            names.push(name);
            facts.extend(card.facts(&device));
            cards.push(card);
        } else {
            let place = uevent(&device, "PCI_SLOT_NAME");
            let place = place.unwrap_or_else(|| "of unknown place".to_owned());
            let driver = driver.map_or("no driver".to_owned(), |d| format!("the driver {d}"));
            notes.push(format!(
                    "the AMD device {place} uses {driver}, which reports no readings; the amdgpu driver does"
                ));
        }
    }
    if cards.is_empty() {
        return Err(match &notes[..] {
            [] => "no AMD GPU here".to_owned(),
            notes => notes.join("; "),
        });
    }
    let version = read(&sys.join("module/amdgpu/version"));
    let driver = match (version, read(&proc.join("sys/kernel/osrelease"))) {
        (Some(version), _) => format!("amdgpu {version}"),
        (None, Some(kernel)) => format!("amdgpu of kernel {kernel}"),
        (None, None) => "amdgpu".to_owned(),
    };
    let slots = cards.iter().map(|card| card.slot.clone()).collect();
    let source = GpuSource::Amd {
        driver,
        devices: names,
        notes,
    };
    let mut clients = Clients::new(Proc::at(proc), sys, slots);
    let mut list_processes = PROCESSES;
    let read = move |at| {
        let listed = list_processes.is_due(at).then(|| clients.list(at));
        let mut processes = listed.unwrap_or_default();
        let read = |card: &mut Card| {
            let mut reading = card.read()?;
            reading.processes = processes.remove(&card.slot).unwrap_or_default();
            Some(reading)
        };
        cards.iter_mut().filter_map(read).collect()
    };
    Ok(Gpus {
        source,
        facts,
        read: Box::new(read),
    })
}

/// Where distributions keep the names of PCI devices.
const PCI_IDS: [&str; 2] = ["/usr/share/hwdata/pci.ids", "/usr/share/misc/pci.ids"];

/// The cards' folders in the order of their numbers; connectors (`card0-DP-1`) are none.
fn card_folders(drm: &Path) -> Vec<PathBuf> {
    let number = |folder: &PathBuf| name(folder).strip_prefix("card")?.parse::<u32>().ok();
    let mut cards = entries(drm);
    cards.retain(|folder| number(folder).is_some());
    cards.sort_by_key(number);
    cards
}

/// The kernel's value for one key of a device.
fn uevent(device: &Path, key: &str) -> Option<String> {
    let text = read(&device.join("uevent"))?;
    value(&text, &format!("{key}=")).map(str::to_owned)
}

#[cfg(test)]
mod tests;
