//! Loading, attaching requests, keep-alive and unloading of runners.

use std::collections::VecDeque;

use domain::Nanos;
use domain::backend::KeepAlive;

use super::device::whole_micros;
use super::host_cache::HostCache;
use super::log::Happened;
use super::machine::{Core, Event};
use super::placement::Placement;
use super::reload::Launch;
use super::slots::Slot;
use super::state::{Head, RequestState, Runner, RunnerId, RunnerState};
use super::types::{NoticeKind, RequestId, WorkKind};
use crate::profile::keep_alive;

impl Core {
    /// Starts a runner that will run out of device memory.
    pub(super) fn begin_doomed_load(&mut self, id: RequestId, launch: Launch, message: String) {
        let nothing = Placement {
            all_layers: 1,
            ..Placement::default()
        };
        // It dies while allocating memory, which the next poll detects.
        let uid = self.start_runner(id, launch, nothing, 0.0);
        self.runners[&uid].doomed = Some(message);
    }

    pub(super) fn begin_load(&mut self, id: RequestId, launch: Launch, placement: Placement) {
        let request = &self.requests[&id];
        let model = &self.profile.models[request.model];
        let first = self.page_cache.insert(model.key().to_owned());
        let load_s = model.load.load_s + if first { model.load.first_load_s } else { 0.0 };
        self.start_runner(id, launch, placement, load_s);
    }

    /// Starts a runner whose load ends at the first poll after this time.
    fn start_runner(
        &mut self,
        id: RequestId,
        launch: Launch,
        placement: Placement,
        load_s: f64,
    ) -> RunnerId {
        let request = &self.requests[&id];
        let (server, model) = (request.server, request.model);
        let key = self.profile.models[model].key().to_owned();
        let name = request.work.model.clone();
        let uid = RunnerId(self.next_serial());
        let happened = Happened::LoadStarted {
            num_ctx: launch.num_ctx,
            gpu_layers: placement.gpu_layers,
            size: placement.size,
            size_vram: placement.size_vram,
        };
        self.log_request(id, happened);
        for &(device, bytes) in &placement.held {
            self.devices[device].held.insert(uid, bytes);
        }
        let settings = &self.servers[server].spec.settings;
        let poll_s = settings.ready_poll_s;
        let slots = (0..launch.parallel).map(|_| Slot::default()).collect();
        let host = HostCache::new(
            settings.prompt_cache.cache_ram_mib,
            self.profile.models[model].memory.kv_bytes_per_token,
        );
        self.runners.insert(
            uid,
            Runner {
                server,
                model,
                name,
                key,
                launch,
                state: RunnerState::Loading,
                placement,
                session: keep_alive(settings.keep_alive_s),
                in_flight: 0,
                expires: None,
                timer: 0,
                since: self.now,
                slots,
                releases: 0,
                host,
                waiting: VecDeque::new(),
                blocked: Vec::new(),
                batch: None,
                warm: false,
                doomed: None,
            },
        );
        self.requests[&id].state = RequestState::Loading;
        self.servers[server].head = Head::Loading(id, uid);
        let at = whole_micros(self.now + whole_polls(load_s, poll_s));
        self.schedule(at, uid.0, Event::LoadEnded { runner: uid });
        uid
    }

    pub(super) fn load_ended(&mut self, uid: RunnerId) {
        let runner = &mut self.runners[&uid];
        let server = runner.server;
        let fail_next = || self.servers[server].fail_next.take();
        if let Some(message) = runner.doomed.take().or_else(fail_next) {
            return self.load_failed(uid, &message);
        }
        let Head::Loading(id, _) = self.servers[server].head else {
            return;
        };
        runner.state = RunnerState::Ready;
        let took = self.now.since(runner.since);
        let key = runner.key.clone();
        self.servers[server].loaded.insert(key, uid);
        self.servers[server].leave_head(id);
        self.log_request(id, Happened::LoadFinished { took });
        self.attach(id, uid, false);
        self.take_pending(server);
    }

    pub(super) fn load_failed(&mut self, uid: RunnerId, message: &str) {
        let server = self.runners[&uid].server;
        let Head::Loading(id, _) = self.servers[server].head else {
            return;
        };
        self.forget_runner(uid);
        let [message, logged] = [message; 2].map(str::to_owned);
        self.notify(id, NoticeKind::LoadFailed { message });
        self.log_request(id, Happened::LoadFailed { message: logged });
        self.requests.swap_remove(&id);
        self.servers[server].leave_head(id);
        self.take_pending(server);
    }

    /// Ends a runner's process.
    pub(super) fn forget_runner(&mut self, uid: RunnerId) -> Runner {
        for device in &mut self.devices {
            device.held.remove(&uid);
        }
        let runner = self.runners.shift_remove(&uid);
        runner.expect("only runners that exist are forgotten")
    }

    pub(super) fn attach(&mut self, id: RequestId, uid: RunnerId, fast_path: bool) {
        let now = self.now;
        let timer = self.next_serial();
        let request = &mut self.requests[&id];
        request.attached = now;
        request.load = now.since(request.arrived);
        request.state = RequestState::Waiting(uid);
        let (tag, load) = (request.work.tag, request.load);
        let keep_alive = request.work.keep_alive;
        let preload = matches!(request.work.kind, WorkKind::Preload);
        let prepare = self.profile.models[request.model].load.prepare_s;
        let runner = &mut self.runners[&uid];
        runner.in_flight += 1;
        runner.timer = timer;
        // The last request attached sets it for all, even over an eviction.
        if let Some(keep_alive) = keep_alive {
            runner.session = keep_alive;
        }
        self.log_request(id, Happened::Attached { load, fast_path });
        self.notify(id, NoticeKind::Attached);
        if preload {
            self.notify(id, NoticeKind::Preloaded);
            self.requests.swap_remove(&id);
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
        let runner = &mut self.runners[&uid];
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

    /// An unload request: answered at once, carried out when no request is in progress.
    pub(super) fn unload_wanted(&mut self, id: RequestId) {
        let request = &self.requests[&id];
        let key = self.profile.models[request.model].key();
        let loaded = self.servers[request.server].loaded.get(key).copied();
        self.notify(id, NoticeKind::Unloading);
        self.requests.swap_remove(&id);
        if let Some(uid) = loaded {
            self.expire(uid);
        }
    }

    fn begin_unload(&mut self, uid: RunnerId) {
        let now = self.now;
        let runner = &mut self.runners[&uid];
        let crashed = runner.state == RunnerState::Crashed;
        runner.state = RunnerState::Unloading;
        runner.since = now;
        let settings = &self.servers[runner.server].spec.settings;
        let times = &self.profile.models[runner.model].load;
        // A dead process holds no memory; a runner on the CPU has none to give back.
        let mut took = Nanos::ZERO;
        if !crashed {
            took += Nanos::from_secs_f64(times.unload_s);
            if runner.placement.size_vram > 0 {
                let waited = whole_polls(times.recovery_s, settings.recovery_poll_s);
                took += waited.min(Nanos::from_secs_f64(settings.recovery_cap_s));
            }
        }
        self.log_runner(uid, Happened::UnloadStarted);
        self.stop_computing(uid);
        let at = whole_micros(now + took);
        self.schedule(at, uid.0, Event::Unloaded { runner: uid });
    }

    pub(super) fn unloaded(&mut self, uid: RunnerId) {
        let took = self.now.since(self.runners[&uid].since);
        self.log_runner(uid, Happened::Unloaded { took });
        let Runner {
            server,
            key,
            blocked,
            ..
        } = self.forget_runner(uid);
        self.servers[server].loaded.remove(&key);
        // A request waiting at the head checks again after any unload.
        if let Head::Evicting(id) = self.servers[server].head {
            self.handle_head(id);
        }
        for id in blocked {
            if self.requests[&id].gone {
                self.requests.swap_remove(&id);
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
        let runner = &mut self.runners[&uid];
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
fn whole_polls(load_s: f64, poll_s: f64) -> Nanos {
    let exact = Nanos::from_secs_f64(load_s);
    if poll_s > 0.0 {
        let poll = Nanos::from_secs_f64(poll_s);
        return Nanos(exact.0.div_ceil(poll.0).max(1) * poll.0);
    }
    exact
}
