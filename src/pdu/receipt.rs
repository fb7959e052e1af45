//! Delivery receipts: the text of Appendix B as vendors really write it, and the TLVs beside it.
//!
//! The specification calls the text vendor-specific, so it is read as a row of known keys, whatever their
//! order, case and number, and everything else is passed over. Nothing here decides which message is meant:
//! both identifiers are handed up, because peers give hexadecimal in one place and decimal in the other.

use std::borrow::Cow;

use bytes::BufMut;
use nom::bytes::complete::{tag, tag_no_case, take_while};
use nom::combinator::fail;
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::time::{self, SmppTime};
use super::{DeliverSm, MessageState, Tag, Tlvs};

/// The fields of a receipt text, as they stand there (SMPP 3.4 Appendix B). `None` is a field that is not there.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReceiptText<'a> {
    /// The identifier that the SMSC gave to the message; any string.
    pub id: Option<&'a [u8]>,
    /// Messages submitted, three digits.
    pub sub: Option<&'a [u8]>,
    /// Messages delivered, three digits.
    pub dlvrd: Option<&'a [u8]>,
    /// See [`date_utc_ms`].
    pub submit_date: Option<&'a [u8]>,
    /// See [`date_utc_ms`].
    pub done_date: Option<&'a [u8]>,
    /// See [`MessageState::from_stat`].
    pub stat: Option<&'a [u8]>,
    /// A code of the network or the SMSC; digits or letters.
    pub err: Option<&'a [u8]>,
    /// The first octets of the message.
    pub text: Option<&'a [u8]>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Key {
    Id,
    Sub,
    Dlvrd,
    SubmitDate,
    DoneDate,
    Stat,
    Err,
    Text,
}

impl<'a> ReceiptText<'a> {
    /// Reads the fields that are there. The first of a repeated one counts.
    ///
    /// `text` takes all that follows it, once `id` and `stat` have been read; before that it ends at the next
    /// known key. `None` when there is neither an `id` nor a `stat`.
    pub fn read(octets: &'a [u8]) -> Option<Self> {
        let mut receipt = Self::default();
        let mut rest = octets;
        while let [_, ..] = rest {
            rest = skip_separators(rest);
            let Ok((after, key)) = key(rest) else {
                rest = skip_word(rest);
                continue;
            };
            let whole = receipt.id.is_some() && receipt.stat.is_some();
            let (found, after) = match key {
                Key::Text if whole => (after, &[][..]),
                Key::Text => until_key(after),
                _ => word(after),
            };
            let field = match key {
                Key::Id => &mut receipt.id,
                Key::Sub => &mut receipt.sub,
                Key::Dlvrd => &mut receipt.dlvrd,
                Key::SubmitDate => &mut receipt.submit_date,
                Key::DoneDate => &mut receipt.done_date,
                Key::Stat => &mut receipt.stat,
                Key::Err => &mut receipt.err,
                Key::Text => &mut receipt.text,
            };
            let found = without_nuls(found);
            if field.is_none() && (key == Key::Text || !found.is_empty()) {
                *field = Some(found);
            }
            rest = after;
        }
        (receipt.id.is_some() || receipt.stat.is_some()).then_some(receipt)
    }

    /// The state that `stat` means.
    pub fn state(&self) -> Option<MessageState> {
        self.stat.and_then(MessageState::from_stat)
    }

    /// Appends the text as Appendix B has it, at most 20 octets of `text`.
    ///
    /// What is `None` is written as `001` for `sub`, `001` or `000` for `dlvrd` after `stat`, `000` for `err`
    /// and nothing for the others.
    pub fn write(&self, out: &mut impl BufMut) {
        let delivered: &[u8] = if self.state() == Some(MessageState::DELIVERED) { b"001" } else { b"000" };
        let text = self.text.unwrap_or_default();
        for (key, octets) in [
            (&b"id:"[..], self.id.unwrap_or_default()),
            (b" sub:", self.sub.unwrap_or(b"001")),
            (b" dlvrd:", self.dlvrd.unwrap_or(delivered)),
            (b" submit date:", self.submit_date.unwrap_or_default()),
            (b" done date:", self.done_date.unwrap_or_default()),
            (b" stat:", self.stat.unwrap_or_default()),
            (b" err:", self.err.unwrap_or(b"000")),
            (b" text:", text.get(..20).unwrap_or(text)),
        ] {
            out.put_slice(key);
            out.put_slice(octets);
        }
    }
}

/// Whether a text that nobody called a receipt is one: an `id`, a `stat` with a known word, and another field.
pub fn looks_like_receipt(octets: &[u8]) -> bool {
    ReceiptText::read(octets).is_some_and(|text| {
        let more = [text.sub, text.dlvrd, text.submit_date, text.done_date, text.err];
        text.id.is_some() && text.state().is_some() && more.iter().any(Option::is_some)
    })
}

/// The point in time, in UTC milliseconds, that a date of a receipt text means.
///
/// Ten digits are `YYMMDDhhmm`, fourteen `YYYYMMDDhhmmss`. Twelve are `YYYYMMDDhhmm` when that is a date of this
/// century, `YYMMDDhhmmss` otherwise: only dates of the year 2020 can be read both ways. Sixteen octets
/// are an SMPP time. No zone is stated in receipts; UTC is taken.
pub fn date_utc_ms(date: &[u8]) -> Option<i64> {
    let number = |from: usize, octets: usize| -> Option<u16> {
        date.get(from..from + octets)?.iter().try_fold(0_u16, |number, octet| {
            octet.is_ascii_digit().then(|| number * 10 + u16::from(octet - b'0'))
        })
    };
    let part = |from: usize| number(from, 2).and_then(|number| u8::try_from(number).ok());
    let parts = |year: i64, from: usize, second: u8| -> Option<i64> {
        time::utc_ms(year, part(from)?, part(from + 2)?, part(from + 4)?, part(from + 6)?, second).ok()
    };
    let short = || -> Option<i64> { Some(2000 + i64::from(number(0, 2)?)) };
    let long = || -> Option<i64> { number(0, 4).filter(|year| *year >= 2000).map(i64::from) };
    match date.len() {
        10 => parts(short()?, 2, 0),
        12 => long()
            .filter(|year| *year < 2100)
            .and_then(|year| parts(year, 4, 0))
            .or_else(|| parts(short()?, 2, part(10)?)),
        14 => parts(long()?, 4, part(12)?),
        16 => match time::parse(date).ok()? {
            SmppTime::Absolute { utc_ms } => Some(utc_ms),
            SmppTime::Relative(_) => None,
        },
        _ => None,
    }
}

/// What `network_error_code` says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NetworkErrorCode<'a> {
    /// As specified (SMPP 3.4 §5.3.2.31).
    Network {
        /// 1 ANSI-136, 2 IS-95, 3 GSM.
        network_type: u8,
        /// The network's code.
        code: u16,
    },
    /// Digits, as some peers send it.
    Text(&'a [u8]),
}

impl<'a> NetworkErrorCode<'a> {
    /// Reads the value of the TLV.
    pub fn read(value: &'a [u8]) -> Self {
        match value {
            [network_type, high, low] if *network_type < b' ' => {
                Self::Network { network_type: *network_type, code: u16::from_be_bytes([*high, *low]) }
            }
            text => Self::Text(without_nuls(text)),
        }
    }
}

/// Whether a report ends the message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReceiptKind {
    /// A delivery receipt. Its state may still be one that is not final.
    Delivery,
    /// An intermediate notification.
    Intermediate,
}

/// A `deliver_sm` that reports about a message: TLVs and text together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Receipt<'a> {
    /// What the `esm_class` calls it; `Delivery` when only its shape tells.
    pub kind: ReceiptKind,
    /// `receipted_message_id`, without its NUL.
    pub tlv_id: Option<&'a [u8]>,
    /// The `id` of the text.
    pub text_id: Option<Cow<'a, [u8]>>,
    /// `message_state`, else what `stat` means.
    pub state: Option<MessageState>,
    /// The `stat` of the text as it stands there.
    pub stat: Option<Cow<'a, [u8]>>,
    /// `network_error_code`.
    pub network_error_code: Option<NetworkErrorCode<'a>>,
    /// The `err` of the text.
    pub err: Option<Cow<'a, [u8]>>,
    /// `submit date` of the text, UTC milliseconds.
    pub submit_utc_ms: Option<i64>,
    /// `done date` of the text, UTC milliseconds.
    pub done_utc_ms: Option<i64>,
}

impl<'a> Receipt<'a> {
    /// Reads `deliver` as a report; `None` when it is a message, or an acknowledgement by an SME.
    ///
    /// It is a report when its `esm_class` says so, and, with an `esm_class` that says nothing, when both
    /// `receipted_message_id` and `message_state` are there or the text [looks like one](looks_like_receipt).
    /// A report in which nothing can be read is still one, with every field `None`.
    /// A text in UCS-2 is narrowed first, the only case that allocates.
    pub fn from_deliver(deliver: &DeliverSm<'a>) -> Option<Self> {
        let kind = match (deliver.esm_class.is_delivery_receipt(), deliver.esm_class.is_intermediate()) {
            (true, _) => ReceiptKind::Delivery,
            (_, true) => ReceiptKind::Intermediate,
            _ if deliver.esm_class.message_type() != 0 || deliver.esm_class.has_udhi() => return None,
            _ if is_report(&deliver.tlvs) => ReceiptKind::Delivery,
            _ if looks_like_receipt(deliver.message()) => ReceiptKind::Delivery,
            _ => return None,
        };
        let receipt = Self {
            kind,
            tlv_id: deliver.tlvs.find_c_octets(Tag::RECEIPTED_MESSAGE_ID).filter(|id| !id.is_empty()),
            text_id: None,
            state: deliver.tlvs.find_u8(Tag::MESSAGE_STATE).map(MessageState),
            stat: None,
            network_error_code: deliver.tlvs.find(Tag::NETWORK_ERROR_CODE).map(NetworkErrorCode::read),
            err: None,
            submit_utc_ms: None,
            done_utc_ms: None,
        };
        let message = deliver.message();
        if let Some(text) = ReceiptText::read(message) {
            return Some(receipt.with(&text, Cow::Borrowed));
        }
        if deliver.data_coding.is_ucs2() {
            let narrow = narrowed(message);
            if let Some(text) = ReceiptText::read(&narrow) {
                return Some(receipt.with(&text, |octets| Cow::Owned(octets.to_vec())));
            }
        }
        Some(receipt)
    }

    /// The identifier, the TLV's if there is one.
    pub fn id(&self) -> Option<&[u8]> {
        self.tlv_id.or(self.text_id.as_deref())
    }

    fn with<'t>(self, text: &ReceiptText<'t>, keep: impl Fn(&'t [u8]) -> Cow<'a, [u8]>) -> Self {
        Self {
            text_id: text.id.map(&keep),
            state: self.state.or_else(|| text.state()),
            stat: text.stat.map(&keep),
            err: text.err.map(&keep),
            submit_utc_ms: text.submit_date.and_then(date_utc_ms),
            done_utc_ms: text.done_date.and_then(date_utc_ms),
            ..self
        }
    }
}

fn is_report(tlvs: &Tlvs<'_>) -> bool {
    tlvs.find(Tag::RECEIPTED_MESSAGE_ID).is_some() && tlvs.find(Tag::MESSAGE_STATE).is_some()
}

/// The low octets of code units that have no high one; the others become `?`.
fn narrowed(ucs2: &[u8]) -> Vec<u8> {
    ucs2.as_chunks::<2>().0.iter().map(|[high, low]| if *high == 0 { *low } else { b'?' }).collect()
}

fn is_separator(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n' | b'\x0C' | b',' | b';' | 0)
}

fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

/// A known key with its colon, spaces before it allowed.
fn key(octets: &[u8]) -> IResult<&[u8], Key> {
    let (rest, key) = match octets.first().map(u8::to_ascii_lowercase) {
        Some(b'i') => named(Key::Id, &[b"id"], octets),
        Some(b's') => named(Key::SubmitDate, &[b"submit date", b"submit_date", b"submitdate"], octets)
            .or_else(|_| named(Key::Sub, &[b"sub"], octets))
            .or_else(|_| named(Key::Stat, &[b"status", b"stat"], octets)),
        Some(b'd') => named(Key::DoneDate, &[b"done date", b"done_date", b"donedate"], octets)
            .or_else(|_| named(Key::Dlvrd, &[b"dlvrd"], octets)),
        Some(b'e') => named(Key::Err, &[b"error", b"err"], octets),
        Some(b't') => named(Key::Text, &[b"text"], octets),
        _ => fail().parse(octets),
    }?;
    let (rest, _) = preceded(take_while(is_space), tag(&b":"[..])).parse(rest)?;
    Ok((rest, key))
}

/// One of the spellings of a key.
fn named<'a>(key: Key, spellings: &[&'static [u8]], octets: &'a [u8]) -> IResult<&'a [u8], Key> {
    let spelling = spellings
        .iter()
        .find_map(|spelling| tag_no_case::<_, _, nom::error::Error<&[u8]>>(*spelling).parse(octets).ok());
    match spelling {
        Some((rest, _)) => Ok((rest, key)),
        None => fail().parse(octets),
    }
}

/// What follows the separators at the start.
fn skip_separators(octets: &[u8]) -> &[u8] {
    let length = octets.iter().take_while(|octet| is_separator(**octet)).count();
    octets.get(length..).unwrap_or_default()
}

/// What follows the word at the start.
fn skip_word(octets: &[u8]) -> &[u8] {
    let length = octets.iter().take_while(|octet| !is_separator(**octet)).count();
    octets.get(length..).unwrap_or_default()
}

/// A value of one word, and what follows it. Empty when a key follows at once.
///
/// A comma or semicolon ends it only before a key or at the end: identifiers may contain them.
fn word(octets: &[u8]) -> (&[u8], &[u8]) {
    let spaces = octets.iter().take_while(|octet| is_space(**octet)).count();
    let octets = octets.get(spaces..).unwrap_or_default();
    if key(octets).is_ok() {
        return (&[], octets);
    }
    let end = octets
        .iter()
        .enumerate()
        .position(|(at, octet)| match octet {
            b',' | b';' => {
                let after = skip_separators(octets.get(at..).unwrap_or_default());
                after.is_empty() || key(after).is_ok()
            }
            other => is_separator(*other),
        })
        .unwrap_or(octets.len());
    let (word, after) = octets.split_at_checked(end).unwrap_or((octets, &[]));
    (without_trailing(word, |octet| matches!(octet, b',' | b';')), after)
}

/// All octets before the next known key.
fn until_key(octets: &[u8]) -> (&[u8], &[u8]) {
    let mut rest = octets;
    loop {
        let word = skip_separators(rest);
        if word.is_empty() {
            return (octets, &[]);
        }
        if key(word).is_ok() {
            // The separator before the key belongs to neither.
            let before = octets.len() - rest.len();
            return (octets.get(..before).unwrap_or_default(), word);
        }
        rest = skip_word(word);
    }
}

fn without_nuls(octets: &[u8]) -> &[u8] {
    without_trailing(octets, |octet| octet == 0)
}

fn without_trailing(octets: &[u8], dropped: impl Fn(u8) -> bool) -> &[u8] {
    let trailing = octets.iter().rev().take_while(|octet| dropped(**octet)).count();
    octets.get(..octets.len() - trailing).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(date: &str) -> Option<i64> {
        date_utc_ms(date.as_bytes())
    }

    #[test]
    fn a_date_means_the_same_in_every_length() {
        let noon = ms("2403251432").expect("ten digits are a date");
        assert_eq!(noon, 1_711_377_120_000);
        assert_eq!(ms("202403251432"), Some(noon));
        assert_eq!(ms("240325143200"), Some(noon));
        assert_eq!(ms("240325143207"), Some(noon + 7000));
        assert_eq!(ms("20240325143207"), Some(noon + 7000));
        assert_eq!(ms("240325143207000+"), Some(noon + 7000));
        for nonsense in ["", "24032514", "2413251432", "24032514x2", "240325143207000R", "99999999999999"] {
            assert_eq!(ms(nonsense), None, "{nonsense}");
        }
    }
}
