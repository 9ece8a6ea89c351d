//! The servers' state before an arm: set by the plan's rule, and written down.

use clock::Clock;
use domain::backend::{BackendError, LoadedModel};
use domain::plan::{Config, StatePolicy, Topology};
use domain::record::ChangedServer;
use domain::{FailureKind, Nanos};

use crate::context::SweepContext;

/// How long a server may take to say what it has loaded. It needs no model for that.
pub(crate) const ASK_LIMIT: Nanos = Nanos::from_secs(30);

/// What could not be done, as a note for the arm. That a server has no such operation is no news of
/// this arm: it holds for the whole sweep, and whoever set the sweep up says it once.
async fn noted(
    clock: &Clock,
    limit: Nanos,
    what: &str,
    call: impl Future<Output = Result<(), BackendError>>,
) -> Option<String> {
    match clock.timeout(limit, call).await {
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

/// Sets the state of every server of the sweep, those that the arm does not use too: they may
/// share a device with the ones it does. Returns what could not be done.
pub(crate) async fn set(
    context: &SweepContext,
    config: &Config,
    topology: Topology,
) -> Vec<String> {
    let policy = context.plan.protocol.state;
    let limit = context.plan.timeouts.first_byte;
    let model = context.plan.model.as_str();
    let mut notes = Vec::new();
    if policy == StatePolicy::AsLeft {
        return notes;
    }
    // Also before a preload: an agent without `num_gpu` would take over whatever offload the arm
    // before had left.
    for backend in &context.backends {
        let what = format!("unloading {model} at {}", backend.endpoint());
        notes.extend(noted(&context.clock, limit, &what, backend.unload(model)).await);
    }
    if policy == StatePolicy::WarmForFirst {
        for endpoint in endpoints_in_use(config, topology, context.plan.servers()) {
            let backend = &context.backends[endpoint];
            let what = format!("loading {model} at {}", backend.endpoint());
            let call = backend.preload(model, &config.agents[0].options);
            notes.extend(noted(&context.clock, limit, &what, call).await);
        }
    }
    notes
}

/// Loads and unloads the model once at every server before the first arm. A server's first load
/// reads the weights from disk and later ones from the system's file cache: without this the first
/// arm would start from another state than all others, although nothing is loaded in either.
/// Returns what could not be done.
pub(crate) async fn warm_up(context: &SweepContext) -> Vec<String> {
    if !context.plan.protocol.warm_up {
        return Vec::new();
    }
    let limit = context.plan.timeouts.first_byte;
    let model = context.plan.model.as_str();
    let Some(agent) = context
        .plan
        .configs
        .first()
        .and_then(|config| config.agents.first())
    else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    for backend in &context.backends {
        let what = format!("the first load of {model} at {}", backend.endpoint());
        let call = async {
            backend.preload(model, &agent.options).await?;
            backend.unload(model).await
        };
        notes.extend(noted(&context.clock, limit, &what, call).await);
    }
    notes
}

/// Loads the model as an agent wants it; says what went wrong.
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
    noted(
        &context.clock,
        context.plan.timeouts.first_byte,
        &what,
        call,
    )
    .await
}

/// What each server has loaded; `None` where it does not say.
pub(crate) async fn loaded(context: &SweepContext) -> Vec<Option<Vec<LoadedModel>>> {
    let mut all = Vec::with_capacity(context.backends.len());
    for backend in &context.backends {
        let answer = context.clock.timeout(ASK_LIMIT, backend.loaded()).await;
        all.push(answer.ok().and_then(Result::ok));
    }
    all
}

/// Servers that say that they are something else than the manifest has. One that does not answer is left out.
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

/// Servers that list a model although nothing should be loaded, as notes.
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

/// The servers that a configuration's agents are dealt to, each once.
pub(crate) fn endpoints_in_use(config: &Config, topology: Topology, servers: usize) -> Vec<usize> {
    let mut used: Vec<usize> = (0..config.agents.len())
        .map(|agent| topology.endpoint_of(agent, servers))
        .collect();
    used.sort_unstable();
    used.dedup();
    used
}
