//! Which pushes say the same thing (§3).

use aws_lc_rs::digest;

use super::{Report, State, number};

/// An `INCOMING` and an `ANSWERED` with the same numbers and text are one message when their dates are within this.
pub const TWIN_SECONDS: u64 = 5;

/// What tells a report from others, for 24 hours or so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Keys {
    /// Its own.
    pub key: [u8; 16],
    /// If one of these is known, it was told before in the other way: an `INCOMING` as an `ANSWERED`, or the reverse.
    pub also: Vec<[u8; 16]>,
}

/// The keys of a report. Stable over versions: the first 16 octets of a SHA-256.
///
/// Of a message that was sent: `(username, call_id, type, date, part, sha256(info))`. Of an incoming one: `(type,
/// username, to, from, date in seconds, sha256(info))` for `INCOMING` and `ANSWERED` alike, so that each can name the
/// other's; `call_id` stays out, because one message of a mobile answers at most one of ours. Both spellings of a state
/// and all forms of a number give the same key.
#[must_use]
pub fn keys(report: &Report) -> Keys {
    let info = report.info.as_deref().unwrap_or_default();
    let second = report.date_ms.map(|ms| ms / 1_000);
    match &report.kind {
        kind @ (State::Incoming | State::Answered) => {
            let other = if *kind == State::Incoming { State::Answered } else { State::Incoming };
            let key_of = |kind: &State, second: Option<u64>| incoming(report, kind, second, info);
            let around = second
                .map(|second| second.saturating_sub(TWIN_SECONDS)..=second.saturating_add(TWIN_SECONDS));
            let also = around.into_iter().flatten().map(|second| key_of(&other, Some(second))).collect();
            Keys { key: key_of(kind, second), also }
        }
        kind => {
            let part = report.part.map_or([0, 0], |part| [part.number, part.total]);
            let key = hash(&[
                b"sent",
                report.username.as_bytes(),
                report.call_id.as_deref().unwrap_or_default().as_bytes(),
                kind.name().as_bytes(),
                &octets_of(report.date_ms),
                &part,
                digest::digest(&digest::SHA256, info.as_bytes()).as_ref(),
            ]);
            Keys { key, also: Vec::new() }
        }
    }
}

fn incoming(report: &Report, kind: &State, second: Option<u64>, info: &str) -> [u8; 16] {
    let digits = |written: &str| number::international(written).unwrap_or_else(|| written.to_owned());
    hash(&[
        b"incoming",
        kind.name().as_bytes(),
        report.username.as_bytes(),
        digits(&report.to).as_bytes(),
        digits(&report.from).as_bytes(),
        &octets_of(second),
        digest::digest(&digest::SHA256, info.as_bytes()).as_ref(),
    ])
}

fn octets_of(time: Option<u64>) -> [u8; 8] {
    time.unwrap_or(u64::MAX).to_be_bytes()
}

/// Each piece with its length before it, so that no two lists of pieces run together.
fn hash(pieces: &[&[u8]]) -> [u8; 16] {
    let mut context = digest::Context::new(&digest::SHA256);
    for piece in pieces {
        context.update(&u64::try_from(piece.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(piece);
    }
    let digest = context.finish();
    let mut key = [0; 16];
    for (to, from) in key.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    key
}
