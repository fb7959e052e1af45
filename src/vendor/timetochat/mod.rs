//! SFR TimeToChat ("MUG"): the shapes of its REST methods and of its Push_CRA (contracts/timetochat.md).
//!
//! Read tolerantly, written strictly. What the vendor's document leaves open and we decided is marked "invented". Begin
//! with [`SendRequest`] (its order of checks is §8a's), [`StatusAnswer`], [`push::read`] and [`State`].

mod date;
mod dedupe;
mod json;
pub mod number;
mod oracle;
mod problem;
pub mod push;
mod send;
mod state;
mod status;
mod token;

pub use date::{read_date, write_date_ms, write_date_s};
pub use dedupe::{Keys, TWIN_SECONDS, keys};
pub use json::Unreadable;
pub use oracle::oracle;
pub use problem::{ErrorAnswer, Problem, Remedy};
pub use push::{Pushed, Report};
pub use send::{EXT_REF_CHARS_MAX, Flaw, SendAnswer, SendRequest};
pub use state::{Class, Failure, LONG_PREFIX, State, Vocabulary, vendor_errors};
pub use status::{Part, Standing, StatusAnswer, Step};
pub use token::{Claims, TokenAnswer, TokenInfo, TokenRequest};

/// Calls per second of the three methods together, per service (§2).
pub const CALLS_PER_SECOND: u32 = 20;

/// Seconds that a token holds (§2.1).
pub const TOKEN_SECONDS: u64 = 1_800;

#[cfg(test)]
mod tests;
