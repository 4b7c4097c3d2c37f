"""Memory that is out, at any moment: the n-th allocation of what mcgate and its libraries do for a client fails, for each n.
Then the client is served or refused and all go on, or mcgate ends with one line that says so: it never hangs, nor crashes,
nor answers wrongly.

MCGATE_FAILING_MALLOC is the library that makes an allocation fail; without it, there is nothing to test.
"""

import ctypes
import os
import re
import signal
import ssl
import struct
import unittest
from typing import NamedTuple

import admin
import harness
import pki
import scram
import wire
from harness import PASSWORDS

FAILING_MALLOC = os.environ.get("MCGATE_FAILING_MALLOC", "")
EX_OSERR = 71
FATAL = "level=error event=fatal "
# Of the allocations that a conversation makes, the first and the last are all tried. What is between is a key's derivation,
# thousands of the same; of these some are.
FIRST, BETWEEN, LAST = 400, 40, 100
# What AddressSanitizer says when it is its own allocation that fails, as the one that finds a thread's stack for it at a throw.
SANITIZER_OUT_OF_MEMORY = re.compile(r"AddressSanitizer: CHECK failed: .*pthread_getattr_np.* \(0xc, 0x0\) \(tid=\d+\)\n?")
PLAIN, TLS, REQUIRED, OPTIONAL = range(4)  # the listeners; the latter two, as to certificates
GOOD = b"VALUE alice:a 0 5\r\nhello\r\nEND\r\n"

_libc = ctypes.CDLL(None, use_errno=True)
_libc.sigqueue.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p]


class Refused(Exception):
    """mcgate would not, and said so or closed."""


class Route(NamedTuple):
    """A way to mcgate: the listener, and what a client there does in TLS."""
    name: str
    listener: int
    tls: ssl.SSLContext | None


def text(connection):
    if connection.login(b"alice", PASSWORDS[b"alice"]) != b"STORED":
        raise Refused
    requests(connection)


def requests(connection):
    connection.send(b"set alice:a 0 0 5\r\nhello\r\nget alice:a\r\nget alice:a alice:none\r\nmg alice:a v\r\nmn\r\n")
    expected = b"STORED\r\n" + GOOD * 2 + b"VA 5\r\nhello\r\nMN\r\n"
    if (answer := connection.read(len(expected))) != expected:
        raise AssertionError(f"a wrong answer: {answer}")


def plain(connection):
    if connection.sasl_plain(b"alice", PASSWORDS[b"alice"]).status != 0:
        raise Refused
    packets(connection)


def scram_256(connection):
    client = scram.Client("SCRAM-SHA-256", b"alice", PASSWORDS[b"alice"])
    answer = connection.call("sasl_auth", b"SCRAM-SHA-256", client.first())
    if answer.status != wire.AUTH_CONTINUE:
        raise Refused
    answer = connection.call("sasl_step", b"SCRAM-SHA-256", client.final(answer.value))
    if answer.status != wire.AUTH_CONTINUE:
        raise Refused
    if not client.proves_server(answer.value):
        raise AssertionError("the server does not know the password")
    if connection.call("sasl_step", b"SCRAM-SHA-256").status != 0:
        raise Refused
    packets(connection)


def external(connection):
    if connection.call("sasl_auth", b"EXTERNAL", b"alice").status != 0:
        raise Refused
    packets(connection)


def revoked(connection):
    connection.send(b"get alice:a\r\n")
    raise AssertionError(f"served in spite of its certificate: {connection.line()}")


def packets(connection):
    if connection.call("set", b"alice:b", b"world", struct.pack(">II", 0, 0)).status != 0:
        raise Refused
    connection.send(wire.packet("getkq", b"alice:b", opaque=1) + wire.packet("noop", opaque=2))
    answers = [connection.packet(), connection.packet()]
    if [(answer.opaque, answer.key, answer.value) for answer in answers] != [(1, b"alice:b", b"world"), (2, b"", b"")]:
        raise AssertionError(f"wrong answers: {answers}")


def stream(connection):
    if connection.login(b"admin", PASSWORDS[b"admin"]) != b"STORED":
        raise Refused
    if (line := connection.ask(b"stats settings\r\n")) == b"SERVER_ERROR upstream unavailable":
        raise Refused
    if not line.startswith(b"STAT ") or not connection.lines_until(b"END"):
        raise AssertionError("a wrong answer")


@harness.needs_mcgate
@unittest.skipUnless(FAILING_MALLOC, "MCGATE_FAILING_MALLOC is not set")
class FailingCase(unittest.TestCase):
    """Any of the allocations of an mcgate with one worker can be made to fail."""

    def setUp(self):
        self.memcached = harness.Memcached()
        self.addCleanup(self.memcached.stop)
        self.gate = None
        self.addCleanup(lambda: self.gate and self.gate.stop())

    def start(self, listeners, **config):
        with harness.preloaded(FAILING_MALLOC):
            self.gate = harness.Mcgate(self.memcached.upstream(), listeners, roles=harness.ROLES, workers=1,
                                       limits={"sessions": 100}, **config)
        self.armed = 0

    def arm(self, value):
        """How many allocations the last one had to go."""
        self.armed += 1
        if _libc.sigqueue(self.gate.process.child.pid, signal.SIGRTMIN, value) != 0:
            raise OSError(ctypes.get_errno(), "sigqueue")
        return int(self.gate.process.wait_for(r"armed ", self.armed)[-1].split()[3])


class Newcomer(FailingCase):
    def test_no_memory_to_take_it(self):
        """It is closed at once, counted and logged; who is there is served, and so is the next."""
        table = admin.listener()
        self.start([harness.plain_listener(), harness.tls_listener(), harness.unix_listener()], users=harness.users(),
                   admin=table)
        with self.gate.connect() as there:
            self.assertEqual(there.login(b"alice", PASSWORDS[b"alice"]), b"STORED")
            for number, address in enumerate(self.gate.addresses, 1):
                self.arm(1)
                with wire.Connection(address) as newcomer:
                    self.assertEqual(newcomer.rest(), b"")
                self.gate.process.wait_for(
                    'level=error event=accept_failed reason="out of memory" limit=memory sessions=1$', number)
            requests(there)
            for listener in range(3):
                with self.gate.connect(listener) as following:
                    text(following)
        metrics = admin.Admin(table["address"]).metrics()
        self.assertEqual(metrics['mcgate_bound_hits_total{bound="memory"}'], 3)
        self.assertEqual(metrics["mcgate_sessions_accepted_total"], 4)


class Memory(FailingCase):
    @classmethod
    def setUpClass(cls):
        root = pki.Authority("Clients' root")
        whose = pki.common_name("alice")
        good, bad = root.issue(subject=whose), root.issue(subject=whose)
        ask = {"client_ca": root.file, "client_crl": [root.revoke(bad)]}
        cls.listeners = [harness.plain_listener(), harness.tls_listener(),
                         harness.tls_listener(tls=harness.server_tls() | ask | {"client_certificate": "required"}),
                         # Whoever is not known by a certificate may read there.
                         harness.tls_listener(tls=harness.server_tls() | ask | {"client_certificate": "optional"},
                                              anonymous="reader")]
        cls.users = [user | ({"certificates": ["cn:alice"]} if user["name"] == "alice" else {}) for user in harness.users()]
        cls.plain = Route("plain", PLAIN, None)
        cls.tls = [Route(version.name, TLS, pki.client_tls(version)) for version in pki.VERSIONS]
        cls.required, cls.optional, cls.revoked = (
            [Route(f"{version.name}, {name}", listener, credential.tls(version)) for version in pki.VERSIONS]
            for name, listener, credential in (("certificate", REQUIRED, good), ("certificate or none", OPTIONAL, good),
                                               ("revoked certificate", OPTIONAL, bad)))

    def ready(self):
        """An mcgate that lives: that of before, or a new one."""
        if self.gate is None:
            self.start(self.listeners, users=self.users, login={"remembered": 0})
        return self.gate

    def converse(self, route, conversation):
        """Whether it went well; if not, in a way that memory's end excuses."""
        try:
            with wire.Connection(self.gate.addresses[route.listener], route.tls) as connection:
                conversation(connection)
                return True
        except (Refused, wire.Closed, ConnectionError, ssl.SSLError):
            return False

    def lives_on(self, route, conversation):
        """What is left of it after a conversation that a failure fell into: all of it, or a line that says why not."""
        if self.gate.process.child.poll() is None:
            try:
                self.arm(0)
            except (OSError, AssertionError):
                pass  # it is ending right now
            else:
                if self.converse(route, conversation):
                    return
        # It has ended, or is about to: be it only now, by what failed before it was told to let nothing fail.
        gate, self.gate = self.gate, None
        status = gate.process.wait()
        log = gate.process.log()
        gate.process.child.stderr.close()
        self.assertEqual((status, log.count(FATAL)), (EX_OSERR, 1), log[-4000:])
        self.assertNotRegex(SANITIZER_OUT_OF_MEMORY.sub("", log), "Sanitizer|runtime error:")

    def numbers(self, route, conversation):
        """Which allocations are to fail."""
        self.ready()
        most = 1_000_000
        self.arm(most)
        self.assertEqual(self.converse(route, conversation), conversation is not revoked)
        total = most - self.arm(0)
        first, last = min(FIRST, total), max(FIRST, total - LAST)
        return [*range(1, first + 1), *range(first + 1, last, max(1, (last - first) // BETWEEN)), *range(last, total + 1)]

    def each(self, route, conversation, sign=1, step=1):
        numbers = self.numbers(route, conversation)[::step]
        # Whoever is never served says nothing of whether others are.
        afterwards = (route, conversation) if conversation is not revoked else (self.required[0], requests)
        served = ends = 0
        for number in numbers:
            self.ready()
            with self.subTest(conversation=conversation.__name__, route=route.name, number=sign * number):
                self.arm(sign * number)
                served += self.converse(route, conversation)
                self.lives_on(*afterwards)
                ends += self.gate is None
        print(f"{conversation.__name__}, {route.name}: {len(numbers)} failures, up to the {numbers[-1]}th "
              f"allocation; {served} served, {ends} ends", flush=True)

    def test_text(self):
        self.each(self.plain, text)

    def test_sasl_plain(self):
        self.each(self.plain, plain)

    def test_scram(self):
        self.each(self.plain, scram_256)

    def test_stream(self):
        self.each(self.plain, stream)

    def test_tls(self):
        for route in self.tls:
            self.each(route, text)

    def test_certificates(self):
        for route in self.required + self.optional:
            self.each(route, requests)

    def test_external(self):
        self.each(self.required[0], external)

    def test_revoked_certificates(self):
        """Never is one taken for good, nor for none."""
        for route in self.revoked:
            self.each(route, revoked)

    def test_no_more_memory_at_all(self):
        self.each(self.plain, text, sign=-1, step=5)
        for route in self.tls + self.required:
            self.each(route, text if route in self.tls else requests, sign=-1, step=13)


if __name__ == "__main__":
    unittest.main()
