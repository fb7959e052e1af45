//! Disks: the journal that is the truth, the tables written behind it, and the one door to files.
//!
//! Everything here takes octets and gives octets back; what they mean is decided elsewhere. All files go
//! through [`file::Disk`], so [`fault::FaultDisk`] can take the power away at any instant and the tests can
//! look at what is left.

pub mod error;
pub mod fault;
pub mod file;
pub mod journal;
pub mod lock;
mod octets;
pub mod record;
pub mod rows;
pub mod tables;

#[doc(hidden)]
pub mod oracle;

#[cfg(test)]
mod power;
