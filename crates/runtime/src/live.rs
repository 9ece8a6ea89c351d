//! Tokens per second while they arrive, for whoever watches.

use domain::backend::Progress;
use domain::event::{Event, Observer};
use domain::{Nanos, Stamp};

/// Watchers hear of an agent's tokens at most this often.
pub(crate) const TELL_EVERY: Nanos = Nanos::from_millis(100);

/// What watchers were told of each agent's chunks.
pub(crate) struct Live<'a> {
    observer: &'a dyn Observer,
    agents: Vec<(Progress, u64)>,
}

impl<'a> Live<'a> {
    pub(crate) fn new(observer: &'a dyn Observer, agents: usize) -> Self {
        Self {
            observer,
            agents: (0..agents).map(|_| (Progress::watched(), 0)).collect(),
        }
    }

    /// The counter that an agent counts into.
    pub(crate) fn progress(&self, agent: usize) -> Progress {
        self.agents[agent].0.clone()
    }

    /// Tells what has arrived since the last time.
    pub(crate) fn tell(&mut self, at: Stamp) {
        for ((progress, told), agent) in self.agents.iter_mut().zip(0..) {
            let seen = progress.get();
            if seen > *told {
                let count = seen - *told;
                *told = seen;
                self.observer.on_event(&Event::Tokens { agent, at, count });
            }
        }
    }
}
