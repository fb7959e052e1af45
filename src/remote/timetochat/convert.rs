//! The gateway's values as the vendor's, and back.

use std::collections::HashMap;

use super::states::{self, Fold};
use crate::gateway::id::MessageId;
use crate::gateway::port::{Arrived, Dispatch, Once};
use crate::gateway::record::{MoContent, Report};
use crate::gateway::wording::text_of;
use crate::pdu::{Address, DataCoding, EsmClass, MessageState, Npi, Tag, Tlvs, Ton};
use crate::text::{Alphabet, gsm7};
use crate::vendor::timetochat::{
    self as vendor, Keys, SendRequest, State, StatusAnswer, number, write_date_ms,
};

/// dest_addr_subunit: display (SMPP 3.4 §5.3.2.1).
const DISPLAY: u8 = 1;

/// What is sent for a dispatch at `now_ms`. `None`: it is not text, and the API carries nothing else.
///
/// The id goes as `extRef`, so that reports name it; the client's own reference stays with us. A user data header stays
/// behind: what the client cut itself goes as the messages that it is.
pub(super) fn request(dispatch: &Dispatch, now_ms: u64) -> Option<SendRequest> {
    let content = &dispatch.content;
    let text = text_of(content.esm_class, content.data_coding, &content.payload)?;
    let written = |address: &Address| String::from_utf8_lossy(address.as_bytes()).into_owned();
    let shown = Tlvs::read_as_far_as_good(&content.tlvs).find_u8(Tag::DEST_ADDR_SUBUNIT) == Some(DISPLAY);
    let until_ms = now_ms.saturating_add(dispatch.validity_s.max(1).saturating_mul(1_000));
    Some(SendRequest {
        from: sender(&written(&content.source)),
        to: recipient(&written(&content.destination)),
        ext_ref: Some(reference(dispatch.ticket.id, dispatch.ticket.part)),
        validity_date: Some(write_date_ms(until_ms)),
        unicode: Alphabet::needed(&text) == Alphabet::Ucs2,
        flash: content.data_coding.is_flash() || shown,
        text,
    })
}

/// A part that is not the first is told from the message: reports about it are matched by their own id alone.
fn reference(id: MessageId, part: u8) -> String {
    match part {
        0 => id.to_string(),
        part => format!("{id}.{part}"),
    }
}

/// `093…` for a French number; anything else as it is.
fn sender(written: &str) -> String {
    let french = number::international(written).and_then(|digits| number::national(&digits));
    french.unwrap_or_else(|| written.to_owned())
}

/// `06…` and `07…` for French mobiles, `+` and digits for other numbers; what is neither is the vendor's to refuse.
fn recipient(written: &str) -> String {
    let Some(digits) = number::international(written) else { return written.to_owned() };
    match number::national(&digits).filter(|national| number::is_recipient(national)) {
        Some(national) => national,
        None => format!("+{digits}"),
    }
}

/// What a push says, for the engine: what a message of ours came to, or a message from a mobile, or both.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) arrivals: Vec<(Arrived, Option<Once>)>,
    /// What was not understood.
    pub(super) odd: Option<String>,
}

/// Translates one report of a push.
pub(super) fn said(
    report: &vendor::Report,
    fold: &mut Fold,
    states: &HashMap<String, MessageState>,
    said: &mut Said,
) {
    let inbound = matches!(report.kind, State::Incoming | State::Answered);
    match (&report.call_id, states::told(&report.kind, states)) {
        (Some(call_id), Some(told)) => {
            let told = fold.told(call_id, report.part, told);
            said.arrivals.push((
                Arrived::Receipt(Report {
                    upstream_id: call_id.as_bytes().into(),
                    other_id: Box::default(),
                    source: address(&report.to),
                    destination: address(&report.from),
                    state: told.state,
                    error: told.error,
                    message: report.ref_externe.as_deref().and_then(MessageId::from_hex),
                }),
                None,
            ));
        }
        (_, None) if !inbound => said.odd = Some(format!("an unknown type, {:?}", report.kind.name())),
        (None, _) if !inbound => said.odd = Some("a report without call_id".into()),
        _ => {}
    }
    if inbound {
        match mo(report) {
            Some(mo) => {
                let Keys { key, also } = vendor::keys(report);
                said.arrivals.push((Arrived::Mo(mo), Some(Once { key, also })));
            }
            None => said.odd = Some("a message from nobody, or to nobody".into()),
        }
    }
}

/// What a status read says about the message `id`, if it says anything new.
pub(super) fn standing(
    id: MessageId,
    upstream_id: &[u8],
    answer: &StatusAnswer,
    states: &HashMap<String, MessageState>,
) -> Option<Arrived> {
    let told = states::whole(&answer.history, states)?;
    Some(Arrived::Receipt(Report {
        upstream_id: upstream_id.into(),
        other_id: Box::default(),
        source: address(answer.to.as_deref().unwrap_or_default()),
        destination: address(answer.from.as_deref().unwrap_or_default()),
        state: told.state,
        error: told.error,
        message: Some(id),
    }))
}

/// A message from a mobile: `to` is the mobile and `from` our number, in pushes both ways.
fn mo(report: &vendor::Report) -> Option<MoContent> {
    let (source, destination) = (address(&report.to), address(&report.from));
    if source.as_bytes().is_empty() || destination.as_bytes().is_empty() {
        return None;
    }
    let text = report.info.as_deref().unwrap_or_default();
    let (data_coding, payload) = match gsm7::encode(text) {
        Ok(octets) => (DataCoding::DEFAULT, octets),
        Err(_) => (DataCoding::UCS2, crate::text::ucs2::encode(text)),
    };
    Some(MoContent {
        source,
        destination,
        esm_class: EsmClass::DEFAULT,
        protocol_id: 0,
        data_coding,
        payload: payload.into(),
        tlvs: Box::default(),
    })
}

/// A number in international form, or a name; empty when it is too long to be either.
fn address(written: &str) -> Address {
    let (ton, npi, octets) = match number::international(written) {
        Some(digits) if digits.len() >= INTERNATIONAL_DIGITS => (Ton::INTERNATIONAL, Npi::ISDN, digits),
        Some(digits) => (Ton::NETWORK_SPECIFIC, Npi::UNKNOWN, digits),
        None => (Ton::ALPHANUMERIC, Npi::UNKNOWN, written.to_owned()),
    };
    Address::new(ton, npi, octets.as_bytes()).unwrap_or_default()
}

/// Digits of the shortest number that is taken for an international one; shorter ones are short codes.
const INTERNATIONAL_DIGITS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::message::Content;
    use crate::gateway::port::{Carry, Ticket};
    use crate::pdu::RegisteredDelivery;

    const NOW_MS: u64 = 1_700_000_000_000;

    fn dispatch(data_coding: DataCoding, payload: &[u8]) -> Dispatch {
        let address = |octets| Address::new(Ton::INTERNATIONAL, Npi::ISDN, octets).expect("short");
        Dispatch {
            ticket: Ticket { id: MessageId([0xab; 12]), part: 0, attempt: 1 },
            validity_s: 3_600,
            content: Content {
                source: address(b"33930000000"),
                destination: address(b"33601020304"),
                esm_class: EsmClass::DEFAULT,
                protocol_id: 0,
                priority: 0,
                registered_delivery: RegisteredDelivery::NONE,
                data_coding,
                payload: payload.into(),
                tlvs: Box::default(),
                reference: b"the client's own"[..].into(),
            },
            carry: Carry::Payload,
        }
    }

    #[test]
    fn a_message_is_written_as_the_vendor_wants_it() {
        let sent = request(&dispatch(DataCoding::DEFAULT, b"Caf\x05 \x1be"), NOW_MS).expect("text");
        assert_eq!((sent.from.as_str(), sent.to.as_str()), ("0930000000", "0601020304"));
        assert_eq!((sent.text.as_str(), sent.unicode, sent.flash), ("Café €", false, false));
        assert_eq!(sent.ext_ref.as_deref(), Some("abababababababababababab"), "ours, not the client's");
        assert_eq!(sent.validity_date.as_deref(), Some("2023-11-14T23:13:20.000Z"));
    }

    #[test]
    fn unicode_is_asked_for_when_a_character_needs_it_and_not_because_of_data_coding() {
        let of =
            |dc, text: &str| request(&dispatch(dc, &crate::text::ucs2::encode(text)), NOW_MS).expect("text");
        let plain = of(DataCoding::UCS2, "Bonjour é");
        assert_eq!((plain.text.as_str(), plain.unicode), ("Bonjour é", false));
        let smile = of(DataCoding::FLASH_UCS2, "ça va 😀");
        assert_eq!((smile.text.as_str(), smile.unicode, smile.flash), ("ça va 😀", true, true));
    }

    #[test]
    fn flash_is_a_class_or_a_subunit() {
        assert!(request(&dispatch(DataCoding::GSM7_CLASS_0, b"x"), NOW_MS).expect("text").flash);
        let mut by_tlv = dispatch(DataCoding::DEFAULT, b"x");
        by_tlv.content.tlvs = b"\x00\x05\x00\x01\x01"[..].into();
        assert!(request(&by_tlv, NOW_MS).expect("text").flash);
    }

    #[test]
    fn what_is_no_text_is_not_sent() {
        assert_eq!(request(&dispatch(DataCoding(0x04), b"\x01\x02"), NOW_MS), None);
    }

    #[test]
    fn a_header_of_the_clients_stays_behind_and_later_parts_have_their_own_reference() {
        let mut part = dispatch(DataCoding::DEFAULT, b"\x05\x00\x03\x07\x02\x02rest");
        part.content.esm_class = EsmClass(0x40);
        part.ticket.part = 1;
        let sent = request(&part, NOW_MS).expect("text");
        assert_eq!(
            (sent.text.as_str(), sent.ext_ref.as_deref()),
            ("rest", Some("abababababababababababab.1"))
        );
        assert_eq!(sent.ext_ref.as_deref().and_then(MessageId::from_hex), None);
    }

    #[test]
    fn numbers_take_the_vendors_forms() {
        for (written, expected) in [
            ("33601020304", "0601020304"),
            ("+33701020304", "0701020304"),
            ("0601020304", "0601020304"),
            ("33123456789", "+33123456789"),
            ("32470000000", "+32470000000"),
            ("0032470000000", "+32470000000"),
            ("nobody", "nobody"),
        ] {
            assert_eq!(recipient(written), expected, "{written}");
        }
        assert_eq!((sender("33930000000").as_str(), sender("Mug").as_str()), ("0930000000", "Mug"));
        assert_eq!(sender("36000"), "36000");
    }

    fn push(kind: State, call_id: Option<&str>, info: Option<&str>) -> vendor::Report {
        vendor::Report {
            username: "123456".into(),
            to: "+33600000000".into(),
            from: "0930000000".into(),
            date_ms: Some(1_711_377_145_000),
            call_id: call_id.map(str::to_owned),
            ref_externe: Some("abababababababababababab".into()),
            kind,
            info: info.map(str::to_owned),
            part: None,
        }
    }

    fn told(report: &vendor::Report) -> Said {
        let mut out = Said::default();
        said(report, &mut Fold::default(), &HashMap::new(), &mut out);
        out
    }

    const CALL_ID: Option<&str> = Some("66018af8c8ab4e0ca97532f1");

    #[test]
    fn a_report_names_the_message_by_both_ids() {
        let said = told(&push(State::FullSim, CALL_ID, None));
        let [(Arrived::Receipt(report), None)] = &said.arrivals[..] else { panic!("{said:?}") };
        assert_eq!(&*report.upstream_id, b"66018af8c8ab4e0ca97532f1");
        assert_eq!(report.message, Some(MessageId([0xab; 12])));
        assert_eq!((report.state, report.error), (MessageState::UNDELIVERABLE, 12));
        assert_eq!(said.odd, None);
    }

    #[test]
    fn an_answer_is_a_message_and_says_that_ours_arrived() {
        let said = told(&push(State::Answered, CALL_ID, Some("Merci c'est super")));
        let [(Arrived::Receipt(report), None), (Arrived::Mo(mo), Some(_))] = &said.arrivals[..] else {
            panic!("{said:?}")
        };
        assert_eq!(report.state, MessageState::DELIVERED);
        assert_eq!(
            (mo.source.as_bytes(), mo.destination.as_bytes()),
            (&b"33600000000"[..], &b"33930000000"[..])
        );
        assert_eq!((&*mo.payload, mo.data_coding), (&b"Merci c'est super"[..], DataCoding::DEFAULT));
    }

    #[test]
    fn an_incoming_message_is_gsm_or_ucs2() {
        let said = told(&push(State::Incoming, None, Some("ça ☎")));
        let [(Arrived::Mo(mo), Some(_))] = &said.arrivals[..] else { panic!("{said:?}") };
        assert_eq!(
            (mo.data_coding, &*mo.payload),
            (DataCoding::UCS2, &crate::text::ucs2::encode("ça ☎")[..])
        );
    }

    #[test]
    fn the_twins_know_each_other() {
        let incoming = push(State::Incoming, None, Some("oui"));
        let mut answered = push(State::Answered, CALL_ID, Some("oui"));
        answered.date_ms = Some(1_711_377_150_000);
        let once = |report| told(report).arrivals.pop().and_then(|(_, once)| once).expect("an MO");
        assert!(once(&answered).also.contains(&once(&incoming).key));
        assert!(once(&incoming).also.contains(&once(&answered).key));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        let said = told(&push(State::read("NOVELTY"), CALL_ID, None));
        assert!(said.arrivals.is_empty() && said.odd.is_some_and(|odd| odd.contains("NOVELTY")));
        assert!(told(&push(State::Received, None, None)).odd.is_some());
        let mut nobody = push(State::Incoming, None, Some("x"));
        nobody.to.clear();
        assert!(told(&nobody).odd.is_some());
    }
}
