"""What the end-to-end tests stand on: a real memcached, an mcgate in front of it, and certificates.

Environment: MCGATE is the program under test (tests that need it are skipped where it is not set, so that the others can
be worked on with memcached alone); MEMCACHED is the memcached to use, /usr/bin/memcached if not set.

Whatever is started here dies with the test, however that ends: stop() by pid, and the kernel's death signal should the
test itself be killed.
"""

import atexit
import contextlib
import ctypes
import functools
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import unittest

from scram import verifier
from wire import Connection

MCGATE = os.environ.get("MCGATE", "")
MEMCACHED = os.environ.get("MEMCACHED", "/usr/bin/memcached")
START_TIMEOUT = 30  # seconds; an upper bound, nothing waits that long
STOP_TIMEOUT = 30

needs_mcgate = unittest.skipUnless(MCGATE, "MCGATE is not set")

_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def once(function):
    """functools.cache of what must not run twice, for threads that ask for it at the same time."""
    lock, cached = threading.Lock(), functools.cache(function)

    @functools.wraps(function)
    def call():
        with lock:
            return cached()
    return call


@once
def scratch():
    """This process's directory for sockets, certificates and configurations; short, since socket paths must be."""
    path = tempfile.mkdtemp(prefix="mcgate-e2e-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


_names = iter(range(1_000_000))


def fresh_path(suffix):
    return os.path.join(scratch(), f"{next(_names)}{suffix}")


class Process:
    """A child whose stderr is read by a thread, line by line, so that waiting for an event is waiting for its line."""

    def __init__(self, command):
        self.lines = []
        self._changed = threading.Condition()
        self._ended = False
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE, preexec_fn=_die_with_parent)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.child.stderr:
            with self._changed:
                self.lines.append(line.decode(errors="backslashreplace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, pattern, count=1, timeout=START_TIMEOUT):
        """The first `count` lines that match, waited for; fails at once if the process ends before."""
        def matching():
            return [line for line in self.lines if re.search(pattern, line)]
        with self._changed:
            self._changed.wait_for(lambda: len(matching()) >= count or self._ended, timeout)
            found = matching()
            if len(found) < count:
                raise AssertionError(f"{pattern!r} was not logged {count} times:\n" + "\n".join(self.lines[-40:]))
            return found[:count]

    def log(self):
        with self._changed:
            return "\n".join(self.lines)

    def kill(self):
        """At once, as a crash would."""
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        self._reader.join(STOP_TIMEOUT)
        self.child.stderr.close()

    def wait(self, timeout=STOP_TIMEOUT):
        """Its exit status; a child that does not end in time is killed and fails the test."""
        try:
            status = self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("it did not end in time:\n" + "\n".join(self.lines[-40:])) from None
        self._reader.join(STOP_TIMEOUT)
        return status


class Memcached:
    """A real memcached on a Unix socket of its own (restart() comes back there), or on a TCP port of loopback."""

    def __init__(self, *options, path=None):
        self.address = path or fresh_path(".mc")
        self.options = options
        self.start()

    def start(self):
        user = ["-u", "root"] if os.geteuid() == 0 else []
        # -vv says when it listens; quiet again before any traffic.
        self.process = Process([MEMCACHED, "-vv", "-t", "2", "-U", "0", "-s", self.address, "-a", "0600",
                                *user, *self.options])
        try:
            self.process.wait_for("server listening")
            with self.connect() as connection:
                if connection.ask(b"verbosity 0\r\n") != b"OK":
                    raise AssertionError("memcached does not answer as it should")
        except BaseException:
            self.kill()
            raise

    def connect(self):
        return Connection(self.address)

    def kill(self):
        self.process.kill()

    stop = kill

    def flush(self):
        with self.connect() as connection:
            if connection.ask(b"flush_all\r\n") != b"OK":
                raise AssertionError("flush_all failed")

    def upstream(self):
        return f"unix:{self.address}"


@once
def certificates():
    """(CA file, chain file, key file): a CA and a server certificate for localhost and 127.0.0.1, made once."""
    directory = scratch()
    ca, ca_key, request, chain, key, extensions = (
        os.path.join(directory, name) for name in ("ca.pem", "ca.key", "s.csr", "s.pem", "s.key", "s.ext"))
    with open(extensions, "w", encoding="ascii") as file:
        file.write("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n")
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for command in (
        ["req", "-x509", *new_key, "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", "/CN=Test CA"],
        ["req", *new_key, "-keyout", key, "-out", request, "-subj", "/CN=localhost"],
        ["x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2",
         "-extfile", extensions, "-out", chain],
    ):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    return ca, chain, key


def client_tls():
    return ssl.create_default_context(cafile=certificates()[0])


def server_tls():
    _, chain, key = certificates()
    return {"certificate": chain, "key": key}


def _toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value)


def config_text(upstream, listeners, users=(), roles=None, **sections):
    """A configuration. `listeners` and `users` are lists of tables, `roles` maps names to {allow, deny}; further
    keyword arguments are top-level tables (dict) or values."""
    lines = [f"{name} = {_toml(value)}" for name, value in sections.items() if not isinstance(value, dict)]
    tables = [("[upstream]", {"address": upstream} | sections.pop("upstream_options", {}))]
    tables += [("[[listener]]", listener) for listener in listeners]
    tables += [("[[user]]", user) for user in users]
    tables += [(f"[role.{name}]", role) for name, role in (roles or {}).items()]
    tables += [(f"[{name}]", table) for name, table in sections.items() if isinstance(table, dict)]
    for header, table in tables:
        lines += ["", header] + [f"{name} = {_toml(value)}" for name, value in table.items()]
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def preloaded(library):
    """What is started meanwhile has the library before all of its own, a sanitizer's included."""
    before = {name: os.environ.get(name) for name in ("LD_PRELOAD", "ASAN_OPTIONS")}
    os.environ["LD_PRELOAD"] = library
    os.environ["ASAN_OPTIONS"] = ":".join(filter(None, (
        before["ASAN_OPTIONS"], "verify_asan_link_order=0:alloc_dealloc_mismatch=0:detect_leaks=0")))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


class Mcgate:
    """mcgate serve with a configuration; `addresses` are the listeners' real ones, in the configuration's order."""

    def __init__(self, upstream, listeners, **config):
        self.config = fresh_path(".toml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(config_text(upstream, listeners, **config))
        self.process = Process([MCGATE, "serve", "-c", self.config])
        try:
            self.process.wait_for(r'\bevent"?[=:]"?ready\b')  # logfmt or JSON
            said = self.process.wait_for(r'\bevent"?[=:]"?listening\b', count=len(listeners))
        except BaseException:
            self.process.kill()
            raise
        self.tls = [bool(listener.get("tls")) for listener in listeners]
        self.addresses = [self._address(line) for line in said]

    @staticmethod
    def _address(line):
        address = re.search(r'\baddress"?[=:]"?([^" ]+)', line).group(1)
        if address.startswith("unix:"):
            return address[len("unix:"):]
        host, port = address.rsplit(":", 1)
        return host.strip("[]"), int(port)

    def connect(self, listener=0):
        return Connection(self.addresses[listener], client_tls() if self.tls[listener] else None)

    def terminate(self):
        self.process.child.send_signal(signal.SIGTERM)

    def stop(self):
        """SIGTERM must drain and end with 0, and no sanitizer may have had anything to say."""
        if self.process.child.returncode is not None:
            return
        self.terminate()
        status = self.process.wait()
        log = self.process.log()
        self.process.child.stderr.close()
        if status != 0 or "Sanitizer" in log or "runtime error:" in log:
            raise AssertionError(f"mcgate ended with {status}:\n{log[-4000:]}")


# The users that most tests share. Passwords hold what splits badly: spaces, '@', bytes that are no ASCII.
PASSWORDS = {
    b"admin": b"admin-secret",
    b"alice": b"open sesame",
    b"bob": b"hunter2",
    b"reader": b"pa\xc3\x9fwort",
    b"carol@example.org": b"with@at",
}
ROLES = {
    "admin": {"allow": [{"commands": ["*", "admin"], "keys": ["*"]}]},
    "reader": {"allow": [{"commands": ["read", "stats"], "keys": ["*"]}],
               "deny": [{"commands": ["*"], "keys": ["secret*"]}]},
    "alice": {"allow": [{"commands": ["*"], "keys": ["alice:*", "shared:*"]}]},
    "bob": {"allow": [{"commands": ["*"], "keys": ["bob:*", "shared:*"]}]},
    "carol": {"allow": [{"commands": ["read", "write"], "keys": ["carol:*"]}]},
}


@once
def users():
    """The [[user]] tables, each with a verifier for both hashes."""
    return [{"name": name.decode(), "roles": [name.decode().split("@")[0]],
             "secrets": [verifier(password, "SCRAM-SHA-256"), verifier(password, "SCRAM-SHA-512")]}
            for name, password in PASSWORDS.items()]


def plain_listener(**options):
    return {"address": "127.0.0.1:0"} | options


def tls_listener(**options):
    return {"address": "127.0.0.1:0", "tls": server_tls()} | options


def unix_listener(**options):
    return {"address": f"unix:{fresh_path('.gate')}"} | options


def start(case, listeners, memcached=None, **config):
    """A memcached and an mcgate before it for a test or, given its class, all its tests; stopped with it."""
    clean = case.addClassCleanup if isinstance(case, type) else case.addCleanup
    if memcached is None:
        memcached = Memcached()
        clean(memcached.stop)
    config = {"users": users(), "roles": ROLES, "workers": 2} | config
    # Tests fail to log in all the time, and all from one address: only those of the throttle want to wait.
    config["login"] = {"throttle": {"delay_seconds": 0}} | config.get("login", {})
    config["limits"] = {"sessions": 800} | config.get("limits", {})  # the usual 1024 descriptors will do
    gate = Mcgate(memcached.upstream(), listeners, **config)
    clean(gate.stop)
    return memcached, gate
