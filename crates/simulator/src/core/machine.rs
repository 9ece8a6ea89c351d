//! The machine: events in time order, and the servers and devices they act on.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use domain::backend::KeepAlive;
use domain::hash::derive;
use domain::telemetry::GpuReading;
use domain::{Nanos, Stamp};
use indexmap::IndexMap;

use super::device::{Device, whole_micros};
use super::log::{Happened, SchedulerEvent};
use super::reload::Launch;
use super::state::{Head, Request, RequestState, Runner, RunnerId, RunnerState, Server};
use super::types::{LoadedView, Notice, NoticeKind, RequestId, RunnerOptions, Work};
use crate::profile::{Profile, ProfileError, ServerSpec};

/// The error of requests whose runner died.
pub(crate) const RUNNER_STOPPED: &str = "model runner has unexpectedly stopped, this may be due to resource \
                              limitations or an internal error, check ollama server logs for details";

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) profile: Profile,
    pub(super) servers: Vec<Server>,
    pub(super) devices: Vec<Device>,
    /// Runners that compute on the host's CPU, which they share equally.
    pub(super) cpu_busy: BTreeSet<RunnerId>,
    /// In the order of their starts.
    pub(super) runners: IndexMap<RunnerId, Runner>,
    pub(super) requests: IndexMap<RequestId, Request>,
    /// Weights that have been read from disk once.
    pub(super) page_cache: BTreeSet<String>,
    events: BinaryHeap<Reverse<Entry>>,
    pub(super) now: Stamp,
    serial: u64,
    outbox: VecDeque<Notice>,
    log: Vec<SchedulerEvent>,
}

/// Its kinds are in the order in which those of one moment are processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::EnumDiscriminants)]
#[strum_discriminants(name(EventKind), derive(PartialOrd, Ord))]
pub(super) enum Event {
    Throttling { device: usize, version: u64 },
    BatchDone { runner: RunnerId, version: u64 },
    LoadEnded { runner: RunnerId },
    Unloaded { runner: RunnerId },
    KeepAliveExpired { runner: RunnerId, timer: u64 },
    PromptPrepared { id: RequestId },
    ModelResolved { id: RequestId },
    Arrived { id: RequestId },
}

/// A queued event. Events at the same time are ordered by kind, then by content, then by history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: Stamp,
    kind: EventKind,
    tie: u64,
    serial: u64,
    event: Event,
}

impl Core {
    /// Servers of their own on devices of the profile. Fails when the settings of one are out of range.
    pub(crate) fn new(profile: Profile, servers: Vec<ServerSpec>) -> Result<Self, ProfileError> {
        for server in &servers {
            server.settings.check(&profile.name)?;
        }
        let devices = profile.devices.iter().cloned().map(Device::new).collect();
        let servers = servers
            .into_iter()
            .map(|spec| Server {
                spec,
                loaded: BTreeMap::new(),
                pending: VecDeque::new(),
                head: Head::None,
                retried: BTreeSet::new(),
                fail_next: None,
            })
            .collect();
        let mut core = Self {
            profile,
            servers,
            devices,
            cpu_busy: BTreeSet::new(),
            runners: IndexMap::new(),
            requests: IndexMap::new(),
            page_cache: BTreeSet::new(),
            events: BinaryHeap::new(),
            now: Stamp::ZERO,
            serial: 0,
            outbox: VecDeque::new(),
            log: Vec::new(),
        };
        for device in 0..core.devices.len() {
            core.schedule_thermal(device);
        }
        Ok(core)
    }

    /// The context that a runner with these options would have; `None` for an unknown model.
    pub(crate) fn context(
        &self,
        server: usize,
        model: &str,
        options: &RunnerOptions,
    ) -> Option<u32> {
        let wanted = self.wanted(server, self.model(model)?, options);
        Some(wanted.num_ctx)
    }

    fn model(&self, name: &str) -> Option<usize> {
        self.profile.models.iter().position(|m| m.name == name)
    }

    pub(super) fn wanted(&self, server: usize, model: usize, options: &RunnerOptions) -> Launch {
        let spec = &self.servers[server].spec;
        // The total memory of its devices decides the default context.
        let devices = spec
            .devices
            .iter()
            .map(|&device| &self.profile.devices[device]);
        let vram = devices.map(|device| device.memory_bytes).sum();
        Launch::wanted(&spec.settings, &self.profile.models[model], vram, options)
    }

    /// Processes events up to `at`, then sends a request, which arrives after a seeded latency.
    pub(crate) fn submit(&mut self, at: Stamp, server: usize, work: Work) {
        self.advance(whole_micros(at));
        let (id, tag) = (work.id, work.tag);
        let Some(model) = self.model(&work.model) else {
            let message = format!("model '{}' not found", work.model);
            self.notify(id, NoticeKind::LoadFailed { message });
            return;
        };
        let latency = self.latency(server, tag);
        let arrives = whole_micros(self.now + latency);
        let request = Request {
            work,
            server,
            model,
            arrived: arrives,
            ..Request::default()
        };
        self.requests.insert(id, request);
        self.schedule(arrives, tag, Event::Arrived { id });
    }

    /// Cancels a request whose client has closed the connection. Does nothing for one that has ended.
    pub(crate) fn cancel(&mut self, at: Stamp, id: RequestId) {
        self.advance(whole_micros(at));
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        if request.gone {
            return;
        }
        let (server, state) = (request.server, request.state);
        let early = self.servers[server].spec.settings.release() < (0, 30, 0);
        request.gone = true;
        let name = state.into();
        self.log_request(id, Happened::Cancelled { state: name });
        self.notify(id, NoticeKind::Dropped);
        match state {
            RequestState::Arriving => {
                self.requests.swap_remove(&id);
            }
            // The entry keeps its place in the queue and is skipped when it reaches the head.
            RequestState::Queued | RequestState::Head => {}
            RequestState::Loading => {
                if let Head::Loading(_, uid) = self.servers[server].head {
                    self.forget_runner(uid);
                    self.log_request(id, Happened::LoadAborted);
                }
                self.requests.swap_remove(&id);
                self.servers[server].leave_head(id);
                self.take_pending(server);
            }
            RequestState::Waiting(uid) => {
                self.runners[&uid].waiting.retain(|other| *other != id);
                self.requests.swap_remove(&id);
                self.detach(uid);
            }
            // Runners before llama-server notice a closed connection only when they write to it.
            RequestState::Prefill(..) if early => {}
            RequestState::Prefill(uid, slot) | RequestState::Decode(uid, slot) => {
                self.leave_slot(id, uid, slot);
            }
        }
    }

    /// Latency drawn from the request's content and the number of equal requests in progress.
    fn latency(&self, server: usize, tag: u64) -> Nanos {
        let equal = |request: &&Request| request.server == server && request.work.tag == tag;
        let nth = self.requests.values().filter(equal).count();
        let draw = derive(&[
            "latency",
            &self.profile.seed.to_string(),
            &server.to_string(),
            &tag.to_string(),
            &nth.to_string(),
        ]);
        // The upper 53 bits as a uniform draw from [0, 1).
        let unit = (draw >> 11) as f64 / (1_u64 << 53) as f64;
        let net = self.profile.network;
        let spread = net.latency_max_ms - net.latency_min_ms;
        Nanos::from_millis_f64(net.latency_min_ms + unit * spread)
    }

    /// Kills the runner of a model, or every runner of the server; their requests fail.
    pub(crate) fn crash_runner(&mut self, at: Stamp, server: usize, model: Option<&str>) {
        self.advance(whole_micros(at));
        let doomed = self.runners.iter().filter(|(_, runner)| {
            runner.server == server
                && matches!(runner.state, RunnerState::Ready | RunnerState::Loading)
                && model.is_none_or(|name| runner.name == name)
        });
        let doomed: Vec<RunnerId> = doomed.map(|(uid, _)| *uid).collect();
        for uid in doomed {
            self.crash(uid);
        }
    }

    fn crash(&mut self, uid: RunnerId) {
        if self.runners[&uid].state == RunnerState::Loading {
            self.log_runner(uid, Happened::Crashed { lost: 1 });
            return self.load_failed(uid, "llama-server process has terminated: exit status 2");
        }
        let on_it = self
            .requests
            .values()
            .filter(|request| request.runner() == Some(uid));
        let mut lost: Vec<_> = on_it.map(|r| (r.attached, r.work.tag, r.work.id)).collect();
        lost.sort_unstable();
        let count = lost.len();
        self.log_runner(uid, Happened::Crashed { lost: count });
        self.stop_computing(uid);
        for device in &mut self.devices {
            device.held.remove(&uid);
        }
        let runner = &mut self.runners[&uid];
        runner.state = RunnerState::Crashed;
        runner.waiting.clear();
        for slot in &mut runner.slots {
            slot.request = None;
            slot.cache.clear();
        }
        for (_, _, id) in lost {
            if !self.requests[&id].gone {
                let message = RUNNER_STOPPED.to_owned();
                self.notify(id, NoticeKind::Failed { message });
            }
            self.requests.swap_remove(&id);
            self.detach(uid);
        }
    }

    /// Makes the server's next load fail with this message when it would have been ready.
    pub(crate) fn fail_next_load(&mut self, server: usize, message: &str) {
        self.servers[server].fail_next = Some(message.to_owned());
    }

    /// The time of the next event; `None` while none is scheduled.
    pub(crate) fn next_event(&self) -> Option<Stamp> {
        self.events.peek().map(|Reverse(entry)| entry.at)
    }

    /// Processes every event up to and including `to`, in time order.
    pub(crate) fn advance(&mut self, to: Stamp) {
        while let Some(Reverse(entry)) = self.events.peek().copied()
            && entry.at <= to
        {
            self.events.pop();
            self.now = entry.at;
            self.handle(entry.event);
        }
        self.now = self.now.max(Stamp(to.0 / 1000 * 1000));
        // Outdated events must not wake the caller.
        while let Some(Reverse(entry)) = self.events.peek().copied()
            && self.is_stale(entry.event)
        {
            self.events.pop();
        }
    }

    fn handle(&mut self, event: Event) {
        if self.is_stale(event) {
            return;
        }
        match event {
            Event::Throttling { device, .. } => {
                self.devices[device].switch_throttling(self.now);
                self.device_changed(device);
            }
            Event::BatchDone { runner, .. } => self.batch_done(runner),
            Event::LoadEnded { runner } => self.load_ended(runner),
            Event::Unloaded { runner } => self.unloaded(runner),
            Event::KeepAliveExpired { runner, .. } => {
                self.log_runner(runner, Happened::Expired);
                self.expire(runner);
            }
            Event::PromptPrepared { id } => self.prepared(id),
            Event::Arrived { id } => self.arrived(id),
            Event::ModelResolved { id } => self.resolved(id),
        }
    }

    fn is_stale(&self, event: Event) -> bool {
        match event {
            Event::Throttling { device, version } => self.devices[device].version != version,
            Event::BatchDone { runner, version } => self
                .runners
                .get(&runner)
                .and_then(|r| r.batch.as_ref())
                .is_none_or(|batch| batch.version != version),
            Event::LoadEnded { runner } | Event::Unloaded { runner } => {
                !self.runners.contains_key(&runner)
            }
            Event::KeepAliveExpired { runner, timer } => {
                self.runners.get(&runner).is_none_or(|r| r.timer != timer)
            }
            Event::PromptPrepared { id } | Event::Arrived { id } | Event::ModelResolved { id } => {
                !self.requests.contains_key(&id)
            }
        }
    }

    pub(super) fn schedule(&mut self, at: Stamp, tie: u64, event: Event) {
        let serial = self.next_serial();
        self.events.push(Reverse(Entry {
            at,
            kind: event.into(),
            tie,
            serial,
            event,
        }));
    }

    pub(super) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(super) fn schedule_thermal(&mut self, device: usize) {
        let version = self.next_serial();
        self.devices[device].version = version;
        if let Some(at) = self.devices[device].next_thermal(self.now) {
            self.schedule(at, device as u64, Event::Throttling { device, version });
        }
    }

    fn arrived(&mut self, id: RequestId) {
        let request = &self.requests[&id];
        let tag = request.work.tag;
        let resolve = self.profile.models[request.model].load.resolve_s;
        self.log_request(id, Happened::Arrived);
        let at = whole_micros(self.now + Nanos::from_secs_f64(resolve));
        self.schedule(at, tag, Event::ModelResolved { id });
    }

    /// The next notice, in order of time. Take all of them after each call that advances time.
    pub(crate) fn poll(&mut self) -> Option<Notice> {
        self.outbox.pop_front()
    }

    pub(super) fn notify(&mut self, id: RequestId, what: NoticeKind) {
        self.outbox.push_back(Notice {
            at: self.now,
            id,
            what,
        });
    }

    pub(super) fn log_request(&mut self, id: RequestId, happened: Happened) {
        let request = &self.requests[&id];
        let model = happened.names_model().then(|| request.work.model.clone());
        self.log.push(SchedulerEvent {
            at: self.now,
            server: request.server,
            id: Some(id),
            tag: happened.has_tag().then_some(request.work.tag),
            model,
            happened,
        });
    }

    pub(super) fn log_runner(&mut self, uid: RunnerId, happened: Happened) {
        let runner = &self.runners[&uid];
        self.log.push(SchedulerEvent {
            at: self.now,
            server: runner.server,
            id: None,
            tag: None,
            model: Some(runner.name.clone()),
            happened,
        });
    }

    /// The loaded models of a server, by expiry, latest first.
    pub(crate) fn loaded(&self, server: usize, at: Stamp) -> Vec<LoadedView> {
        let runners = self.servers[server].loaded.values();
        let runners = runners.map(|uid| &self.runners[uid]);
        let mut views: Vec<LoadedView> = runners
            .filter(|runner| runner.state != RunnerState::Loading)
            .map(|runner| LoadedView {
                model: runner.name.clone(),
                size: runner.placement.size,
                size_vram: runner.placement.size_vram,
                context_length: runner.launch.num_ctx,
                expires_at: match (runner.session, runner.expires) {
                    (KeepAlive::Forever, _) => None,
                    (_, Some(expires)) => Some(expires),
                    // Not idle yet since it was loaded.
                    (KeepAlive::For(d), None) => Some(at + d),
                    (KeepAlive::Unload, None) => Some(at),
                },
            })
            .collect();
        views.sort_by_key(|view| Reverse(view.expires_at.unwrap_or(Stamp(u64::MAX))));
        views
    }

    /// One reading of every device. Call [`Core::advance`] to `at` first.
    pub(crate) fn readings(&self, at: Stamp) -> Vec<GpuReading> {
        let at = at.max(self.now);
        self.devices
            .iter()
            .enumerate()
            .map(|(i, device)| device.reading(i as u32, at))
            .collect()
    }

    pub(crate) fn drain_log(&mut self) -> Vec<SchedulerEvent> {
        std::mem::take(&mut self.log)
    }
}
