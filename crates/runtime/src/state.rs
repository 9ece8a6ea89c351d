//! The state of the servers before an arm: setting it by the plan's rule, and recording it.

use domain::backend::{BackendError, LoadedModel};
use domain::plan::{Config, StatePolicy, Topology};
use domain::record::ChangedServer;
use domain::{FailureKind, Nanos};

use crate::context::SweepContext;

/// Time limit of questions that a server answers without a model.
pub(crate) const ASK_LIMIT: Nanos = Nanos::from_secs(30);

/// Makes a call and returns a note for the arm if it failed. An operation that the server does not support is no note:
/// that holds for the whole sweep and is reported when it is set up.
async fn noted(
    context: &SweepContext,
    what: &str,
    call: impl Future<Output = Result<(), BackendError>>,
) -> Option<String> {
    let limit = context.plan.timeouts.first_byte;
    match context.clock.timeout(limit, call).await {
        Ok(
            Ok(())
            | Err(BackendError::Failed {
                failure: FailureKind::Unsupported,
                ..
            }),
        ) => None,
        Ok(Err(e)) => Some(format!("{what} failed: {e}")),
        Err(_) => Some(format!("{what} did not end within {limit}")),
    }
}

/// Sets the state of every server of the sweep. Servers that the arm does not use may share a GPU with those it does.
/// Returns notes on what failed.
pub(crate) async fn set(
    context: &SweepContext,
    config: &Config,
    topology: Topology,
) -> Vec<String> {
    let policy = context.plan.protocol.state;
    let model = context.plan.model.as_str();
    let mut notes = Vec::new();
    if policy == StatePolicy::AsLeft {
        return notes;
    }
    // Also before a preload: an agent without `num_gpu` would keep the offload of the previous arm.
    for backend in &context.backends {
        let what = format!("unloading {model} at {}", backend.endpoint());
        notes.extend(noted(context, &what, backend.unload(model)).await);
    }
    if policy == StatePolicy::WarmForFirst {
        let used = match topology {
            Topology::Shared => 1,
            Topology::PerAgent => config.agents.len().min(context.plan.servers()),
        };
        for backend in &context.backends[..used] {
            let what = format!("loading {model} at {}", backend.endpoint());
            let call = backend.preload(model, &config.agents[0].options);
            notes.extend(noted(context, &what, call).await);
        }
    }
    notes
}

/// Loads and unloads the model once at every server. The first load reads the weights from disk and later ones from
/// the system's file cache, so without this the first arm would start from another state than all others.
/// Returns notes on what failed.
pub(crate) async fn warm_up(context: &SweepContext) -> Vec<String> {
    if !context.plan.protocol.warm_up {
        return Vec::new();
    }
    let model = context.plan.model.as_str();
    let Some(agent) = context.plan.agents().next() else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    for backend in &context.backends {
        let what = format!("the first load of {model} at {}", backend.endpoint());
        let call = async {
            backend.preload(model, &agent.options).await?;
            backend.unload(model).await
        };
        notes.extend(noted(context, &what, call).await);
    }
    notes
}

/// Loads the model with the options of an agent. Returns a note if that failed.
pub(crate) async fn load_for(
    context: &SweepContext,
    config: &Config,
    topology: Topology,
    agent: usize,
) -> Option<String> {
    let backend = &context.backends[topology.endpoint_of(agent, context.plan.servers())];
    let model = context.plan.model.as_str();
    let what = format!(
        "loading {model} at {} for the probe of agent {agent}",
        backend.endpoint()
    );
    let call = backend.preload(model, &config.agents[agent].options);
    noted(context, &what, call).await
}

/// The loaded models of each server; `None` for a server that does not answer.
pub(crate) async fn loaded(context: &SweepContext) -> Vec<Option<Vec<LoadedModel>>> {
    let mut all = Vec::with_capacity(context.backends.len());
    for backend in &context.backends {
        let answer = context.clock.timeout(ASK_LIMIT, backend.loaded()).await;
        all.push(answer.ok().and_then(Result::ok));
    }
    all
}

/// Servers whose identity differs from the manifest's. A server that does not answer is left out.
pub(crate) async fn changed_servers(context: &SweepContext) -> Vec<ChangedServer> {
    let mut changed = Vec::new();
    for ((backend, before), endpoint) in context.backends.iter().zip(&context.endpoints).zip(0..) {
        let answer = context.clock.timeout(ASK_LIMIT, backend.identify()).await;
        if let Ok(Ok(server)) = answer
            && server != before.server
        {
            changed.push(ChangedServer { endpoint, server });
        }
    }
    changed
}

/// Notes on servers that list a model although none should be loaded.
pub(crate) fn not_unloaded(
    context: &SweepContext,
    before: &[Option<Vec<LoadedModel>>],
) -> Vec<String> {
    if context.plan.protocol.state != StatePolicy::Unloaded {
        return Vec::new();
    }
    before
        .iter()
        .zip(&context.backends)
        .filter_map(|(models, backend)| {
            let models = models.as_ref().filter(|models| !models.is_empty())?;
            let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
            Some(format!(
                "state not reached: {} still has {} loaded",
                backend.endpoint(),
                names.join(", ")
            ))
        })
        .collect()
}
