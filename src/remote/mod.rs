//! Systems that we call: outbound REST.
//!
//! [`timetochat`] is an upstream of that kind: the vendor's API to send and to ask, and its pushes as they come in. What
//! listens for the pushes is not known here: `app` hands their bodies to an [`Inbox`](timetochat::Inbox).

pub mod timetochat;
