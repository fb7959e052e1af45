//! The wire format against octets worked out by hand, against itself, and against what real peers send.

use bytes::BytesMut;
use proptest::prelude::*;
use trunkline::pdu::frame::{self, FrameError};
use trunkline::pdu::receipt::{Receipt, date_utc_ms};
use trunkline::pdu::time::{self, SmppTime};
use trunkline::pdu::*;

#[macro_use]
mod vectors;

use vectors::{FILES, Vector, good, vector, vectors, written};

fn address(ton: Ton, npi: Npi, octets: &str) -> Address {
    Address::new(ton, npi, octets.as_bytes()).expect("fits")
}

fn sender() -> Address {
    address(Ton::INTERNATIONAL, Npi::ISDN, "33612345678")
}

fn recipient() -> Address {
    address(Ton::INTERNATIONAL, Npi::ISDN, "420777123456")
}

fn long<'a>(ton: u8, npi: u8, octets: &'a [u8]) -> LongAddress<'a> {
    LongAddress { ton: Ton(ton), npi: Npi(npi), octets }
}

#[test]
fn every_good_vector_is_written_back_to_the_same_octets() {
    let mut seen = 0;
    for vector in vectors().iter().filter(|vector| !vector.is_refused() && !vector.is_lenient()) {
        let (header, pdu) =
            decode(&vector.octets).unwrap_or_else(|error| panic!("{}: {error}", vector.name()));
        assert_eq!(written(&header, &pdu), vector.octets, "{}", vector.name());
        seen += 1;
    }
    assert!(seen > 60, "only {seen} good vectors were found");
}

#[test]
fn every_lenient_vector_is_read_and_written_strictly() {
    for vector in vectors().iter().filter(|vector| vector.is_lenient()) {
        let (header, pdu) =
            decode(&vector.octets).unwrap_or_else(|error| panic!("{}: {error}", vector.name()));
        let strict = written(&header, &pdu);
        assert_ne!(strict, vector.octets, "{} is not lenient", vector.name());
        assert_eq!(good(&strict).1, pdu, "{}", vector.name());
    }
}

#[test]
fn every_refused_vector_names_its_octet_and_its_answer() {
    let mut seen = 0;
    for vector in vectors().iter().filter(|vector| vector.is_refused()) {
        let error = decode(&vector.octets).expect_err(&vector.name());
        let DecodeError::Field { header, offset, .. } = error else { panic!("{}: {error:?}", vector.name()) };
        let answer = match error.refusal() {
            Some((id, sequence, status)) => {
                assert_eq!((id, sequence), (header.command_id.response(), header.sequence_number));
                status.to_string()
            }
            None => "no answer".to_owned(),
        };
        let ending = format!(" octet {offset} {answer}");
        assert!(vector.title.ends_with(&ending), "{}: refused at{ending}: {error}", vector.name());
        seen += 1;
    }
    assert!(seen > 30, "only {seen} refused vectors were found");
}

#[test]
fn every_operation_of_the_specification_has_a_vector_that_is_read_as_itself() {
    for (file, _) in FILES.iter().filter(|(file, _)| *file != "unknown") {
        let vector = vectors().into_iter().find(|vector| vector.file == *file).expect("a vector");
        let (header, pdu) = good(&vector.octets);
        assert_eq!(header.command_id.name(), Some(*file));
        assert!(!matches!(pdu, Pdu::Unknown { .. }), "{file}");
    }
}

// ------------------------------------------------------------------------------- values of vectors

#[test]
fn reads_the_example_of_the_specification() {
    let octets = vector("bind_transmitter", "specification_3_2_2");
    let (header, pdu) = good(&octets);
    assert_eq!(
        header,
        Header {
            command_length: 47,
            command_id: CommandId::BIND_TRANSMITTER,
            command_status: CommandStatus::ESME_ROK,
            sequence_number: SequenceNumber(1),
        }
    );
    let bind = Bind {
        system_id: b"SMPP3TEST",
        password: b"secret08",
        system_type: b"SUBMIT1",
        interface_version: 0,
        addr_ton: Ton::INTERNATIONAL,
        addr_npi: Npi::ISDN,
        address_range: b"",
    };
    assert_eq!(pdu, Pdu::BindTransmitter(bind));
}

#[test]
fn reads_binds_and_their_answers() {
    let octets = vector("bind_transceiver", "version_3_4");
    let bind = body!(&octets, BindTransceiver);
    assert_eq!(
        (bind.system_id, bind.interface_version, bind.address_range),
        (&b"company"[..], 0x34, &b"^336"[..])
    );
    let octets = vector("bind_transceiver_resp", "with_sc_interface_version");
    let resp = body!(&octets, BindTransceiverResp);
    assert_eq!((resp.system_id, resp.sc_interface_version()), (&b"Trunkline"[..], Some(SMPP_3_4)));
    let octets = vector("bind_receiver_resp", "without_tlvs");
    assert_eq!(body!(&octets, BindReceiverResp).sc_interface_version(), None);
    let octets = vector("outbind", "specification_4_1_7");
    assert_eq!(body!(&octets, Outbind), Outbind { system_id: b"SMSC01", password: b"secret" });
}

#[test]
fn reads_every_field_of_submit_sm() {
    let octets = vector("submit_sm", "every_field");
    let submit = body!(&octets, SubmitSm);
    assert_eq!(
        submit,
        SubmitSm {
            service_type: b"CMT",
            source: address(Ton::ALPHANUMERIC, Npi::UNKNOWN, "Trunkline"),
            destination: recipient(),
            esm_class: EsmClass(0x03),
            protocol_id: 0x7F,
            priority_flag: 3,
            schedule_delivery_time: b"261231235959000+",
            validity_period: b"000002000000000R",
            registered_delivery: RegisteredDelivery(0x11),
            replace_if_present: 1,
            data_coding: DataCoding::GSM7_CLASS_0,
            sm_default_msg_id: 5,
            short_message: b"Hello \0",
            tlvs: submit.tlvs,
        }
    );
    let tlvs: Vec<_> = submit.tlvs.iter().collect();
    assert_eq!(
        tlvs,
        [
            (Tag::USER_MESSAGE_REFERENCE, &[0x12, 0x34][..]),
            (Tag::DEST_ADDR_SUBUNIT, &[1]),
            (Tag::PRIVACY_INDICATOR, &[3]),
        ]
    );
    assert_eq!(submit.tlvs.find_u16(Tag::USER_MESSAGE_REFERENCE), Some(0x1234));
    assert_eq!(submit.tlvs.find_u8(Tag::DEST_ADDR_SUBUNIT), Some(1));
    assert!(submit.data_coding.is_flash() && submit.registered_delivery.wants_intermediate());
}

#[test]
fn reads_the_message_from_where_it_is() {
    for (title, message, two) in [
        ("plain", &b"Hello"[..], false),
        ("message_payload", b"\0H\0i", false),
        ("short_message_and_message_payload", b"payload", true),
        ("no_message_at_all", b"", false),
    ] {
        let octets = vector("submit_sm", title);
        let submit = body!(&octets, SubmitSm);
        assert_eq!((submit.message(), submit.has_two_messages()), (message, two), "{title}");
    }
    let octets = vector("data_sm", "message_payload");
    assert_eq!(body!(&octets, DataSm).message(), b"only here");
    let octets = vector("data_sm", "without_payload");
    assert_eq!(body!(&octets, DataSm).message(), b"");
}

#[test]
fn reads_data_sm_with_a_long_address() {
    let octets = vector("data_sm", "message_payload");
    let data = body!(&octets, DataSm);
    assert_eq!(data.source, long(0, 14, b"internet-address-of-forty-octets@example."));
    assert_eq!(Address::try_from(data.destination), Ok(recipient()));
    assert!(Address::try_from(data.source).is_err(), "more than twenty octets");
    let octets = vector("data_sm_resp", "delivery_failure_reason");
    assert_eq!(body!(&octets, DataSmResp).tlvs.find_u8(Tag::DELIVERY_FAILURE_REASON), Some(1));
}

#[test]
fn reads_submit_multi_and_its_answer() {
    let octets = vector("submit_multi", "address_and_list");
    let multi = body!(&octets, SubmitMulti);
    let destinations: Vec<_> = multi.destinations.iter().collect();
    assert_eq!(destinations, [Destination::Sme(recipient()), Destination::DistributionList(b"staff")]);
    assert_eq!((multi.source, multi.message(), multi.destinations.number()), (sender(), &b"Hi"[..], 2));
    let octets = vector("submit_multi_resp", "one_refused");
    let resp = body!(&octets, SubmitMultiResp);
    let refused: Vec<_> = resp.unsuccess_smes.iter().collect();
    let expected =
        UnsuccessSme { destination: recipient(), error_status_code: CommandStatus::ESME_RINVDSTADR };
    assert_eq!((resp.message_id, refused), (&b"42"[..], vec![expected]));
}

#[test]
fn builds_the_lists_of_submit_multi() {
    let mut list = BytesMut::new();
    put_destination(&mut list, &Destination::Sme(recipient()));
    put_destination(&mut list, &Destination::DistributionList(b"staff"));
    let destinations = Destinations::new(2, &list).expect("two destinations");
    assert_eq!(destinations.iter().count(), 2);
    assert_eq!(Destinations::new(1, &list), None, "one is left over");
    assert_eq!(Destinations::new(3, &list), None, "one is missing");
    assert_eq!(Destinations::new(0, &[]), None, "there has to be one");
    let mut list = BytesMut::new();
    let sme = UnsuccessSme { destination: sender(), error_status_code: CommandStatus(0x401) };
    put_unsuccess_sme(&mut list, &sme);
    let smes = UnsuccessSmes::new(1, &list).expect("one");
    assert_eq!(smes.iter().collect::<Vec<_>>(), [sme]);
}

#[test]
fn reads_query_cancel_replace_and_alert() {
    let octets = vector("query_sm", "specification_4_8_1");
    assert_eq!(body!(&octets, QuerySm), QuerySm { message_id: b"42", source: sender() });
    let octets = vector("query_sm_resp", "delivered");
    let resp = body!(&octets, QuerySmResp);
    assert_eq!((resp.message_state, resp.final_date), (MessageState::DELIVERED, &b"240325143200000+"[..]));
    let octets = vector("cancel_sm", "one_message");
    let cancel =
        CancelSm { service_type: b"", message_id: b"42", source: sender(), destination: recipient() };
    assert_eq!(body!(&octets, CancelSm), cancel);
    let octets = vector("replace_sm", "new_text_and_schedule");
    let replace = body!(&octets, ReplaceSm);
    assert_eq!(
        (replace.short_message, replace.schedule_delivery_time),
        (&b"later"[..], &b"000000010000000R"[..])
    );
    let octets = vector("alert_notification", "available");
    let alert = body!(&octets, AlertNotification);
    assert_eq!((alert.source, alert.esme), (long(1, 1, b"33612345678"), long(0, 1, b"1234")));
    assert_eq!(alert.ms_availability_status(), Some(0));
}

#[test]
fn an_unknown_operation_is_a_value() {
    let octets = vector("unknown", "reserved_request");
    let (header, pdu) = good(&octets);
    assert_eq!(pdu, Pdu::Unknown { body: &[0xDE, 0xAD, 0xBE, 0xEF] });
    assert_eq!((header.command_id.name(), header.command_id.is_answerable()), (None, false));
    assert!(good(&vector("unknown", "reserved_response")).0.command_id.is_response());
}

// ------------------------------------------------------------------------------------- leniencies

#[test]
fn accepts_a_response_without_body_whatever_its_status() {
    for (file, title) in [
        ("submit_sm_resp", "refused_without_a_body"),
        ("submit_sm_resp", "accepted_without_a_body"),
        ("deliver_sm_resp", "body_left_out"),
        ("deliver_sm_resp", "refused_without_a_body"),
        ("bind_receiver_resp", "body_left_out"),
        ("data_sm_resp", "body_left_out"),
        ("submit_multi_resp", "body_left_out"),
        ("query_sm_resp", "body_left_out"),
    ] {
        let octets = vector(file, title);
        assert_eq!(octets.len(), 16);
        good(&octets);
    }
    let octets = vector("submit_sm_resp", "accepted_without_a_body");
    assert_eq!(body!(&octets, SubmitSmResp), SubmitSmResp::default());
    let octets = vector("query_sm_resp", "body_left_out");
    assert_eq!(body!(&octets, QuerySmResp).message_state, MessageState::UNKNOWN);
}

#[test]
fn accepts_a_response_with_body_whatever_its_status() {
    for title in ["refused_with_a_body", "vendor_status"] {
        let octets = vector("submit_sm_resp", title);
        assert_eq!(body!(&octets, SubmitSmResp).message_id, b"");
    }
    let octets = vector("deliver_sm_resp", "filled_message_id");
    assert_eq!(body!(&octets, DeliverSmResp).message_id, b"99");
}

#[test]
fn accepts_the_last_string_of_a_response_without_nul() {
    let octets = vector("submit_sm_resp", "message_id_without_nul");
    assert_eq!(body!(&octets, SubmitSmResp).message_id, b"42");
    let octets = vector("bind_transceiver_resp", "system_id_without_nul");
    assert_eq!(body!(&octets, BindTransceiverResp).system_id, b"Trunkline");
}

#[test]
fn keeps_what_stands_before_a_broken_tlv_of_a_response() {
    let octets = vector("submit_sm_resp", "broken_tlv");
    assert_eq!(body!(&octets, SubmitSmResp), SubmitSmResp { message_id: b"42", tlvs: Tlvs::EMPTY });
    let octets = vector("bind_transceiver_resp", "broken_tlv_after_a_good_one");
    assert_eq!(body!(&octets, BindTransceiverResp).sc_interface_version(), Some(0x34));
}

#[test]
fn accepts_submit_multi_resp_without_no_unsuccess() {
    let octets = vector("submit_multi_resp", "without_no_unsuccess");
    assert_eq!(body!(&octets, SubmitMultiResp).unsuccess_smes.number(), 0);
}

#[test]
fn reads_a_password_of_up_to_64_octets() {
    let octets = vector("bind_transceiver", "password_of_20_octets");
    assert_eq!(body!(&octets, BindTransceiver).password, b"twenty-octets-long-x");
    assert!(decode(&vector("bind_transmitter", "password_above_64_octets")).is_err());
}

#[test]
fn keeps_unknown_tlvs_in_their_place() {
    let octets = vector("submit_sm", "unknown_and_vendor_tlvs");
    let tlvs: Vec<_> = body!(&octets, SubmitSm).tlvs.iter().collect();
    assert_eq!(
        tlvs,
        [(Tag(0x1501), &b"ref-42\0"[..]), (Tag(0xFFF0), b""), (Tag::USER_MESSAGE_REFERENCE, &[0, 1]),]
    );
    assert!(Tag(0x1501).is_vendor() && Tag(0x1501).name().is_none());
}

#[test]
fn keeps_every_callback_num() {
    let octets = vector("submit_sm", "callback_num_repeated");
    let tlvs = body!(&octets, SubmitSm).tlvs;
    assert_eq!(tlvs.iter().filter(|(tag, _)| *tag == Tag::CALLBACK_NUM).count(), 2);
}

#[test]
fn accepts_alert_on_message_delivery_of_no_octets() {
    let octets = vector("submit_sm", "alert_on_message_delivery_of_no_octets");
    assert_eq!(body!(&octets, SubmitSm).tlvs.find(Tag::ALERT_ON_MESSAGE_DELIVERY), Some(&[][..]));
}

#[test]
fn accepts_up_to_three_octets_after_the_last_tlv() {
    let octets = vector("submit_sm", "three_octets_after_the_last_tlv");
    assert_eq!(body!(&octets, SubmitSm).tlvs.as_bytes(), [0x02, 0x04, 0, 2, 0x12, 0x34]);
    let octets = vector("deliver_sm", "two_octets_after_the_last_tlv");
    assert_eq!(body!(&octets, DeliverSm).tlvs.iter().count(), 1);
}

#[test]
fn accepts_ms_availability_status_without_its_header() {
    let octets = vector("alert_notification", "ms_availability_status_without_its_header");
    assert_eq!(body!(&octets, AlertNotification).ms_availability_status(), None);
}

#[test]
fn looks_at_nothing_after_the_last_field_of_a_body_without_tlvs() {
    good(&vector("bind_transceiver", "octets_after_the_last_field"));
    assert_eq!(good(&vector("enquire_link", "with_a_body")).1, Pdu::EnquireLink);
}

#[test]
fn accepts_sm_length_255() {
    let octets = vector("submit_sm", "sm_length_255");
    assert_eq!(body!(&octets, SubmitSm).short_message.len(), 255);
}

#[test]
fn accepts_a_time_of_twelve_digits() {
    let octets = vector("submit_sm", "validity_of_twelve_digits");
    assert_eq!(body!(&octets, SubmitSm).validity_period, b"261231235959");
}

#[test]
fn judges_no_field_of_deliver_sm_that_means_nothing_there() {
    let octets = vector("deliver_sm", "fields_that_mean_nothing_here_are_filled");
    let deliver = body!(&octets, DeliverSm);
    assert_eq!((deliver.schedule_delivery_time, deliver.validity_period), (&b"tomorrow"[..], &b"12345"[..]));
    assert_eq!((deliver.replace_if_present, deliver.sm_default_msg_id, deliver.priority_flag), (7, 9, 9));
}

#[test]
fn echoes_any_sequence_number() {
    for (file, sequence) in [("submit_sm", 0x9F88_F124), ("enquire_link", 0xA285_9F22)] {
        let octets = vector(file, "sequence_number_above_the_range");
        assert_eq!(good(&octets).0.sequence_number, SequenceNumber(sequence));
    }
}

#[test]
fn vendor_statuses_survive() {
    let octets = vector("submit_sm_resp", "vendor_status");
    let status = good(&octets).0.command_status;
    assert_eq!((status, status.name(), status.is_vendor()), (CommandStatus(0x455), None, true));
    assert_eq!(format!("{status:?}"), "0x00000455");
}

// --------------------------------------------------------------------------------------- refusals

#[test]
fn a_frame_that_is_not_one_pdu_is_not_decoded() {
    let octets = vector("submit_sm", "plain");
    let (short, _) = octets.split_at(octets.len() - 1);
    assert!(matches!(decode(short), Err(DecodeError::Framing(FrameError::TooLong { .. }))));
    let mut two = octets.clone();
    two.push(0);
    assert!(matches!(decode(&two), Err(DecodeError::Framing(FrameError::TooShort { .. }))));
    assert!(matches!(decode(&[0; 15]), Err(DecodeError::Framing(FrameError::TooShort { .. }))));
    assert_eq!(DecodeError::Framing(FrameError::Http).refusal(), None);
}

#[test]
fn a_response_is_never_refused_with_an_answer() {
    let error = decode(&vector("submit_sm_resp", "message_id_too_long")).expect_err("too long");
    assert_eq!(error.refusal(), None);
    for (file, title) in [("outbind", "no_password"), ("alert_notification", "esme_addr_too_long")] {
        assert_eq!(decode(&vector(file, title)).expect_err("broken").refusal(), None, "{file} has no answer");
    }
}

#[test]
fn a_refusal_says_what_and_where_in_words() {
    let error = decode(&vector("submit_sm", "source_addr_too_long")).expect_err("too long");
    assert_eq!(error.to_string(), "submit_sm refused at octet 19, source_addr: no NUL within 21 octets");
    assert_eq!(
        error.refusal(),
        Some((CommandId::SUBMIT_SM_RESP, SequenceNumber(1), CommandStatus::ESME_RINVSRCADR))
    );
}

#[test]
fn statuses_have_the_numbers_of_table_5_2() {
    let table = [
        ("ESME_ROK", 0x00),
        ("ESME_RINVMSGLEN", 0x01),
        ("ESME_RINVCMDLEN", 0x02),
        ("ESME_RINVCMDID", 0x03),
        ("ESME_RINVBNDSTS", 0x04),
        ("ESME_RALYBND", 0x05),
        ("ESME_RINVPRTFLG", 0x06),
        ("ESME_RINVREGDLVFLG", 0x07),
        ("ESME_RSYSERR", 0x08),
        ("ESME_RINVSRCADR", 0x0A),
        ("ESME_RINVDSTADR", 0x0B),
        ("ESME_RINVMSGID", 0x0C),
        ("ESME_RBINDFAIL", 0x0D),
        ("ESME_RINVPASWD", 0x0E),
        ("ESME_RINVSYSID", 0x0F),
        ("ESME_RCANCELFAIL", 0x11),
        ("ESME_RREPLACEFAIL", 0x13),
        ("ESME_RMSGQFUL", 0x14),
        ("ESME_RINVSERTYP", 0x15),
        ("ESME_RINVNUMDESTS", 0x33),
        ("ESME_RINVDLNAME", 0x34),
        ("ESME_RINVDESTFLAG", 0x40),
        ("ESME_RINVSUBREP", 0x42),
        ("ESME_RINVESMCLASS", 0x43),
        ("ESME_RCNTSUBDL", 0x44),
        ("ESME_RSUBMITFAIL", 0x45),
        ("ESME_RINVSRCTON", 0x48),
        ("ESME_RINVSRCNPI", 0x49),
        ("ESME_RINVDSTTON", 0x50),
        ("ESME_RINVDSTNPI", 0x51),
        ("ESME_RINVSYSTYP", 0x53),
        ("ESME_RINVREPFLAG", 0x54),
        ("ESME_RINVNUMMSGS", 0x55),
        ("ESME_RTHROTTLED", 0x58),
        ("ESME_RINVSCHED", 0x61),
        ("ESME_RINVEXPIRY", 0x62),
        ("ESME_RINVDFTMSGID", 0x63),
        ("ESME_RX_T_APPN", 0x64),
        ("ESME_RX_P_APPN", 0x65),
        ("ESME_RX_R_APPN", 0x66),
        ("ESME_RQUERYFAIL", 0x67),
        ("ESME_RINVOPTPARSTREAM", 0xC0),
        ("ESME_ROPTPARNOTALLWD", 0xC1),
        ("ESME_RINVPARLEN", 0xC2),
        ("ESME_RMISSINGOPTPARAM", 0xC3),
        ("ESME_RINVOPTPARAMVAL", 0xC4),
        ("ESME_RDELIVERYFAILURE", 0xFE),
        ("ESME_RUNKNOWNERR", 0xFF),
    ];
    assert_eq!(CommandStatus::ALL.len(), table.len());
    for (name, number) in table {
        assert_eq!(CommandStatus(number).name(), Some(name));
        assert_eq!(CommandStatus::from_name(name), Some(CommandStatus(number)));
        assert_eq!(format!("{:?}", CommandStatus(number)), name);
    }
    assert_eq!(CommandStatus::from_name("rthrottled"), Some(CommandStatus::ESME_RTHROTTLED));
    assert_eq!(CommandStatus::from_name("ESME_RNOTHING"), None);
}

// ---------------------------------------------------------------------------------------- framing

#[test]
fn a_cut_pdu_is_incomplete_and_never_more() {
    for vector in vectors() {
        for cut in 0..vector.octets.len() {
            assert_eq!(
                frame::split(&vector.octets[..cut], 65_536),
                Ok(None),
                "{} cut at {cut}",
                vector.name()
            );
        }
        assert_eq!(frame::split(&vector.octets, 65_536), Ok(Some(vector.octets.len())));
        let twice = [vector.octets.as_slice(), vector.octets.as_slice()].concat();
        assert_eq!(frame::split(&twice, 65_536), Ok(Some(vector.octets.len())), "only the first");
    }
}

#[test]
fn a_body_cut_anywhere_is_refused_or_read_but_never_more_than_it_is() {
    for vector in vectors().iter().filter(|vector| !vector.is_refused()) {
        for cut in 16..vector.octets.len() {
            let mut octets = vector.octets[..cut].to_vec();
            octets[..4].copy_from_slice(&u32::try_from(cut).expect("short").to_be_bytes());
            match decode(&octets) {
                Ok((header, pdu)) => assert!(written(&header, &pdu).len() <= cut + 4, "{}", vector.name()),
                Err(DecodeError::Field { offset, .. }) => {
                    assert!((16..=cut).contains(&offset), "{} cut at {cut}: {offset}", vector.name());
                }
                Err(DecodeError::Framing(error)) => panic!("{}: {error}", vector.name()),
            }
        }
    }
}

#[test]
fn command_length_is_judged_before_anything_is_waited_for() {
    for (octets, limit, expected) in [
        ([0, 0, 0, 15], 4096, FrameError::TooShort { command_length: 15 }),
        ([0, 0, 0, 0], 4096, FrameError::TooShort { command_length: 0 }),
        ([0, 0, 0x10, 1], 4096, FrameError::TooLong { command_length: 4097, limit: 4096 }),
        ([0xFF; 4], 4096, FrameError::TooLong { command_length: u32::MAX, limit: 4096 }),
    ] {
        assert_eq!(frame::split(&octets, limit), Err(expected));
    }
    assert_eq!(frame::split(&[0, 0, 0x10, 0], 4096), Ok(None), "the limit itself is taken");
}

#[test]
fn a_browser_is_recognised() {
    for greeting in ["HTTP/1.1 200 OK", "GET / HTTP/1.1", "POST /", "HEAD /"] {
        assert_eq!(frame::split(greeting.as_bytes(), 1 << 20), Err(FrameError::Http), "{greeting}");
    }
}

// ----------------------------------------------------------------------------------------- values

#[test]
fn esm_class_answers_questions_and_ignores_the_mode() {
    for octet in [0x04, 0x05, 0x06, 0x07, 0x44, 0x84] {
        assert!(EsmClass(octet).is_delivery_receipt(), "0x{octet:02X}");
    }
    for octet in [0x00, 0x03, 0x08, 0x0C, 0x10, 0x18, 0x20, 0x24, 0x40] {
        assert!(!EsmClass(octet).is_delivery_receipt(), "0x{octet:02X}");
    }
    assert!(
        EsmClass(0x20).is_intermediate() && EsmClass(0x08).is_sme_ack() && EsmClass(0x10).is_manual_ack()
    );
    assert!(EsmClass(0x40).has_udhi() && EsmClass(0x80).has_reply_path());
}

#[test]
fn registered_delivery_says_for_which_outcome() {
    let wanted = |octet| {
        let wanted = RegisteredDelivery(octet);
        (wanted.wants_receipt(), wanted.wants_receipt_for(true), wanted.wants_receipt_for(false))
    };
    assert_eq!(wanted(0x00), (false, false, false));
    assert_eq!(wanted(0x01), (true, true, true));
    assert_eq!(wanted(0x02), (true, false, true));
    assert_eq!(wanted(0x13), (true, true, false));
}

#[test]
fn message_states_and_their_words_agree() {
    for octet in 0..=9 {
        let state = MessageState(octet);
        assert_eq!(MessageState::from_stat(state.stat().as_bytes()), Some(state));
        assert_eq!(MessageState::from_stat(state.stat().to_lowercase().as_bytes()), Some(state));
    }
    assert_eq!(MessageState(77).stat(), "UNKNOWN");
    assert_eq!(MessageState::from_stat(b"whatever"), None);
    let finals: Vec<u8> = (0..=12).filter(|octet| MessageState(*octet).is_final()).collect();
    assert_eq!(finals, [2, 3, 4, 5, 7, 8, 9]);
}

#[test]
fn numbers_texts_and_passwords_do_not_show_in_debug() {
    let octets = vector("submit_sm", "plain");
    let shown = format!("{:?}", good(&octets));
    assert!(!shown.contains("33612345678") && !shown.contains("Hello"), "{shown}");
    assert!(shown.contains("336******78"), "{shown}");
    let octets = vector("submit_sm", "message_payload_of_300_octets");
    assert!(
        !format!("{:?}", good(&octets)).contains("AAAA")
            && !format!("{:?}", good(&octets)).contains("65, 65")
    );
    let octets = vector("bind_transmitter", "specification_3_2_2");
    assert!(!format!("{:?}", good(&octets)).contains("secret08"));
    assert_eq!(sender().to_string(), "336******78");
    assert_eq!(address(Ton(0), Npi(0), "12345").to_string(), "***");
    assert_eq!(Address::EMPTY.to_string(), "-");
    assert_eq!(format!("{:?}", long(1, 1, b"33612345678")), "1/1/336******78");
}

#[test]
fn c_octet_strings_are_bounded_and_equal_by_their_octets() {
    assert!(COctets::<21>::try_from("12345678901234567890").is_ok());
    assert!(COctets::<21>::try_from("123456789012345678901").is_err());
    assert!(COctets::<21>::try_from(&b"12\x003"[..]).is_err());
    assert_eq!(size_of::<Address>(), 24);
    // The same address from frames in which something else follows it.
    let octets = vector("submit_sm", "plain");
    let other = vector("cancel_sm", "one_message");
    assert_eq!(body!(&octets, SubmitSm).source, body!(&other, CancelSm).source);
}

#[test]
fn what_is_too_long_for_short_message_is_written_as_payload() {
    let text = [b'a'; 300];
    let submit = SubmitSm { short_message: &text, ..SubmitSm::default() };
    let mut out = BytesMut::new();
    encode(&mut out, CommandId::SUBMIT_SM, CommandStatus::ESME_ROK, SequenceNumber(1), &submit);
    let read = body!(&out, SubmitSm);
    assert_eq!((read.short_message, read.message()), (&b""[..], &text[..]));
}

#[test]
fn tlvs_are_written_as_they_are_read() {
    let mut out = BytesMut::new();
    tlv::put_u8(&mut out, Tag::MESSAGE_STATE, 2);
    tlv::put_u16(&mut out, Tag::SAR_MSG_REF_NUM, 7);
    tlv::put_u32(&mut out, Tag::QOS_TIME_TO_LIVE, 3600);
    tlv::put_c_octets(&mut out, Tag::RECEIPTED_MESSAGE_ID, b"42");
    tlv::put_octets(&mut out, Tag::MESSAGE_PAYLOAD, &[b'x'; 65_535]);
    let tlvs = Tlvs::read(&out).expect("good");
    assert_eq!(tlvs.find_u8(Tag::MESSAGE_STATE), Some(2));
    assert_eq!(tlvs.find_u16(Tag::SAR_MSG_REF_NUM), Some(7));
    assert_eq!(tlvs.find(Tag::QOS_TIME_TO_LIVE), Some(&[0, 0, 0x0E, 0x10][..]));
    assert_eq!(tlvs.find_c_octets(Tag::RECEIPTED_MESSAGE_ID), Some(&b"42"[..]));
    assert_eq!(tlvs.find(Tag::MESSAGE_PAYLOAD).map(<[u8]>::len), Some(65_535));
    assert_eq!(tlvs.find(Tag::CALLBACK_NUM), None);
}

// ------------------------------------------------------------------- properties, oracles, memory

fn octets_without_nul(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1..=255_u8, 0..=most)
}

fn any_address() -> impl Strategy<Value = Address> {
    (any::<u8>(), any::<u8>(), octets_without_nul(20))
        .prop_map(|(ton, npi, octets)| Address::new(Ton(ton), Npi(npi), &octets).expect("fits"))
}

fn any_tlvs() -> impl Strategy<Value = Vec<u8>> {
    // Tags without rules of their own, and the one that may have any content.
    let tag = prop_oneof![Just(Tag::MESSAGE_PAYLOAD), (0x1400..=0x3FFF_u16).prop_map(Tag)];
    prop::collection::vec((tag, prop::collection::vec(any::<u8>(), 0..300)), 0..5).prop_map(|tlvs| {
        let mut out = BytesMut::new();
        for (tag, value) in tlvs {
            tlv::put_octets(&mut out, tag, &value);
        }
        out.to_vec()
    })
}

fn any_time() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        (946_684_800_000..4_102_444_800_000_i64).prop_map(|ms| time::write_absolute(ms).to_vec()),
        (0..3_000_000_000_u64).prop_map(|seconds| time::write_relative(seconds).to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_submit_sm_that_is_written_is_read_again(
        (service_type, source, destination) in (octets_without_nul(5), any_address(), any_address()),
        (class, protocol_id, priority_flag, replace_if_present) in (any::<u8>(), any::<u8>(), 0..=3_u8, 0..=1_u8),
        (registered, coding, sm_default_msg_id, sequence) in (any::<u8>(), any::<u8>(), any::<u8>(), any::<u32>()),
        (schedule, validity) in (any_time(), any_time()),
        short_message in prop::collection::vec(any::<u8>(), 0..=255),
        tlvs in any_tlvs(),
    ) {
        let submit = SubmitSm {
            service_type: &service_type,
            source,
            destination,
            esm_class: EsmClass(class),
            protocol_id,
            priority_flag,
            schedule_delivery_time: &schedule,
            validity_period: &validity,
            registered_delivery: RegisteredDelivery(registered),
            replace_if_present,
            data_coding: DataCoding(coding),
            sm_default_msg_id,
            short_message: &short_message,
            tlvs: Tlvs::read(&tlvs).expect("good"),
        };
        let mut out = BytesMut::new();
        encode(&mut out, CommandId::SUBMIT_SM, CommandStatus::ESME_ROK, SequenceNumber(sequence), &submit);
        prop_assert_eq!(frame::split(&out, 1 << 20), Ok(Some(out.len())));
        let (header, pdu) = decode(&out).expect("what is written can be read");
        prop_assert_eq!(header.sequence_number, SequenceNumber(sequence));
        prop_assert_eq!(pdu, Pdu::SubmitSm(submit));
    }

    #[test]
    fn an_answer_that_is_written_is_read_again(id in octets_without_nul(64), status in any::<u32>(), tlvs in any_tlvs()) {
        let resp = SubmitSmResp { message_id: &id, tlvs: Tlvs::read(&tlvs).expect("good") };
        let mut out = BytesMut::new();
        encode(&mut out, CommandId::SUBMIT_SM_RESP, CommandStatus(status), SequenceNumber(1), &resp);
        let (header, pdu) = decode(&out).expect("what is written can be read");
        prop_assert_eq!(header.command_status, CommandStatus(status));
        prop_assert_eq!(pdu, Pdu::SubmitSmResp(resp));
    }

    #[test]
    fn absolute_times_come_back_to_the_tenth(ms in 946_684_800_000..4_102_444_800_000_i64) {
        let read = time::parse(&time::write_absolute(ms)).expect("what is written can be read");
        prop_assert_eq!(read, SmppTime::Absolute { utc_ms: ms - ms.rem_euclid(100) });
        prop_assert_eq!(date_utc_ms(&time::date10(ms)), Some(ms - ms.rem_euclid(60_000)));
    }

    #[test]
    fn any_body_of_any_operation_round_trips_or_is_refused(
        which in 0..28_usize,
        body in prop::collection::vec(prop_oneof![3 => Just(0_u8), 3 => 0..5_u8, 2 => any::<u8>()], 0..120),
    ) {
        let (_, id) = good_header(which);
        let mut frame = vec![0; 16];
        frame[4..8].copy_from_slice(&id.0.to_be_bytes());
        frame.extend_from_slice(&body);
        oracle::roundtrip(&frame);
    }

    #[test]
    fn a_vector_with_some_octets_changed_round_trips_or_is_refused(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let vectors = ALL.get_or_init(vectors);
        let mut octets = vectors[which.index(vectors.len())].octets.clone();
        for (at, octet) in changes {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        oracle::roundtrip(&octets);
    }

    #[test]
    fn any_chunking_of_any_stream_gives_the_same_pdus(
        seed in any::<u8>(),
        which in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        tail in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let vectors = ALL.get_or_init(vectors);
        let mut stream = vec![seed];
        for index in which {
            stream.extend_from_slice(&vectors[index.index(vectors.len())].octets);
        }
        stream.extend_from_slice(&tail);
        oracle::framing(&stream);
    }

    #[test]
    fn any_text_made_of_keys_and_noise_is_read_to_the_same_fields(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "id:", "sub:", "dlvrd:", "submit date:", "done date:", "stat:", "err:", "text:", "Text :", "ID:",
                "id", "submit", "date", "DELIVRD", "2403251432", "7", "a,b", ",", ";", " ", "  ", "\0", "\n", ":", "x",
            ]),
            0..24,
        ),
    ) {
        oracle::receipt_text(words.concat().as_bytes());
    }
}

static ALL: std::sync::OnceLock<Vec<Vector>> = std::sync::OnceLock::new();

/// The `command_id` of one of the files.
fn good_header(which: usize) -> (&'static str, CommandId) {
    let (file, _) = FILES[which % FILES.len()];
    let vectors = ALL.get_or_init(vectors);
    let vector = vectors.iter().find(|vector| vector.file == file).expect("a vector");
    (file, Header::read(&vector.octets).expect("a header").command_id)
}

#[test]
fn the_oracles_hold_for_every_vector() {
    let mut stream = vec![7];
    for vector in vectors() {
        oracle::roundtrip(&vector.octets);
        oracle::receipt_text(&vector.octets);
        stream.extend_from_slice(&vector.octets);
    }
    oracle::framing(&stream);
    for few in [&b""[..], b"\0", b"HTTP", &[0; 16], &[0xFF; 40]] {
        oracle::roundtrip(few);
        oracle::framing(few);
        oracle::receipt_text(few);
    }
}

#[test]
fn no_allocation_to_decode_to_encode_or_to_read_a_receipt() {
    let vectors: Vec<Vector> =
        vectors().into_iter().filter(|vector| vector.title != "receipt_in_ucs2").collect();
    let mut out = BytesMut::with_capacity(1 << 17);
    let proof = allocation_counter::measure(|| drop(std::hint::black_box(vec![0_u8; 100])));
    assert_eq!(proof.count_total, 1, "the counter counts");
    let counted = allocation_counter::measure(|| {
        for vector in &vectors {
            match decode(&vector.octets) {
                Ok((header, pdu)) => {
                    out.clear();
                    encode(&mut out, header.command_id, header.command_status, header.sequence_number, &pdu);
                    if let Pdu::DeliverSm(deliver) = &pdu {
                        std::hint::black_box(Receipt::from_deliver(deliver));
                    }
                }
                Err(error) => {
                    std::hint::black_box(error.refusal());
                }
            }
        }
    });
    assert_eq!(counted.count_total, 0);
}
