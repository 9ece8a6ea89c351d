//! One request of a load: what comes before it, what is sent, what is recorded.

use std::sync::atomic::Ordering;

use agents::nonce;
use domain::backend::{Exchange, GenerateCall};
use domain::hash::{derive, sha256_hex};
use domain::plan::{Arm, CachePolicy};
use domain::record::RequestRecord;
use domain::work::WorkRecord;
use domain::{Outcome, Stamp};
use sessions::trace::TracePrompt;
use tracing::Instrument as _;

use super::conversation::{Conversation, words};
use super::{LoadContext, LoadShape, Place};
use crate::shutdown::unless;

impl LoadContext {
    /// Waits for room for another row, does the agent's work, sends one request and records it. Returns the end of
    /// the request; `None` if the load was stopped before it started.
    pub(super) async fn request(
        &self,
        place: Place,
        due: Stamp,
        talk: &mut Conversation,
    ) -> Option<Stamp> {
        if let Some(backlog) = &self.setup.backlog {
            tokio::select! {
                biased;
                () = backlog.room(&self.setup.clock) => {}
                () = self.stop.cancelled() => return None,
            }
        }
        let work = self.work().await?;
        let scheduled = match work {
            Some(_) => self.setup.clock.now(),
            None => due,
        };
        self.started_requests.fetch_add(1, Ordering::Relaxed);
        let now_in_flight = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(now_in_flight, Ordering::Relaxed);
        let call = self.call(place, talk);
        let endpoint = place.agent as usize % self.setup.backends.len();
        let mut exchange = Exchange::default();
        let generating = self.setup.backends[endpoint].generate(&call, &mut exchange);
        let (agent, number) = (place.agent, place.call);
        let span = tracing::debug_span!("request", agent, call = number, endpoint);
        let outcome = self.drop.run_until_cancelled(generating.instrument(span));
        let outcome = outcome.await;
        let outcome = outcome.unwrap_or(Outcome::Cancelled);
        let at = self.setup.clock.now();
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let Exchange {
            mut times,
            text,
            done_reason,
            options_sent,
            ..
        } = exchange;
        let prompt_sha256 = sha256_of(&call);
        let output_chars = text.chars().count() as u64;
        if call.history.is_some() && outcome.is_completed() {
            talk.answered(call.prompt, text);
        }
        times.end(scheduled, at, outcome);
        (self.setup.on_record)(RequestRecord {
            agent: place.agent,
            agent_name: format!("agent{}", place.agent),
            step: "load".to_owned(),
            call: place.call,
            endpoint: u32::try_from(endpoint).unwrap_or(u32::MAX),
            model: call.model,
            options: options_sent.unwrap_or(call.options),
            prompt_sha256,
            done_reason,
            output_chars,
            turn: place.turn,
            work,
            ..RequestRecord::new(self.run.clone(), Arm::Together, times)
        });
        Some(at)
    }

    /// Does the agent's work, if it has any; the outer `None` means that the load was stopped.
    async fn work(&self) -> Option<Option<WorkRecord>> {
        let work = self.setup.plan.work;
        if work.is_empty() {
            return Some(None);
        }
        let work = self.setup.pool.run(&self.setup.clock, work);
        match unless(&self.stop, work).await? {
            Ok(record) => Some(Some(record)),
            Err(error) => {
                self.work_error.lock().get_or_insert(error);
                self.stop.cancel();
                None
            }
        }
    }

    fn call(&self, place: Place, talk: &Conversation) -> GenerateCall {
        let plan = &self.setup.plan;
        let mut options = plan.options.clone();
        options.seed.get_or_insert_with(|| {
            let seed = derive(&["load", &plan.seed.to_string(), &place.index.to_string()]);
            // Servers keep the seed in a 32-bit integer and take -1 for "random".
            (seed & 0x7fff_ffff).cast_signed()
        });
        let prompt = match (&plan.shape, place.turn) {
            (LoadShape::Replay { trace, .. }, _) => {
                let entry = &trace.entries[place.index as usize];
                if let Some(tokens) = entry.output_tokens {
                    options.num_predict = Some(i64::from(tokens));
                }
                match (&entry.prompt, plan.cache) {
                    (TracePrompt::Text(text), CachePolicy::Warm) => text.as_ref().to_owned(),
                    // One nonce for all, so that texts with a common beginning keep it.
                    (TracePrompt::Text(text), CachePolicy::Nonce) => self.under("trace", text),
                    (TracePrompt::Tokens(count), CachePolicy::Warm) => {
                        words(plan.seed, "one", *count)
                    }
                    (TracePrompt::Tokens(count), CachePolicy::Nonce) => {
                        let name = match entry.session {
                            Some(session) => format!("session {session}"),
                            None => format!("request {}", place.index),
                        };
                        words(plan.nonce.value(), &name, *count)
                    }
                    (TracePrompt::Unknown, _) => self.under_nonce(&place.index.to_string()),
                }
            }
            (_, None) => self.under_nonce(&place.index.to_string()),
            (_, Some(turn)) if turn.turn == 1 => {
                self.under_nonce(&format!("session {}", turn.session))
            }
            (_, Some(_)) => match &plan.turns {
                Some(turns) => turns.follow_up.clone(),
                None => plan.prompt.clone(),
            },
        };
        GenerateCall {
            model: plan.model.clone(),
            history: place.turn.map(|_| talk.so_far()),
            prompt,
            options,
        }
    }

    /// The plan's prompt, behind a nonce if prompts are to differ.
    fn under_nonce(&self, what: &str) -> String {
        let plan = &self.setup.plan;
        match plan.cache {
            CachePolicy::Warm => plan.prompt.clone(),
            CachePolicy::Nonce => self.under(what, &plan.prompt),
        }
    }

    fn under(&self, what: &str, prompt: &str) -> String {
        let nonce = nonce(self.setup.plan.nonce, &self.run, Arm::Together, 1, 0, what);
        format!("{nonce} (an identifier, of no meaning)\n\n{prompt}")
    }
}

/// SHA-256 of the prompt as sent; of a chat, of all messages with their roles.
fn sha256_of(call: &GenerateCall) -> String {
    let Some(history) = &call.history else {
        return sha256_hex(call.prompt.as_bytes());
    };
    let mut all = String::new();
    for message in history {
        all.extend([message.role.as_ref(), "\0", &message.text, "\0"]);
    }
    all.extend(["user\0", &call.prompt]);
    sha256_hex(all.as_bytes())
}
