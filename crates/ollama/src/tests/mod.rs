//! The client against a raw TCP server that writes scripted bytes, in virtual time.

mod calls;
mod cancel;
mod endpoint;
mod failures;
mod streaming;

fn client(server: &scripted::Server, timeouts: domain::plan::Timeouts) -> crate::Client {
    crate::Client::new(&server.address.to_string(), server.clock.clone(), timeouts).unwrap()
}
