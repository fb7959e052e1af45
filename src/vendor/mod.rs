//! Formats of outside systems that speak HTTP: pure values and their JSON, one module per system.
//!
//! No sockets, no clock, no other floor. Servers, clients and simulators of the same system stand on the same module, so
//! that they cannot disagree on a spelling.
#![warn(clippy::indexing_slicing)]

pub mod timetochat;
