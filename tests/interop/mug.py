#!/usr/bin/env python3
"""A client of TimeToChat's REST methods, written from the vendor's document with the standard library alone.

    mug.py '{"base":"http://127.0.0.1:8080/mug/api/V1/","ca":"FILE"|null,"service":"123456","password":"…","sender":"0930000000",
             "recipient":"0601020304","name":"…"}'

It asks for a token, sends, and reads until the message is RECEIVED, as an application of the vendor's does: bodies of the
document's shapes, the base with its slash, a fresh connection for each call. `recipient` has to be one whose messages arrive.
Prints a line per check, "ok …" or "FAIL …"; exit status 1 if any failed.
"""

import base64
import json
import re
import ssl
import sys
import time
import urllib.error
import urllib.request

a = json.loads(sys.argv[1])
PATIENCE = 20
# Of 20 calls a second this client makes at most ten.
PAUSE = 0.1
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
context = ssl.create_default_context(cafile=a["ca"]) if a.get("ca") else None
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


def call(method, path, body=None, token=None):
    """Status and body of one call."""
    time.sleep(PAUSE)
    request = urllib.request.Request(a["base"].rstrip("/") + path, method=method)
    request.add_header("Accept", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    if body is not None:
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body, ensure_ascii=False).encode()
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE, context=context) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as answer:
        return answer.code, json.load(answer)


SERVICE = f"/services/{a['service']}"
token = ""


def send(**members):
    status, answer = call("POST", SERVICE + "/messages", {"from": a["sender"], "to": a["recipient"], **members}, token)
    want(status, 201, f"the status ({answer})")
    if not re.fullmatch("[0-9a-f]{24}", answer["id"]):
        raise AssertionError(f"the id is {answer['id']!r}")
    if abs(int(answer["id"][:8], 16) - time.time()) > 3600:
        raise AssertionError(f"the id was not made now: {answer['id']}")
    return answer


def state(step):
    """Either vocabulary."""
    return step["status"].removeprefix("CRA_SMS_")


def received(message_id, parts=1):
    """The message, once each part has been received."""
    until = time.monotonic() + PATIENCE
    while True:
        status, message = call("GET", f"{SERVICE}/messages/{message_id}", token=token)
        want(status, 200, f"the status ({message})")
        states = [state(step) for step in message["history"]]
        if states.count("RECEIVED") == parts:
            return message
        if time.monotonic() > until:
            raise AssertionError(f"after {PATIENCE} s: {states}")


@check("a token for the password")
def _():
    global token
    status, answer = call("POST", SERVICE + "/token", {"password": a["password"]})
    want(status, 201, f"the status ({answer})")
    token = answer["token"]
    head, payload, _ = (piece + "=" * (-len(piece) % 4) for piece in token.split("."))
    want(json.loads(base64.urlsafe_b64decode(head)), {"alg": "HS256", "typ": "JWT"}, "the token's header")
    claims = json.loads(base64.urlsafe_b64decode(payload))
    want(claims["service_id"], a["service"], "service_id")
    want(claims["exp"] - claims["iat"], 1800, "the token's life")


@check("send, and read until it is received")
def _():
    answer = send(text="Test MUG", extRef="interop 1", unicode=False, flash=False)
    want(answer["extRef"], "interop 1", "extRef")
    message = received(answer["id"])
    want([state(step) for step in message["history"]], ["NEW", "SENT", "RECEIVED"], "the history")
    for name, value in {"from": a["sender"], "to": a["recipient"], "text": "Test MUG", "unicode": False, "flash": False,
                        "id": answer["id"], "extRef": "interop 1"}.items():
        want(message[name], value, name)
    for date in [message["date"], *(step["date"] for step in message["history"])]:
        if not DATE.fullmatch(date):
            raise AssertionError(f"the date is {date!r}")


@check("a message can be read at once")
def _():
    answer = send(text="at once")
    status, message = call("GET", f"{SERVICE}/messages/{answer['id']}", token=token)
    want((status, message["history"][0]["status"]), (200, "NEW"), "status and first state")


@check("a text of two segments tells of both")
def _():
    message = received(send(text="a" * 161)["id"], parts=2)
    parts = sorted(step["part"] for step in message["history"] if state(step) == "RECEIVED")
    want(parts, ["1/2", "2/2"], "the parts")


@check("accents, euro signs and smileys come back as they were sent")
def _():
    for text, flags in [("Été à 10 € [prix]", {}), ("garçon 😀", {"unicode": True}), ("éclair", {"flash": True})]:
        message = received(send(text=text, **flags)["id"])
        want((message["text"], message["flash"]), (text, "flash" in flags), "text and flash")


@check("each fault has its status")
def _():
    good = {"from": a["sender"], "to": a["recipient"], "text": "x"}
    for members, status in [
        ({"to": ""}, 400), ({"to": "0501020304"}, 400), ({"text": "a" * 1225}, 400), ({"extRef": "x" * 151}, 400),
        ({"validityDate": "tomorrow"}, 400), ({"validityDate": "2018-12-27T09:06:22.620Z"}, 400), ({"unicode": "no"}, 400),
        ({"from": "0939999999"}, 403),
    ]:
        found, answer = call("POST", SERVICE + "/messages", {**good, **members}, token)
        want(found, status, f"the status of {members} ({answer})")
        if not isinstance(answer["code"], str):
            raise AssertionError(f"no code: {answer}")


@check("who has no token, or a wrong one, is told so")
def _():
    wrong = (401, {"code": "AUTHENTICATION_FAILED"})
    want(call("POST", SERVICE + "/messages", {"from": a["sender"], "to": a["recipient"], "text": "x"}), wrong, "without")
    want(call("GET", SERVICE + "/messages/5bc9a8751a34791aff429efe", token=token[:-2] + "xx"), wrong, "forged")
    want(call("POST", SERVICE + "/token", {"password": a["password"] + "x"}), wrong, "a wrong password")
    want(call("POST", "/services/nobody/token", {"password": a["password"]}), wrong, "an unknown service")


@check("an unknown message is not found")
def _():
    want(call("GET", SERVICE + "/messages/5bc9a8751a34791aff429efe", token=token)[0], 404, "the status")


sys.exit(1 if failed else 0)
