//! What this protocol alone has: typed calls, and servers told apart. What both clients do is tested
//! by `transport`.

mod calls;
mod simulated;

fn client(server: &scripted::Server, timeouts: domain::plan::Timeouts) -> crate::Client {
    crate::Client::new(&server.address.to_string(), server.clock.clone(), timeouts).unwrap()
}
