//! What only this protocol has: typed calls, replies that are not streamed, tool calls. `transport` tests what
//! both clients do.

use clock::Clock;
use domain::plan::Timeouts;
use scripted::{Server, Step};

mod calls;

/// A server that follows these scripts in virtual time, and its client.
async fn served(scripts: Vec<Vec<Step>>, limits: Timeouts) -> (Server, crate::Client) {
    let clock = Clock::start_virtual();
    let server = Server::start(&clock, scripts).await;
    let client = crate::Client::new(&server.address.to_string(), clock, limits).unwrap();
    (server, client)
}
