//! Placement of models: devices, number of layers, and whether they fit.

use super::reload::Launch;
use crate::profile::ModelSpec;

/// A device as a loading runner sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) device: usize,
    pub(super) free: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Placement {
    /// Bytes by device.
    pub(super) held: Vec<(usize, u64)>,
    /// Layers on devices, the output layer included.
    pub(super) gpu_layers: u32,
    /// All layers, the output layer included.
    pub(super) all_layers: u32,
    pub(super) size: u64,
    pub(super) size_vram: u64,
}

impl Placement {
    /// Share of the layers on devices.
    pub(super) fn gpu_share(&self) -> f64 {
        f64::from(self.gpu_layers) / f64::from(self.all_layers)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// The prediction exceeds the memory left by the models already loaded.
    EvictFirst,
    /// The requested layers do not fit, which is detected when the process allocates them.
    OutOfMemory {
        /// Bytes it asked the device for.
        asked: u64,
    },
}

/// The share of free memory that predictions may use.
fn usable(free: u64) -> u64 {
    free / 10 * 8
}

fn kv_bytes(model: &ModelSpec, launch: &Launch) -> u64 {
    model.memory.kv_bytes_per_token * u64::from(launch.num_ctx) * launch.parallel as u64
}

/// The scheduler's own estimate, made before the process exists.
fn predicted(model: &ModelSpec, launch: &Launch) -> u64 {
    let surcharge = match launch.num_batch {
        0..=1023 => 0,
        1024..=2047 => 768 << 20,
        _ => 2 << 30,
    };
    model.size_bytes + kv_bytes(model, launch) + surcharge
}

/// Places a model on the devices, or in part or whole on the CPU. Fails when other models must be evicted first, and when
/// the GPU layers that were asked for do not fit.
pub(super) fn place(
    model: &ModelSpec,
    launch: &Launch,
    rooms: &[Room],
    others_are_loaded: bool,
) -> Result<Placement, NoPlace> {
    let all_layers = model.layers + 1;
    let overhead = model.memory.fixed_bytes
        + model.memory.compute_bytes_per_batch_token * u64::from(launch.num_batch);
    let layered = model.memory.weights_bytes + kv_bytes(model, launch);
    let size = layered + overhead;
    let on_cpu = Placement {
        all_layers,
        size,
        ..Placement::default()
    };
    if rooms.is_empty() || launch.num_gpu == Some(0) {
        return Ok(on_cpu);
    }
    let mut by_free = rooms.to_vec();
    by_free.sort_by_key(|room| (std::cmp::Reverse(room.free), room.device));
    let main = launch
        .main_gpu
        .and_then(|n| usize::try_from(n).ok())
        .and_then(|n| rooms.get(n))
        .copied();
    let need = predicted(model, launch);
    let single = main
        .into_iter()
        .chain(by_free.iter().copied())
        .find(|room| usable(room.free) >= need);
    let partial_asked = launch.num_gpu.is_some_and(|n| n < all_layers);
    let all_free: u64 = by_free.iter().map(|room| room.free).sum();
    if others_are_loaded && !partial_asked && single.is_none() && usable(all_free) < need {
        return Err(NoPlace::EvictFirst);
    }
    let chosen = single.map_or(by_free, |room| vec![room]);
    let free: u64 = chosen.iter().map(|room| room.free).sum();
    let per_layer = layered.div_ceil(u64::from(all_layers)).max(1);
    let gpu_layers = match launch.num_gpu {
        Some(n) => {
            let n = n.min(all_layers);
            let asked = per_layer * u64::from(n) + overhead;
            if asked > free {
                return Err(NoPlace::OutOfMemory { asked });
            }
            n
        }
        None => (free.saturating_sub(overhead) / per_layer).min(u64::from(all_layers)) as u32,
    };
    if gpu_layers == 0 {
        return Ok(on_cpu);
    }
    let size_vram = (per_layer * u64::from(gpu_layers) + overhead).min(size);
    Ok(Placement {
        held: spread(&chosen, size_vram),
        gpu_layers,
        all_layers,
        size,
        size_vram,
    })
}

/// Splits bytes over devices by their free memory.
fn spread(rooms: &[Room], bytes: u64) -> Vec<(usize, u64)> {
    let free: u64 = rooms.iter().map(|room| room.free).sum();
    let mut left = bytes;
    let mut held = Vec::with_capacity(rooms.len());
    for (i, room) in rooms.iter().enumerate() {
        let part = if i + 1 == rooms.len() {
            left
        } else {
            (u128::from(bytes) * u128::from(room.free) / u128::from(free.max(1))) as u64
        };
        left -= part;
        held.push((room.device, part));
    }
    held
}
