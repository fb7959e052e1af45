//! What has to hold for any octets at all. Called by the fuzz targets and by `cargo test` on their seeds.

use bytes::BytesMut;

use super::frame::{self, FrameError};
use super::receipt::{self, ReceiptText};
use super::{Header, Pdu, decode, encode};

/// Decoding, encoding and decoding again gives what the first decoding gave.
///
/// Octets 0–3 are replaced by the true length, so that a fuzzer need not guess it.
///
/// # Panics
/// When it does not hold.
pub fn roundtrip(data: &[u8]) {
    let _ = decode(data);
    let mut frame = data.to_vec();
    let Some(place) = frame.first_chunk_mut::<4>() else { return };
    *place = u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes();
    match decode(&frame) {
        Ok((header, pdu)) => {
            let mut again = BytesMut::new();
            encode(&mut again, header.command_id, header.command_status, header.sequence_number, &pdu);
            let (second_header, second) = decode(&again).expect("what is written can be read");
            assert_eq!(second, pdu);
            assert_eq!(Header { command_length: header.command_length, ..second_header }, header);
            assert_eq!(usize::try_from(second_header.command_length), Ok(again.len()));
            assert!(
                again.len() <= frame.len() + 4,
                "only the empty fields of a body that was left out are added"
            );
            let mut third = BytesMut::new();
            encode(&mut third, header.command_id, header.command_status, header.sequence_number, &second);
            assert_eq!(third, again, "writing is stable");
            let _ = format!("{pdu:?}");
            if let Pdu::DeliverSm(deliver) = pdu {
                let _ = receipt::Receipt::from_deliver(&deliver);
            }
        }
        Err(error) => {
            let _ = error.to_string();
            if let Some((id, sequence, status)) = error.refusal() {
                let header = Header::read(&frame).expect("a refusal needs a header");
                assert_eq!((id, sequence), (header.command_id.response(), header.sequence_number));
                assert!(!header.command_id.is_response(), "a response is never answered");
                assert!(status.0 != 0 && status.name().is_some(), "{status} refuses nothing");
            }
        }
    }
}

/// However a stream is cut into reads, the same PDUs come out, and the same error ends them.
///
/// The first octet of `data` seeds the cuts, the others are the stream.
///
/// # Panics
/// When it does not hold.
pub fn framing(data: &[u8]) {
    const LIMIT: usize = 1024;
    let Some((seed, stream)) = data.split_first() else { return };
    let whole = cut(stream, LIMIT, &mut |left| left);
    assert_eq!(cut(stream, LIMIT, &mut |_| 1), whole, "octet by octet");
    let mut state = u32::from(*seed) | 1;
    let mut some = |left: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        usize::try_from(state >> 24).unwrap_or(1).clamp(1, left.max(1))
    };
    assert_eq!(cut(stream, LIMIT, &mut some), whole, "in pieces");
}

/// The PDUs of a stream that arrives in pieces of the sizes that `step` says, and how it ends.
fn cut(
    stream: &[u8],
    limit: usize,
    step: &mut dyn FnMut(usize) -> usize,
) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let (mut pdus, mut unread, mut rest) = (Vec::new(), Vec::new(), stream);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at_checked(step(rest.len())).unwrap_or((rest, &[]));
        unread.extend_from_slice(piece);
        rest = after;
        loop {
            match frame::split(&unread, limit) {
                Ok(Some(octets)) => {
                    assert!((Header::OCTETS..=limit).contains(&octets), "{octets} octets");
                    pdus.push(unread.drain(..octets).collect());
                }
                Ok(None) => break,
                Err(error) => return (pdus, Some(error)),
            }
        }
    }
    (pdus, None)
}

/// Any octets can be read as receipt text; what is found is a part of them; and what is written is found again.
///
/// # Panics
/// When it does not hold.
pub fn receipt_text(data: &[u8]) {
    let _ = receipt::looks_like_receipt(data);
    let _ = receipt::date_utc_ms(data);
    let Some(text) = ReceiptText::read(data) else { return };
    let fields = [text.id, text.sub, text.dlvrd, text.submit_date, text.done_date, text.stat, text.err];
    for field in fields.into_iter().flatten() {
        assert!(!field.is_empty(), "an empty field is not there");
        assert!(!field.iter().any(u8::is_ascii_whitespace), "a field is one word");
        let _ = receipt::date_utc_ms(field);
    }
    let mut written = Vec::new();
    text.write(&mut written);
    let again = ReceiptText::read(&written).expect("what is written can be read");
    assert_eq!((again.id, again.stat), (text.id, text.stat));
    assert_eq!((again.submit_date, again.done_date), (text.submit_date, text.done_date));
    if let Some(sub) = text.sub {
        assert_eq!(again.sub, Some(sub));
    }
}
