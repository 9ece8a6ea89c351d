//! Reports of tokens to the observer while they arrive.

use domain::backend::Progress;
use domain::event::{Event, Observer};
use domain::{Nanos, Stamp};

/// Time between two reports of an agent's tokens.
pub(crate) const REPORT_EVERY: Nanos = Nanos::from_millis(100);

pub(crate) struct TokenReports<'a> {
    observer: &'a dyn Observer,
    /// The counter of each agent, and how many of its chunks were reported.
    agents: Vec<(Progress, u64)>,
}

impl<'a> TokenReports<'a> {
    pub(crate) fn new(observer: &'a dyn Observer, agents: usize) -> Self {
        Self {
            observer,
            agents: (0..agents).map(|_| (Progress::counting(), 0)).collect(),
        }
    }

    pub(crate) fn progress(&self, agent: usize) -> Progress {
        self.agents[agent].0.clone()
    }

    /// Reports the chunks that have arrived since the last report.
    pub(crate) fn send(&mut self, at: Stamp) {
        for ((progress, reported), agent) in self.agents.iter_mut().zip(0..) {
            let seen = progress.get();
            if seen > *reported {
                let count = seen - *reported;
                *reported = seen;
                self.observer.on_event(&Event::Tokens { agent, at, count });
            }
        }
    }
}
