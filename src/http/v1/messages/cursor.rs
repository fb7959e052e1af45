//! Cursors of lists: a place in a list together with which list it is, so that a page needs nothing else.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::list::{Direction, Wanted};
use super::view::STATES;
use crate::gateway::id::MessageId;

/// Version of the octets below.
const VERSION: u8 = 1;

/// Octets of the check sum. It is there against cut and mistyped cursors: whoever makes one up sees nothing that he
/// could not have asked for.
const CHECK_OCTETS: usize = 4;

/// Octets before the reference.
const FIXED: usize = 1 + 1 + 1 + 1 + 8 + 8 + 8 + MessageId::OCTETS;

/// Writes a cursor.
pub(super) fn write(wanted: &Wanted, after: MessageId) -> String {
    let direction = match wanted.direction {
        Direction::Mt => 0,
        Direction::Mo => 1,
        Direction::Any => 2,
    };
    let state = wanted.state.and_then(|state| STATES.iter().position(|known| *known == state));
    let state = state.and_then(|at| u8::try_from(at + 1).ok()).unwrap_or(0);
    let mut octets = vec![VERSION, direction, u8::from(wanted.newest_first), state];
    for number in [wanted.from_ms, wanted.until_ms, wanted.number.unwrap_or(0)] {
        octets.extend_from_slice(&number.to_be_bytes());
    }
    octets.extend_from_slice(&after.0);
    octets.extend_from_slice(wanted.reference.as_deref().unwrap_or_default().as_bytes());
    let sum = digest(&SHA256, &octets);
    octets.extend(sum.as_ref().iter().take(CHECK_OCTETS));
    URL_SAFE_NO_PAD.encode(octets)
}

/// Reads a cursor; `None` when it is none of ours.
pub(super) fn read(cursor: &str) -> Option<(Wanted, MessageId)> {
    let octets = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (octets, check) = octets.split_at_checked(octets.len().checked_sub(CHECK_OCTETS)?)?;
    let is_whole = digest(&SHA256, octets).as_ref().iter().take(CHECK_OCTETS).eq(check);
    let (fixed, reference) = octets.split_at_checked(FIXED)?;
    let (&[version, direction, newest_first, state], numbers) = fixed.split_first_chunk()?;
    if !is_whole || version != VERSION {
        return None;
    }
    let (from_ms, rest) = numbers.split_first_chunk()?;
    let (until_ms, rest) = rest.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let number = u64::from_be_bytes(*number);
    let wanted = Wanted {
        direction: match direction {
            0 => Direction::Mt,
            1 => Direction::Mo,
            2 => Direction::Any,
            _ => return None,
        },
        newest_first: newest_first == 1,
        state: match state {
            0 => None,
            n => Some(*STATES.get(usize::from(n) - 1)?),
        },
        from_ms: u64::from_be_bytes(*from_ms),
        until_ms: u64::from_be_bytes(*until_ms),
        number: (number != 0).then_some(number),
        reference: match reference {
            [] => None,
            reference => Some(std::str::from_utf8(reference).ok()?.to_owned()),
        },
    };
    Some((wanted, MessageId(rest.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wanted() -> Wanted {
        Wanted {
            direction: Direction::Any,
            newest_first: true,
            state: Some("received"),
            from_ms: 1,
            until_ms: u64::MAX,
            number: Some(33_612_345_678),
            reference: Some("order-1".into()),
        }
    }

    #[test]
    fn a_cursor_is_read_back() {
        let plain = Wanted {
            direction: Direction::Mt,
            newest_first: false,
            state: None,
            number: None,
            reference: None,
            ..wanted()
        };
        for wanted in [wanted(), plain] {
            let cursor = write(&wanted, MessageId([7; 12]));
            assert_eq!(read(&cursor), Some((wanted, MessageId([7; 12]))));
        }
    }

    #[test]
    fn a_changed_cursor_is_none() {
        let cursor = write(&wanted(), MessageId([7; 12]));
        for at in 0..cursor.len() {
            let mut changed = cursor.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(changed == cursor || read(&changed).is_none(), "{changed}");
            assert_eq!(read(&cursor[..at]), None);
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_no_cursor(text in "[A-Za-z0-9_-]{0,120}") {
            prop_assert_eq!(read(&text), None);
        }
    }
}
