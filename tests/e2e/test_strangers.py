"""Those who have not logged in: what they can make mcgate hold, and what is served of what they sent behind a log-in."""

import select
import ssl
import unittest

import harness
import wire
from harness import PASSWORDS
from upstream_case import resident
from wire import packet, plain_message, text_login

STRANGERS = 60
MOST = 4_000_000  # bytes that each sends, if they are taken
TOKEN = 4096  # the longest log-in message
# A stranger's own: one read, what waits to be parsed, what waits to be sent. TLS adds its state and a record or two.
HELD, HELD_OVER_TLS = 32 * 1024, 96 * 1024

# What a stranger may send and never read the answers of, or never end.
FLOODS = [
    ("empty lines", b"\n" * 65536),
    ("requests", b"get a\r\n" * 10_000),
    ("log-ins that are none", b"set a 0 0 1\r\nx\r\n" * 4000),
    ("a value without end", b"set a 0 0 1000000000\r\n" + b"x" * 65536),
    ("binary requests", packet("get", b"a") * 2500),
    ("half a text log-in", b"set a 0 0 %d\r\n" % TOKEN + b"a" * (TOKEN - 1)),
    ("half a SASL message", packet("sasl_auth", b"PLAIN", b"a" * TOKEN)[:-1]),
]


def flood(connection, piece):
    """Sends it over and over, unless it is the half of something, until the other side takes no more."""
    connection.socket.setblocking(False)
    sent = 0
    while sent < (len(piece) if len(piece) < 2 * TOKEN else MOST):
        try:
            sent += connection.socket.send(piece)
        except (BlockingIOError, ssl.SSLWantWriteError):
            # If it is only slow, the test shows less.
            if not select.select([], [connection.socket], [], 0.05)[1]:
                return
        except OSError:
            return


@harness.needs_mcgate
class Held(unittest.TestCase):
    def assert_little_is_held(self, listener, most):
        for name, piece in FLOODS:
            with self.subTest(flood=name):
                _, gate = harness.start(self, [listener()], self.memcached, workers=1)
                before = resident(gate)
                strangers = [gate.connect() for _ in range(STRANGERS)]
                for connection in strangers:
                    self.addCleanup(connection.close)
                    flood(connection, piece)
                with gate.connect() as connection:  # all of it has been seen, and nobody else waits for it
                    self.assertEqual(connection.login(b"alice", PASSWORDS[b"alice"]), b"STORED")
                if before is not None:
                    self.assertLess((resident(gate) - before) / STRANGERS, most)
                for connection in strangers:
                    connection.close()
                gate.stop()

    @classmethod
    def setUpClass(cls):
        cls.memcached = harness.Memcached()
        cls.addClassCleanup(cls.memcached.stop)

    def test_plain(self):
        self.assert_little_is_held(harness.unix_listener, HELD)  # which holds little by itself

    def test_tls(self):
        self.assert_little_is_held(lambda: harness.unix_listener(tls=harness.server_tls()), HELD_OVER_TLS)


@harness.needs_mcgate
class BehindALogin(unittest.TestCase):
    """More than a stranger may make us hold, sent before the log-in is answered."""

    VALUE = b"x" * 700_000

    def test_is_served(self):
        _, gate = harness.start(self, [
            harness.plain_listener(), harness.tls_listener(), harness.unix_listener(),
            harness.unix_listener(tls=harness.server_tls())])
        user, password = b"alice", PASSWORDS[b"alice"]
        for listener in range(4):
            with self.subTest(listener=listener):
                with gate.connect(listener) as connection:
                    connection.send(text_login(user, password) + b"set alice:k 0 0 %d\r\n%s\r\n" % (len(self.VALUE), self.VALUE) +
                                    b"get alice:none\r\n" * 5000)
                    self.assertEqual([connection.line() for _ in range(5002)], [b"STORED"] * 2 + [b"END"] * 5000)
                with gate.connect(listener) as connection:
                    connection.send(packet("sasl_auth", b"PLAIN", plain_message(user, password)) +
                                    wire.storage("set", b"alice:k", self.VALUE) + packet("get", b"alice:none") * 5000)
                    self.assertEqual([connection.packet().status for _ in range(5002)], [0, 0] + [wire.NOT_FOUND] * 5000)


if __name__ == "__main__":
    unittest.main()
