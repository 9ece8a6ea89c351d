//! Known truths about the core, each worked out by hand.
#![expect(
    clippy::float_cmp,
    reason = "stamps are whole microseconds, and being exact is what is tested"
)]

mod cancel;
mod device;
mod keep_alive;
mod laws;
mod narrative;
mod scheduling;

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::backend::KeepAlive;
use domain::{Nanos, Stamp};

use super::*;
use crate::profile::{Profile, ServerSpec};

/// A machine in round numbers: 100 tok/s, prefill 1000 tok/s, a load of 2 s, an unload of 0.5 s
/// (0.25 s to die, one poll for the memory), no latency and no overhead.
pub(super) const ROUND: &str = include_str!("tests/round.toml");

pub(super) fn round() -> Profile {
    Profile::parse("round.toml", ROUND).unwrap()
}

/// A core and everything it has told.
pub(super) struct Rig {
    pub(super) core: Core,
    next: u64,
    pub(super) notices: Vec<Notice>,
    pub(super) log: Vec<SchedulerEvent>,
}

pub(super) fn s(seconds: f64) -> Stamp {
    Stamp::ZERO + Nanos::from_secs_f64(seconds)
}

impl Rig {
    pub(super) fn new(profile: Profile) -> Self {
        let spec = profile.server();
        Self::with(profile, vec![spec])
    }

    pub(super) fn with(profile: Profile, servers: Vec<ServerSpec>) -> Self {
        Self {
            core: Core::new(profile, servers).unwrap(),
            next: 0,
            notices: Vec::new(),
            log: Vec::new(),
        }
    }

    fn collect(&mut self) {
        while let Some(notice) = self.core.poll() {
            self.notices.push(notice);
        }
        self.log.extend(self.core.drain_log());
    }

    pub(super) fn submit(&mut self, at: f64, server: usize, work: Job) -> RequestId {
        self.next += 1;
        let id = RequestId(self.next);
        let work = work.work(id);
        self.core.submit(s(at), ServerId(server), work);
        self.collect();
        id
    }

    pub(super) fn cancel(&mut self, at: f64, id: RequestId) {
        self.core.cancel(s(at), id);
        self.collect();
    }

    pub(super) fn advance(&mut self, to: f64) {
        self.core.advance(s(to));
        self.collect();
    }

    /// Runs until nothing is pending, which includes keep-alive timers.
    pub(super) fn drain(&mut self) {
        while let Some(at) = self.core.next_event() {
            self.core.advance(at);
            self.collect();
        }
    }

    pub(super) fn of(&self, id: RequestId) -> Vec<&Notice> {
        self.notices.iter().filter(|n| n.id == id).collect()
    }

    pub(super) fn end(&self, id: RequestId) -> &Notice {
        let last = *self.of(id).last().expect("something was told");
        assert!(last.what.is_final(), "not at its end: {last:?}");
        last
    }

    pub(super) fn ended_at(&self, id: RequestId) -> f64 {
        self.end(id).at.as_secs_f64()
    }

    pub(super) fn first_token_at(&self, id: RequestId) -> f64 {
        self.of(id)
            .iter()
            .find(|n| matches!(n.what, What::Token { index: 0 }))
            .expect("a first token")
            .at
            .as_secs_f64()
    }

    pub(super) fn timings(&self, id: RequestId) -> Timings {
        match &self.end(id).what {
            What::Done { timings, .. } => *timings,
            other => panic!("not done: {other:?}"),
        }
    }

    /// The log in short: what happened, to whom, when.
    pub(super) fn story(&self) -> Vec<String> {
        self.log.iter().map(|e| tell(e, &BTreeMap::new())).collect()
    }

    pub(super) fn loads(&self) -> usize {
        self.count(|h| matches!(h, Happened::LoadStarted { .. }))
    }

    pub(super) fn count(&self, what: impl Fn(&Happened) -> bool) -> usize {
        self.log.iter().filter(|e| what(&e.happened)).count()
    }
}

/// One line of a story. `names` gives requests names.
pub(super) fn tell(event: &SchedulerEvent, names: &BTreeMap<RequestId, &str>) -> String {
    let name = |id: &RequestId| {
        names
            .get(id)
            .map_or_else(|| format!("#{}", id.0), |name| (*name).to_owned())
    };
    let what = match &event.happened {
        Happened::Arrived { id, .. } => format!("{} arrives", name(id)),
        Happened::Queued { id, depth } => format!("{} queued ({depth})", name(id)),
        Happened::Refused { id } => format!("{} refused", name(id)),
        Happened::Attached {
            id,
            load,
            fast_path,
            ..
        } => format!(
            "{} attached, load {:.3}{}",
            name(id),
            load.as_secs_f64(),
            if *fast_path { ", past the queue" } else { "" }
        ),
        Happened::Served {
            id,
            slot,
            cached,
            waited,
            ..
        } => format!(
            "{} in slot {slot}, waited {:.3}, {cached} cached",
            name(id),
            waited.as_secs_f64()
        ),
        Happened::Finished { id, tokens, .. } => format!("{} done, {tokens} tokens", name(id)),
        Happened::Cancelled { id, state, .. } => format!("{} cancelled while {state}", name(id)),
        Happened::Skipped { id } => format!("{} skipped", name(id)),
        Happened::Evicting {
            id,
            victim,
            reason,
            in_flight,
        } => format!(
            "{} wants {victim} gone: {reason:?}, {in_flight} in flight",
            name(id)
        ),
        Happened::LoadStarted { id, num_ctx, .. } => {
            format!("load for {} with ctx {num_ctx}", name(id))
        }
        Happened::LoadFinished { took, .. } => format!("loaded in {:.3}", took.as_secs_f64()),
        Happened::LoadFailed { message, .. } => format!("load failed: {message}"),
        Happened::LoadAborted { id, .. } => format!("load for {} aborted", name(id)),
        Happened::Expired { model } => format!("{model} expired"),
        Happened::UnloadStarted { model } => format!("unloading {model}"),
        Happened::Unloaded { took, .. } => format!("unloaded in {:.3}", took.as_secs_f64()),
        Happened::Crashed { lost, .. } => format!("crashed with {lost}"),
    };
    format!("{:.3} {what}", event.at.as_secs_f64())
}

/// A request in short.
#[derive(Clone)]
pub(super) struct Job {
    kind: Kind,
    model: &'static str,
    options: RunnerOptions,
    keep_alive: Option<KeepAlive>,
    tag: Option<u64>,
    num_predict: Option<u32>,
}

#[derive(Clone)]
enum Kind {
    Generate { prompt: Vec<u32>, tokens: u32 },
    Preload,
    Unload,
    Embed { tokens: u32 },
}

/// A generation with a prompt of 100 tokens of its own: 0.1 s of prefill and one step.
pub(super) fn generate(tokens: u32) -> Job {
    Job::new(Kind::Generate {
        prompt: Vec::new(),
        tokens,
    })
}

pub(super) fn preload() -> Job {
    Job::new(Kind::Preload)
}

pub(super) fn unload() -> Job {
    Job::new(Kind::Unload)
}

pub(super) fn embed(tokens: u32) -> Job {
    Job::new(Kind::Embed { tokens }).model("embed:latest")
}

impl Job {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            model: "round:latest",
            options: RunnerOptions::default(),
            keep_alive: None,
            tag: None,
            num_predict: None,
        }
    }

    pub(super) fn ctx(mut self, num_ctx: u32) -> Self {
        self.options.num_ctx = Some(num_ctx);
        self
    }

    pub(super) fn gpu(mut self, num_gpu: i64) -> Self {
        self.options.num_gpu = Some(num_gpu);
        self
    }

    pub(super) fn shift(mut self, shift: bool) -> Self {
        self.options.shift = Some(shift);
        self
    }

    pub(super) fn model(mut self, model: &'static str) -> Self {
        self.model = model;
        self
    }

    pub(super) fn keep(mut self, keep_alive: KeepAlive) -> Self {
        self.keep_alive = Some(keep_alive);
        self
    }

    pub(super) fn tag(mut self, tag: u64) -> Self {
        self.tag = Some(tag);
        self
    }

    pub(super) fn predict(mut self, n: u32) -> Self {
        self.num_predict = Some(n);
        self
    }

    pub(super) fn prompt(mut self, ids: Vec<u32>) -> Self {
        if let Kind::Generate { prompt, .. } = &mut self.kind {
            *prompt = ids;
        }
        self
    }

    pub(super) fn work(self, id: RequestId) -> Work {
        let own = |n: u32| {
            (0..n)
                .map(|i| id.0 as u32 * 100_000 + i)
                .collect::<Vec<u32>>()
        };
        let kind = match self.kind {
            Kind::Generate { prompt, tokens } => WorkKind::Generate(Generation {
                prompt: Arc::from(if prompt.is_empty() { own(100) } else { prompt }),
                output: (0..tokens).map(|i| 7_000_000 + i).collect(),
                num_predict: self.num_predict,
            }),
            Kind::Preload => WorkKind::Preload,
            Kind::Unload => WorkKind::Unload,
            Kind::Embed { tokens } => WorkKind::Embed {
                prompt: Arc::from(own(tokens)),
            },
        };
        Work {
            id,
            kind,
            model: self.model.to_owned(),
            runner: self.options,
            keep_alive: self.keep_alive,
            tag: self.tag.unwrap_or(id.0),
        }
    }
}
