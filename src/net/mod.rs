//! What every edge that speaks over a network needs alike: TLS, secrets, lists of addresses, the price of failures, an
//! HTTP client.
//!
//! Like `clock` it stands beside the edges and knows none of them: no SMPP, no HTTP routes, no engine.

mod allow;
pub mod client;
mod failures;
mod guard;
mod secret;
pub mod tls;

pub use self::allow::{AllowFrom, Gate};
pub use self::failures::Failures;
pub use self::guard::{Guard, is_public};
pub use self::secret::Secret;
pub use self::tls::PeerTls;
