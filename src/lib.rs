//! Trunkline: a messaging engine that never loses an accepted message.
#![warn(clippy::all)]

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod engine;
pub mod gateway;
pub mod http;
pub mod net;
pub mod pdu;
pub mod push;
pub mod remote;
pub mod session;
pub mod sim;
pub mod smpp;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod vendor;
