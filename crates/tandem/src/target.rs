//! Which server a sweep runs on: one that was named, one that is found, or the simulator.

use anyhow::anyhow;
use clock::Clock;
use domain::Nanos;
use domain::backend::ChatBackend;
use domain::plan::Timeouts;
use domain::record::EndpointFacts;
use ollama::Client;

use crate::args::Common;
use crate::exit::Fatal;

/// The server a plan will run on.
#[derive(Debug)]
pub(crate) enum Target {
    /// Real servers, looked at.
    Real(Vec<EndpointFacts>),
    /// The embedded simulator, and why.
    Simulator {
        /// Why no real server is used, in words.
        why: String,
    },
}

/// Where a real server is looked for when no endpoint is named.
const DEFAULT_ENDPOINT: &str = "127.0.0.1:11434";

/// Decides where to run. Servers named with `--endpoint` must be there: falling back to a simulator
/// when somebody named a server would answer another question than the one asked.
pub(crate) fn choose(common: &Common, model: &str) -> Result<Target, Fatal> {
    if common.simulate {
        return Ok(Target::Simulator {
            why: "--simulate".to_owned(),
        });
    }
    if !common.endpoints.is_empty() {
        return look(&common.endpoints, model).map(Target::Real);
    }
    let (endpoint, from) = match std::env::var("OLLAMA_HOST") {
        Ok(host) if !host.trim().is_empty() => (host, "OLLAMA_HOST"),
        _ => (DEFAULT_ENDPOINT.to_owned(), "the default"),
    };
    match look(std::slice::from_ref(&endpoint), model) {
        Ok(facts) => Ok(Target::Real(facts)),
        Err(fatal) if common.no_simulate => Err(fatal),
        Err(fatal) => Ok(Target::Simulator {
            why: format!("{fatal} ({from})"),
        }),
    }
}

/// Asks each server who it is and whether it has the model.
pub(crate) fn look(endpoints: &[String], model: &str) -> Result<Vec<EndpointFacts>, Fatal> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Fatal::environment)?;
    runtime.block_on(async {
        let mut facts = Vec::new();
        for endpoint in endpoints {
            facts.push(look_at(endpoint, model).await?);
        }
        Ok(facts)
    })
}

async fn look_at(endpoint: &str, model: &str) -> Result<EndpointFacts, Fatal> {
    let limits = Timeouts {
        connect: Nanos::from_secs(2),
        first_byte: Nanos::from_secs(10),
        between_chunks: Nanos::from_secs(10),
        total: Nanos::from_secs(20),
    };
    let client = Client::new(endpoint, Clock::real(), limits).map_err(Fatal::usage)?;
    let hint = "start it with `ollama serve`, or use --simulate";
    let server = client
        .identify()
        .await
        .map_err(|e| Fatal::environment(e).hint(hint))?;
    let found = client
        .find_model(model)
        .await
        .map_err(|e| Fatal::environment(e).hint(hint))?;
    let url = client.endpoint();
    let Some(found) = found else {
        return Err(
            Fatal::environment(anyhow!("{url} does not have the model {model}")).hint(format!(
                "fetch it with `ollama pull {model}`, name another with --model, or use --simulate"
            )),
        );
    };
    Ok(EndpointFacts {
        url,
        server,
        model: Some(found),
    })
}
