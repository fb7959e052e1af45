use std::fmt;
use std::hash::{Hash, Hasher};

use super::{Npi, Ton};

/// A C-octet string kept by value: at most `N - 1` octets, none of them NUL.
///
/// `N` counts the NUL, as the specification's tables do; `N` is at most 256.
#[derive(Clone, Copy)]
pub struct COctets<const N: usize> {
    length: u8,
    /// What follows the first `length` octets has no meaning.
    octets: [u8; N],
}

/// Why octets do not make a [`COctets`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum COctetsError {
    /// More octets than fit before the NUL.
    TooLong {
        /// Octets given.
        octets: usize,
        /// Octets that fit.
        limit: usize,
    },
    /// A NUL inside would end the string early.
    Nul,
}

impl fmt::Display for COctetsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { octets, limit } => write!(f, "{octets} octets, at most {limit} fit"),
            Self::Nul => f.write_str("a NUL inside"),
        }
    }
}

impl std::error::Error for COctetsError {}

impl<const N: usize> COctets<N> {
    /// No octets.
    pub const EMPTY: Self = Self { length: 0, octets: [0; N] };

    /// The octets without the NUL.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// Octets without the NUL.
    pub const fn len(&self) -> usize {
        self.length as usize
    }

    /// Whether there is nothing before the NUL.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The octets as text, `None` when they are not UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()).ok()
    }

    /// Keeps `length` octets at the start of `octets`; the caller has looked for NUL and limit.
    #[inline]
    pub(crate) fn keep(octets: [u8; N], length: u8) -> Self {
        debug_assert!(usize::from(length) < N, "the reader stops at the limit");
        Self { length, octets }
    }

    /// The whole field and how many of its octets count.
    #[inline]
    pub(crate) fn parts(&self) -> (&[u8; N], usize) {
        (&self.octets, usize::from(self.length).min(N))
    }
}

impl<const N: usize> Default for COctets<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> TryFrom<&[u8]> for COctets<N> {
    type Error = COctetsError;

    fn try_from(octets: &[u8]) -> Result<Self, COctetsError> {
        let too_long = COctetsError::TooLong { octets: octets.len(), limit: N - 1 };
        if octets.contains(&0) {
            return Err(COctetsError::Nul);
        }
        let length = u8::try_from(octets.len()).map_err(|_| too_long)?;
        let mut field = [0; N];
        match field.get_mut(..octets.len()) {
            Some(room) if octets.len() < N => room.copy_from_slice(octets),
            _ => return Err(too_long),
        }
        Ok(Self { length, octets: field })
    }
}

impl<const N: usize> TryFrom<&str> for COctets<N> {
    type Error = COctetsError;

    fn try_from(text: &str) -> Result<Self, COctetsError> {
        Self::try_from(text.as_bytes())
    }
}

impl<const N: usize> PartialEq for COctets<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> Eq for COctets<N> {}

impl<const N: usize> PartialOrd for COctets<N> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<const N: usize> Ord for COctets<N> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl<const N: usize> Hash for COctets<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl<const N: usize> fmt::Debug for COctets<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

/// Who sends or receives a message (SMPP 3.4 §5.2.5–§5.2.9). Copied freely: 24 octets.
///
/// `Debug` and `Display` mask the number: its first three and last two octets are shown. What is
/// to be sent or stored comes from `octets`.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Address {
    /// Type of number.
    pub ton: Ton,
    /// Numbering plan.
    pub npi: Npi,
    /// Digits, or letters with [`Ton::ALPHANUMERIC`]; at most 20.
    pub octets: COctets<21>,
}

impl Address {
    /// No address: TON and NPI unknown, no octets.
    pub const EMPTY: Self = Self { ton: Ton(0), npi: Npi(0), octets: COctets::EMPTY };

    /// An address of these parts.
    ///
    /// # Errors
    /// [`COctetsError`] when `octets` are more than 20 or hold a NUL.
    pub fn new(ton: Ton, npi: Npi, octets: &[u8]) -> Result<Self, COctetsError> {
        Ok(Self { ton, npi, octets: octets.try_into()? })
    }

    /// The octets without the NUL, unmasked.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.as_bytes()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        mask(self.as_bytes(), f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/", self.ton.0, self.npi.0)?;
        mask(self.as_bytes(), f)
    }
}

/// An address with up to 64 octets, as `data_sm` and `alert_notification` have it (SMPP 3.4 §4.7.1, §4.12.1).
///
/// `Debug` masks it like [`Address`].
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct LongAddress<'a> {
    /// Type of number.
    pub ton: Ton,
    /// Numbering plan.
    pub npi: Npi,
    /// Without the NUL.
    pub octets: &'a [u8],
}

impl TryFrom<LongAddress<'_>> for Address {
    type Error = COctetsError;

    fn try_from(long: LongAddress<'_>) -> Result<Self, COctetsError> {
        Self::new(long.ton, long.npi, long.octets)
    }
}

impl<'a> From<&'a Address> for LongAddress<'a> {
    fn from(address: &'a Address) -> Self {
        Self { ton: address.ton, npi: address.npi, octets: address.as_bytes() }
    }
}

impl fmt::Debug for LongAddress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/", self.ton.0, self.npi.0)?;
        mask(self.octets, f)
    }
}

/// Shows the first three and the last two octets; of a shorter one, less.
fn mask(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let shown = |octets: &[u8], f: &mut fmt::Formatter<'_>| write!(f, "{}", octets.escape_ascii());
    match octets {
        [] => f.write_str("-"),
        [a, b, c, middle @ .., y, z] if middle.len() >= 2 => {
            shown(&[*a, *b, *c], f)?;
            for _ in middle {
                f.write_str("*")?;
            }
            shown(&[*y, *z], f)
        }
        _ => f.write_str("***"),
    }
}
