//! `tandem serve`: runs the simulator as a server for any client.

use domain::exit::{Exit, Fatal, OrFatal as _};

use crate::flags::ServeArgs;
use crate::simulated;
use crate::terminal;

pub(crate) fn serve(args: &ServeArgs) -> Result<Exit, Fatal> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .or_environment("the async runtime could not be started")?;
    runtime.block_on(async {
        let config = simulated::serve_config(args)?;
        let asked = runtime::asked_to_stop();
        let stopped = async {
            // An error means that no signal handler can be set: stop at once.
            let _ = asked.await;
        };
        simulator::serve(config, args.time_scale, stopped, |announcement, _| {
            let warning = if args.host.is_loopback() {
                String::new()
            } else {
                format!(
                    "  warning   listening on {}: reachable from the network, without access control\n",
                    args.host
                )
            };
            // A closed standard output does not stop the server.
            let _ = terminal::write(&format!("{announcement}{warning}Ctrl-C stops it.\n"));
        })
        .await?;
        Ok(Exit::Done)
    })
}
