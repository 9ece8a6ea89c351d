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
        let tag = id.0;
        let own = |n: usize| (0..n as u32).map(|i| id.0 as u32 * 100_000 + i).collect();
        let mut work = Work {
            id,
            tag,
            ..job.work.clone()
        };
        match &mut work.kind {
            WorkKind::Generate(generation) if generation.prompt.is_empty() => {
                generation.prompt = own(100);
            }
            WorkKind::Embed { prompt } => *prompt = own(prompt.len()),
            _ => {}
        }
        self.core.submit(s(at), job.server, work);
        self.collect();
        id
    }

    pub(super) fn cancel(&mut self, at: f64, id: RequestId) {
        self.core.cancel(s(at), id);
        self.collect();
    }

    pub(super) fn crash(&mut self, at: f64) {
        self.core.crash_runner(s(at), 0, None);
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

/// A request and its server. A generation without a prompt gets one of 100 tokens of its own when it
/// is submitted, which is 0.1 s of prefill and one step; of an embedding's, only the length counts.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) server: usize,
}

pub(super) fn generate(prompt: impl Iterator<Item = u32>, tokens: u32) -> WorkKind {
    WorkKind::Generate(Generation {
        prompt: prompt.collect(),
        output: (0..tokens).map(|i| 7_000_000 + i).collect(),
        num_predict: None,
    })
}

impl Job {
    pub(super) fn new(kind: WorkKind) -> Self {
        let model = "round:latest".to_owned();
        let work = Work {
            kind,
            model,
            ..Work::default()
        };
        Self { work, server: 0 }
    }

    /// `generate 90 ctx 8192 keep 60`, for example: the kind, then names and values.
    pub(super) fn parse(text: &str) -> Self {
        let mut words = text.split(' ');
        let number = |word: Option<&str>| word.and_then(|w| w.parse().ok()).expect("a number");
        let mut job = Self::new(match words.next() {
            Some("generate") => generate(0..0, number(words.next())),
            Some("embed") => WorkKind::Embed {
                prompt: (0..number(words.next())).collect(),
            },
            Some("preload") => WorkKind::Preload,
            Some("unload") => WorkKind::Unload,
            other => panic!("{other:?} is no request: {text}"),
        });
        while let Some(name) = words.next() {
            let value = words.next().expect("a value for each name");
            let work = &mut job.work;
            match (name, &mut work.kind) {
                ("ctx", _) => work.runner.num_ctx = value.parse().ok(),
                ("gpu", _) => work.runner.num_gpu = value.parse().ok(),
                ("shift", _) => work.runner.shift = Some(value == "on"),
                ("model", _) => work.model = format!("{value}:latest"),
                ("on", _) => job.server = value.parse().expect("a server"),
                ("keep", _) => {
                    work.keep_alive = Some(match value {
                        "ever" => KeepAlive::Forever,
                        "0" => KeepAlive::Unload,
                        seconds => KeepAlive::For(Nanos::from_secs(seconds.parse().unwrap())),
                    });
                }
                ("predict", WorkKind::Generate(generation)) => {
                    generation.num_predict = value.parse().ok();
                }
                ("prompt", WorkKind::Generate(generation)) => {
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
