//! Replay of recorded requests on the simulated machine, as TR113 ran them: one run after another,
//! each from the state that the one before left.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::{Nanos, Stamp};

use super::figures::{AgentRun, CalibrateError, RecordedRun};
use crate::core::{
    Core, Generation, Happened, Notice, NoticeKind, RequestId, RunnerOptions, Work, WorkKind,
    tokens,
};
use crate::profile::{Profile, ServerSpec};

/// Time between two runs.
const PAUSE: Nanos = Nanos::from_millis(300);
/// Time between the agents of a run, so that they are served in the recorded order.
const APART: Nanos = Nanos::from_millis(2);
/// Common tokens at the start of prompts: the template's and their first words.
const SHARED_TOKENS: u32 = 6;

/// The servers' state before the first run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Nothing loaded, weights not in the page cache.
    Cold,
    /// Each server has the model loaded with the first run's options and another prompt cached.
    Warm,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ReplayedRun {
    /// The recorded run with the replay's figures. Times of agents count from the run's start.
    pub run: RecordedRun,
    /// In the order of the run's agents.
    pub services: Vec<Service>,
}

/// How the simulated server came to an agent's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    pub loaded: bool,
    /// A runner was unloaded before that load.
    pub evicted: bool,
    /// Other requests were in progress on its server while it waited for that load.
    pub waited: bool,
    /// Prompt tokens that were not cached.
    pub evaluated: u32,
}

/// Replays runs on a profile's model. All servers share the profile's devices. Fails when the profile lacks the
/// model, and when a request is refused or never ends.
pub fn replay(
    profile: &Profile,
    model: &str,
    runs: &[RecordedRun],
    start: Start,
) -> Result<Vec<ReplayedRun>, CalibrateError> {
    if profile.find_model(model).is_none() {
        return Err(CalibrateError::NoModel(model.to_owned()));
    }
    let servers = runs.iter().map(|run| run.servers).max().unwrap_or(1);
    let specs: Vec<ServerSpec> = (0..servers).map(|_| profile.server()).collect();
    let mut player = Player {
        core: Core::new(profile.clone(), specs)?,
        model: model.to_owned(),
        next: 0,
        at: Stamp(1_000_000_000),
    };
    if start == Start::Warm
        && let Some(first) = runs.first()
    {
        player.warm(first);
    }
    let runs = runs.iter().enumerate();
    runs.map(|(i, run)| player.play(i, run)).collect()
}

struct Player {
    core: Core,
    model: String,
    next: u64,
    at: Stamp,
}

impl Player {
    fn work(&mut self, kind: WorkKind, options: RunnerOptions) -> Work {
        self.next += 1;
        Work {
            id: RequestId(self.next),
            kind,
            model: self.model.clone(),
            runner: options,
            tag: self.next,
            ..Work::default()
        }
    }

    fn warm(&mut self, run: &RecordedRun) {
        for server in 0..run.servers {
            let options = run.agents[server].options;
            let other = Generation {
                prompt: Arc::from([u32::MAX]),
                output: Arc::from([0]),
                num_predict: None,
            };
            let work = self.work(WorkKind::Generate(other), options);
            self.core.submit(self.at, server, work);
        }
        self.settle(run.servers);
    }

    fn unload(&mut self, servers: usize) {
        for server in 0..servers {
            let work = self.work(WorkKind::Unload, RunnerOptions::default());
            self.core.submit(self.at, server, work);
        }
        self.settle(servers);
        // The answer comes at once; the unload takes its time.
        while (0..servers).any(|server| !self.core.loaded(server, self.at).is_empty())
            && let Some(at) = self.core.next_event()
        {
            self.core.advance(at);
            self.at = at + PAUSE;
        }
        self.core.drain_log();
    }

    /// Advances to the next event, and takes its notices; none when nothing can follow.
    fn next_notices(&mut self) -> Option<Vec<Notice>> {
        let at = self.core.next_event()?;
        self.core.advance(at);
        Some(std::iter::from_fn(|| self.core.poll()).collect())
    }

    /// Waits for the ends of this many requests outside the runs.
    fn settle(&mut self, mut left: usize) {
        while left > 0
            && let Some(notices) = self.next_notices()
        {
            for notice in notices.iter().filter(|notice| notice.what.is_final()) {
                left -= 1;
                self.at = notice.at + PAUSE;
            }
        }
        self.core.drain_log();
    }

    fn play(&mut self, index: usize, run: &RecordedRun) -> Result<ReplayedRun, CalibrateError> {
        if run.unloaded {
            self.unload(run.servers);
        }
        let start = self.at;
        let mut ids = BTreeMap::new();
        for (place, agent_index) in run.served().into_iter().enumerate() {
            let agent = &run.agents[agent_index];
            let kind = WorkKind::Generate(Generation {
                prompt: prompt(agent, index),
                output: (0..agent.tokens).map(|i| tokens::id("out") ^ i).collect(),
                num_predict: None,
            });
            let work = self.work(kind, agent.options);
            ids.insert(work.id, agent_index);
            let at = start + Nanos(APART.0 * place as u64);
            self.core.submit(at, agent_index % run.servers, work);
        }
        let mut run = run.clone();
        for agent in &mut run.agents {
            (agent.ttft_ms, agent.execution_s) = (f64::NAN, f64::NAN);
        }
        let mut services = vec![Service::default(); run.agents.len()];
        let mut left = run.agents.len();
        let mut last = start;
        while left > 0
            && let Some(notices) = self.next_notices()
        {
            for notice in notices {
                let index = ids[&notice.id];
                let agent = &mut run.agents[index];
                let since = notice.at.since(start);
                match notice.what {
                    NoticeKind::Token { index: 0 } => agent.ttft_ms = since.as_millis_f64(),
                    NoticeKind::Done { timings, .. } => {
                        last = notice.at;
                        left -= 1;
                        agent.execution_s = since.as_secs_f64();
                        if agent.ttft_ms.is_nan() {
                            agent.ttft_ms = since.as_millis_f64();
                        }
                        agent.load_ms = timings.load.as_millis_f64();
                        agent.prompt_eval_ms = timings.prompt_eval.as_millis_f64();
                        agent.eval_ms = timings.eval.as_millis_f64();
                        services[index].evaluated = timings.prompt_eval_count - timings.cached;
                    }
                    _ => {}
                }
            }
        }
        let unanswered = run
            .agents
            .iter()
            .position(|agent| agent.execution_s.is_nan());
        if let Some(agent) = unanswered {
            let config = run.config;
            return Err(CalibrateError::Unanswered { config, agent });
        }
        for event in self.core.drain_log() {
            let Some(service) = event.id.map(|id| &mut services[ids[&id]]) else {
                continue;
            };
            match event.happened {
                Happened::LoadStarted { .. } => service.loaded = true,
                Happened::Evicting { in_flight, .. } => {
                    service.evicted = true;
                    service.waited |= in_flight > 0;
                }
                _ => {}
            }
        }
        self.at = last + PAUSE;
        run.wall_s = last.since(start).as_secs_f64();
        let spent: f64 = run.agents.iter().map(|agent| agent.execution_s).sum();
        run.speedup_est = spent / run.wall_s;
        Ok(ReplayedRun { run, services })
    }
}

/// An agent's prompt; a unique one depends on `run`.
fn prompt(agent: &AgentRun, run: usize) -> Arc<[u32]> {
    let (nonce, shared) = if agent.prompt_unique {
        (run as u32 + 1, 0)
    } else {
        (0, SHARED_TOKENS)
    };
    let own = (nonce << 20) + ((agent.agent as u32 + 1) << 16);
    (0..agent.prompt_tokens)
        .map(|i| if i < shared { i } else { own + i })
        .collect()
}
