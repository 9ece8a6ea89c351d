//! [`ChatBackend`] on top of the typed calls.

use domain::backend::{
    BackendError, ChatBackend, Exchange, GenerateCall, KeepAlive, LoadedModel, ModelIdentity,
    ServerIdentity,
};
use domain::record::ResponseNote;
use domain::{ModelOptions, Nanos, Outcome};
use futures_core::future::BoxFuture;

use crate::client::{Client, generation, same_model};
use crate::error::JSON;
use crate::stream::Reading;
use crate::wire::{Request, Version};

/// Pause between two checks whether a model is gone.
const UNLOAD_POLL: Nanos = Nanos::from_millis(50);

impl ChatBackend for Client {
    fn endpoint(&self) -> String {
        self.base_url().to_owned()
    }

    fn generate<'a>(
        &'a self,
        call: &'a GenerateCall,
        exchange: &'a mut Exchange,
    ) -> BoxFuture<'a, Outcome> {
        // The call's request is dropped before the generation runs.
        let generation = generation(&Request::from(call), &call.model);
        Box::pin(async move {
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
        })
    }

    fn identify(&self) -> BoxFuture<'_, Result<ServerIdentity, BackendError>> {
        Box::pin(async move {
            let version: Version = self.get("/api/version").await?;
            Ok(ServerIdentity {
                kind: (version.server)
                    .map_or("ollama".to_owned(), |server| self.transport.name(server)),
                version: self.transport.name(version.version),
            })
        })
    }

    fn find_model<'a>(
        &'a self,
        model: &'a str,
    ) -> BoxFuture<'a, Result<Option<ModelIdentity>, BackendError>> {
        Box::pin(async move {
            let mut models = self.tags().await?.into_iter();
            Ok(models.find(|found| same_model(&found.name, model)))
        })
    }

    fn loaded(&self) -> BoxFuture<'_, Result<Vec<LoadedModel>, BackendError>> {
        Box::pin(self.running())
    }

    fn preload<'a>(
        &'a self,
        model: &'a str,
        options: &'a ModelOptions,
    ) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(async move {
            let mut request = Request::generate(model, "");
            request.options = options.clone();
            self.load_or_unload(&request).await
        })
    }

    fn unload<'a>(&'a self, model: &'a str) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(async move {
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
        })
    }
}

impl Client {
    /// A generation with an empty prompt.
    async fn load_or_unload(&self, request: &Request) -> Result<(), BackendError> {
        let generation = generation(request, &request.model);
        self.transport.load::<Reading>(generation, &JSON).await
    }
}
