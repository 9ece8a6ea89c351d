//! What this protocol alone has: typed calls, replies that are not streamed, tool calls. What both
//! clients do is tested by `transport`.

mod calls;

fn client(server: &scripted::Server, timeouts: domain::plan::Timeouts) -> crate::Client {
    crate::Client::new(&server.address.to_string(), server.clock.clone(), timeouts).unwrap()
}
