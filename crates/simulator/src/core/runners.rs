//! Loading, attaching requests, keep-alive and unloading of runners.

use std::collections::VecDeque;

use domain::Nanos;
use domain::backend::KeepAlive;

use super::device::whole_micros;
use super::log::Happened;
use super::machine::{Core, Event};
use super::placement::Placement;
use super::reload::Launch;
use super::state::{Head, RequestState, Runner, RunnerId, RunnerState, Slot};
use super::types::{NoticeKind, RequestId, WorkKind};

impl Core {
    /// Starts a runner that will run out of device memory.
    pub(super) fn begin_doomed_load(&mut self, id: RequestId, launch: Launch, message: String) {
        let nothing = Placement {
            all_layers: 1,
            ..Placement::default()
        };
        let uid = self.start_runner(id, launch, nothing);
        if let Some(runner) = self.runners.get_mut(&uid) {
            runner.doomed = Some(message);
        }
        let server = self.requests[&id].server;
        let poll_s = self.servers[server].spec.settings.ready_poll_s;
        // It dies while allocating memory, which the next poll detects.
        let at = whole_micros(self.now + whole_polls(0.0, poll_s));
        self.schedule(at, uid.0, Event::LoadEnded { runner: uid });
    }

    pub(super) fn begin_load(&mut self, id: RequestId, launch: Launch, placement: Placement) {
        let request = &self.requests[&id];
        let model = &self.profile.models[request.model];
        let first = self.page_cache.insert(model.key().to_owned());
        let seconds = model.load.load_s + if first { model.load.first_load_s } else { 0.0 };
        let poll_s = self.servers[request.server].spec.settings.ready_poll_s;
        let at = whole_micros(self.now + whole_polls(seconds, poll_s));
        let uid = self.start_runner(id, launch, placement);
        self.schedule(at, uid.0, Event::LoadEnded { runner: uid });
    }

    fn start_runner(&mut self, id: RequestId, launch: Launch, placement: Placement) -> RunnerId {
        let request = &self.requests[&id];
        let (server, model) = (request.server, request.model);
        let key = self.profile.models[model].key().to_owned();
        let name = request.work.model.clone();
        let uid = RunnerId(self.next_serial());
        let happened = Happened::LoadStarted {
            id,
            model: name.clone(),
            num_ctx: launch.num_ctx,
            gpu_layers: placement.gpu_layers,
            size: placement.size,
            size_vram: placement.size_vram,
        };
        self.happened(server, happened);
        for &(device, bytes) in &placement.held {
            self.devices[device].hold(uid, bytes);
        }
        let slots = (0..launch.parallel).map(|_| Slot::default()).collect();
        self.runners.insert(
            uid,
            Runner {
                server,
                model,
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
                waiting: VecDeque::new(),
                blocked: Vec::new(),
                batch: None,
                warm: false,
                doomed: None,
            },
        );
        self.set_state(id, RequestState::Loading);
        self.servers[server].head = Head::Loading(id, uid);
        uid
    }

    pub(super) fn load_ended(&mut self, uid: RunnerId) {
        let server = self.runners[&uid].server;
        let doomed = self.runners[&uid].doomed.clone();
        if let Some(message) = doomed.or_else(|| self.servers[server].fail_next.take()) {
            return self.load_failed(uid, &message);
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

    pub(super) fn load_failed(&mut self, uid: RunnerId, message: &str) {
        let server = self.runners[&uid].server;
        let Head::Loading(id, _) = self.servers[server].head else {
            return;
        };
        let model = self.runners[&uid].name.clone();
        self.forget_runner(uid);
        self.servers[server].retried.remove(&id);
        let message = message.to_owned();
        let notice = NoticeKind::LoadFailed {
            message: message.clone(),
        };
        self.happened(server, Happened::LoadFailed { id, model, message });
        self.notify(id, notice);
        self.requests.remove(&id);
        self.servers[server].head = Head::None;
        self.take_pending(server);
    }

    pub(super) fn forget_runner(&mut self, uid: RunnerId) {
        self.runners.remove(&uid);
        for device in &mut self.devices {
            device.release(uid);
        }
    }

    pub(super) fn attach(&mut self, id: RequestId, uid: RunnerId, fast_path: bool) {
        let now = self.now;
        let timer = self.next_serial();
        let request = self
            .requests
            .get_mut(&id)
            .expect("only live requests attach");
        request.attached = now;
        request.load = now.since(request.arrived);
        request.state = RequestState::Preparing(uid);
        let (server, tag, load) = (request.server, request.work.tag, request.load);
        let keep_alive = request.work.keep_alive;
        let preload = matches!(request.work.kind, WorkKind::Preload);
        let model = request.work.model.clone();
        let prepare = self.profile.models[request.model].load.prepare_s;
        let runner = self.runners.get_mut(&uid).expect("matched just now");
        runner.in_flight += 1;
        runner.timer = timer;
        // The last request attached sets it for all, even over an eviction.
        if let Some(keep_alive) = keep_alive {
            runner.session = keep_alive;
        }
        let happened = Happened::Attached {
            id,
            model,
            load,
            fast_path,
        };
        self.happened(server, happened);
        self.notify(id, NoticeKind::Attached);
        if preload {
            self.notify(id, NoticeKind::Preloaded);
            self.requests.remove(&id);
            self.detach(uid);
            return;
        }
        let at = whole_micros(now + Nanos::from_secs_f64(prepare));
        self.schedule(at, tag, Event::PromptPrepared { id });
    }

    /// A request has left its runner.
    pub(super) fn detach(&mut self, uid: RunnerId) {
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
                self.schedule(at, uid.0, Event::KeepAliveExpired { runner: uid, timer });
            }
            KeepAlive::Forever => runner.expires = None,
        }
    }

    pub(super) fn keep_alive_expired(&mut self, uid: RunnerId) {
        let runner = &self.runners[&uid];
        let (server, model) = (runner.server, runner.name.clone());
        self.happened(server, Happened::Expired { model });
        self.expire(uid);
    }

    /// An unload request: answered at once, carried out when no request is in progress.
    pub(super) fn unload_wanted(&mut self, id: RequestId) {
        let request = &self.requests[&id];
        let key = self.profile.models[request.model].key();
        let loaded = self.servers[request.server].loaded.get(key).copied();
        self.notify(id, NoticeKind::Unloading);
        self.requests.remove(&id);
        if let Some(uid) = loaded {
            self.expire(uid);
        }
    }

    fn begin_unload(&mut self, uid: RunnerId) {
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
                let waited = whole_polls(times.recovery_s, settings.recovery_poll_s);
                took += waited.min(Nanos::from_secs_f64(settings.recovery_cap_s));
            }
        }
        self.happened(server, Happened::UnloadStarted { model });
        self.stop_computing(uid);
        let at = whole_micros(now + took);
        self.schedule(at, uid.0, Event::Unloaded { runner: uid });
    }

    pub(super) fn unloaded(&mut self, uid: RunnerId) {
        let runner = &self.runners[&uid];
        let (server, model) = (runner.server, runner.name.clone());
        let took = self.now.since(runner.since);
        let blocked = runner.blocked.clone();
        let key = runner.key.clone();
        self.servers[server].loaded.remove(&key);
        self.forget_runner(uid);
        self.happened(server, Happened::Unloaded { model, took });
        // A request waiting at the head checks again after any unload.
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

    /// Its keep-alive has expired: it is unloaded now, or when its last request ends.
    pub(super) fn expire(&mut self, uid: RunnerId) {
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
}

/// A wait in whole polls, at least one; exact when `poll_s` is 0.
fn whole_polls(seconds: f64, poll_s: f64) -> Nanos {
    let exact = Nanos::from_secs_f64(seconds);
    if poll_s > 0.0 {
        let poll = Nanos::from_secs_f64(poll_s);
        return Nanos(exact.0.div_ceil(poll.0).max(1) * poll.0);
    }
    exact
}
