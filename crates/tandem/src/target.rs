//! Chooses the servers of a run: the named ones, the default one, or the simulator.

mod detect;
mod fit;

use std::env::VarError;
use std::iter;
use std::sync::Arc;

use clock::Clock;
use domain::backend::ChatBackend;
use domain::exit::Fatal;
use domain::plan::Timeouts;
use domain::record::{EndpointFacts, RunHeader};

use crate::flags::{ApiArg, HttpFlags, ServerArgs};

pub(crate) use detect::{Absence, DetectError, Found, LIMITS};
pub(crate) use fit::{Fitted, fit, fit_options, not_sent};

/// The server a plan will run on.
#[derive(Debug)]
pub(crate) enum Target {
    /// Real servers that answered.
    Real(Vec<Found>),
    /// The embedded simulator, and why no real server is used, in words.
    Simulator { why: String },
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

/// The address of a server when no endpoint is named.
const DEFAULT_ENDPOINT: &str = "127.0.0.1:11434";

/// The environment variable that names a server where no endpoint is given.
const HOST_VARIABLE: &str = "OLLAMA_HOST";

/// The environment variable with the key that a server, or a proxy before it, requires. It is never
/// recorded.
const KEY_VARIABLE: &str = "TANDEM_API_KEY";

/// Decides where to run. A server named with `--endpoint` must answer: a simulator in its place would answer
/// another question than the user's. Fails when it does not, or when a flag cannot be used.
pub(crate) fn choose(flags: &ServerArgs, model: &str) -> Result<Target, Fatal> {
    if flags.simulate {
        let why = "--simulate".to_owned();
        return Ok(Target::Simulator { why });
    }
    let (_, from) = unnamed();
    match look(addresses(flags)?, &flags.http, model) {
        Ok(found) => Ok(Target::Real(found)),
        Err(fatal) if !flags.endpoints.is_empty() => Err(fatal),
        // An address that names no server is a mistake, not a missing server.
        Err(fatal) if flags.no_simulate || fatal.is_usage() => Err(if from == HOST_VARIABLE {
            fatal.and(format!("the address is that of {HOST_VARIABLE}"))
        } else {
            fatal
        }),
        Err(fatal) => {
            let why = format!("{fatal} ({from})");
            Ok(Target::Simulator { why })
        }
    }
}

/// The server to use when none is named, and the source of its address.
fn unnamed() -> (String, &'static str) {
    match std::env::var(HOST_VARIABLE) {
        Ok(host) if !host.trim().is_empty() => (host, HOST_VARIABLE),
        _ => (DEFAULT_ENDPOINT.to_owned(), "the default"),
    }
}

/// An endpoint, and the protocol to detect there.
type Address = (String, ApiArg);

/// The named endpoints, or the one to use when none is named. Fails when `--api` does not fit them.
pub(crate) fn addresses(flags: &ServerArgs) -> Result<Vec<Address>, Fatal> {
    let mut endpoints = flags.endpoints.clone();
    if endpoints.is_empty() {
        endpoints.push(unnamed().0);
    }
    with_apis(endpoints, &flags.api)
}

fn with_apis(endpoints: Vec<String>, apis: &[ApiArg]) -> Result<Vec<Address>, Fatal> {
    let (needed, given) = (endpoints.len(), apis.len());
    if given > 1 && given != needed {
        let what = format!("--api is given {given} times for {needed} endpoint(s)");
        let hint = "give it once for all of them, or once for each in the order of --endpoint";
        return Err(Fatal::usage(what).hint(hint));
    }
    let usual = *apis.first().unwrap_or(&ApiArg::Auto);
    let apis = apis.iter().copied().chain(iter::repeat(usual));
    Ok(endpoints.into_iter().zip(apis).collect())
}

/// Detects the server at each address, or why there is none. Fails when a flag cannot be used.
pub(crate) async fn detect(
    addresses: Vec<Address>,
    http: &HttpFlags,
    model: &str,
) -> Result<Vec<(String, Result<Found, DetectError>)>, Fatal> {
    let settings = settings(http, &Clock::real(), LIMITS)?;
    let mut servers = Vec::new();
    for (endpoint, api) in addresses {
        let found = detect::detect(&endpoint, api, &settings, model).await;
        servers.push((endpoint, found));
    }
    Ok(servers)
}

/// Detects servers, each of which must have the model. Fails at the first that does not.
fn look(addresses: Vec<Address>, http: &HttpFlags, model: &str) -> Result<Vec<Found>, Fatal> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let detected = runtime.block_on(detect(addresses, http, model))?;
    let required = |(_, found): (_, Result<Found, DetectError>)| {
        found.map_err(|absent| absent.fatal)?.require(model)
    };
    detected.into_iter().map(required).collect()
}

/// The servers on which a run continues: the simulator, for the reason `why`, or its recorded servers by their
/// recorded protocols. `--endpoint` may name others in their place. Fails when a server does not answer.
pub(crate) fn again(
    header: &RunHeader,
    flags: &ServerArgs,
    model: &str,
    why: &str,
) -> Result<Target, Fatal> {
    if header.is_in_simulated_time() {
        let why = why.to_owned();
        return Ok(Target::Simulator { why });
    }
    let addresses = if flags.endpoints.is_empty() {
        let urls = header.endpoints.iter().map(|facts| facts.url.clone());
        let mut addresses = with_apis(urls.collect(), &flags.api)?;
        for ((_, api), facts) in addresses.iter_mut().zip(&header.endpoints) {
            *api = match *api {
                ApiArg::Auto if openai::wire::is_kind(&facts.server.kind) => ApiArg::Openai,
                ApiArg::Auto => ApiArg::Ollama,
                given => given,
            };
        }
        addresses
    } else {
        addresses(flags)?
    };
    Ok(Target::Real(look(addresses, &flags.http, model)?))
}

/// A server's URL with one of the names that this machine has for itself, so that a server under two of them
/// is one.
pub(crate) fn under_one_name(url: &str) -> String {
    let url = url.replace("://localhost:", "://127.0.0.1:");
    url.replace("://[::1]:", "://127.0.0.1:")
}

/// Settings of a client of a real server. Fails when the key cannot be sent.
pub(crate) fn settings(
    http: &HttpFlags,
    clock: &Clock,
    timeouts: Timeouts,
) -> Result<ollama::Settings, Fatal> {
    let mut settings = ollama::Settings::new(clock.clone(), timeouts);
    settings.http = http.http.unwrap_or_default();
    settings.proxy.clone_from(&http.proxy);
    settings.key = api_key()?;
    Ok(settings)
}

/// The key for the servers, if it is set. Fails when it cannot be sent.
pub(crate) fn api_key() -> Result<Option<openai::ApiKey>, Fatal> {
    let key = match std::env::var(KEY_VARIABLE) {
        Ok(key) if !key.trim().is_empty() => openai::ApiKey::new(&key).map(Some),
        Ok(_) | Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(openai::KeyError::Unsendable),
    };
    key.map_err(|e| Fatal::usage(e).hint(format!("it was read from {KEY_VARIABLE}")))
}

/// A client for a server of this kind. Fails when a setting cannot be used.
pub(crate) fn client(
    facts: &EndpointFacts,
    http: &HttpFlags,
    clock: &Clock,
    timeouts: Timeouts,
) -> Result<Arc<dyn ChatBackend>, Fatal> {
    let settings = settings(http, clock, timeouts)?;
    if openai::wire::is_kind(&facts.server.kind) {
        let mut client = openai::Client::new(settings, &facts.url).map_err(Fatal::usage)?;
        client.dialect = openai::Dialect::of_kind(&facts.server.kind);
        return Ok(Arc::new(client));
    }
    let client = ollama::Client::new(settings, &facts.url).map_err(Fatal::usage)?;
    Ok(Arc::new(client))
}
