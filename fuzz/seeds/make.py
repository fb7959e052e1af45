#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets: one file per case, named after what it holds. Run again after changing a case."""

import pathlib
import struct

here = pathlib.Path(__file__).parent
BIND_TRX, SUBMIT_SM, DELIVER_SM = 9, 4, 5


def write(target, cases):
    folder = here / target
    folder.mkdir(exist_ok=True)
    for name, octets in cases.items():
        (folder / name).write_bytes(octets)


def pdu(command_id, body=b"", status=0, sequence=1, length=None):
    return struct.pack(">IIII", 16 + len(body) if length is None else length, command_id, status, sequence) + body


def tlv(tag, value):
    return struct.pack(">HH", tag, len(value)) + value


def short(text, esm=0, coding=0, tlvs=b"", source=b"12025550199", destination=b"447700900123", validity=b""):
    return (b"\0\1\1" + source + b"\0\1\1" + destination + b"\0" + bytes([esm, 0, 0]) + b"\0" + validity + b"\0"
            + bytes([1, 0, coding, 0, len(text)]) + text + tlvs)


RECEIPT = (b"id:0000436949 sub:001 dlvrd:001 submit date:2403251432 done date:240325143207 stat:DELIVRD err:000 text:Bonjour")
PDUS = {
    # SMPP 3.4 §3.2.2
    "bind_transmitter": bytes.fromhex("0000002F000000020000000000000001534D505033544553540073656372657430380 05355424D49543100000101 00".replace(" ", "")),
    "bind_transceiver_resp": pdu(0x80000009, b"smsc\0" + tlv(0x0210, b"\x34")),
    "bind_refused_without_body": pdu(0x80000009, status=0x0D),
    "submit_sm": pdu(SUBMIT_SM, short(b"Hello")),
    "submit_sm_payload": pdu(SUBMIT_SM, short(b"", tlvs=tlv(0x0424, b"A long text. " * 20))),
    "submit_sm_udh": pdu(SUBMIT_SM, short(b"\x05\0\x03\x4D\x03\x01part one", esm=0x40)),
    "submit_sm_sar": pdu(SUBMIT_SM, short(b"part two", tlvs=tlv(0x020C, b"\1\2") + tlv(0x020E, b"\3") + tlv(0x020F, b"\2"))),
    "submit_sm_ucs2_vendor_tlv": pdu(SUBMIT_SM, short("Привет".encode("utf-16-be"), coding=8, tlvs=tlv(0x1501, b"ref"))),
    "submit_sm_validity": pdu(SUBMIT_SM, short(b"x", validity=b"020610233429000R")),
    "submit_sm_length_lies": pdu(SUBMIT_SM, short(b"x")[:-2] + b"\xFFx"),
    "submit_sm_tlv_beyond_the_end": pdu(SUBMIT_SM, short(b"x", tlvs=b"\x04\x24\x00\xFFx")),
    "submit_sm_address_without_nul": pdu(SUBMIT_SM, b"\0\1\1" + b"1" * 40),
    "submit_sm_resp": pdu(0x80000004, b"66018af8c8ab4e0ca97532f1\0", sequence=0xA2859F22),
    "deliver_sm_receipt": pdu(DELIVER_SM, short(RECEIPT, esm=4, tlvs=tlv(0x001E, b"6AAD5\0") + tlv(0x0427, b"\2") + tlv(0x0423, b"\3\0\0"))),
    "deliver_sm_resp_filled": pdu(0x80000005, b"12345\0"),
    "enquire_link": pdu(0x15),
    "unbind": pdu(6),
    "outbind": pdu(0x0B, b"smsc\0secret\0"),
    "data_sm": pdu(0x103, b"\0\1\1" + b"12025550199\0\1\1447700900123\0\0\1\0" + tlv(0x0424, b"data")),
    "query_sm": pdu(3, b"id1\0\1\1" + b"12025550199\0"),
    "submit_multi": pdu(0x21, b"\0\1\1" + b"12025550199\0\2\1\1\1447700900123\0\2list\0\0\0\0\0\0\1\0\0\0\2hi"),
    "alert_notification": pdu(0x102, b"\1\1" + b"447700900123\0\1\1" + b"12025550199\0" + tlv(0x0422, b"\0")),
    "generic_nack": pdu(0x80000000, status=3, sequence=0),
    "unknown_command": pdu(0x00010203, b"vendor"),
    "command_length_too_short": pdu(SUBMIT_SM, length=15),
}
write("pdu_roundtrip", PDUS)
write("frame_split", {
    "two_pdus": b"\x07" + PDUS["enquire_link"] + PDUS["submit_sm"],
    "cut_in_the_header": b"\x01" + PDUS["unbind"] + PDUS["enquire_link"][:9],
    "length_zero": b"\x55" + PDUS["enquire_link"] + bytes(16),
    "length_huge": b"\x20" + PDUS["enquire_link"] + b"\x7F\xFF\xFF\xFF" + bytes(12),
    "http": b"\x03GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "three_then_http": b"\x80" + PDUS["enquire_link"] * 3 + b"HTTP/1.1 400 Bad Request\r\n\r\n",
})
write("receipt_text", {
    "appendix_b": RECEIPT,
    "no_sub": b"id:66018af8c8ab4e0ca97532f1 submit date:2403251432 done date:2403251432 stat:UNDELIV err:00B Text:",
    "year_of_four_digits": b"id:1 sub:1 dlvrd:0 submit date:202403251432 done date:202403251432 stat:EXPIRED err:27 text:none",
    "trailing_nul": RECEIPT + b"\0",
    "words_in_any_order": b"stat:REJECTD id:abc err:LIM done date:2403251432",
    "text_that_looks_like_a_receipt": b"id:7 stat:DELIVRD err:000 text:id:8 stat:EXPIRED",
    "plain_text": b"Hello, how are you?",
    "ucs2": RECEIPT.decode().encode("utf-16-be"),
    "id_missing": b"id: sub:001 stat:DELIVRD",
    "empty": b"",
})
write("gsm7", {
    "ascii": b"Hello, world! 0123456789",
    "escapes": b"\x1B\x65\x1B\x14\x1B\x3C\x1B\x3E\x1B",
    "at_and_cr": b"\x00" * 7 + b"\x0D" * 8,
    "borderline_160": b"a" * 159 + b"\x1B\x65",
    "borderline_306": b"x" * 152 + b"\x1B\x65" * 77,
    "utf8": "Où est l'église ? 5 € [~]".encode(),
    "ucs2_trains": "🚂".encode("utf-16-be") * 40,
    "udh_8_bit": b"\x05\x00\x03\x4D\x03\x01text",
    "udh_16_bit_behind_another": b"\x0A\x05\x02\x00\x00\x08\x04\x01\x02\x03\x02text",
    "udh_part_zero": b"\x05\x00\x03\x4D\x03\x00text",
    "udh_longer_than_the_text": b"\x40\x00\x03",
    "lone_surrogates": b"\xD8\x3D\xDE\x82\xDE\x82\xD8\x3D",
})
write("session_ops", {
    f"steps_{n}": bytes([n * 37 % 256, n * 11 % 256]) + bytes((n * i * 7 + i // 3) % 256 for i in range(60 + n * 9)) for n in range(1, 9)
})
write("journal_recovery", {
    "nothing": b"\0\0",
    "zeros_after": b"\0\0" + bytes(64),
    "garbage_after": b"\0\0" + bytes(range(64)),
    "overwritten_head": b"\1\0\xFF\xFF\xFF\xFF",
    "overwritten_middle": b"\1\x14\x00\x01\x02",
    "overwritten_last_segment": b"\1\x02" + b"\xA5" * 40,
    "next_segment_empty": b"\2\6",
    "next_segment_garbage": b"\2\3" + bytes(range(200)),
    "segment_gone": b"\3\0",
    "segment_replaced": b"\3\1" + b"TRNK" + bytes(60),
})
