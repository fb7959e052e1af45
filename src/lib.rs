//! Trunkline: a messaging engine that never loses an accepted message.
#![warn(clippy::all)]
