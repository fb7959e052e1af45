#!/usr/bin/env python3
"""Load runs of trunkline between smppload's ESME and its SMSC. Called by load.sh, which builds all three.

Everything is started here and ended here, by process id, also after a failure or ^C; every wait has an end.
"""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

TICKS = os.sysconf("SC_CLK_TCK")
STAGES = ("waiting", "dispatched", "sent", "notify")
# A run that asks for more than this much of anything is refused: load.sh must end by itself.
SECONDS_MAX, SESSIONS_MAX, MESSAGES_MAX = 3600, 4000, 10_000_000


class Failed(Exception):
    """The run cannot be counted; the text says why."""


class Child:
    """A process of ours."""

    def __init__(self, name, argv, out=subprocess.PIPE, log=None):
        self.name = name
        self.process = subprocess.Popen(argv, stdout=out, stderr=log, text=True)

    @property
    def pid(self):
        return self.process.pid

    def end(self, sig=signal.SIGTERM, patience=20):
        """Asks it to end, insists after `patience` seconds, and gives back what it printed."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            return self.process.communicate(timeout=patience)[0] or ""
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise Failed(f"{self.name} did not end within {patience} s of its signal") from None


class Bench:
    """Directories, logs and processes of one run."""

    def __init__(self, options, mode):
        self.o = options
        base = options.dir or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "target")
        os.makedirs(base, exist_ok=True)
        self.dir = tempfile.mkdtemp(prefix=f"load-{mode}-", dir=base)
        self.log = open(os.path.join(self.dir, "log"), "w", encoding="utf-8")
        self.children = []
        self.failed = False

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for child in reversed(self.children):
            if child.process.poll() is None:
                child.process.kill()
                child.process.wait()
        self.log.close()
        if kind or self.failed:
            with open(self.log.name, encoding="utf-8") as log:
                sys.stderr.writelines(log.readlines()[-30:])
        if self.o.keep:
            print(f"kept {self.dir}", file=sys.stderr)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self, name, argv):
        child = Child(name, argv, log=self.log)
        self.children.append(child)
        return child

    def smsc(self, *more):
        tls = [] if self.o.no_tls else ["--tls"]
        child = self.start("smsc", [self.o.smppload, "smsc", "--listen", "127.0.0.1:0", "--addr-file", self.path("addr"),
                                    "--status-file", self.path("smsc"), "--threads", str(self.o.smsc_threads), *tls, *more])
        wait_for(lambda: os.path.exists(self.path("addr")), 10, "the smsc does not listen", child)
        with open(self.path("addr"), encoding="utf-8") as f:
            return child, f.read().strip()

    def trunkline(self, upstream):
        """Starts `trunkline demo` before this upstream; gives the process and its first line."""
        scheme = "smpp" if self.o.no_tls else "smpps"
        query = [f"window={self.o.upstream_window}", f"sessions={self.o.upstream_sessions}"] + ([] if self.o.no_tls else ["insecure"])
        argv = [self.o.trunkline, "demo", "--json", "--rate", "0", "--data-dir", self.path("data"), "--no-http",
                "--admin", "127.0.0.1:0", "--smpp-tls", "127.0.0.1:0",
                "--upstream", f"{scheme}://load:secret@{upstream}?{'&'.join(query)}"]
        if self.o.no_tls:
            argv += ["--smpp-plain", "127.0.0.1:0"]
        argv += self.o.demo_arg
        child = self.start("trunkline", argv)
        line = read_line(child.process.stdout, 30)
        if not line.startswith("{"):
            raise Failed(f"trunkline did not start: {line!r} {self.tail()}")
        # What it prints later must not fill the pipe.
        threading.Thread(target=drain, args=(child.process.stdout,), daemon=True).start()
        return child, json.loads(line)

    def esme(self, told, *more):
        where = told["smpp_plain"] if self.o.no_tls else told["smpp_tls"]
        tls = [] if self.o.no_tls else ["--tls"] + (["--ca", told["ca_file"]] if self.o.verify else ["--insecure"])
        return self.start("esme", [self.o.smppload, "esme", "--connect", where, *tls, "--user", told["system_id"],
                                   "--password", told["password"], "--src", told.get("sender") or "12025550199",
                                   "--text-len", str(self.o.text_len), "--threads", str(self.o.esme_threads), *more])

    def tail(self):
        self.log.flush()
        with open(self.log.name, encoding="utf-8") as log:
            return "".join(log.readlines()[-5:])


def drain(stream):
    try:
        for _ in stream:
            pass
    except ValueError:
        pass  # closed under us at the end


def read_line(stream, patience):
    """One line, or what came of it within `patience` seconds."""
    got = []
    reader = threading.Thread(target=lambda: got.append(stream.readline()), daemon=True)
    reader.start()
    reader.join(patience)
    return got[0] if got else ""


def wait_for(done, patience, what, child=None):
    end = time.monotonic() + patience
    while not done():
        if child and child.process.poll() is not None:
            raise Failed(f"{what}: {child.name} ended with {child.process.returncode}")
        if time.monotonic() > end:
            raise Failed(f"{what} within {patience} s")
        time.sleep(0.02)


def cpu_seconds(pid):
    """User and system time of the whole process."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(pid, key="RssAnon"):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key + ":")) / 1024


def metrics(told):
    """Samples of /metrics: name with labels → value."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://{told['admin']}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {m[1]: float(m[2]) for m in re.finditer(r"^([a-z_]+(?:\{[^}]*\})?) ([0-9.eE+-]+)$", text, re.M)}


def stages(told):
    """Messages in each of the four stages."""
    samples = metrics(told)
    keys = {s: f'trunkline_messages{{stage="{s}"}}' for s in STAGES}
    absent = [k for k in keys.values() if k not in samples]
    if absent:
        raise Failed(f"/metrics has no {', '.join(absent)}")
    return {s: int(samples[k]) for s, k in keys.items()}


def submits_seen(bench):
    try:
        with open(bench.path("smsc"), encoding="ascii") as f:
            return int(f.read().split()[0])
    except (OSError, ValueError, IndexError):
        return 0


def load_run(o, mode, *pace):
    """One load run; gives its figures."""
    with Bench(o, mode) as b:
        smsc, upstream = b.smsc("--dlr", "always", "--check-dups")
        trunkline, told = b.trunkline(upstream)
        before = cpu_seconds(trunkline.pid)
        esme = b.esme(told, "--sessions", str(o.sessions), "--window", str(o.window), "--seconds", str(o.seconds),
                      "--registered-delivery", "1", "--dst-vary", str(o.dst_vary), "--strict", *pace)
        wait_for(lambda: submits_seen(b) > 0, 60, "nothing arrives at the smsc", esme)
        # Submits end `seconds` after they began, which was up to half a second before the file told so.
        left = {}
        look_at = time.monotonic() + o.seconds + 2
        peak = 0.0
        while time.monotonic() < look_at:
            peak = max(peak, memory_mib(trunkline.pid))
            time.sleep(min(0.5, max(0.0, look_at - time.monotonic())))
        left = stages(told)
        try:
            out = esme.process.communicate(timeout=60)[0]
        except subprocess.TimeoutExpired:
            raise Failed("the esme still waits for receipts a minute after its last submit") from None
        after = cpu_seconds(trunkline.pid)
        got = json.loads(smsc.end(signal.SIGINT))
        trunkline.process.send_signal(signal.SIGTERM)
        try:
            drained = trunkline.process.wait(30)
        except subprocess.TimeoutExpired:
            raise Failed("trunkline did not drain within 30 s of SIGTERM") from None
        sent = json.loads(out) if out.strip() else {}
        if "receipts" not in sent:
            raise Failed(f"the esme printed {out!r}: {b.tail()}")
        strict = esme.process.returncode
        wrong = []
        if strict != 0:
            wrong.append(f"esme --strict exit {strict}")
        if got["dup_texts"]:
            wrong.append(f"{got['dup_texts']} repeated texts at the smsc")
        if sum(left.values()):
            wrong.append(f"{sum(left.values())} messages left 2 s after the last submit")
        if sent["receipts"]["duplicates"] or sent["receipts"]["mismatched"] or sent["receipts"]["unmatched"]:
            wrong.append("receipts repeated or foreign")
        if drained != 0:
            wrong.append(f"trunkline exit {drained} after SIGTERM")
        b.failed = bool(wrong)
        rates = {"esme": sent["msgs_per_s"], "receipts": sent["receipts"]["per_s"], "smsc": got["steady_submits_per_s"] or 0}
        return {
            "rate": min(rates.values()), "rates": rates,
            "cpu_us": (after - before) / max(1, sent["ok"]) * 1e6,
            "messages": sent["ok"], "p50_us": sent["latency_us"]["p50"], "p99_us": sent["latency_us"]["p99"],
            "max_us": sent["latency_us"]["max"], "receipt_p99_us": sent["receipts"]["after_submit_us"]["p99"],
            "repeated": got["dup_texts"], "left": left, "peak_mib": peak, "tls": sent["tls"], "wrong": wrong,
        }


def show_run(n, r):
    left = " ".join(f"{k} {v}" for k, v in r["left"].items())
    rates = " ".join(f"{k} {v:,.0f}" for k, v in r["rates"].items())
    print(f"run {n}: {r['rate']:,.0f} messages/s ({rates}), {r['cpu_us']:.1f} µs CPU per message, {r['messages']:,} messages, "
          f"submit_sm p50 {r['p50_us'] / 1000:.1f} ms p99 {r['p99_us'] / 1000:.1f} ms max {r['max_us'] / 1000:.1f} ms, "
          f"receipt p99 {r['receipt_p99_us'] / 1000:.1f} ms, repeated texts {r['repeated']}, "
          f"2 s after the end: {left}, RssAnon at most {r['peak_mib']:.0f} MiB, {r['tls'] or 'no TLS'}", flush=True)
    for why in r["wrong"]:
        print(f"run {n} does not count: {why}", flush=True)


def runs_of(o, mode, *pace):
    done = []
    for n in range(1, o.runs + 1):
        done.append(load_run(o, mode, *pace))
        show_run(n, done[-1])
    return done


def judge(what, value, bound, least=False):
    """Prints one figure beside its bound; whether it holds."""
    holds = value >= bound if least else value <= bound
    print(f"{what}: {value:,.1f} ({'at least' if least else 'at most'} {bound:,.0f}): {'met' if holds else 'NOT MET'}", flush=True)
    return holds


def load(o):
    done = runs_of(o, "load", *(["--rate", str(o.pace)] if o.pace else []))
    clean = all(not r["wrong"] for r in done)
    met = judge("median messages/s", statistics.median(r["rate"] for r in done), o.want_rate, least=True)
    met &= judge("median µs of CPU per message", statistics.median(r["cpu_us"] for r in done), o.want_cpu)
    return clean, met


def latency(o):
    done = runs_of(o, "latency", "--rate", str(o.rate))
    clean = all(not r["wrong"] for r in done)
    met = judge(f"median p99 of submit_sm at {o.rate:,.0f}/s, ms", statistics.median(r["p99_us"] for r in done) / 1000, o.want_p99)
    return clean, met


def idle(o):
    with Bench(o, "idle") as b:
        _, upstream = b.smsc()
        trunkline, told = b.trunkline(upstream)
        time.sleep(1)
        empty = memory_mib(trunkline.pid)
        esme = b.esme(told, "--bind", "trx", "--sessions", str(o.idle_sessions), "--seconds", "1000000", "--rate", "0.000001")
        wait_for(lambda: sessions(told) >= o.idle_sessions, 120, f"{o.idle_sessions} sessions are not bound", esme)
        time.sleep(o.idle_seconds)
        if sessions(told) < o.idle_sessions:
            raise Failed("sessions were dropped while idle")
        cpu = cpu_seconds(trunkline.pid)
        time.sleep(5)
        cpu = (cpu_seconds(trunkline.pid) - cpu) / 5
        full = memory_mib(trunkline.pid)
        esme.end()
        print(f"idle: RssAnon {empty:.1f} MiB empty, {full:.1f} MiB with {o.idle_sessions} TLS sessions "
              f"({(full - empty) * 1024 / o.idle_sessions:.1f} KiB each), {cpu * 100:.1f} % of a core", flush=True)
        return True, judge(f"MiB with {o.idle_sessions} idle TLS sessions", full, o.want_idle)


def sessions(told):
    """Sessions bound to the server."""
    return sum(v for k, v in metrics(told).items() if k.startswith("trunkline_smpp_sessions{") and 'role="smsc"' in k)


def backlog(o):
    with Bench(o, "backlog") as b:
        trunkline, told = b.trunkline("127.0.0.1:9")  # the discard port: nobody listens
        empty = memory_mib(trunkline.pid)
        esme = b.esme(told, "--sessions", str(o.sessions), "--window", str(o.window), "--count", str(o.backlog), "--dst-vary", "6", "--strict")
        peak = 0.0
        end = time.monotonic() + 600
        while esme.process.poll() is None:
            peak = max(peak, memory_mib(trunkline.pid))
            if time.monotonic() > end:
                raise Failed("the messages were not accepted within 600 s")
            time.sleep(0.5)
        out = esme.process.communicate()[0]
        if esme.process.returncode != 0:
            raise Failed(f"not every message was accepted: {out.strip()}")
        time.sleep(o.backlog_settle)
        waiting = stages(told)["waiting"]
        now = memory_mib(trunkline.pid)
        print(f"backlog: {waiting:,} messages wait, RssAnon {empty:.1f} MiB empty, {now:.1f} MiB now, {max(peak, now):.1f} MiB at most", flush=True)
        if waiting != o.backlog:
            b.failed = True
            print(f"backlog does not count: {o.backlog:,} were accepted")
        met = judge(f"MiB with {o.backlog:,} messages waiting", max(peak, now), o.want_backlog)
        if o.drain:
            met &= drain_backlog(b, o, trunkline, told)
        return waiting == o.backlog, met


def drain_backlog(b, o, trunkline, told):
    """kill -9, start again: how long until it is ready, and what it takes then."""
    trunkline.process.kill()
    trunkline.process.wait()
    begun = time.monotonic()
    trunkline, told = b.trunkline("127.0.0.1:9")
    took = time.monotonic() - begun
    waiting = stages(told)["waiting"]
    print(f"after kill -9: {waiting:,} wait again {took:.2f} s after the start, RssAnon {memory_mib(trunkline.pid):.1f} MiB", flush=True)
    return waiting == o.backlog


def echo(o):
    with Bench(o, "echo") as b:
        tls = [] if o.no_tls else ["--tls"]
        server = b.start("echo", [o.smppload, "echo", "--listen", f"127.0.0.1:{o.echo_port}", *tls])
        time.sleep(0.5)
        told = {"smpp_plain": f"127.0.0.1:{o.echo_port}", "smpp_tls": f"127.0.0.1:{o.echo_port}", "system_id": "load", "password": "secret"}
        esme = b.esme(told, "--sessions", str(o.sessions), "--window", str(o.window), "--seconds", "5")
        out = json.loads(esme.process.communicate(timeout=60)[0])
        server.end(signal.SIGINT)
        print(f"echo: {out['msgs_per_s']:,.0f} answers/s: what this machine and the load generator can do at most", flush=True)
        return True, True


MODES = {"load": load, "latency": latency, "idle": idle, "backlog": backlog, "echo": echo}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("mode", nargs="?", default="load", choices=[*MODES, "all"])
    p.add_argument("--seconds", type=float, default=60, help="of submitting, per run")
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--sessions", type=int, default=4, help="of the esme")
    p.add_argument("--window", type=int, default=500, help="of each esme session")
    p.add_argument("--upstream-sessions", type=int, default=2)
    p.add_argument("--upstream-window", type=int, default=1000)
    p.add_argument("--text-len", type=int, default=100)
    p.add_argument("--dst-vary", type=int, default=4, help="last digits of the destination that vary")
    p.add_argument("--rate", type=float, default=10_000, help="messages/s of the latency run")
    p.add_argument("--pace", type=float, default=30_000, help="messages/s of the load run; 0: as fast as the windows let")
    p.add_argument("--idle-sessions", type=int, default=1000)
    p.add_argument("--idle-seconds", type=float, default=10)
    p.add_argument("--backlog", type=int, default=1_000_000, help="messages")
    p.add_argument("--backlog-settle", type=float, default=10, help="seconds before the second look at the memory")
    p.add_argument("--drain", action="store_true", help="backlog: kill -9 and start again on it")
    p.add_argument("--dir", help="where the data directories are made: on a real disk (default: target/)")
    p.add_argument("--keep", action="store_true", help="keep data and logs")
    p.add_argument("--no-tls", action="store_true", help="plain TCP on both sides")
    p.add_argument("--verify", action="store_true", help="the esme checks the demo's certificate")
    p.add_argument("--esme-threads", type=int, default=1)
    p.add_argument("--smsc-threads", type=int, default=1)
    p.add_argument("--echo-port", type=int, default=29_775)
    p.add_argument("--demo-arg", action="append", default=[], help="handed to `trunkline demo` as it is")
    p.add_argument("--trunkline", default=os.environ.get("TRUNKLINE"))
    p.add_argument("--smppload", default=os.environ.get("SMPPLOAD"))
    p.add_argument("--want-rate", type=float, default=20_000)
    p.add_argument("--want-cpu", type=float, default=45)
    p.add_argument("--want-p99", type=float, default=50)
    p.add_argument("--want-idle", type=float, default=100)
    p.add_argument("--want-backlog", type=float, default=300)
    p.add_argument("--no-bounds", action="store_true", help="exit 0 though a bound is not met (a smoke run on a busy machine)")
    o = p.parse_args()
    if not o.trunkline or not o.smppload:
        p.error("run benches/load.sh, which builds and names the programs")
    if o.seconds * o.runs > SECONDS_MAX or o.sessions > SESSIONS_MAX or o.idle_sessions > SESSIONS_MAX or o.backlog > MESSAGES_MAX:
        p.error(f"at most {SECONDS_MAX} s, {SESSIONS_MAX} sessions and {MESSAGES_MAX} messages")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"# {cpu_model()}, {os.cpu_count()} cores, Linux {os.uname().release}", flush=True)
    fine = True
    for mode in MODES if o.mode == "all" else [o.mode]:
        try:
            clean, met = MODES[mode](o)
            fine &= clean and (met or o.no_bounds)
        except Failed as why:
            print(f"{mode} failed: {why}", flush=True)
            fine = False
    sys.exit(0 if fine else 1)


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown CPU")


if __name__ == "__main__":
    main()
