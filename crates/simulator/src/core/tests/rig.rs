//! A core with everything it has reported, and requests in a short form.

use domain::backend::KeepAlive;
use domain::{Nanos, Stamp};

use super::*;

pub(super) struct Rig {
    pub(super) core: Core,
    pub(super) next: u64,
    pub(super) notices: Vec<Notice>,
    pub(super) log: Vec<SchedulerEvent>,
}

pub(super) fn s(seconds: f64) -> Stamp {
    Stamp::ZERO + Nanos::from_secs_f64(seconds)
}

impl Rig {
    pub(super) fn new(profile: Profile, servers: Vec<ServerSpec>) -> Self {
        Self {
            core: Core::new(profile, servers).unwrap(),
            next: 0,
            notices: Vec::new(),
            log: Vec::new(),
        }
    }

    pub(super) fn collect(&mut self) {
        self.notices.extend(std::iter::from_fn(|| self.core.poll()));
        self.log.extend(self.core.drain_log());
    }

    /// Submits a job. Its id is also its tag, and makes the tokens of its prompt its own.
    pub(super) fn submit(&mut self, at: f64, job: &Job) -> RequestId {
        self.next += 1;
        let id = RequestId(self.next);
        let own = |n: u32| (0..n).map(|i| id.0 as u32 * 100_000 + i).collect();
        let kind = match job.kind.clone() {
            Kind::Generate(mut generation) => {
                if generation.prompt.is_empty() {
                    generation.prompt = own(100);
                }
                WorkKind::Generate(generation)
            }
            Kind::Embed(tokens) => WorkKind::Embed {
                prompt: own(tokens),
            },
            Kind::Preload => WorkKind::Preload,
            Kind::Unload => WorkKind::Unload,
        };
        let work = Work {
            id,
            kind,
            model: job.model.clone(),
            runner: job.options,
            keep_alive: job.keep_alive,
            tag: id.0,
        };
        self.core.submit(s(at), ServerId(job.server), work);
        self.collect();
        id
    }

    pub(super) fn cancel(&mut self, at: f64, id: RequestId) {
        self.core.cancel(s(at), id);
        self.collect();
    }

    pub(super) fn crash(&mut self, at: f64) {
        self.core.crash_runner(s(at), ServerId(0), None);
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
}

#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) kind: Kind,
    pub(super) server: usize,
    pub(super) model: String,
    pub(super) options: RunnerOptions,
    pub(super) keep_alive: Option<KeepAlive>,
}

/// As [`WorkKind`], with the prompt's own tokens still to come.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Without a prompt: one of 100 tokens of its own, which is 0.1 s of prefill and one step.
    Generate(Generation),
    Preload,
    Unload,
    /// A prompt of so many tokens.
    Embed(u32),
}

pub(super) fn generate(prompt: impl Iterator<Item = u32>, tokens: u32) -> Kind {
    Kind::Generate(Generation {
        prompt: prompt.collect(),
        output: (0..tokens).map(|i| 7_000_000 + i).collect(),
        num_predict: None,
    })
}

impl Job {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            server: 0,
            model: "round:latest".to_owned(),
            options: RunnerOptions::default(),
            keep_alive: None,
        }
    }

    /// `generate 90 ctx 8192 keep 60`, for example: the kind, then names and values.
    pub(super) fn parse(text: &str) -> Self {
        let mut words = text.split(' ');
        let number = |word: Option<&str>| word.and_then(|w| w.parse().ok()).expect("a number");
        let mut job = Self::new(match words.next() {
            Some("generate") => generate(0..0, number(words.next())),
            Some("embed") => Kind::Embed(number(words.next())),
            Some("preload") => Kind::Preload,
            Some("unload") => Kind::Unload,
            other => panic!("{other:?} is no request: {text}"),
        });
        while let Some(name) = words.next() {
            let value = words.next().expect("a value for each name");
            match (name, &mut job.kind) {
                ("ctx", _) => job.options.num_ctx = value.parse().ok(),
                ("gpu", _) => job.options.num_gpu = value.parse().ok(),
                ("shift", _) => job.options.shift = Some(value == "on"),
                ("model", _) => job.model = format!("{value}:latest"),
                ("on", _) => job.server = value.parse().expect("a server"),
                ("keep", _) => {
                    job.keep_alive = Some(match value {
                        "ever" => KeepAlive::Forever,
                        "0" => KeepAlive::Unload,
                        seconds => KeepAlive::For(Nanos::from_secs(seconds.parse().unwrap())),
                    });
                }
                ("predict", Kind::Generate(generation)) => {
                    generation.num_predict = value.parse().ok();
                }
                ("prompt", Kind::Generate(generation)) => {
                    let ids = value.split(',').flat_map(|range| {
                        let (from, to) = range.split_once("..").expect("a range of ids");
                        from.parse::<u32>().unwrap()..to.parse().unwrap()
                    });
                    generation.prompt = ids.collect();
                }
                (other, _) => panic!("{other} is not known: {text}"),
            }
        }
        job
    }
}
