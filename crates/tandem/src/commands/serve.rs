//! `tandem serve`: the simulator for other people's clients.

use anyhow::Context;
use simulator::{ServeConfig, ServeError};

use crate::exit::{ExitStatus, Fatal};
use crate::flags::ServeArgs;
use crate::simulated;

/// Serves until Ctrl-C.
pub(crate) fn serve(args: &ServeArgs) -> Result<ExitStatus, Fatal> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the async runtime could not be started")
        .map_err(Fatal::environment)?;
    runtime.block_on(async {
        let config = ServeConfig {
            simulator: simulated::standing_alone(args)?,
            time_scale: args.time_scale,
        };
        let stopped = async {
            // Without a signal handler there is nothing to wait for: stop at once.
            let _ = runtime::asked_to_stop().await;
        };
        simulator::serve(config, stopped, |announcement| {
            print!("{announcement}");
            if !args.host.is_loopback() {
                println!(
                    "  warning   listening on {}: anybody who reaches it may use it",
                    args.host
                );
            }
            println!("Ctrl-C stops it.");
        })
        .await
        .map_err(|error| match error {
            ServeError::BadScale(_) | ServeError::TooFast { .. } => Fatal::usage(error),
            ServeError::Start(_) | ServeError::Probe(_) => Fatal::environment(error),
        })?;
        Ok(ExitStatus::Done)
    })
}
