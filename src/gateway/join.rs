//! Parts of long MO that wait for each other (SEMANTICS 7).

use super::id::UpstreamNo;
use super::record::{ArrivedPart, MoContent};
use crate::pdu::Address;

/// What parts of one long MO have in common, across binds.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SetKey {
    /// Who sent them.
    pub upstream: UpstreamNo,
    /// The mobile.
    pub source: Address,
    /// Our number.
    pub destination: Address,
    /// The mobile's reference.
    pub reference: u16,
    /// The reference has 16 bits.
    pub wide: bool,
    /// Parts in all.
    pub total: u8,
}

impl SetKey {
    /// The key of a part.
    pub fn of(part: &ArrivedPart) -> Self {
        Self {
            upstream: part.upstream,
            source: part.mo.source,
            destination: part.mo.destination,
            reference: part.reference,
            wide: part.wide,
            total: part.total,
        }
    }
}

/// The parts of one long MO that have come.
#[derive(Clone, Debug)]
pub struct Set {
    /// Its number.
    pub no: u64,
    /// What its parts have in common.
    pub key: SetKey,
    /// When it goes out with what is there; once it went out: when it is forgotten (UTC milliseconds).
    pub deadline_ms: u64,
    /// It went out. Its parts are remembered to recognise repetitions and late ones.
    pub out: bool,
    /// The parts that came, by number. Payloads are kept to tell a repetition from a new message with the old reference.
    pub parts: Vec<(u8, MoContent)>,
    /// It has changed since the last checkpoint; not stored.
    pub dirty: bool,
    /// The tables hold a row of it.
    pub row: bool,
}

/// What a new part is to a set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fit {
    /// It was missing.
    Wanted,
    /// It came before.
    Repeated,
    /// It has the number of one that came before, but says something else: a new message with an old reference.
    Other,
}

impl Set {
    /// What `part` is to this set.
    pub fn fit(&self, number: u8, mo: &MoContent) -> Fit {
        match self.parts.iter().find(|(n, _)| *n == number) {
            None => Fit::Wanted,
            Some((_, known)) if known.payload == mo.payload && known.data_coding == mo.data_coding => {
                Fit::Repeated
            }
            Some(_) => Fit::Other,
        }
    }

    /// All parts have come.
    pub fn is_whole(&self) -> bool {
        self.parts.len() >= usize::from(self.key.total)
    }

    /// What has come, joined in order. `None` if nothing has.
    pub fn joined(&self) -> Option<MoContent> {
        let mut parts: Vec<_> = self.parts.iter().collect();
        parts.sort_by_key(|(number, _)| *number);
        let (_, first) = parts.first()?;
        let payload: Vec<u8> = parts.iter().flat_map(|(_, mo)| mo.payload.iter().copied()).collect();
        Some(MoContent { payload: payload.into(), ..first.clone() })
    }
}
