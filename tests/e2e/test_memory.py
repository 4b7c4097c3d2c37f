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

import harness
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
PLAIN, TLS = range(2)
GOOD = b"VALUE alice:a 0 5\r\nhello\r\nEND\r\n"

_libc = ctypes.CDLL(None, use_errno=True)
_libc.sigqueue.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p]


class Refused(Exception):
    """mcgate would not, and said so or closed."""


def text(connection):
    if connection.login(b"alice", PASSWORDS[b"alice"]) != b"STORED":
        raise Refused
    requests(connection)


def requests(connection):
    connection.send(b"set alice:a 0 0 5\r\nhello\r\nget alice:a\r\nget alice:a alice:none\r\nmg alice:a v\r\nmn\r\n")
    expected = b"STORED\r\n" + GOOD * 2 + b"VA 5\r\nhello\r\nMN\r\n"
    if connection.read(len(expected)) != expected:
        raise AssertionError("a wrong answer")


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
class Memory(unittest.TestCase):
    def setUp(self):
        self.memcached = harness.Memcached()
        self.addCleanup(self.memcached.stop)
        self.gate = None
        self.addCleanup(lambda: self.gate and self.gate.stop())

    def ready(self):
        """An mcgate that lives: that of before, or a new one."""
        if self.gate is None:
            with harness.preloaded(FAILING_MALLOC):
                self.gate = harness.Mcgate(self.memcached.upstream(), [harness.plain_listener(), harness.tls_listener()],
                                           users=harness.users(), roles=harness.ROLES, workers=1, limits={"sessions": 100},
                                           login={"remembered": 0})
            self.armed = 0
        return self.gate

    def arm(self, value):
        """How many allocations the last one had to go."""
        self.armed += 1
        if _libc.sigqueue(self.gate.process.child.pid, signal.SIGRTMIN, value) != 0:
            raise OSError(ctypes.get_errno(), "sigqueue")
        return int(self.gate.process.wait_for(r"armed ", self.armed)[-1].split()[3])

    def converse(self, listener, conversation):
        """Whether it went well; if not, in a way that memory's end excuses."""
        try:
            with self.gate.connect(listener) as connection:
                conversation(connection)
                return True
        except (Refused, wire.Closed, ConnectionError, ssl.SSLError):
            return False

    def lives_on(self, listener, conversation):
        """What is left of it after a conversation that a failure fell into: all of it, or a line that says why not."""
        if self.gate.process.child.poll() is None:
            try:
                self.arm(0)
            except (OSError, AssertionError):
                pass  # it is ending right now
            else:
                if self.converse(listener, conversation):
                    return
        # It has ended, or is about to: be it only now, by what failed before it was told to let nothing fail.
        gate, self.gate = self.gate, None
        status = gate.process.wait()
        log = gate.process.log()
        gate.process.child.stderr.close()
        self.assertEqual((status, log.count(FATAL)), (EX_OSERR, 1), log[-4000:])
        self.assertNotRegex(SANITIZER_OUT_OF_MEMORY.sub("", log), "Sanitizer|runtime error:")

    def numbers(self, listener, conversation):
        """Which allocations are to fail."""
        self.ready()
        most = 1_000_000
        self.arm(most)
        self.assertTrue(self.converse(listener, conversation))
        total = most - self.arm(0)
        first, last = min(FIRST, total), max(FIRST, total - LAST)
        return [*range(1, first + 1), *range(first + 1, last, max(1, (last - first) // BETWEEN)), *range(last, total + 1)]

    def each(self, listener, conversation, sign=1, step=1):
        numbers = self.numbers(listener, conversation)[::step]
        served = ends = 0
        for number in numbers:
            self.ready()
            with self.subTest(conversation=conversation.__name__, listener=listener, number=sign * number):
                self.arm(sign * number)
                served += self.converse(listener, conversation)
                self.lives_on(listener, conversation)
                ends += self.gate is None
        print(f"{conversation.__name__}, {('plain', 'TLS')[listener]}: {len(numbers)} failures, up to the {numbers[-1]}th "
              f"allocation; {served} served, {ends} ends", flush=True)

    def test_text(self):
        self.each(PLAIN, text)

    def test_sasl_plain(self):
        self.each(PLAIN, plain)

    def test_scram(self):
        self.each(PLAIN, scram_256)

    def test_stream(self):
        self.each(PLAIN, stream)

    def test_tls(self):
        self.each(TLS, text)

    def test_no_more_memory_at_all(self):
        self.each(PLAIN, text, sign=-1, step=5)
        self.each(TLS, text, sign=-1, step=13)


if __name__ == "__main__":
    unittest.main()
