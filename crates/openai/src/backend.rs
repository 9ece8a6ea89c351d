//! [`ChatBackend`] on top of the typed calls. The protocol has no operation that loads or unloads a model.

use domain::Outcome;
use domain::backend::{
    BackendFuture, ChatBackend, Exchange, GenerateCall, LoadedModel, ModelIdentity, ServerIdentity,
    unsupported,
};
use futures_core::future::BoxFuture;

use crate::client::Client;
use crate::wire::{ChatRequest, Dialect, Model};

impl ChatBackend for Client {
    fn endpoint(&self) -> String {
        self.transport.base_url().to_owned()
    }

    fn generate<'a>(
        &'a self,
        call: &'a GenerateCall,
        exchange: &'a mut Exchange,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let (request, sent) = ChatRequest::from_call(call, self.dialect);
            exchange.options_sent = Some(sent);
            let outcome = self.chat(&request, exchange).await;
            exchange.drop_impossible_counts(call);
            outcome
        })
    }

    fn identify(&self) -> BackendFuture<'_, ServerIdentity> {
        Box::pin(async move { Ok(self.server_facts().await?.identity) })
    }

    /// Finds a model that the server lists. llama.cpp serves its one model under every name. A name may end
    /// in a variant that the server knows and does not list (`:nitro` of OpenRouter).
    fn find_model<'a>(&'a self, model: &'a str) -> BackendFuture<'a, Option<ModelIdentity>> {
        Box::pin(async move {
            let mut models = self.models().await?.data;
            let is_named =
                |m: &Model| m.identity.name == model || m.aliases.iter().any(|a| a == model);
            let named = models.iter().position(is_named);
            let plain = model.rsplit_once(':').map(|(name, _)| name);
            let place = match named {
                None if self.dialect == Dialect::LlamaCpp && models.len() == 1 => Some(0),
                None => models
                    .iter()
                    .position(|m| Some(m.identity.name.as_str()) == plain),
                named => named,
            };
            Ok(place.map(|place| models.swap_remove(place).identity))
        })
    }

    /// A llama.cpp server has the models that it lists in memory; other servers do not report theirs.
    fn loaded(&self) -> BackendFuture<'_, Vec<LoadedModel>> {
        Box::pin(async move {
            let facts = match self.dialect {
                Dialect::LlamaCpp => Some(self.server_facts().await?),
                Dialect::Plain => None,
            };
            let Some(facts) = facts.filter(|facts| facts.identity.holds_model()) else {
                let what = "does not tell which models are in memory";
                return unsupported(self.endpoint(), what).await;
            };
            let models = self.models().await?.data.into_iter();
            let loaded = models.map(|model| LoadedModel {
                name: model.identity.name,
                size_bytes: model.identity.size_bytes,
                context_length: facts.context_length,
                ..LoadedModel::default()
            });
            Ok(loaded.collect())
        })
    }
}
