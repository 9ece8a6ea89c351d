//! A server that does what a script says, on the run's clock.

use std::future::{pending, ready};
use std::sync::{Arc, Mutex};

use clock::Clock;
use domain::backend::{
    BackendFuture, ChatBackend, Exchange, GenerateCall, LoadedModel, ModelIdentity, ServerIdentity,
};
use domain::{FailureKind, ModelOptions, Nanos, Outcome};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Loads where the options need it, prefills, decodes.
    Text {
        tokens: u64,
    },
    Refused,
    /// An error line after so many tokens.
    Breaks {
        after: u64,
    },
    /// Never answers.
    Stalls,
}

/// The n-th generation's reply (from 0), by its call.
pub(crate) type Script = Arc<dyn Fn(&GenerateCall, usize) -> Reply + Send + Sync>;

/// 20 tokens for the agent with the context 512, 40 for 1024, 60 for 1536, …
pub(crate) fn by_context() -> Script {
    Arc::new(|call, _| Reply::Text {
        tokens: match call.options.num_predict {
            Some(most) => most as u64,
            None => (call.options.num_ctx.unwrap() / 512 * 20) as u64,
        },
    })
}

pub(crate) const LOAD: Nanos = Nanos::from_millis(3000);
pub(crate) const WARM: Nanos = Nanos::from_millis(100);
pub(crate) const PREFILL: Nanos = Nanos::from_millis(50);
pub(crate) const TOKEN: Nanos = Nanos::from_millis(10);

/// One runner, one slot: a request with other runner options reloads, and requests are served
/// one at a time in the order in which they came.
pub(crate) struct Fake {
    endpoint: String,
    clock: Clock,
    script: Script,
    runner: tokio::sync::Mutex<Option<ModelOptions>>,
    /// What was asked for, in order: `unload`, `preload 512`, `generate 512`.
    log: Mutex<Vec<String>>,
    calls: Mutex<Vec<GenerateCall>>,
    /// Instead of the runner: a server that holds its model and serves so many requests at once.
    pub(crate) slots: Option<Semaphore>,
    pub(crate) has_model: bool,
    /// Cached tokens that it reports for each prompt of ten tokens.
    pub(crate) cached: Option<u64>,
    /// Unloading does nothing.
    pub(crate) keeps_model: bool,
    /// Number of prompts after which it reports another version.
    pub(crate) changes_after: usize,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.endpoint)
    }
}

impl Fake {
    pub(crate) fn new(place: usize, clock: &Clock, script: &Script) -> Self {
        Self {
            endpoint: format!("fake://{place}"),
            clock: clock.clone(),
            script: Arc::clone(script),
            runner: tokio::sync::Mutex::default(),
            log: Mutex::default(),
            calls: Mutex::default(),
            slots: None,
            has_model: true,
            cached: None,
            keeps_model: false,
            changes_after: usize::MAX,
        }
    }

    fn note(&self, what: &str, options: Option<&ModelOptions>) {
        let context = options.and_then(|o| o.num_ctx);
        let context = context.map_or_else(String::new, |n| format!(" {n}"));
        self.log.lock().unwrap().push(format!("{what}{context}"));
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn calls(&self) -> Vec<GenerateCall> {
        self.calls.lock().unwrap().clone()
    }

    async fn load(&self, loaded: &mut Option<ModelOptions>, options: &ModelOptions) {
        if loaded.as_ref().is_none_or(|old| old.reloads_for(options)) {
            self.clock.sleep(LOAD).await;
            *loaded = Some(options.clone());
        }
    }

    async fn reply(&self, call: &GenerateCall, exchange: &mut Exchange) -> Outcome {
        self.note("generate", Some(&call.options));
        let nth = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(call.clone());
            calls.len() - 1
        };
        let reply = (self.script)(call, nth);
        if matches!(reply, Reply::Refused) {
            return failed(FailureKind::ConnectionRefused, "connection refused");
        }
        let sent = self.clock.now();
        exchange.times.sent = Some(sent);
        let (tokens, breaks) = match reply {
            Reply::Text { tokens } => (tokens, false),
            Reply::Breaks { after } => (after, true),
            Reply::Refused | Reply::Stalls => return pending().await,
        };
        let (_slot, mut runner);
        if let Some(slots) = &self.slots {
            _slot = slots.acquire().await.unwrap();
        } else {
            runner = self.runner.lock().await;
            self.load(&mut runner, &call.options).await;
            self.clock.sleep(WARM).await;
        }
        let ready = self.clock.now();
        self.clock.sleep(PREFILL).await;
        let prefilled = self.clock.now();
        exchange.times.headers = Some(prefilled);
        for _ in 0..tokens {
            let at = self.clock.now();
            exchange.times.first_token.get_or_insert(at);
            exchange.times.first_content.get_or_insert(at);
            exchange.times.last_token = Some(at);
            exchange.times.chunks.push(at);
            exchange.progress.add(1);
            exchange.text.push_str("xyzzy ");
            self.clock.sleep(TOKEN).await;
        }
        if breaks {
            return failed(FailureKind::MidStream, "out of memory");
        }
        let done = self.clock.now();
        exchange.times.done = Some(done);
        exchange.done_reason = Some("stop".to_owned());
        let counters = &mut exchange.times.counters;
        counters.total = Some(done.since(sent));
        counters.load = Some(ready.since(sent));
        counters.prompt_eval = Some(PREFILL);
        counters.prompt_eval_count = self.cached.map(|_| 10);
        counters.prompt_eval_cached_count = self.cached;
        if tokens > 0 {
            counters.eval_count = Some(tokens);
            counters.eval = Some(done.since(prefilled));
        }
        Outcome::Completed
    }
}

pub(crate) fn failed(failure: FailureKind, message: &str) -> Outcome {
    let message = message.to_owned();
    Outcome::Failed { failure, message }
}

impl ChatBackend for Fake {
    fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    fn generate<'a>(
        &'a self,
        call: &'a GenerateCall,
        exchange: &'a mut Exchange,
    ) -> BoxFuture<'a, Outcome> {
        self.reply(call, exchange).boxed()
    }

    fn identify(&self) -> BackendFuture<'_, ServerIdentity> {
        let has_changed = self.calls.lock().unwrap().len() >= self.changes_after;
        let (kind, version) = ("fake".to_owned(), 1 + u32::from(has_changed));
        let version = version.to_string();
        ready(Ok(ServerIdentity { kind, version })).boxed()
    }

    fn find_model<'a>(&'a self, model: &'a str) -> BackendFuture<'a, Option<ModelIdentity>> {
        let found = ModelIdentity {
            name: model.to_owned(),
            ..ModelIdentity::default()
        };
        ready(Ok(self.has_model.then_some(found))).boxed()
    }

    fn loaded(&self) -> BackendFuture<'_, Vec<LoadedModel>> {
        async {
            let loaded = self.runner.lock().await;
            let model = |options: &ModelOptions| LoadedModel {
                name: "m".to_owned(),
                context_length: options.num_ctx.map(|n| n as u64),
                ..LoadedModel::default()
            };
            Ok(loaded.iter().map(model).collect())
        }
        .boxed()
    }

    fn preload<'a>(&'a self, _model: &'a str, options: &'a ModelOptions) -> BackendFuture<'a, ()> {
        async {
            self.note("preload", Some(options));
            let mut loaded = self.runner.lock().await;
            self.load(&mut loaded, options).await;
            Ok(())
        }
        .boxed()
    }

    fn unload<'a>(&'a self, _model: &'a str) -> BackendFuture<'a, ()> {
        async {
            self.note("unload", None);
            if !self.keeps_model {
                *self.runner.lock().await = None;
            }
            Ok(())
        }
        .boxed()
    }
}
