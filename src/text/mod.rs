//! Text as the air carries it: alphabets, counting, cutting, joining.
//!
//! A message has segments; a segment has septets (GSM 7-bit), UTF-16 code units (UCS-2) or octets
//! (binary). Everything here is a pure function from values to values: no clock, no input or output,
//! no knowledge of SMPP. Begin with [`Alphabet::needed`] and [`count`], then [`split`].
//!
//! References: 3GPP TS 23.038 (alphabets), TS 23.040 §9.2.3.24 (user data header).
#![warn(clippy::indexing_slicing)]

pub mod gsm7;
pub mod latin1;
pub mod packed;
pub mod ucs2;

mod alphabet;
mod count;
mod join;
mod oracle;
mod segment;
mod substitute;
mod table;
pub mod udh;

pub use alphabet::{Alphabet, UnitKind};
pub use count::{Count, Dear, Reason, count, dear};
pub use join::{Arrival, Parts};
#[doc(hidden)]
pub use oracle::oracle;
pub use segment::{SegmentError, Split, billed_of, fits, segments_of, split};
pub use substitute::{substitute, transliterate};
pub use table::Table;
