//! Ollama's scheduler: the pending queue and its one handler, loading, unloading and keep-alive.

use domain::backend::KeepAlive;
use domain::{Nanos, Stamp};

use super::device::whole_micros;
use super::log::{EvictReason, Happened, ReloadReason};
use super::machine::{Core, Event};
use super::placement::{NoPlace, Placement, Room, place};
use super::reload::Launch;
use super::state::{Head, Runner, RunnerState, Slot, State, Uid};
use super::types::{RequestId, What, WorkKind};

/// What a loaded runner is to a request.
enum Match {
    /// No runner for the model.
    Absent,
    /// One that serves it as it is.
    Fits(Uid),
    /// One that has to be reloaded.
    Differs(Uid, ReloadReason),
    /// One that is being unloaded.
    Draining(Uid),
}

impl Core {
    fn matching(&self, id: RequestId) -> Match {
        let request = &self.requests[&id];
        let server = &self.servers[request.server];
        let key = self.profile.models[request.model].key();
        let Some(&uid) = server.loaded.get(key) else {
            return Match::Absent;
        };
        let runner = &self.runners[&uid];
        match runner.state {
            // Not in anybody's sight until it is ready.
            RunnerState::Loading => Match::Absent,
            RunnerState::Unloading => Match::Draining(uid),
            RunnerState::Crashed => Match::Differs(uid, ReloadReason::Unhealthy),
            RunnerState::Ready => {
                let wanted = self.wanted(request.server, request.model, &request.work.runner);
                let release = server.spec.settings.release();
                match runner.launch.differs(&wanted, release) {
                    Some(reason) => Match::Differs(uid, reason),
                    None => Match::Fits(uid),
                }
            }
        }
    }

    /// A request's model is known: hand it to the scheduler.
    pub(super) fn resolved(&mut self, id: RequestId) {
        let request = &self.requests[&id];
        let server = request.server;
        if matches!(request.work.kind, WorkKind::Unload) {
            self.unload_wanted(id);
            return;
        }
        if self.servers[server].spec.settings.fastpath() {
            match self.matching(id) {
                Match::Fits(uid) => {
                    self.attach(id, uid, true);
                    return;
                }
                Match::Draining(uid) => {
                    self.set_state(id, State::Blocked);
                    if let Some(runner) = self.runners.get_mut(&uid) {
                        runner.blocked.push(id);
                    }
                    return;
                }
                Match::Absent | Match::Differs(..) => {}
            }
        }
        self.enqueue(id);
    }

    fn enqueue(&mut self, id: RequestId) {
        let server = self.requests[&id].server;
        let depth = self.servers[server].pending.len() + 1;
        if depth > self.servers[server].spec.settings.max_queue {
            self.happened(server, Happened::Refused { id });
            if !self.requests[&id].gone {
                self.notify(id, What::Busy);
            }
            self.requests.remove(&id);
            return;
        }
        self.set_state(id, State::Queued);
        self.servers[server].pending.push_back(id);
        self.happened(server, Happened::Queued { id, depth });
        self.take_pending(server);
    }

    /// The pending loop: takes entries while it has nothing to wait for.
    pub(super) fn take_pending(&mut self, server: usize) {
        while self.servers[server].head == Head::None {
            let Some(id) = self.servers[server].pending.pop_front() else {
                return;
            };
            self.handle_head(id);
        }
    }

    /// One turn of the loop for the entry at the head. Leaves the head waiting or free.
    fn handle_head(&mut self, id: RequestId) {
        let server = self.requests[&id].server;
        self.servers[server].head = Head::None;
        if self.requests[&id].gone {
            self.happened(server, Happened::Skipped { id });
            self.requests.remove(&id);
            self.servers[server].retried.remove(&id);
            return;
        }
        match self.matching(id) {
            Match::Fits(uid) => {
                self.servers[server].retried.remove(&id);
                self.attach(id, uid, false);
                return;
            }
            Match::Differs(uid, reason) => {
                self.evict(id, uid, EvictReason::Reload(reason));
                return;
            }
            Match::Draining(uid) => {
                self.evict(id, uid, EvictReason::Draining);
                return;
            }
            Match::Absent => {}
        }
        let loaded = self.servers[server].loaded.len();
        if loaded >= self.max_loaded(server) {
            self.evict_one(id, EvictReason::MaxLoaded);
            return;
        }
        let request = &self.requests[&id];
        let model = request.model;
        let mut launch = self.wanted(server, model, &request.work.runner);
        let placed = loop {
            let placed = self.place(server, model, &launch);
            // An automatic context that does not fit is tried once more, a tier smaller.
            if let Err(NoPlace::OutOfMemory { .. }) = placed
                && let Some(smaller) = launch.smaller_tier()
                && self.servers[server].retried.insert(id)
            {
                launch.num_ctx = smaller;
                continue;
            }
            break placed;
        };
        match placed {
            Ok(placement) => self.begin_load(id, launch, placement),
            Err(NoPlace::EvictFirst) => self.evict_one(id, EvictReason::Memory),
            Err(NoPlace::OutOfMemory { .. })
                if loaded > 0 && self.servers[server].retried.insert(id) =>
            {
                self.evict_all(id);
            }
            Err(NoPlace::OutOfMemory { asked }) => {
                let message = format!(
                    "llama-server process has terminated: cudaMalloc failed: out of memory \
                     (asked for {asked} bytes)"
                );
                self.servers[server].retried.remove(&id);
                self.happened(
                    server,
                    Happened::LoadFailed {
                        id,
                        model: self.profile.models[model].name.clone(),
                        message: message.clone(),
                    },
                );
                self.notify(id, What::LoadFailed { message });
                self.requests.remove(&id);
            }
        }
    }

    fn max_loaded(&self, server: usize) -> usize {
        let spec = &self.servers[server].spec;
        match spec.settings.max_loaded_models {
            0 => 3 * spec.devices.len().max(1),
            n => n,
        }
    }

    fn place(&self, server: usize, model: usize, launch: &Launch) -> Result<Placement, NoPlace> {
        let server = &self.servers[server];
        let rooms: Vec<Room> = server
            .spec
            .devices
            .iter()
            .map(|&device| Room {
                device,
                free: self.devices[device].free(),
            })
            .collect();
        place(
            &self.profile.models[model],
            launch,
            &rooms,
            !server.loaded.is_empty(),
        )
    }

    /// Tells a runner to go as soon as it is idle, and makes the head wait for that.
    fn evict(&mut self, id: RequestId, uid: Uid, reason: EvictReason) {
        let server = self.requests[&id].server;
        self.set_state(id, State::Head);
        self.servers[server].head = Head::Evicting(id);
        let runner = &self.runners[&uid];
        self.happened(
            server,
            Happened::Evicting {
                id,
                victim: runner.name.clone(),
                reason,
                in_flight: runner.in_flight,
            },
        );
        self.expire(uid);
    }

    /// Its keep-alive is over: it goes now, or when its last request ends.
    fn expire(&mut self, uid: Uid) {
        let now = self.now;
        let timer = self.next_serial();
        let Some(runner) = self.runners.get_mut(&uid) else {
            return;
        };
        if runner.state == RunnerState::Unloading {
            return;
        }
        runner.timer = timer;
        runner.session = KeepAlive::Unload;
        runner.expires = Some(now);
        if runner.idle() {
            self.begin_unload(uid);
        }
    }

    /// Not the least recently used: the shortest keep-alive, idle ones first.
    fn evict_one(&mut self, id: RequestId, reason: EvictReason) {
        let server = &self.servers[self.requests[&id].server];
        let rank = |uid: &Uid| {
            let runner = &self.runners[uid];
            let session = match runner.session {
                KeepAlive::Unload => 0,
                KeepAlive::For(d) => d.0,
                KeepAlive::Forever => u64::MAX,
            };
            (
                runner.state != RunnerState::Unloading,
                !runner.idle(),
                session,
            )
        };
        // `loaded` is in key order, and the first of equals is taken.
        let victim = *server
            .loaded
            .values()
            .min_by_key(|uid| rank(uid))
            .expect("something is loaded where something must go");
        self.evict(id, victim, reason);
    }

    fn evict_all(&mut self, id: RequestId) {
        let server = self.requests[&id].server;
        let all: Vec<Uid> = self.servers[server].loaded.values().copied().collect();
        for uid in all {
            self.evict(id, uid, EvictReason::Memory);
        }
    }

    fn begin_load(&mut self, id: RequestId, launch: Launch, placement: Placement) {
        let request = &self.requests[&id];
        let (server, model_index) = (request.server, request.model);
        let model = &self.profile.models[model_index];
        let key = model.key().to_owned();
        let name = request.work.model.clone();
        let first = !self.page_cache.contains(&key);
        let seconds = model.load.load_s + if first { model.load.first_load_s } else { 0.0 };
        let poll = self.servers[server].spec.settings.ready_poll_s;
        let ready = whole_polls(seconds, settings_poll(poll));
        let uid = Uid(self.next_serial());
        self.happened(
            server,
            Happened::LoadStarted {
                id,
                model: name.clone(),
                num_ctx: launch.num_ctx,
                gpu_layers: placement.gpu_layers,
                size: placement.size,
                size_vram: placement.size_vram,
            },
        );
        self.page_cache.insert(key.clone());
        for &(device, bytes) in &placement.held {
            self.devices[device].hold(uid, bytes);
        }
        let slots = (0..launch.parallel).map(|_| Slot::default()).collect();
        self.runners.insert(
            uid,
            Runner {
                server,
                model: model_index,
                name,
                key,
                launch,
                state: RunnerState::Loading,
                held: placement.held,
                size: placement.size,
                size_vram: placement.size_vram,
                gpu_share: f64::from(placement.gpu_layers) / f64::from(placement.all_layers),
                session: self.servers[server].spec.settings.keep_alive(),
                in_flight: 0,
                expires: None,
                timer: 0,
                since: self.now,
                slots,
                waiting: std::collections::VecDeque::new(),
                blocked: Vec::new(),
                step: None,
                step_version: 0,
                warm: false,
            },
        );
        self.set_state(id, State::Loading);
        self.servers[server].head = Head::Loading(id, uid);
        let at = whole_micros(self.now + ready);
        self.schedule(at, uid.0, Event::LoadEnded { runner: uid });
    }

    pub(super) fn load_ended(&mut self, uid: Uid) {
        let server = self.runners[&uid].server;
        if let Some(message) = self.servers[server].fail_next.take() {
            self.load_failed(uid, &message);
            return;
        }
        let Head::Loading(id, _) = self.servers[server].head else {
            return;
        };
        let now = self.now;
        let Some(runner) = self.runners.get_mut(&uid) else {
            return;
        };
        runner.state = RunnerState::Ready;
        let took = now.since(runner.since);
        let (model, key) = (runner.name.clone(), runner.key.clone());
        self.servers[server].loaded.insert(key, uid);
        self.servers[server].head = Head::None;
        self.servers[server].retried.remove(&id);
        self.happened(server, Happened::LoadFinished { id, model, took });
        self.attach(id, uid, false);
        self.take_pending(server);
    }

    /// The runner that is loading will never be ready.
    pub(super) fn load_failed(&mut self, uid: Uid, message: &str) {
        let server = self.runners[&uid].server;
        let Head::Loading(id, _) = self.servers[server].head else {
            return;
        };
        let model = self.runners[&uid].name.clone();
        self.forget_runner(uid);
        self.servers[server].retried.remove(&id);
        let message = message.to_owned();
        self.happened(
            server,
            Happened::LoadFailed {
                id,
                model,
                message: message.clone(),
            },
        );
        self.notify(id, What::LoadFailed { message });
        self.requests.remove(&id);
        self.servers[server].head = Head::None;
        self.take_pending(server);
    }

    fn forget_runner(&mut self, uid: Uid) {
        self.runners.remove(&uid);
        for device in &mut self.devices {
            device.release(uid);
        }
    }

    /// Gives a request its runner.
    fn attach(&mut self, id: RequestId, uid: Uid, fast_path: bool) {
        let now = self.now;
        let timer = self.next_serial();
        let request = self
            .requests
            .get_mut(&id)
            .expect("only live requests attach");
        request.attached = now;
        request.load = now.since(request.arrived);
        request.state = State::Preparing(uid);
        let (server, tag, load) = (request.server, request.work.tag, request.load);
        let keep_alive = request.work.keep_alive;
        let preload = matches!(request.work.kind, WorkKind::Preload);
        let model = request.work.model.clone();
        let prepare = self.profile.models[request.model].load.prepare_s;
        let runner = self.runners.get_mut(&uid).expect("matched just now");
        runner.in_flight += 1;
        runner.timer = timer;
        // The last one attached decides for everybody, even over an eviction.
        if let Some(keep_alive) = keep_alive {
            runner.session = keep_alive;
        }
        self.happened(
            server,
            Happened::Attached {
                id,
                model,
                load,
                fast_path,
            },
        );
        self.notify(id, What::Attached { load });
        if preload {
            self.notify(id, What::Preloaded);
            self.requests.remove(&id);
            self.detach(uid);
            return;
        }
        let at = whole_micros(now + Nanos::from_secs_f64(prepare));
        self.schedule(at, tag, Event::Prepared { id });
    }

    /// A request has left its runner.
    pub(super) fn detach(&mut self, uid: Uid) {
        let now = self.now;
        let timer = self.next_serial();
        let Some(runner) = self.runners.get_mut(&uid) else {
            return;
        };
        runner.in_flight -= 1;
        if !runner.idle() {
            return;
        }
        runner.timer = timer;
        match runner.session {
            KeepAlive::Unload => {
                runner.expires = Some(now);
                self.begin_unload(uid);
            }
            KeepAlive::For(d) => {
                let at = whole_micros(now + d);
                runner.expires = Some(at);
                self.schedule(at, uid.0, Event::Expired { runner: uid, timer });
            }
            KeepAlive::Forever => runner.expires = None,
        }
    }

    pub(super) fn keep_alive_expired(&mut self, uid: Uid) {
        let runner = &self.runners[&uid];
        let (server, model) = (runner.server, runner.name.clone());
        self.happened(server, Happened::Expired { model });
        self.expire(uid);
    }

    fn unload_wanted(&mut self, id: RequestId) {
        let request = &self.requests[&id];
        let key = self.profile.models[request.model].key();
        let loaded = self.servers[request.server].loaded.get(key).copied();
        self.notify(id, What::Unloading);
        self.requests.remove(&id);
        if let Some(uid) = loaded {
            self.expire(uid);
        }
    }

    fn begin_unload(&mut self, uid: Uid) {
        let now = self.now;
        let Some(runner) = self.runners.get_mut(&uid) else {
            return;
        };
        let crashed = runner.state == RunnerState::Crashed;
        runner.state = RunnerState::Unloading;
        runner.since = now;
        let (server, model) = (runner.server, runner.name.clone());
        let settings = &self.servers[server].spec.settings;
        let times = &self.profile.models[runner.model].load;
        // A dead process holds no memory; a runner on the CPU has none to give back.
        let mut took = Nanos::ZERO;
        if !crashed {
            took += Nanos::from_secs_f64(times.unload_s);
            if runner.size_vram > 0 {
                let waited = whole_polls(times.recovery_s, settings_poll(settings.recovery_poll_s));
                took += waited.min(Nanos::from_secs_f64(settings.recovery_cap_s));
            }
        }
        self.happened(server, Happened::UnloadStarted { model });
        self.stop_computing(uid);
        let at = whole_micros(now + took);
        self.schedule(at, uid.0, Event::Unloaded { runner: uid });
    }

    pub(super) fn unloaded(&mut self, uid: Uid) {
        let runner = &self.runners[&uid];
        let (server, model) = (runner.server, runner.name.clone());
        let took = self.now.since(runner.since);
        let blocked = runner.blocked.clone();
        let key = runner.key.clone();
        self.servers[server].loaded.remove(&key);
        self.forget_runner(uid);
        self.happened(server, Happened::Unloaded { model, took });
        // Whoever waits at the head wakes for any unload; it looks again.
        if let Head::Evicting(id) = self.servers[server].head {
            self.handle_head(id);
        }
        for id in blocked {
            if self.requests[&id].gone {
                self.requests.remove(&id);
            } else {
                self.resolved(id);
            }
        }
        self.take_pending(server);
    }

    /// The client of a request has gone away. Does nothing for a request that has ended.
    pub fn cancel(&mut self, at: Stamp, id: RequestId) {
        self.advance(whole_micros(at));
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        if request.gone {
            return;
        }
        let (server, tag, state) = (request.server, request.work.tag, request.state);
        let early = self.servers[server].spec.settings.release() < (0, 30, 0);
        request.gone = true;
        self.happened(
            server,
            Happened::Cancelled {
                id,
                tag,
                state: state.name(),
            },
        );
        self.notify(id, What::Dropped);
        match state {
            State::Travelling | State::Resolving => {
                self.requests.remove(&id);
            }
            // The entry keeps its place; nobody looks at it before its turn.
            State::Blocked | State::Queued | State::Head => {}
            State::Loading => {
                if let Head::Loading(_, uid) = self.servers[server].head {
                    let model = self.runners[&uid].name.clone();
                    self.forget_runner(uid);
                    self.happened(server, Happened::LoadAborted { id, model });
                }
                self.requests.remove(&id);
                self.servers[server].retried.remove(&id);
                self.servers[server].head = Head::None;
                self.take_pending(server);
            }
            State::Preparing(uid) => {
                self.requests.remove(&id);
                self.detach(uid);
            }
            State::Waiting(uid) => {
                if let Some(runner) = self.runners.get_mut(&uid) {
                    runner.waiting.retain(|other| *other != id);
                }
                self.requests.remove(&id);
                self.detach(uid);
            }
            // Runners before llama-server look at the connection only when they write to it.
            State::Prefill(..) if early => {}
            State::Prefill(uid, slot) | State::Decode(uid, slot) => self.leave_slot(id, uid, slot),
        }
    }

    pub(super) fn set_state(&mut self, id: RequestId, state: State) {
        if let Some(request) = self.requests.get_mut(&id) {
            request.state = state;
        }
    }
}

/// A poll interval, or none.
fn settings_poll(seconds: f64) -> Option<Nanos> {
    (seconds > 0.0).then(|| Nanos::from_secs_f64(seconds))
}

/// A wait as somebody sees who looks every `poll`: whole intervals, at least one.
fn whole_polls(seconds: f64, poll: Option<Nanos>) -> Nanos {
    let exact = Nanos::from_secs_f64(seconds);
    match poll {
        None => exact,
        Some(poll) => Nanos(exact.0.div_ceil(poll.0).max(1) * poll.0),
    }
}
