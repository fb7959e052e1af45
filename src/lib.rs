//! Trunkline: a messaging engine that never loses an accepted message.
#![warn(clippy::all)]

pub mod clock;
pub mod engine;
pub mod gateway;
pub mod pdu;
pub mod session;
pub mod store;
pub mod text;
