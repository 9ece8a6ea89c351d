//! A core with everything it has reported, and requests in a short form.

use std::sync::Arc;

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

    pub(super) fn collect(&mut self) {
        while let Some(notice) = self.core.poll() {
            self.notices.push(notice);
        }
        self.log.extend(self.core.drain_log());
    }

    pub(super) fn submit(&mut self, at: f64, job: Job) -> RequestId {
        self.next += 1;
        let id = RequestId(self.next);
        let server = ServerId(job.server);
        self.core.submit(s(at), server, job.work(id));
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
}

#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) kind: Kind,
    pub(super) server: usize,
    pub(super) model: String,
    pub(super) options: RunnerOptions,
    pub(super) keep_alive: Option<KeepAlive>,
    pub(super) tag: Option<u64>,
    pub(super) num_predict: Option<u32>,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Without a prompt: one of 100 tokens of its own, which is 0.1 s of prefill and one step.
    Generate {
        prompt: Vec<u32>,
        tokens: u32,
    },
    Preload,
    Unload,
    Embed {
        tokens: u32,
    },
}

impl Job {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            server: 0,
            model: "round:latest".to_owned(),
            options: RunnerOptions::default(),
            keep_alive: None,
            tag: None,
            num_predict: None,
        }
    }

    /// `generate 90 ctx 8192 keep 60`, for example: the kind, then names and values.
    pub(super) fn parse(text: &str) -> Self {
        let mut words = text.split(' ');
        let number = |word: Option<&str>| word.and_then(|w| w.parse().ok()).expect("a number");
        let mut job = Self::new(match words.next() {
            Some("generate") => Kind::Generate {
                prompt: Vec::new(),
                tokens: number(words.next()),
            },
            Some("embed") => Kind::Embed {
                tokens: number(words.next()),
            },
            Some("preload") => Kind::Preload,
            Some("unload") => Kind::Unload,
            other => panic!("{other:?} is no request: {text}"),
        });
        while let Some(name) = words.next() {
            let value = words.next().expect("a value for each name");
            match name {
                "ctx" => job.options.num_ctx = value.parse().ok(),
                "gpu" => job.options.num_gpu = value.parse().ok(),
                "shift" => job.options.shift = Some(value == "on"),
                "predict" => job.num_predict = value.parse().ok(),
                "model" => job.model = format!("{value}:latest"),
                "on" => job.server = value.parse().expect("a server"),
                "keep" => {
                    job.keep_alive = Some(match value {
                        "ever" => KeepAlive::Forever,
                        "0" => KeepAlive::Unload,
                        seconds => KeepAlive::For(Nanos::from_secs(seconds.parse().unwrap())),
                    });
                }
                "prompt" => {
                    let ids = value.split(',').flat_map(|range| {
                        let (from, to) = range.split_once("..").expect("a range of ids");
                        from.parse::<u32>().unwrap()..to.parse().unwrap()
                    });
                    job.kind = match job.kind {
                        Kind::Generate { tokens, .. } => Kind::Generate {
                            prompt: ids.collect(),
                            tokens,
                        },
                        other => other,
                    };
                }
                other => panic!("{other} is not known: {text}"),
            }
        }
        job
    }

    fn work(self, id: RequestId) -> Work {
        let own = |n: u32| -> Arc<[u32]> { (0..n).map(|i| id.0 as u32 * 100_000 + i).collect() };
        let kind = match self.kind {
            Kind::Generate { prompt, tokens } => WorkKind::Generate(Generation {
                prompt: if prompt.is_empty() {
                    own(100)
                } else {
                    prompt.into()
                },
                output: (0..tokens).map(|i| 7_000_000 + i).collect(),
                num_predict: self.num_predict,
            }),
            Kind::Preload => WorkKind::Preload,
            Kind::Unload => WorkKind::Unload,
            Kind::Embed { tokens } => WorkKind::Embed {
                prompt: own(tokens),
            },
        };
        Work {
            id,
            kind,
            model: self.model,
            runner: self.options,
            keep_alive: self.keep_alive,
            tag: self.tag.unwrap_or(id.0),
        }
    }
}
