//! NVML as the driver's library gives it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use domain::telemetry::GpuProcess;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;
use nvml_wrapper::{Device, Nvml};

use super::{DeviceReadings, Place, Quantity, Unreadable};

/// Why NVML did not start.
pub(super) fn absence(error: &NvmlError) -> String {
    match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => {
            "no NVIDIA driver here: its management library (NVML) could not be loaded".to_owned()
        }
        NvmlError::DriverNotLoaded => "the NVIDIA driver is installed but not running".to_owned(),
        NvmlError::NoPermission => {
            "no permission to talk to the NVIDIA driver; may this user open /dev/nvidia*?"
                .to_owned()
        }
        NvmlError::LibRmVersionMismatch => {
            "NVIDIA driver and library differ in version; reboot after the update".to_owned()
        }
        other => format!("the NVIDIA driver cannot be used: {other}"),
    }
}

/// The library, loaded once per process; handles of devices live as long as it does.
static LIBRARY: OnceLock<Result<Nvml, String>> = OnceLock::new();

impl From<NvmlError> for Unreadable {
    fn from(error: NvmlError) -> Self {
        match error {
            // Drivers that are too old for a call lack its symbol.
            NvmlError::NotSupported | NvmlError::FailedToLoadSymbol(_) => Self::NotSupported,
            NvmlError::NoPermission => Self::NotPermitted,
            other => Self::Failed(other.to_string()),
        }
    }
}

#[derive(Debug)]
pub(super) struct Driver {
    nvml: &'static Nvml,
    /// A card without a handle fails each of its readings.
    handles: BTreeMap<Place, Option<Device<'static>>>,
}

impl Driver {
    pub(super) fn open() -> Result<Self, String> {
        let library = LIBRARY.get_or_init(|| Nvml::init().map_err(|error| absence(&error)));
        let nvml = library.as_ref().map_err(Clone::clone)?;
        let mut handles = BTreeMap::new();
        for card in 0..nvml.device_count().unwrap_or_default() {
            let whole = nvml.device_by_index(card).ok();
            let split =
                |device: &&Device<'_>| device.mig_mode().is_ok_and(|mode| mode.current != 0);
            if let Some(device) = whole.as_ref().filter(split) {
                for number in 0..device.mig_device_count().unwrap_or_default() {
                    // Instances are numbered with gaps.
                    if let Ok(part) = device.mig_device_by_index(number) {
                        let instance = Some(number);
                        handles.insert(Place { card, instance }, Some(part));
                    }
                }
            }
            let instance = None;
            handles.insert(Place { card, instance }, whole);
        }
        Ok(Self { nvml, handles })
    }

    fn device(&self, at: Place) -> Result<&Device<'static>, Unreadable> {
        let device = self.handles.get(&at).and_then(Option::as_ref);
        device.ok_or_else(|| Unreadable::Failed("the driver gives no handle of it".to_owned()))
    }
}

impl DeviceReadings for Driver {
    fn driver(&self) -> Result<String, Unreadable> {
        Ok(self.nvml.sys_driver_version()?)
    }

    fn places(&self) -> Result<Vec<Place>, Unreadable> {
        // Fails where the number of cards cannot be read, so that they are not taken for none.
        self.nvml.device_count()?;
        Ok(self.handles.keys().copied().collect())
    }

    fn name(&self, at: Place) -> Result<String, Unreadable> {
        Ok(self.device(at)?.name()?)
    }

    fn read(&self, at: Place, quantity: Quantity) -> Result<u64, Unreadable> {
        let device = self.device(at)?;
        Ok(match quantity {
            Quantity::Utilisation => device.utilization_rates()?.gpu.into(),
            Quantity::MemoryUsed => device.memory_info()?.used,
            Quantity::MemoryTotal => device.memory_info()?.total,
            Quantity::Power => device.power_usage()?.into(),
            Quantity::Energy => device.total_energy_consumption()?,
            Quantity::SmClock => device.clock_info(Clock::SM)?.into(),
            Quantity::MemoryClock => device.clock_info(Clock::Memory)?.into(),
            Quantity::Temperature => device.temperature(TemperatureSensor::Gpu)?.into(),
            Quantity::Throttle => device.current_throttle_reasons()?.bits(),
        })
    }

    fn processes(&self, at: Place) -> Result<Vec<GpuProcess>, Unreadable> {
        // Drivers before release 510 lack both calls and list no processes.
        let device = self.device(at)?;
        let compute = device.running_compute_processes();
        let graphics = device.running_graphics_processes();
        let of = |process: ProcessInfo| GpuProcess {
            pid: process.pid,
            memory_bytes: match process.used_gpu_memory {
                UsedGpuMemory::Used(bytes) => Some(bytes),
                UsedGpuMemory::Unavailable => None,
            },
            ..GpuProcess::default()
        };
        match (compute, graphics) {
            (Err(error), Err(_)) => Err(error.into()),
            (compute, graphics) => {
                let both = compute.unwrap_or_default().into_iter();
                Ok(both.chain(graphics.unwrap_or_default()).map(of).collect())
            }
        }
    }

    fn facts(&self, at: Place) -> Vec<(&'static str, Option<String>)> {
        let Ok(device) = self.device(at) else {
            return Vec::new();
        };
        let link = device
            .current_pcie_link_gen()
            .ok()
            .zip(device.current_pcie_link_width().ok());
        let link = link.map(|(generation, width)| format!("PCIe generation {generation} x{width}"));
        let limit = device.enforced_power_limit().ok();
        let limit = limit.map(|milliwatts| format!("{:.0} W", f64::from(milliwatts) / 1e3));
        let pci = device.pci_info().ok().map(|pci| pci.bus_id);
        vec![("pci", pci), ("power_limit", limit), ("link", link)]
    }
}
