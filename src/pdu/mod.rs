//! The wire format of SMPP 3.4: bytes in, values out, and back.
//!
//! [`frame::split`] finds a PDU in what has been received, [`decode`] reads it in place, [`encode`] appends one
//! to a buffer. Nothing is copied but addresses and nothing is allocated. Reading accepts what real peers send,
//! each leniency with a line in `docs/CONFORMANCE.md`; writing is strict.
//!
//! **Invariant:** no I/O, no clock, no logging, no indexing on octets of a peer.
#![warn(clippy::indexing_slicing)]

mod address;
mod error;
pub mod frame;
mod header;
mod status;
mod tag;
pub mod time;
pub mod tlv;
mod value;

mod field;
mod read;
mod write;

mod alert_notification;
mod bind;
mod cancel_sm;
mod data_sm;
mod decode;

mod deliver_sm;
mod message;
#[doc(hidden)]
pub mod oracle;
mod outbind;
mod query_sm;
pub mod receipt;
mod replace_sm;
mod submit_multi;
mod submit_sm;

pub use address::{Address, COctets, COctetsError, LongAddress};
pub use alert_notification::AlertNotification;
pub use bind::{Bind, BindResp, SMPP_3_4};
pub use cancel_sm::CancelSm;
pub use data_sm::{DataSm, DataSmResp};
pub use decode::{Pdu, decode};
pub use deliver_sm::{DeliverSm, DeliverSmResp};
pub use error::{DecodeError, Flaw};
pub use header::{CommandId, Header, SequenceNumber};
pub use outbind::Outbind;
pub use query_sm::{QuerySm, QuerySmResp};
pub use replace_sm::ReplaceSm;
pub use status::CommandStatus;
pub use submit_multi::{
    Destination, Destinations, SubmitMulti, SubmitMultiResp, UnsuccessSme, UnsuccessSmes, put_destination,
    put_unsuccess_sme,
};
pub use submit_sm::{SubmitSm, SubmitSmResp};
pub use tag::Tag;
pub use tlv::Tlvs;
pub use value::{DataCoding, EsmClass, MessageState, Npi, RegisteredDelivery, Ton};
pub use write::{Write, encode};
