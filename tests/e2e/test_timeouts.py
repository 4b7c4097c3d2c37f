"""How long a client may take: each limit closes whoever exceeds it, and nobody else."""

import socket
import time
import unittest

import admin
import harness
import wire
from harness import PASSWORDS
from wire import packet, text_login

ALICE = text_login(b"alice", PASSWORDS[b"alice"])
SHORT = 2  # seconds, enough for a slow machine's handshake; the other limits keep their minute or so
LARGE = b"x" * 1_000_000


@harness.needs_mcgate
class Timeouts(unittest.TestCase):
    PLAIN, TLS, UNIX = range(3)

    def start(self, limit):
        table = admin.listener()
        _, self.gate = harness.start(
            self, [harness.plain_listener(), harness.tls_listener(), harness.unix_listener()],
            timeouts={limit: SHORT}, log={"level": "debug"}, admin=table)
        self.admin = admin.Admin(table["address"])
        self.limit = limit

    def connect(self, listener=PLAIN):
        connection = self.gate.connect(listener)
        self.addCleanup(connection.close)
        return connection

    def serving(self, listener=PLAIN):
        connection = self.connect(listener)
        self.assertEqual(connection.ask(ALICE), b"STORED")
        return connection

    def wait_for_closing(self, count):
        """Logged under its key, and counted."""
        self.gate.process.wait_for(rf"event=bound_reached limit=timeouts\.{self.limit}", count)
        counted = f'mcgate_bound_hits_total{{bound="timeouts.{self.limit}"}}'
        self.assertGreaterEqual(self.admin.metrics()[counted], count)

    def assert_all_closed(self, connections):
        """Given as what each has sent, the connection, and what it was answered before."""
        self.wait_for_closing(len(connections))
        for sent, connection, answers in connections:
            with self.subTest(sent=sent):
                self.assertEqual(connection.rest(), answers)

    def test_handshake(self):
        self.start("handshake_seconds")
        patient, logged_in = self.connect(), self.serving(self.TLS)
        late = []
        for hello in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"):
            connection = wire.Connection(self.gate.addresses[self.TLS])
            self.addCleanup(connection.close)
            connection.send(hello)
            late.append((hello, connection, b""))
        self.assert_all_closed(late)
        self.assertEqual(patient.ask(ALICE), b"STORED")
        self.assertEqual(logged_in.get(b"alice:k"), None)

    def test_login(self):
        self.start("login_seconds")
        logged_in = self.serving()
        rows = [(b"", b""), (ALICE[:-1], b""), (ALICE[:8], b""), (b"get", b""), (packet("sasl_auth", b"PLAIN", b"a")[:-1], b""),
                (b"get a\r\n", b"CLIENT_ERROR unauthenticated\r\n")]
        late = []
        for listener in (self.PLAIN, self.TLS):
            for sent, answers in rows:
                late.append((sent, self.connect(listener), answers))
                late[-1][1].send(sent)
        self.assert_all_closed(late)
        self.assertEqual(logged_in.get(b"alice:k"), None)

    def test_neither_refusals_nor_failures_prolong_it(self):
        self.start("login_seconds")
        for number, request in enumerate((b"get a\r\n", text_login(b"alice", b"wrong")), 1):
            connection = self.connect()
            began = time.monotonic()
            try:
                for _ in range(9):  # the tenth failure would close by itself
                    connection.ask(request)
                    time.sleep(SHORT / 4)
            except (wire.Closed, OSError):
                pass
            self.wait_for_closing(number)
            self.assertGreater(time.monotonic() - began, SHORT)

    def test_request(self):
        self.start("request_seconds")
        patient, other = self.connect(), self.serving()
        late = []
        for half in (b"get alice:k", b"set alice:k 0 0 10\r\nxxx", b"set bob:k 0 0 10\r\nxxx"):
            late.append((half, self.serving(), b""))
        half, binary = wire.storage("set", b"alice:k", b"x" * 100)[:-1], self.connect()
        self.assertEqual(binary.sasl_plain(b"alice", PASSWORDS[b"alice"]).status, 0)
        late.append((half, binary, b""))
        for half, connection, _ in late:
            connection.send(half)
        self.assert_all_closed(late)
        self.assertEqual(other.get(b"alice:k"), None)
        self.assertEqual(patient.ask(ALICE), b"STORED")

    def test_write(self):
        self.start("write_seconds")
        other = self.serving()
        self.assertEqual(other.set(b"alice:large", LARGE), b"STORED")
        greedy = self.serving(self.UNIX)
        greedy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.send(b"get alice:large\r\n" * 10)
        self.wait_for_closing(1)
        self.assertLess(len(greedy.rest()), 10 * len(LARGE))
        self.assertEqual(other.get(b"alice:none"), None)

    def test_idle(self):
        """Whoever neither sends nor waits for anything, over whatever; not one whose stream may have nothing to say."""
        self.start("idle_seconds")
        watcher = self.connect()
        self.assertEqual(watcher.ask(text_login(b"admin", PASSWORDS[b"admin"])), b"STORED")
        self.assertEqual(watcher.ask(b"watch fetchers\r\n"), b"OK")
        late = [(b"", self.connect(), b""), (b"get alice:k", self.serving(), b"")]
        late += [(b"mn\r\n", self.serving(listener), b"MN\r\n") for listener in (self.PLAIN, self.TLS, self.UNIX)]
        for sent, connection, _ in late:
            connection.send(sent)
        self.assert_all_closed(late)
        self.admin.wait_for(lambda found: found["mcgate_sessions"] == 1, "the watcher alone")


if __name__ == "__main__":
    unittest.main()
