//! Which server a sweep runs on: one that was named, one that is found, or the simulator.

mod detect;
mod fit;

use std::sync::Arc;

use domain::backend::ChatBackend;
use domain::exit::Fatal;
use domain::plan::Timeouts;
use domain::record::{EndpointFacts, RunHeader};

use crate::flags::{ApiArg, HttpFlags, ServerArgs};

pub(crate) use detect::{Absence, Found, LIMITS, NotSeen, Seen, see};
pub(crate) use fit::{Fitted, fit, fit_load, not_sent};

/// The server a plan will run on.
#[derive(Debug)]
pub(crate) enum Target {
    /// Real servers, looked at.
    Real(Vec<Found>),
    /// The embedded simulator, and why.
    Simulator {
        /// Why no real server is used, in words.
        why: String,
    },
}

impl Target {
    pub(crate) fn is_real(&self) -> bool {
        matches!(self, Self::Real(_))
    }

    /// The real servers; none on the simulator.
    pub(crate) fn found(&self) -> &[Found] {
        match self {
            Self::Real(found) => found,
            Self::Simulator { .. } => &[],
        }
    }
}

/// Where a real server is looked for when no endpoint is named.
const DEFAULT_ENDPOINT: &str = "127.0.0.1:11434";

/// The environment variable that names a server where no endpoint is given.
const HOST_VARIABLE: &str = "OLLAMA_HOST";

/// The environment variable with the key that a server, or a proxy before it, wants. It is never
/// recorded.
const KEY_VARIABLE: &str = "TANDEM_API_KEY";

/// Decides where to run. Servers named with `--endpoint` must be there: falling back to a simulator
/// when a server was named would answer another question than the one asked.
pub(crate) fn choose(flags: &ServerArgs, model: &str) -> Result<Target, Fatal> {
    if flags.simulate {
        return Ok(Target::Simulator {
            why: "--simulate".to_owned(),
        });
    }
    if !flags.endpoints.is_empty() {
        return look(&flags.endpoints, &apis(flags)?, &flags.http, model).map(Target::Real);
    }
    let (endpoint, from) = unnamed();
    match look(
        std::slice::from_ref(&endpoint),
        &apis(flags)?,
        &flags.http,
        model,
    ) {
        Ok(found) => Ok(Target::Real(found)),
        // What names no server at all is a mistake, not a missing server.
        Err(fatal) if flags.no_simulate || fatal.is_usage() => Err(if from == HOST_VARIABLE {
            fatal.and(format!("the address is that of {HOST_VARIABLE}"))
        } else {
            fatal
        }),
        Err(fatal) => Ok(Target::Simulator {
            why: format!("{fatal} ({from})"),
        }),
    }
}

/// The server that is looked for when none is named, and why that one.
fn unnamed() -> (String, &'static str) {
    match std::env::var(HOST_VARIABLE) {
        Ok(host) if !host.trim().is_empty() => (host, HOST_VARIABLE),
        _ => (DEFAULT_ENDPOINT.to_owned(), "the default"),
    }
}

/// The endpoints that were named, or the one that is looked for when none is.
pub(crate) fn endpoints(flags: &ServerArgs) -> Vec<String> {
    if flags.endpoints.is_empty() {
        vec![unnamed().0]
    } else {
        flags.endpoints.clone()
    }
}

/// Where a run goes on: on the simulator, for the reason `why`, or on its servers, which are looked at
/// through the protocol it began with. Other endpoints may be named in place of the recorded ones.
pub(crate) fn again(
    header: &RunHeader,
    flags: &ServerArgs,
    model: &str,
    why: &str,
) -> Result<Target, Fatal> {
    if header.is_in_simulated_time() {
        return Ok(Target::Simulator {
            why: why.to_owned(),
        });
    }
    if !flags.endpoints.is_empty() {
        return look(&flags.endpoints, &apis(flags)?, &flags.http, model).map(Target::Real);
    }
    let recorded = &header.endpoints;
    let named = apis_of(recorded.len(), &flags.api)?;
    let mut found = Vec::new();
    for (facts, named) in recorded.iter().zip(named) {
        let api = match named {
            ApiArg::Auto if openai::wire::is_kind(&facts.server.kind) => ApiArg::Openai,
            ApiArg::Auto => ApiArg::Ollama,
            named => named,
        };
        found.extend(look(
            std::slice::from_ref(&facts.url),
            &[api],
            &flags.http,
            model,
        )?);
    }
    Ok(Target::Real(found))
}

/// What each endpoint is to be asked by.
pub(crate) fn apis(flags: &ServerArgs) -> Result<Vec<ApiArg>, Fatal> {
    apis_of(flags.endpoints.len().max(1), &flags.api)
}

fn apis_of(endpoints: usize, named: &[ApiArg]) -> Result<Vec<ApiArg>, Fatal> {
    match named {
        [] => Ok(vec![ApiArg::Auto; endpoints]),
        [one] => Ok(vec![*one; endpoints]),
        each if each.len() == endpoints => Ok(each.to_vec()),
        each => Err(Fatal::usage(format!(
            "--api is given {} times for {endpoints} endpoint(s)",
            each.len()
        ))
        .hint("give it once for all of them, or once for each in the order of --endpoint")),
    }
}

/// Asks each server, by its API, what it is and whether it has the model.
pub(crate) fn look(
    endpoints: &[String],
    apis: &[ApiArg],
    http: &HttpFlags,
    model: &str,
) -> Result<Vec<Found>, Fatal> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Fatal::environment)?;
    let settings = settings(http, &clock::Clock::real(), LIMITS)?;
    runtime.block_on(async {
        let mut found = Vec::new();
        for (endpoint, api) in endpoints.iter().zip(apis) {
            found.push(detect::look_at(endpoint, *api, &settings, model).await?);
        }
        Ok(found)
    })
}

/// A server's URL with one of the names that this machine has for itself, so that a server under two of them
/// is one.
pub(crate) fn under_one_name(url: &str) -> String {
    let url = url.replace("://localhost:", "://127.0.0.1:");
    url.replace("://[::1]:", "://127.0.0.1:")
}

/// Settings of a client of a real server: how it is reached, its limits, its key.
pub(crate) fn settings(
    http: &HttpFlags,
    clock: &clock::Clock,
    timeouts: Timeouts,
) -> Result<ollama::Builder, Fatal> {
    let settings = ollama::Builder::new(clock.clone());
    Ok(settings
        .http(http.client())
        .proxy(http.proxy.clone())
        .timeouts(timeouts)
        .api_key(api_key()?))
}

/// The key for the servers, when there is one.
pub(crate) fn api_key() -> Result<Option<openai::ApiKey>, Fatal> {
    match std::env::var(KEY_VARIABLE) {
        Ok(key) if !key.trim().is_empty() => openai::ApiKey::new(&key)
            .map(Some)
            .map_err(|e| Fatal::usage(e).hint(format!("it was read from {KEY_VARIABLE}"))),
        Ok(_) | Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Fatal::usage(openai::KeyError::Unsendable)
            .hint(format!("it was read from {KEY_VARIABLE}"))),
    }
}

/// A client for a server that was looked at, of the kind it turned out to be.
pub(crate) fn client(
    facts: &EndpointFacts,
    http: &HttpFlags,
    clock: &clock::Clock,
    timeouts: Timeouts,
) -> Result<Arc<dyn ChatBackend>, Fatal> {
    let settings = settings(http, clock, timeouts)?;
    if openai::wire::is_kind(&facts.server.kind) {
        let dialect = openai::Dialect::of_kind(&facts.server.kind);
        let client = openai::Client::build(settings, &facts.url).map_err(Fatal::usage)?;
        return Ok(Arc::new(client.with_dialect(dialect)));
    }
    let client = ollama::Client::build(settings, &facts.url).map_err(Fatal::usage)?;
    Ok(Arc::new(client))
}
