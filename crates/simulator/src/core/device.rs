//! A GPU: memory, busy runners, heat, power, and the readings of a sampler.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use domain::telemetry::{GpuProcess, GpuReading};
use domain::{Nanos, Stamp};

use super::state::RunnerId;
use crate::profile::DeviceSpec;

/// NVML's shortest sample period, over which utilisation is measured.
const UTILISATION_WINDOW: Nanos = Nanos(166_667_000);
const FIRST_PID: u32 = 4000;

#[derive(Debug)]
pub(super) struct Device {
    pub(super) spec: DeviceSpec,
    /// Bytes by runner.
    pub(super) held: BTreeMap<RunnerId, u64>,
    pub(super) busy: BTreeSet<RunnerId>,
    /// Times at which it became busy or idle, including the last one before the window.
    changes: VecDeque<(Stamp, bool)>,
    /// The time of `energy_j` and `temperature_c`.
    since: Stamp,
    energy_j: f64,
    temperature_c: f64,
    throttled: bool,
    /// The version of its thermal event; older ones are ignored.
    pub(super) version: u64,
}

impl Device {
    pub(super) fn new(spec: DeviceSpec) -> Self {
        let temperature_c = spec
            .thermal
            .map_or(0.0, |t| t.ambient_c + t.c_per_w * spec.idle_w);
        Self {
            spec,
            held: BTreeMap::new(),
            busy: BTreeSet::new(),
            changes: VecDeque::from([(Stamp::ZERO, false)]),
            since: Stamp::ZERO,
            energy_j: 0.0,
            temperature_c,
            throttled: false,
            version: 0,
        }
    }

    pub(super) fn used(&self) -> u64 {
        self.spec.reserved_bytes + self.held.values().sum::<u64>()
    }

    pub(super) fn free(&self) -> u64 {
        self.spec.memory_bytes.saturating_sub(self.used())
    }

    /// The factor by which work takes longer than on the unshared device at full speed.
    pub(super) fn slowdown(&self) -> f64 {
        let k = self.busy.len().max(1) as f64;
        k * (1.0 + self.spec.sharing_loss_factor * (k - 1.0)) / self.speed()
    }

    /// Its speed as a share of the full one.
    fn speed(&self) -> f64 {
        match self.spec.thermal {
            Some(thermal) if self.throttled => thermal.throttled_speed_share,
            _ => 1.0,
        }
    }

    /// Marks a runner as busy or idle. Returns whether that was a change.
    pub(super) fn set_busy(&mut self, now: Stamp, runner: RunnerId, busy: bool) -> bool {
        if self.busy.contains(&runner) == busy {
            return false;
        }
        self.settle(now);
        let was = !self.busy.is_empty();
        if busy {
            self.busy.insert(runner);
        } else {
            self.busy.remove(&runner);
        }
        let is = !self.busy.is_empty();
        if was != is {
            self.changes.push_back((now, is));
            let from = now - UTILISATION_WINDOW;
            while self.changes.len() > 1 && self.changes[1].0 <= from {
                self.changes.pop_front();
            }
        }
        true
    }

    fn power(&self) -> f64 {
        match (self.busy.is_empty(), self.spec.thermal) {
            (true, _) => self.spec.idle_w,
            (false, Some(thermal)) if self.throttled => thermal.throttled_w,
            (false, _) => self.spec.busy_w,
        }
    }

    /// Energy and temperature at a time, if nothing changed since the last one.
    fn at(&self, now: Stamp) -> (f64, f64) {
        let dt = now.since(self.since).as_secs_f64();
        let power = self.power();
        let temperature = self.spec.thermal.map_or(0.0, |t| {
            let target = t.ambient_c + t.c_per_w * power;
            target + (self.temperature_c - target) * (-dt / t.time_constant_s).exp()
        });
        (self.energy_j + power * dt, temperature)
    }

    fn settle(&mut self, now: Stamp) {
        (self.energy_j, self.temperature_c) = self.at(now);
        self.since = now;
    }

    /// When it will next start or stop throttling if nothing else changes.
    pub(super) fn next_thermal(&self, now: Stamp) -> Option<Stamp> {
        let t = self.spec.thermal?;
        let target = t.ambient_c + t.c_per_w * self.power();
        let (_, temperature) = self.at(now);
        let (edge, will_cross) = if self.throttled {
            (t.resume_below_c, target < t.resume_below_c)
        } else {
            (t.throttle_at_c, target > t.throttle_at_c)
        };
        if !will_cross {
            return None;
        }
        let ratio = (target - temperature) / (target - edge);
        let wait = t.time_constant_s * ratio.max(1.0).ln();
        Some(whole_micros(now + Nanos::from_secs_f64(wait)))
    }

    pub(super) fn switch_throttling(&mut self, now: Stamp) {
        self.settle(now);
        self.throttled = !self.throttled;
    }

    fn utilisation(&self, now: Stamp) -> f64 {
        let from = now - UTILISATION_WINDOW;
        let mut busy = 0;
        for (i, &(at, is_busy)) in self.changes.iter().enumerate() {
            let until = self.changes.get(i + 1).map_or(now, |next| next.0);
            if is_busy {
                busy += until.min(now).since(at.max(from)).0;
            }
        }
        let window = now.since(from).0;
        if window == 0 {
            return 0.0;
        }
        100.0 * busy as f64 / window as f64
    }

    pub(super) fn reading(&self, index: u32, now: Stamp) -> GpuReading {
        let (energy_j, temperature_c) = self.at(now);
        let active = !self.busy.is_empty();
        let clock = if active {
            (f64::from(self.spec.sm_clock_mhz) * self.speed()).round() as u32
        } else {
            self.spec.idle_sm_clock_mhz
        };
        GpuReading {
            index,
            part_of: None,
            utilisation_percent: Some(self.utilisation(now)),
            memory_used_bytes: Some(self.used()),
            memory_total_bytes: Some(self.spec.memory_bytes),
            power_w: Some(self.power()),
            energy_j: Some(energy_j),
            sm_clock_mhz: Some(clock),
            memory_clock_mhz: Some(self.spec.memory_clock_mhz),
            temperature_c: self.spec.thermal.map(|_| temperature_c),
            throttle_reasons: if self.throttled && active {
                vec!["sw_thermal_slowdown".to_owned()]
            } else {
                Vec::new()
            },
            processes: self
                .held
                .iter()
                .map(|(uid, bytes)| GpuProcess {
                    pid: FIRST_PID.wrapping_add(uid.0 as u32),
                    memory_bytes: Some(*bytes),
                    ..GpuProcess::default()
                })
                .collect(),
        }
    }
}

/// The next whole microsecond, the resolution of virtual time.
pub(super) fn whole_micros(at: Stamp) -> Stamp {
    Stamp(at.0.div_ceil(1000) * 1000)
}
