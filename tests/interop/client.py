#!/usr/bin/env python3
"""python-smpplib as a client: bind, submit (GSM-7, UCS-2, long as payload and in parts), receipts, MO, enquire_link, unbind.

    client.py '{"host":"127.0.0.1","port":5772,"ca":"FILE"|null,"user":"…","password":"…","sender":"…","name":"…"}'

Prints a line per check, "ok …" or "FAIL …"; exit status 1 if any failed.
"""

import functools
import json
import socket
import ssl
import sys
import time

import smpplib.client
import smpplib.consts
import smpplib.exceptions
import smpplib.gsm
import smpplib.smpp

a = json.loads(sys.argv[1])
PATIENCE = 20
failed = 0


def check(name):
    """Runs the decorated function as a check."""
    def run(function):
        global failed
        try:
            function()
            print(f"ok {a['name']}: {name}", flush=True)
        except Exception as why:  # whatever a check stumbles over is its failure
            failed += 1
            print(f"FAIL {a['name']}: {name}: {type(why).__name__}: {why}", flush=True)
        return function
    return run


def want(found, wanted, what):
    if found != wanted:
        raise AssertionError(f"{what} is {found!r}, not {wanted!r}")


def plain(octets):
    return octets.rstrip(b"\0").decode("latin-1") if isinstance(octets, bytes) else octets


def connect():
    context = None
    if a["ca"]:
        context = ssl.create_default_context(cafile=a["ca"])
        # smpplib calls wrap_socket(sock) without a name, which a context that checks names refuses.
        context.wrap_socket = functools.partial(context.wrap_socket, server_hostname="localhost")
    client = smpplib.client.Client(a["host"], a["port"], timeout=PATIENCE, ssl_context=context, allow_unknown_opt_params=True)
    client.connect()
    return client


class Side:
    """What a bound client was told."""

    def __init__(self, client):
        self.client, self.answers, self.receipts, self.mo = client, {}, {}, []
        client.set_message_sent_handler(lambda pdu: self.answers.update({pdu.sequence: pdu}))
        client.set_message_received_handler(self.received)

    def received(self, pdu):
        if pdu.esm_class & 0x04:  # a delivery receipt
            self.receipts[plain(pdu.receipted_message_id)] = pdu
        else:
            self.mo.append(pdu)
        return 0

    def until(self, find, what):
        end = time.monotonic() + PATIENCE
        self.client._socket.settimeout(0.5)  # the library has no other way to change it
        while time.monotonic() < end:
            found = find()
            if found:
                return found
            try:
                self.client.read_once(auto_send_enquire_link=False)
            except socket.timeout:
                pass
        raise AssertionError(f"no {what} in {PATIENCE} s")

    def submit(self, **fields):
        pdu = self.client.send_message(source_addr_ton=1, source_addr_npi=1, source_addr=a["sender"], dest_addr_ton=1,
                                       dest_addr_npi=1, **{"registered_delivery": 1, **fields})
        answer = self.until(lambda: self.answers.get(pdu.sequence), "submit_sm_resp")
        want(answer.status, 0, "command_status of submit_sm_resp")
        return plain(answer.message_id)

    def receipted(self, message_id, to, state=2, stat="DELIVRD"):
        pdu = self.until(lambda: self.receipts.get(message_id), f"receipt for {message_id}")
        want(pdu.message_state, state, "message_state")
        want((plain(pdu.source_addr), plain(pdu.destination_addr)), (to, a["sender"]), "addresses of the receipt")
        text = plain(pdu.short_message)
        if f"id:{message_id} " not in text or f"stat:{stat} " not in text:
            raise AssertionError(f"the receipt reads {text}")

    def reply(self, number, what):
        pdu = self.until(lambda: next((p for p in self.mo if plain(p.source_addr) == number), None), f"MO ({what})")
        return pdu.short_message or pdu.message_payload


count = 0


def mobile(end):
    global count
    count += 1
    return f"4477{a['seed']}{count:04}{end}"


@check("a wrong password is refused")
def _():
    client = connect()
    try:
        client.bind_transceiver(system_id=a["user"], password="wrong")
    except smpplib.exceptions.PDUError as refused:
        want(refused.args[1] in (0x0D, 0x0E), True, f"status {refused.args[1]}")
        client.state = smpplib.consts.SMPP_CLIENT_STATE_OPEN
        client.disconnect()
    else:
        raise AssertionError("bound")


side = None


@check("binds as transceiver" + (" over TLS" if a["ca"] else ""))
def _():
    global side
    client = connect()
    client.bind_transceiver(system_id=a["user"], password=a["password"])
    side = Side(client)


@check("GSM-7 with @ and the extension table: receipt and MO")
def _():
    parts, coding, kind = smpplib.gsm.make_parts("5@ each [ok] {~} 3€")
    want((len(parts), coding), (1, 0), "parts and data_coding")
    to = mobile("10")
    side.receipted(side.submit(destination_addr=to, short_message=parts[0], data_coding=coding, esm_class=kind), to)
    want(side.reply(to, "GSM-7"), b"You wrote: " + parts[0], "the MO")


@check("UCS-2: receipt and MO")
def _():
    parts, coding, kind = smpplib.gsm.make_parts("Привет, 世界 🚂")
    want((len(parts), coding), (1, 8), "parts and data_coding")
    to = mobile("11")
    side.receipted(side.submit(destination_addr=to, short_message=parts[0], data_coding=coding, esm_class=kind), to)
    want(side.reply(to, "UCS-2").decode("utf-16-be"), "You wrote: Привет, 世界 🚂", "the MO")


@check("a long message in parts with a user data header: a receipt for each")
def _():
    parts, coding, kind = smpplib.gsm.make_parts("A long text, cut by the client. " * 12)
    want((len(parts), kind), (3, 0x40), "parts and esm_class")
    to = mobile("12")
    ids = [side.submit(destination_addr=to, short_message=p, data_coding=coding, esm_class=kind) for p in parts]
    want(len(set(ids)), 3, "number of message ids")
    for message_id in ids:
        side.receipted(message_id, to)


@check("a long message as message_payload: one receipt")
def _():
    to = mobile("13")  # the library takes at most 260 octets of payload, which is two segments
    side.receipted(side.submit(destination_addr=to, message_payload=b"A long text for one message_payload. " * 7), to)


@check("an MO in three parts arrives whole")
def _():
    to = mobile("14")
    side.submit(destination_addr=to, short_message=b"long please")
    text = plain(side.reply(to, "long"))
    if not (text.startswith("You wrote: long please") and text.endswith("The end.") and len(text) > 160):
        raise AssertionError(f"{len(text)} octets: {text}")


@check("a failed delivery is told")
def _():
    to = mobile("01")
    side.receipted(side.submit(destination_addr=to, short_message=b"nobody there"), to, 5, "UNDELIV")


@check("enquire_link is answered")
def _():
    heard = []
    pdu = smpplib.smpp.make_pdu("enquire_link", client=side.client)
    side.client.send_pdu(pdu)
    original = side.client.read_pdu
    side.client.read_pdu = lambda: heard.append(original()) or heard[-1]
    side.until(lambda: any(p.command == "enquire_link_resp" and p.sequence == pdu.sequence for p in heard), "enquire_link_resp")
    side.client.read_pdu = original


@check("unbind is answered")
def _():
    side.client._socket.settimeout(PATIENCE)
    want(side.client.unbind().command, "unbind_resp", "the answer")
    side.client.disconnect()


sys.exit(1 if failed else 0)
