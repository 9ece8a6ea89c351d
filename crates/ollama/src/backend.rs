//! [`ChatBackend`] over the typed calls.

use domain::backend::{
    BackendError, ChatBackend, Exchange, GenerateCall, KeepAlive, LoadedModel, ModelIdentity,
    ServerIdentity,
};
use domain::{ModelOptions, Nanos, Outcome};
use futures_core::future::BoxFuture;
use transport::{Trouble, json_body};

use crate::client::{Client, same_model};
use crate::wire::{ChatRequest, GenerateRequest, RunningModel, TaggedModel};

/// Between two looks at whether a model is gone.
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
        let request = match call.history {
            Some(_) => ("/api/chat", json_body(&ChatRequest::from(call))),
            None => ("/api/generate", json_body(&GenerateRequest::from(call))),
        };
        Box::pin(async move {
            let reply = self.generation(request, &call.model, exchange).await;
            reply.outcome
        })
    }

    fn identify(&self) -> BoxFuture<'_, Result<ServerIdentity, BackendError>> {
        Box::pin(async move {
            let version = self.version().await?;
            Ok(ServerIdentity {
                kind: version.server.unwrap_or_else(|| "ollama".to_owned()),
                version: version.version,
            })
        })
    }

    fn find_model<'a>(
        &'a self,
        model: &'a str,
    ) -> BoxFuture<'a, Result<Option<ModelIdentity>, BackendError>> {
        Box::pin(async move {
            let tags = self.tags().await?;
            let found = tags.models.into_iter().find(|m| same_model(&m.name, model));
            Ok(found.map(ModelIdentity::from))
        })
    }

    fn loaded(&self) -> BoxFuture<'_, Result<Vec<LoadedModel>, BackendError>> {
        Box::pin(async move {
            let running = self.ps().await?;
            Ok(running.models.into_iter().map(LoadedModel::from).collect())
        })
    }

    fn preload<'a>(
        &'a self,
        model: &'a str,
        options: &'a ModelOptions,
    ) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(async move {
            let mut request = GenerateRequest::new(model, "");
            request.options = options.clone();
            self.load_or_unload(&request).await
        })
    }

    fn unload<'a>(&'a self, model: &'a str) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(async move {
            let mut request = GenerateRequest::new(model, "");
            request.keep_alive = Some(KeepAlive::Unload);
            let is_model = |running: &RunningModel| same_model(&running.name, model);
            let unloading = async {
                self.load_or_unload(&request).await?;
                while self.ps().await?.models.iter().any(is_model) {
                    self.transport.limits().clock().sleep(UNLOAD_POLL).await;
                }
                Ok(())
            };
            let unloaded = self.transport.limits().within_total(unloading).await;
            unloaded.map_err(|trouble| self.transport.backend_error(trouble))?
        })
    }
}

impl Client {
    /// A generation with an empty prompt.
    async fn load_or_unload(&self, request: &GenerateRequest) -> Result<(), BackendError> {
        let reply = self.generate_with(request, &mut Exchange::default()).await;
        let trouble = match reply.outcome {
            Outcome::Completed => return Ok(()),
            Outcome::Failed { failure, message } => Trouble::Failed(failure, message),
            Outcome::TimedOut { phase } => Trouble::TimedOut(phase),
            Outcome::Incomplete | Outcome::Cancelled => Trouble::Incomplete,
        };
        Err(self.transport.backend_error(trouble))
    }
}

impl From<TaggedModel> for ModelIdentity {
    fn from(model: TaggedModel) -> Self {
        Self {
            name: model.name,
            digest: model.digest,
            size_bytes: model.size,
            parameter_size: model.details.parameter_size,
            quantization: model.details.quantization_level,
        }
    }
}

impl From<RunningModel> for LoadedModel {
    fn from(model: RunningModel) -> Self {
        Self {
            name: model.name,
            size_bytes: model.size,
            size_vram_bytes: model.size_vram,
            context_length: model.context_length,
            expires_at: model.expires_at,
        }
    }
}
