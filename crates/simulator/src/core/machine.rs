//! The machine: events in time order, and the servers and devices they act on.

use std::collections::VecDeque;

use domain::Stamp;
use domain::telemetry::GpuReading;

use super::log::SchedulerEvent;
use super::types::{LoadedView, Notice, RequestId, ResolvedOptions, RunnerOptions, ServerId, Work};
use crate::profile::{Profile, ServerSpec};

/// Servers and devices, and everything that is going on in them.
#[derive(Debug)]
pub struct Core {
    profile: Profile,
    servers: Vec<ServerSpec>,
    outbox: VecDeque<Notice>,
    log: Vec<SchedulerEvent>,
}

/// A core that cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoreError {
    /// A server on a device that the profile lacks.
    #[error("server {server} is placed on device {device}, but the profile has {devices}; use 0 to {}", devices.saturating_sub(1))]
    NoSuchDevice {
        /// The server.
        server: usize,
        /// The device.
        device: usize,
        /// Devices there are.
        devices: usize,
    },
}

impl Core {
    /// A machine with these servers, nothing loaded, at time zero.
    pub fn new(profile: Profile, servers: Vec<ServerSpec>) -> Result<Self, CoreError> {
        for (i, server) in servers.iter().enumerate() {
            if let Some(&device) = server.devices.iter().find(|&&d| d >= profile.devices.len()) {
                return Err(CoreError::NoSuchDevice {
                    server: i,
                    device,
                    devices: profile.devices.len(),
                });
            }
        }
        Ok(Self {
            profile,
            servers,
            outbox: VecDeque::new(),
            log: Vec::new(),
        })
    }

    /// The profile it was built from.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// A server's settings.
    pub fn server(&self, server: ServerId) -> &ServerSpec {
        &self.servers[server.0]
    }

    /// Runner options with this server's defaults filled in, for the checks that need them before
    /// scheduling. `None` for a model the profile lacks.
    pub fn resolve(
        &self,
        server: ServerId,
        model: &str,
        options: &RunnerOptions,
    ) -> Option<ResolvedOptions> {
        let _ = (server, model, options);
        None
    }

    /// Hands a request to a server. It arrives a seeded network latency after `at`. Events up to
    /// `at` are processed first. The model must be one of the profile's.
    pub fn submit(&mut self, at: Stamp, server: ServerId, work: Work) {
        let _ = (at, server, work);
    }

    /// The client of a request has gone away. Does nothing for a request that has ended.
    pub fn cancel(&mut self, at: Stamp, id: RequestId) {
        let _ = (at, id);
    }

    /// Kills the runner of a model, or every runner of the server: what is in flight on it fails.
    /// Returns how many runners died.
    pub fn crash_runner(&mut self, at: Stamp, server: ServerId, model: Option<&str>) -> usize {
        let _ = (at, server, model);
        0
    }

    /// Makes the server's next load fail with this message when it would have been ready.
    pub fn fail_next_load(&mut self, server: ServerId, message: &str) {
        let _ = (server, message);
    }

    /// When something will next happen by itself; `None` while nothing is pending.
    pub fn next_event(&self) -> Option<Stamp> {
        None
    }

    /// Processes every event up to and including `to`, in time order.
    pub fn advance(&mut self, to: Stamp) {
        let _ = to;
    }

    /// The next notice, in time order. Take them all after each [`Core::advance`],
    /// [`Core::submit`], [`Core::cancel`] and [`Core::crash_runner`].
    pub fn poll(&mut self) -> Option<Notice> {
        self.outbox.pop_front()
    }

    /// The loaded models of a server, by expiry, latest first.
    pub fn loaded(&self, server: ServerId, at: Stamp) -> Vec<LoadedView> {
        let _ = (server, at);
        Vec::new()
    }

    /// One reading of every device. Call [`Core::advance`] to `at` first.
    pub fn readings(&self, at: Stamp) -> Vec<GpuReading> {
        let _ = at;
        Vec::new()
    }

    /// Takes out the log since the last call.
    pub fn drain_log(&mut self) -> Vec<SchedulerEvent> {
        std::mem::take(&mut self.log)
    }
}
