//! Simulators: ordinary servers on sockets, which know nothing of the gateway.
//!
//! What the demo sends out ends here instead of in the world, over the same TLS sockets and through the same code of
//! the gateway as with a real peer.

pub mod smsc;
pub mod timetochat;

mod listen;
mod post;
