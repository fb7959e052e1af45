#!/usr/bin/env python3
"""Load runs of the REST interface and of webhooks, with Debian's wrk. Called by rest.sh, which builds what is needed.

Everything is started here and ended here, by process id, also after a failure or ^C; every wait has an end.
"""

import argparse
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import load  # noqa: E402: beside this folder
from load import Failed, cpu_seconds, judge, memory_mib, wait_for  # noqa: E402

CONFIG = """
data_dir = "{dir}/data"
[smpp]
plain = "127.0.0.1:{smpp}"
tls = "off"
[http]
listen = "127.0.0.1:{http}"
allow_private = ["127.0.0.0/8"]
[admin]
listen = "127.0.0.1:{admin}"
[[service]]
id = "123456"
system_id = "load"
password_file = "{dir}/password"
senders = ["0930000000"]
default_sender = "0930000000"
rate = 0
waiting_max = 1000000000
rest = true
http_rate = 0
{hook}
[[service]]
id = "smpp"
password_file = "{dir}/password"
senders = "any"
rate = 0
[[upstream]]
id = "smsc"
url = "smpp://{smsc}"
system_id = "load"
password_file = "{dir}/password"
sessions = {sessions}
window = {window}
[[route]]
upstreams = ["smsc"]
"""
HOOK = """
mo = "webhook"
[[service.webhook]]
id = "fast"
url = "http://127.0.0.1:{port}/hook"
secret_file = "{dir}/secret"
concurrency = {concurrency}
"""


def free_ports(n):
    import socket

    held = [socket.socket() for _ in range(n)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


class Rest(load.Bench):
    """A daemon with the REST interface before an SMSC, and perhaps a webhook endpoint."""

    def serve(self, hook=False):
        self.o.no_tls = True
        self.smsc_child, smsc = self.smsc("--dlr", "always", "--check-dups")
        self.ports = dict(zip(("smpp", "http", "admin"), free_ports(3)))
        for name, text in (("password", "s3cret"), ("secret", "0123456789abcdef0123456789abcdef")):
            with open(os.open(self.path(name), os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as f:
                f.write(text)
        lines = ""
        if hook:
            self.receiver = self.start("receiver", ["node", os.path.join(HERE, "receiver.mjs"), self.path("received")])
            port = int(load.read_line(self.receiver.process.stdout, 10) or 0)
            lines = HOOK.format(port=port, dir=self.dir, concurrency=self.o.concurrency)
        with open(self.path("trunkline.toml"), "w", encoding="utf-8") as f:
            f.write(CONFIG.format(dir=self.dir, smsc=smsc, hook=lines, sessions=self.o.upstream_sessions,
                                  window=self.o.upstream_window, **self.ports))
        self.daemon = self.start("trunkline", [self.o.trunkline, "serve", "--config", self.path("trunkline.toml")])
        wait_for(self.is_ready, 30, "trunkline is not ready", self.daemon)
        self.told = {"admin": f"127.0.0.1:{self.ports['admin']}"}
        self.token = self.ask_token()

    def is_ready(self):
        try:
            c = http.client.HTTPConnection("127.0.0.1", self.ports["admin"], timeout=2)
            c.request("GET", "/readyz")
            return c.getresponse().status == 200
        except OSError:
            return False

    def ask_token(self):
        c = http.client.HTTPConnection("127.0.0.1", self.ports["http"], timeout=5)
        c.request("POST", "/mug/api/V1/services/123456/token", json.dumps({"password": "s3cret"}),
                  {"Content-Type": "application/json"})
        answer = c.getresponse()
        body = answer.read()
        if answer.status != 201:
            raise Failed(f"no token: {answer.status} {body[:200]!r}")
        return json.loads(body)["token"]

    def wrk(self, script, seconds, connections, *args):
        path = "/mug/api/V1/services/123456/messages"
        argv = ["wrk", "-t", str(self.o.threads), "-c", str(connections), "-d", f"{seconds}s", "--timeout", "10s",
                "-s", os.path.join(HERE, script), f"http://127.0.0.1:{self.ports['http']}", "--",
                self.token, path, self.path("ids"), *args]
        return self.start("wrk", argv)

    @staticmethod
    def result(child, seconds):
        out = child.process.communicate(timeout=seconds + 60)[0]
        lines = [line for line in out.splitlines() if line.startswith("{")]
        if not lines:
            raise Failed(f"wrk printed {out[-500:]!r}")
        return json.loads(lines[-1])

    def received(self):
        for _ in range(20):
            try:
                with open(self.path("received"), encoding="ascii") as f:
                    return int(f.read().split()[0])
            except (OSError, ValueError, IndexError):
                time.sleep(0.02)  # not there yet, or just being written
        return 0

    def end(self):
        self.daemon.end()
        return json.loads(self.smsc_child.end(signal.SIGINT))


def send(b, seconds, connections, pause=0):
    before = cpu_seconds(b.daemon.pid)
    got = b.result(b.wrk("send.lua", seconds, connections, str(pause)), seconds)
    accepted = got["requests"] - got["refused"]
    got["accepted"] = accepted
    got["rate"] = accepted / (got["microseconds"] / 1e6)
    got["cpu_us"] = (cpu_seconds(b.daemon.pid) - before) / max(1, accepted) * 1e6
    if got["refused"] or got["errors"]:
        print(f"refused {got['refused']} ({got['said']}), errors {got['errors']}", flush=True)
        b.failed = True
    return got


def show(what, got):
    print(f"{what}: {got['rate']:,.0f} accepted/s, {got['accepted']:,} messages, {got['cpu_us']:.1f} µs CPU each (until the end of the "
          f"run, receipts included), p50 {got['p50_us'] / 1000:.1f} ms p99 {got['p99_us'] / 1000:.1f} ms max {got['max_us'] / 1000:.1f} ms",
          flush=True)


def accept(o):
    """Accepted messages per second on keep-alive connections; every id is then found."""
    rates, clean = [], True
    for n in range(1, o.runs + 1):
        with Rest(o, "rest") as b:
            b.serve()
            got = send(b, o.seconds, o.connections)
            show(f"run {n}", got)
            rates.append(got["rate"])
            # Those whose answer was cut off by the end of the run are not in the file.
            seconds = max(5, int(got["accepted"] / 15000) + 5)
            seen = b.result(b.wrk("find.lua", seconds, o.connections), seconds)
            print(f"run {n}: {seen['ids']:,} ids, {seen['found']:,} times found, {seen['missing']} missing {seen['said']}, "
                  f"{'every one looked at' if seen['all'] else 'NOT every one looked at'}, RssAnon {memory_mib(b.daemon.pid):.0f} MiB", flush=True)
            clean &= not b.failed and seen["missing"] == 0 and seen["all"] == 1 and seen["ids"] > 0
            drain_all(b)
            smsc = b.end()
            if smsc["dup_texts"]:
                print(f"run {n} does not count: {smsc['dup_texts']} repeated texts at the smsc", flush=True)
                clean = False
    return clean, judge("median accepted messages/s", statistics.median(rates), o.want_rate, least=True)


def drain_all(b):
    """Waits until everything accepted has ended, and the webhooks were taken."""
    wait_for(lambda: sum(load.stages(b.told).values()) == 0, 180, "messages or webhooks are left", b.daemon)


def paced(o):
    """p99 of POST at a fixed rate."""
    # What runs before this one have written and deleted is still on its way to the disk, and its syncs hold ours up.
    os.sync()
    time.sleep(5)
    with Rest(o, "paced") as b:
        b.serve()
        pause = 20
        connections = int(o.rate * (pause + 2) / 1000)
        got = send(b, o.seconds, connections, pause)
        show(f"paced by {connections} connections with a pause of {pause} ms", got)
        drain_all(b)
        b.end()
        return not b.failed, judge(f"p99 at {got['rate']:,.0f}/s, ms", got["p99_us"] / 1000, o.want_p99)


def push(o):
    """Webhooks per second to a fast endpoint: sent and delivered of each message."""
    with Rest(o, "push") as b:
        b.serve(hook=True)
        child = b.wrk("send.lua", o.seconds, o.connections, "10")
        wait_for(lambda: b.received() > 0, 30, "no webhook came", child)
        # The middle of the run.
        time.sleep(o.seconds * 0.2)
        first, at = b.received(), time.monotonic()
        time.sleep(o.seconds * 0.5)
        rate = (b.received() - first) / (time.monotonic() - at)
        got = b.result(child, o.seconds)
        accepted = got["requests"] - got["refused"]
        drain_all(b)
        total = b.received()
        b.end()
        print(f"webhooks: {rate:,.0f}/s, {total:,} in all for {accepted:,} messages", flush=True)
        clean = not b.failed and total >= accepted
        return clean, judge("webhooks/s", rate, o.want_push, least=True)


def beside(o):
    """SMPP with and without REST at half of its own rate, one after the other in one run."""
    rates = {}
    for what in ("alone", "beside REST"):
        with Rest(o, "beside") as b:
            b.serve()
            wrk = None
            if what != "alone":
                pause = 20
                wrk = b.wrk("send.lua", o.seconds + 2, int(o.want_rate / 2 * (pause + 4) / 1000), str(pause))
                time.sleep(1)
            esme = b.start("esme", [o.smppload, "esme", "--connect", f"127.0.0.1:{b.ports['smpp']}", "--user", "smpp", "--password", "s3cret",
                                    "--src", "12025550199", "--text-len", str(o.text_len), "--threads", str(o.esme_threads),
                                    "--sessions", str(o.sessions), "--window", str(o.window), "--seconds", str(o.seconds),
                                    "--registered-delivery", "1", "--dst-vary", "4", "--strict", "--rate", str(o.smpp_rate)])
            try:
                out = esme.process.communicate(timeout=o.seconds + 90)[0]
            except subprocess.TimeoutExpired:
                raise Failed("the esme still waits for receipts") from None
            sent = json.loads(out)
            line = f"SMPP {what}: {sent['msgs_per_s']:,.0f}/s, p99 {sent['latency_us']['p99'] / 1000:.1f} ms, exit {esme.process.returncode}"
            if wrk:
                got = b.result(wrk, o.seconds)
                line += f"; REST {(got['requests'] - got['refused']) / (got['microseconds'] / 1e6):,.0f}/s, p99 {got['p99_us'] / 1000:.1f} ms"
            print(line, flush=True)
            rates[what] = sent["msgs_per_s"]
            drain_all(b)
            b.end()
    ratio = rates["beside REST"] / rates["alone"]
    return True, judge("SMPP beside REST, % of SMPP alone", ratio * 100, 95, least=True)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("mode", nargs="?", default="accept", choices=["accept", "paced", "push", "beside", "all"])
    p.add_argument("--seconds", type=int, default=20)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--connections", type=int, default=64)
    p.add_argument("--threads", type=int, default=1, help="of wrk")
    p.add_argument("--rate", type=float, default=2000, help="paced: requests per second")
    p.add_argument("--smpp-rate", type=float, default=10000, help="beside: submit_sm per second")
    p.add_argument("--concurrency", type=int, default=64, help="push: calls under way at once")
    p.add_argument("--sessions", type=int, default=8)
    p.add_argument("--window", type=int, default=100)
    p.add_argument("--upstream-sessions", type=int, default=2)
    p.add_argument("--upstream-window", type=int, default=500)
    p.add_argument("--text-len", type=int, default=100)
    p.add_argument("--esme-threads", type=int, default=1)
    p.add_argument("--smsc-threads", type=int, default=1)
    p.add_argument("--want-rate", type=float, default=10000)
    p.add_argument("--want-p99", type=float, default=20)
    p.add_argument("--want-push", type=float, default=5000)
    p.add_argument("--dir", help="where the data lies: a real disk")
    p.add_argument("--keep", action="store_true")
    p.add_argument("--no-bounds", action="store_true", help="show figures without judging them")
    p.add_argument("--trunkline", default=os.environ.get("TRUNKLINE"))
    p.add_argument("--smppload", default=os.environ.get("SMPPLOAD"))
    o = p.parse_args()
    if o.seconds > load.SECONDS_MAX:
        p.error(f"at most {load.SECONDS_MAX} s")
    o.no_tls = True
    modes = {"accept": accept, "paced": paced, "push": push, "beside": beside}
    ok = True
    for mode in list(modes) if o.mode == "all" else [o.mode]:
        try:
            clean, met = modes[mode](o)
            ok &= clean and (met or o.no_bounds)
        except Failed as why:
            print(f"{mode}: {why}", flush=True)
            ok = False
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
