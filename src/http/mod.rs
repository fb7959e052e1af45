//! HTTP: the façade's interfaces, and the admin listener.
//!
//! JSON shapes, authentication and status codes live here; what they are about is asked of the engine. HTTP never sees
//! SMPP: what the admin listener shows of sessions is handed in by `app` as plain values.

mod address;
pub mod admin;
pub mod docs;
pub mod facade;
pub mod hooks;
mod keep;
mod listen;
pub mod mug;
mod problem;
mod reading;
mod strangers;
pub mod v1;

pub use self::address::address_of;
pub use self::listen::{Config, Limits, Server, bind, describe};
