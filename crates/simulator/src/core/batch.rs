//! Runners at work: slots, prompt caches, and one batch after another on shared devices.
//!
//! A runner works like llama.cpp's server loop. Each batch holds one token of every stream that
//! decodes, plus as many prompt tokens of new requests as fit `num_batch`; every request in it
//! waits for all of it. The cost of parallel decoding, and the stall that a new request's prefill
//! causes, follow from that without further rules. A batch is an amount of work; its speed
//! depends on the other busy runners on the same devices, and changes only at events.

use domain::{Nanos, Stamp};

use super::host_cache::shared;
use super::log::Happened;
use super::machine::{Core, Event};
use super::slots::{self, Slot, SlotChoice};
use super::state::{Batch, RequestState, RunnerId};
use super::types::{NoticeKind, RequestId, StopReason, WorkKind};
use crate::profile::Rates;

/// A generation without a limit of its own ends after this many contexts.
const CONTEXTS_PER_GENERATION: u32 = 10;

impl Core {
    /// Places a request whose prompt is ready into a slot, or makes it wait for one.
    pub(super) fn prepared(&mut self, id: RequestId) {
        let RequestState::Waiting(uid) = self.requests[&id].state else {
            return;
        };
        self.runners[&uid].waiting.push_back(id);
        self.fill_slots(uid);
        self.start_batch(uid, 0.0);
    }

    /// Gives free slots to waiting requests in order of arrival.
    fn fill_slots(&mut self, uid: RunnerId) {
        let is_free = |slot: &Slot| slot.request.is_none();
        while self.runners[&uid].slots.iter().any(is_free)
            && let Some(id) = self.runners[&uid].waiting.pop_front()
        {
            self.serve(id, uid);
        }
    }

    /// Places a request into the free slot that fits it best.
    fn serve(&mut self, id: RequestId, uid: RunnerId) {
        let serial = self.next_serial();
        let now = self.now;
        let request = &mut self.requests[&id];
        let runner = &mut self.runners[&uid];
        let prompt = request.prompt().map_or(&[][..], |p| p);
        // What exceeds the context is cut before it is evaluated.
        let prompt = &prompt[..prompt.len().min(runner.launch.num_ctx as usize)];
        let similarity = self.servers[runner.server].spec.settings.slot_similarity();
        let SlotChoice { index, displaces } =
            slots::choose(&runner.slots, prompt, similarity).expect("a slot is free");
        let slot = &mut runner.slots[index];
        let generates = matches!(request.work.kind, WorkKind::Generate(_));
        let exchanged = if displaces && generates {
            runner.host.exchange(index, &mut slot.cache, prompt)
        } else {
            Vec::new()
        };
        let len = prompt.len().max(1);
        // At least one token is always evaluated.
        let cached = shared(&slot.cache, prompt).min(len - 1);
        slot.request = Some(id);
        slot.used = serial;
        slot.cache.clear();
        slot.cache.extend_from_slice(prompt);

        let ctx = runner.launch.num_ctx;
        if let WorkKind::Generate(generation) = &request.work.kind {
            let natural = (generation.output.len() as u32).max(1);
            let mut most = ctx.saturating_mul(CONTEXTS_PER_GENERATION);
            if !runner.launch.shift {
                most = most.min(ctx.saturating_sub(len as u32));
            }
            if let Some(n) = generation.num_predict.filter(|n| *n > 0) {
                most = most.min(n);
            }
            let most = most.max(1);
            request.limit = natural.min(most);
            if most < natural {
                request.reason = StopReason::Length;
            }
        }
        request.state = RequestState::Prefill(uid, index);
        request.served = now;
        request.prompt_len = len;
        request.cached = cached;
        request.prompt_left = len - cached;
        let waited = now.since(request.attached);
        for happened in exchanged {
            self.log_request(id, happened);
        }
        let happened = Happened::Served {
            slot: index,
            waited,
            cached: cached as u32,
        };
        self.log_request(id, happened);
    }

    /// Starts the next batch if none is running. `owed` is work, ns, that the last batch did beyond
    /// its end (negative: left undone), because ends fall on whole microseconds.
    fn start_batch(&mut self, uid: RunnerId, owed: f64) {
        let now = self.now;
        let version = self.next_serial();
        let runner = &mut self.runners[&uid];
        if runner.batch.is_some() {
            return;
        }
        let mut serving: Vec<(u64, RequestId)> = runner
            .slots
            .iter()
            .filter_map(|slot| slot.request.map(|id| (slot.used, id)))
            .collect();
        serving.sort_unstable();
        let decodes = |id: &RequestId| matches!(self.requests[id].state, RequestState::Decode(..));
        let ids = serving.iter().map(|(_, id)| *id);
        let decode: Vec<RequestId> = ids.filter(decodes).collect();
        let mut room = (runner.launch.num_batch as usize)
            .saturating_sub(decode.len())
            .max(1);
        let mut prompt = Vec::new();
        for (_, id) in &serving {
            let request = &mut self.requests[id];
            if room > 0 && matches!(request.state, RequestState::Prefill(..)) {
                let part = request.prompt_left.min(room);
                room -= part;
                request.prefill_began.get_or_insert(now);
                prompt.push((*id, part));
            }
        }
        if decode.is_empty() && prompt.is_empty() {
            return self.stop_computing(uid);
        }
        let tokens = prompt.iter().map(|(_, n)| n).sum();
        let model = &self.profile.models[runner.model];
        let (gpu, cpu) = batch_seconds(&model.rates, decode.len(), tokens);
        let share = runner.placement.gpu_share();
        let mut gpu = gpu * share;
        let cpu = cpu * (1.0 - share);
        if !runner.warm {
            gpu += model.load.warm_up_s;
        }
        runner.batch = Some(Batch {
            left_ns: (gpu + cpu) * 1e9 - owed,
            since: now,
            slowdown_factor: 1.0,
            gpu_share: if gpu + cpu > 0.0 {
                gpu / (gpu + cpu)
            } else {
                1.0
            },
            version,
            prompt,
            decode,
        });
        self.start_computing(uid);
        self.reschedule(uid);
    }

    /// The factor by which a runner's work takes longer now than alone.
    fn slowness(&self, uid: RunnerId) -> f64 {
        let runner = &self.runners[&uid];
        let gpu_share = runner.batch.as_ref().map_or(1.0, |batch| batch.gpu_share);
        let size_vram = runner.placement.size_vram;
        let part = |&(device, bytes): &(usize, u64)| {
            self.devices[device].slowdown() * bytes as f64 / size_vram as f64
        };
        let on_devices = match size_vram {
            0 => 1.0,
            _ => runner.placement.held.iter().map(part).sum(),
        };
        let on_cpu = self.cpu_busy.len().max(1) as f64;
        gpu_share * on_devices + (1.0 - gpu_share) * on_cpu
    }

    /// Updates a batch's remaining work and reschedules its end.
    fn reschedule(&mut self, uid: RunnerId) {
        let now = self.now;
        let slow = self.slowness(uid);
        let version = self.next_serial();
        let Some(batch) = &mut self.runners[&uid].batch else {
            return;
        };
        batch.left_ns -= now.since(batch.since).0 as f64 / batch.slowdown_factor;
        batch.since = now;
        batch.slowdown_factor = slow;
        batch.version = version;
        // Ends fall on the nearest whole microsecond; the next batch makes up for the rest.
        let wait = Nanos((batch.left_ns * slow).round().max(0.0) as u64);
        let at = Stamp((now + wait).0.saturating_add(500) / 1000 * 1000);
        let runner = uid;
        self.schedule(at, uid.0, Event::BatchDone { runner, version });
    }

    fn start_computing(&mut self, uid: RunnerId) {
        self.set_computing(uid, true);
        if self.runners[&uid].placement.gpu_share() < 1.0 && self.cpu_busy.insert(uid) {
            self.cpu_changed();
        }
    }

    /// Marks a runner that has no work or is dead as idle on its devices.
    pub(super) fn stop_computing(&mut self, uid: RunnerId) {
        self.runners[&uid].batch = None;
        self.set_computing(uid, false);
        if self.cpu_busy.remove(&uid) {
            self.cpu_changed();
        }
    }

    fn set_computing(&mut self, uid: RunnerId, busy: bool) {
        for (device, _) in self.runners[&uid].placement.held.clone() {
            if self.devices[device].set_busy(self.now, uid, busy) {
                self.device_changed(device);
            }
        }
    }

    /// Updates every batch on a device whose speed or set of busy runners has changed.
    pub(super) fn device_changed(&mut self, device: usize) {
        self.schedule_thermal(device);
        for uid in self.devices[device].busy.clone() {
            self.reschedule(uid);
        }
    }

    fn cpu_changed(&mut self) {
        for uid in self.cpu_busy.clone() {
            self.reschedule(uid);
        }
    }

    /// A batch is done: every request in it has a token, or part of its prompt.
    pub(super) fn batch_done(&mut self, uid: RunnerId) {
        let now = self.now;
        let runner = &mut self.runners[&uid];
        let batch = runner.batch.take().expect("its end is not stale");
        runner.warm = true;
        let owed = now.since(batch.since).0 as f64 / batch.slowdown_factor - batch.left_ns;
        for id in batch.decode {
            self.token(id, uid);
        }
        for (id, part) in batch.prompt {
            let Some(request) = self.requests.get_mut(&id) else {
                continue;
            };
            let RequestState::Prefill(_, slot) = request.state else {
                continue;
            };
            request.prompt_left -= part;
            if request.prompt_left > 0 {
                continue;
            }
            if request.gone {
                self.leave_slot_quietly(id, uid, slot);
                continue;
            }
            request.first_token = now;
            request.state = RequestState::Decode(uid, slot);
            self.token(id, uid);
        }
        self.fill_slots(uid);
        self.start_batch(uid, owed);
    }

    /// One token for a request that decodes, and its end if it was the last one.
    fn token(&mut self, id: RequestId, uid: RunnerId) {
        let now = self.now;
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        let RequestState::Decode(at, slot) = request.state else {
            return;
        };
        debug_assert_eq!(at, uid, "a request decodes on one runner");
        let embedding = matches!(request.work.kind, WorkKind::Embed { .. });
        if !embedding {
            request.emitted += 1;
            let index = request.emitted - 1;
            self.notify(id, NoticeKind::Token { index });
        }
        let request = &self.requests[&id];
        if !embedding && request.emitted < request.limit {
            return;
        }
        let release = self.servers[request.server].spec.settings.release();
        let timings = request.timings(now, release);
        let reason = request.reason;
        let happened = Happened::Finished {
            tokens: request.emitted,
            took: now.since(request.served),
        };
        self.log_request(id, happened);
        self.notify(id, NoticeKind::Done { timings, reason });
        self.leave_slot_quietly(id, uid, slot);
    }

    /// Takes a request out of its slot and gives the slot to the next one at once.
    pub(super) fn leave_slot(&mut self, id: RequestId, uid: RunnerId, slot: usize) {
        self.leave_slot_quietly(id, uid, slot);
        self.fill_slots(uid);
        self.start_batch(uid, 0.0);
    }

    /// Takes a request out of its slot. Its evaluated tokens stay in the slot's cache.
    fn leave_slot_quietly(&mut self, id: RequestId, uid: RunnerId, slot: usize) {
        let request = self.requests.swap_remove(&id).expect("it has a slot");
        let runner = &mut self.runners[&uid];
        let ctx = runner.launch.num_ctx as usize;
        runner.releases += 1;
        let slot = &mut runner.slots[slot];
        slot.request = None;
        slot.released = runner.releases;
        slot.cache
            .truncate(request.prompt_len.saturating_sub(request.prompt_left));
        if let WorkKind::Generate(generation) = &request.work.kind {
            // The last token was sampled but never evaluated.
            let evaluated = (request.emitted as usize).saturating_sub(1);
            slot.cache.extend(generation.output.iter().take(evaluated));
        }
        if slot.cache.len() > ctx {
            // The context has been shifted; its beginning is gone.
            slot.cache.clear();
        }
        self.detach(uid);
    }
}

/// Seconds a batch takes with all layers on a device, and with all of them on the CPU.
fn batch_seconds(rates: &Rates, decode: usize, prompt: usize) -> (f64, f64) {
    let seconds = |decode_tps: f64, prefill_tps: f64| {
        // Every batch reads the weights once.
        let streams = decode.max(1) as f64;
        let base = (1.0 + rates.batch_cost_factor * (streams - 1.0)) / decode_tps;
        if prompt == 0 {
            return base;
        }
        base + rates.prefill_overhead_s + prompt as f64 / prefill_tps
    };
    (
        seconds(rates.decode_tps, rates.prefill_tps),
        seconds(rates.cpu_decode_tps, rates.cpu_prefill_tps),
    )
}
