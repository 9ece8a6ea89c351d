//! `tandem serve`: the simulator for other people's clients.

use domain::exit::{Exit, Fatal, OrFatal as _};

use crate::flags::ServeArgs;
use crate::simulated;

/// Serves until Ctrl-C.
pub(crate) fn serve(args: &ServeArgs) -> Result<Exit, Fatal> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .or_environment("the async runtime could not be started")?;
    runtime.block_on(async {
        let config = simulated::standing_alone(args)?;
        let stopped = async {
            // Without a signal handler there is nothing to wait for: stop at once.
            let _ = runtime::asked_to_stop().await;
        };
        simulator::serve(config, args.time_scale, stopped, |announcement, _| {
            print!("{announcement}");
            if !args.host.is_loopback() {
                println!(
                    "  warning   listening on {}: anybody who reaches it may use it",
                    args.host
                );
            }
            println!("Ctrl-C stops it.");
        })
        .await?;
        Ok(Exit::Done)
    })
}
