//! Ollama's scheduler: which requests bypass the pending queue, and the loop that reads it.

use domain::backend::KeepAlive;

use super::log::{EvictReason, Happened, ReloadReason};
use super::machine::Core;
use super::placement::{NoPlace, Placement, Room, place};
use super::reload::Launch;
use super::state::{Head, RequestState, RunnerId, RunnerState};
use super::types::{NoticeKind, RequestId, WorkKind};

/// How a request matches the loaded runners.
enum Match {
    Absent,
    Fits(RunnerId),
    Differs(RunnerId, ReloadReason),
    Draining(RunnerId),
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
            // Not visible until it is ready.
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

    /// Schedules a request whose model is resolved.
    pub(super) fn resolved(&mut self, id: RequestId) {
        let request = &self.requests[&id];
        let server = request.server;
        if matches!(request.work.kind, WorkKind::Unload) {
            return self.unload_wanted(id);
        }
        if self.servers[server].spec.settings.fastpath() {
            match self.matching(id) {
                Match::Fits(uid) => return self.attach(id, uid, true),
                Match::Draining(uid) => {
                    self.requests[&id].state = RequestState::Queued;
                    return self.runners[&uid].blocked.push(id);
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
            self.log_request(id, Happened::Refused);
            if !self.requests[&id].gone {
                self.notify(id, NoticeKind::Busy);
            }
            self.requests.swap_remove(&id);
            return;
        }
        self.requests[&id].state = RequestState::Queued;
        self.servers[server].pending.push_back(id);
        self.log_request(id, Happened::Queued { depth });
        self.take_pending(server);
    }

    /// The pending loop: takes entries until it has to wait.
    pub(super) fn take_pending(&mut self, server: usize) {
        while self.servers[server].head == Head::None {
            let Some(id) = self.servers[server].pending.pop_front() else {
                return;
            };
            self.handle_head(id);
        }
    }

    /// Handles the entry at the head, which then waits or is done.
    pub(super) fn handle_head(&mut self, id: RequestId) {
        let server = self.requests[&id].server;
        self.servers[server].head = Head::None;
        if self.requests[&id].gone {
            self.log_request(id, Happened::Skipped);
            self.requests.swap_remove(&id);
            self.servers[server].retried.remove(&id);
            return;
        }
        match self.matching(id) {
            Match::Fits(uid) => {
                self.servers[server].retried.remove(&id);
                return self.attach(id, uid, false);
            }
            Match::Differs(uid, reason) => return self.evict(id, uid, EvictReason::Reload(reason)),
            Match::Draining(uid) => return self.evict(id, uid, EvictReason::Draining),
            Match::Absent => {}
        }
        let loaded = self.servers[server].loaded.len();
        if loaded >= self.max_loaded(server) {
            return self.evict_one(id, EvictReason::MaxLoaded);
        }
        let request = &self.requests[&id];
        let model = request.model;
        let mut launch = self.wanted(server, model, &request.work.runner);
        let placed = loop {
            let placed = self.place(server, model, &launch);
            // An automatic context that does not fit is tried once more with the next smaller one.
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
                self.begin_doomed_load(id, launch, message);
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

    /// Marks a runner to unload as soon as it is idle, and makes the head wait for that.
    fn evict(&mut self, id: RequestId, uid: RunnerId, reason: EvictReason) {
        let server = self.requests[&id].server;
        self.requests[&id].state = RequestState::Head;
        self.servers[server].head = Head::Evicting(id);
        let runner = &self.runners[&uid];
        let happened = Happened::Evicting {
            victim: runner.name.clone(),
            reason,
            in_flight: runner.in_flight,
        };
        self.log_request(id, happened);
        self.expire(uid);
    }

    /// The runner to evict: not the least recently used but the shortest keep-alive, idle ones first.
    fn evict_one(&mut self, id: RequestId, reason: EvictReason) {
        let server = &self.servers[self.requests[&id].server];
        let rank = |uid: &RunnerId| {
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
        let all: Vec<RunnerId> = self.servers[server].loaded.values().copied().collect();
        for uid in all {
            self.evict(id, uid, EvictReason::Memory);
        }
    }
}
