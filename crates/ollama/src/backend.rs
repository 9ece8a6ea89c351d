//! [`ChatBackend`] on top of the typed calls.

use async_trait::async_trait;
use domain::backend::{
    BackendError, ChatBackend, Exchange, GenerateCall, KeepAlive, LoadedModel, ModelIdentity,
    ServerIdentity,
};
use domain::record::ResponseNote;
use domain::{ModelOptions, Nanos, Outcome};

use crate::client::{Client, generation, same_model};
use crate::error::JSON;
use crate::stream::Reading;
use crate::wire::{Request, Version};

/// Pause between two checks whether a model is gone.
const UNLOAD_POLL: Nanos = Nanos::from_millis(50);

#[async_trait]
impl ChatBackend for Client {
    fn endpoint(&self) -> String {
        self.base_url().to_owned()
    }

    async fn generate(&self, call: &GenerateCall, exchange: &mut Exchange) -> Outcome {
        // The call's request is dropped before the generation runs.
        let generation = generation(&Request::from(call), &call.model);
        let running = (self.transport).generation::<Reading>(generation, &JSON, exchange);
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
        let version: Version = self.get("/api/version").await?;
        let server = version.server.map(|server| self.transport.name(server));
        Ok(ServerIdentity {
            kind: server.unwrap_or_else(|| "ollama".to_owned()),
            version: self.transport.name(version.version),
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
        let mut request = Request::generate(model, "");
        request.options = options.clone();
        self.load_or_unload(&request).await
    }

    async fn unload(&self, model: &str) -> Result<(), BackendError> {
        let mut request = Request::generate(model, "");
        request.keep_alive = Some(KeepAlive::Unload);
        let unloading = async {
            self.load_or_unload(&request).await?;
            loop {
                let running = self.running().await?;
                if !running.iter().any(|found| same_model(&found.name, model)) {
                    return Ok(());
                }
                self.transport.limits().clock().sleep(UNLOAD_POLL).await;
            }
        };
        let unloaded = self.transport.limits().within_total(unloading).await;
        unloaded.map_err(|error| self.transport.backend_error(error))?
    }
}

impl Client {
    /// A generation with an empty prompt.
    async fn load_or_unload(&self, request: &Request) -> Result<(), BackendError> {
        let generation = generation(request, &request.model);
        self.transport.load::<Reading>(generation, &JSON).await
    }
}
