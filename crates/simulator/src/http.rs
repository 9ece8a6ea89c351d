//! The protocol: Ollama's native routes and its /v1 ones.
//!
//! A response begins when its first object exists and not before, durations and `created_at` come
//! from the simulated clock, and a request is cancelled when its client closes the connection.

mod app;
mod body;
mod embed;
mod encode;
mod exchange;
mod generate;
mod go_types;
mod host;
mod keep_alive;
mod models;
mod options;
mod refusal;
mod reply;
mod request;
mod routes;
mod server;
mod text;
mod wire;

pub(crate) use app::{App, Epoch};
pub(crate) use routes::MAX_IN_BODIES;
pub(crate) use server::{Stops, listen};
