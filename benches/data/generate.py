"""Writes the fixed inputs of benches/pdu.rs: one PDU in hex per line. Same seed, same files.

An encoder of its own, written from the specification, so that the codec is not fed by itself.

    python3 benches/data/generate.py
"""

import pathlib
import random
import struct

HERE = pathlib.Path(__file__).parent
rng = random.Random(20261122)


def c(text):
    return (text if isinstance(text, bytes) else text.encode()) + b"\0"


def tlv(tag, value):
    return struct.pack(">HH", tag, len(value)) + value


def pdu(command_id, status, body):
    return struct.pack(">IIII", 16 + len(body), command_id, status, rng.randrange(1, 0x7FFFFFFF)) + body


def digits(least, most):
    return "".join(rng.choice("0123456789") for _ in range(rng.randrange(least, most + 1)))


def address():
    kind = rng.randrange(6)
    if kind == 0:
        return bytes([5, 0]) + c(rng.choice(["PARCEL", "My Bank", "INFO", "Trunkline", "CITY-HALL"]))
    if kind == 1:
        return bytes([0, 1]) + c(digits(4, 6))
    return bytes([1, 1]) + c(rng.choice(["336", "420", "49151", "44779"]) + digits(7, 9))


def text(octets):
    words = ["your", "parcel", "code", "is", "ready", "at", "the", "gate", "until", "noon", "call", "us", "back"]
    made = ""
    while len(made) < octets:
        made += rng.choice(words) + " "
    return made[:octets].encode()


def small_tlvs():
    makers = [
        lambda: tlv(0x0204, struct.pack(">H", rng.randrange(65536))),
        lambda: tlv(0x0005, b"\x01"),
        lambda: tlv(0x0201, b"\x00"),
        lambda: tlv(0x020D, b"\x02"),
        lambda: tlv(0x1501, c("ref-" + digits(6, 10))),
        lambda: tlv(0x020A, b"\x15\xb3"),
        lambda: tlv(0x020C, b"\x12\x34") + tlv(0x020E, b"\x03") + tlv(0x020F, b"\x01"),
        lambda: tlv(0x0426, b"\x00"),
    ]
    return b"".join(maker() for maker in rng.sample(makers, rng.choice([0, 0, 1, 1, 2, 3])))


def submit_fields(schedule=True):
    times = ["", "", "", "000002000000000R", "261231235959000+"]
    return (
        c(rng.choice(["", "", "", "CMT", "WAP"])),
        address() + address(),
        bytes([rng.choice([0, 0, 3, 0x40]), 0, rng.randrange(4)]),
        c(rng.choice(times) if schedule else "") + c(rng.choice(times)),
        bytes([rng.choice([0, 1, 1, 2, 0x11]), 0, rng.choice([0, 0, 1, 3, 8, 0xF0]), 0]),
    )


def submit_sm_of(octets):
    head = b"".join(submit_fields())
    tlvs = small_tlvs()
    room = octets - 16 - len(head) - 1 - len(tlvs)
    return pdu(4, 0, head + bytes([room]) + text(room) + tlvs)


def submit_sm():
    head = b"".join(submit_fields())
    if rng.random() < 0.1:
        return pdu(4, 0, head + b"\0" + tlv(0x0424, text(rng.randrange(200, 700))) + small_tlvs())
    room = rng.randrange(1, 161)
    return pdu(4, 0, head + bytes([room]) + text(room) + small_tlvs())


def deliver_sm():
    addresses = address() + address()
    if rng.random() < 0.3:
        room = rng.randrange(1, 161)
        return pdu(5, 0, c("") + addresses + bytes([0, 0, 0]) + c("") + c("") + bytes([0, 0, rng.choice([0, 3, 8]), 0, room]) + text(room))
    ident = "%024x" % rng.getrandbits(96)
    stat, state = rng.choice([("DELIVRD", 2), ("DELIVRD", 2), ("EXPIRED", 3), ("UNDELIV", 5), ("REJECTD", 8)])
    receipt = f"id:{ident} sub:001 dlvrd:001 submit date:2611221200 done date:2611221201 stat:{stat} err:000 text:{text(15).decode()}".encode()
    tlvs = tlv(0x001E, c(ident)) + tlv(0x0427, bytes([state])) + (tlv(0x0423, b"\x03\x00\x00") if rng.random() < 0.3 else b"")
    return pdu(5, 0, c("") + addresses + bytes([4, 0, 0]) + c("") + c("") + bytes([0, 0, 0, 0, len(receipt)]) + receipt + tlvs)


def bind():
    return pdu(rng.choice([1, 2, 9]), 0, c("company%02d" % rng.randrange(99)) + c("secret08") + c("VMA") + bytes([0x34, 1, 1]) + c("^336"))


def other():
    return rng.choice([
        lambda: bind(),
        lambda: pdu(0x80000009, 0, c("Trunkline") + tlv(0x0210, b"\x34")),
        lambda: pdu(0x15, 0, b""),
        lambda: pdu(0x80000015, 0, b""),
        lambda: pdu(0x80000005, 0, b"\0"),
        lambda: pdu(0x80000004, rng.choice([0x58, 0x14]), b""),
        lambda: pdu(0x103, 0, c("") + address() + address() + bytes([0, 1, 0]) + tlv(0x0424, text(90))),
        lambda: pdu(3, 0, c(digits(10, 10)) + address()),
        lambda: pdu(8, 0, c("") + c(digits(10, 10)) + address() + address()),
        lambda: pdu(0x21, 0, c("") + address() + b"\x03\x01" + address() + b"\x02" + c("staff") + b"\x01" + address() + bytes([0, 0, 0]) + c("") + c("") + bytes([1, 0, 0, 0, 40]) + text(40)),
    ])()


def write(name, pdus):
    (HERE / name).write_text("".join(one.hex() + "\n" for one in pdus))


write("submit_sm_150.hex", [submit_sm_of(150) for _ in range(1000)])
mixed = []
for _ in range(1000):
    kind = rng.random()
    if kind < 0.35:
        mixed.append(submit_sm())
    elif kind < 0.55:
        mixed.append(pdu(0x80000004, 0, c("%024x" % rng.getrandbits(96))))
    elif kind < 0.85:
        mixed.append(deliver_sm())
    else:
        mixed.append(other())
write("mixed.hex", mixed)
