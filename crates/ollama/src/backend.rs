//! [`ChatBackend`] on top of the typed calls.

use async_trait::async_trait;
use domain::backend::{
    BackendError, ChatBackend, Exchange, GenerateCall, LoadedModel, ModelIdentity, ServerIdentity,
};
use domain::record::ResponseNote;
use domain::{ModelOptions, Nanos, Outcome, TimeoutPhase};

use crate::client::{Client, generation, same_model};
use crate::error::JSON;
use crate::wire::{Request, Version};

/// Pause between two checks whether a model is gone.
const UNLOAD_POLL: Nanos = Nanos::from_millis(50);

#[async_trait]
impl ChatBackend for Client {
    fn endpoint(&self) -> String {
        self.transport.base_url().to_owned()
    }

    async fn generate(&self, call: &GenerateCall, exchange: &mut Exchange) -> Outcome {
        // The call's request is dropped before the generation runs.
        let generation = generation(&Request::from(call), &call.model);
        let running = (self.transport).generation(generation, &JSON, exchange);
        let outcome = running.await;
        exchange.drop_impossible_counts(call);
        let reason = exchange.done_reason.as_deref();
        let only_loaded =
            matches!(reason, Some("load" | "unload")) && exchange.times.chunks.is_empty();
        if outcome.is_completed() && only_loaded {
            exchange.times.notes.push(ResponseNote::NothingGenerated);
            return Outcome::Incomplete;
        }
        outcome
    }

    async fn identify(&self) -> Result<ServerIdentity, BackendError> {
        let Version { version, server } = self.get("/api/version").await?;
        let server: Option<String> = server.and_then(|raw| serde_json::from_str(raw.get()).ok());
        Ok(ServerIdentity {
            kind: server.map_or("ollama".to_owned(), |server| self.transport.name(server)),
            version: self.transport.name(version),
        })
    }

    async fn find_model(&self, model: &str) -> Result<Option<ModelIdentity>, BackendError> {
        let mut models = self.tags().await?.into_iter();
        Ok(models.find(|found| same_model(&found.name, model)))
    }

    async fn loaded(&self) -> Result<Vec<LoadedModel>, BackendError> {
        self.running().await
    }

    async fn preload(&self, model: &str, options: &ModelOptions) -> Result<(), BackendError> {
        self.load_or_unload(model, options.clone(), None).await
    }

    async fn unload(&self, model: &str) -> Result<(), BackendError> {
        let unloading = async {
            let options = ModelOptions::default();
            self.load_or_unload(model, options, Some(0)).await?;
            loop {
                let running = self.running().await?;
                if !running.iter().any(|found| same_model(&found.name, model)) {
                    return Ok(());
                }
                self.transport.limits().clock().sleep(UNLOAD_POLL).await;
            }
        };
        let limits = self.transport.limits();
        let unloaded = limits.within(TimeoutPhase::Total, unloading).await;
        unloaded.map_err(|error| self.transport.backend_error(error))?
    }
}

impl Client {
    /// A generation with an empty prompt.
    async fn load_or_unload(
        &self,
        model: &str,
        options: ModelOptions,
        keep_alive: Option<u32>,
    ) -> Result<(), BackendError> {
        let call = GenerateCall {
            model: model.to_owned(),
            options,
            ..GenerateCall::default()
        };
        let mut request = Request::from(&call);
        request.keep_alive = keep_alive;
        let generation = generation(&request, model);
        self.transport.load(generation, &JSON).await
    }
}
