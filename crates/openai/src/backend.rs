//! [`ChatBackend`] on top of the typed calls. The protocol has no operation that loads or unloads a model.

use async_trait::async_trait;
use domain::Outcome;
use domain::backend::{
    BackendError, ChatBackend, Exchange, GenerateCall, LoadedModel, ModelIdentity, ServerIdentity,
};

use crate::client::Client;
use crate::wire::{ChatRequest, Dialect};

#[async_trait]
impl ChatBackend for Client {
    fn endpoint(&self) -> String {
        self.transport.base_url().to_owned()
    }

    async fn generate(&self, call: &GenerateCall, exchange: &mut Exchange) -> Outcome {
        let (request, sent) = ChatRequest::from_call(call, self.dialect);
        exchange.options_sent = Some(sent);
        let outcome = self.chat(&request, exchange).await;
        exchange.drop_impossible_counts(call);
        outcome
    }

    async fn identify(&self) -> Result<ServerIdentity, BackendError> {
        Ok(self.server_facts().await?.identity)
    }

    /// Finds a model that the server lists. llama.cpp serves its one model under every name. A name may end
    /// in a variant that the server knows and does not list (`:nitro` of OpenRouter).
    async fn find_model(&self, model: &str) -> Result<Option<ModelIdentity>, BackendError> {
        let mut models = self.models().await?.data;
        let named = models
            .iter()
            .position(|m| m.identity.name == model || m.aliases.iter().any(|alias| alias == model));
        let plain = model.rsplit_once(':').map(|(name, _)| name);
        let place = match named {
            None if self.dialect == Dialect::LlamaCpp && models.len() == 1 => Some(0),
            None => models
                .iter()
                .position(|m| Some(m.identity.name.as_str()) == plain),
            named => named,
        };
        Ok(place.map(|place| models.swap_remove(place).identity))
    }

    /// A llama.cpp server has the models that it lists in memory; other servers do not report theirs.
    async fn loaded(&self) -> Result<Vec<LoadedModel>, BackendError> {
        let facts = match self.dialect {
            Dialect::LlamaCpp => Some(self.server_facts().await?),
            Dialect::Plain => None,
        };
        let Some(facts) = facts.filter(|facts| facts.identity.holds_model()) else {
            return Err(self.unsupported("does not tell which models are in memory"));
        };
        let models = self.models().await?.data.into_iter();
        let loaded = models.map(|model| LoadedModel {
            name: model.identity.name,
            size_bytes: model.identity.size_bytes,
            context_length: facts.context_length,
            ..LoadedModel::default()
        });
        Ok(loaded.collect())
    }
}
