//! What this protocol alone has: typed calls, replies that are not streamed, tool calls. What both
//! clients do is tested by `transport`.

use clock::Clock;
use domain::plan::Timeouts;
use scripted::{Server, Step};

mod calls;

/// A server of these scripts in virtual time, and a client of it.
async fn served(scripts: Vec<Vec<Step>>, limits: Timeouts) -> (Server, crate::Client) {
    let clock = Clock::start_virtual();
    let server = Server::start(&clock, scripts).await;
    let client = crate::Client::new(&server.address.to_string(), clock, limits).unwrap();
    (server, client)
}
