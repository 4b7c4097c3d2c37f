"""Sessions whose values are large have a link of their own: nobody else waits behind them, they keep the order of their
requests, and do without it where it cannot be had."""

import random
import threading
import unittest

import admin
import harness
from fake_backend import END, Cut, block
from upstream_case import UNAVAILABLE, FakeCase, UpstreamCase
from wire import packet, storage

LARGE = b"x" * 20_000
SET_LARGE = b"set large 0 0 %d\r\n%s\r\n" % (len(LARGE), LARGE)
UNSUPPORTED = b"ERROR"
LINK_UP = r"event=upstream_up .*dialect=%s values=large "


@harness.needs_mcgate
class Own(FakeCase):
    """The backend answers a set of "held" when told to, and ends the connection at one of "cut"."""

    def setUp(self):
        self.release, self.holding = threading.Event(), threading.Event()
        self.addCleanup(self.release.set)
        self.seen = []
        settings = admin.listener()
        self.admin = admin.Admin(settings["address"])
        self.start(self.reply, admin=settings)

    def reply(self, request):
        if request[0] == 0x80:
            return self.answer(request)
        words = request.split(b" ", 2)
        self.seen.append(b" ".join(words[:2]))
        if words[1].startswith(b"held"):
            self.holding.set()
            self.release.wait(harness.START_TIMEOUT)
        if words[1] == b"cut":
            return Cut()
        if request == b"get barely\r\n":
            return block(b"barely", b"x" * 8200) + END
        if words[0] == b"gat":
            return b"".join(block(key, LARGE) for key in request.split()[2:]) + END
        return b"STORED\r\n" if words[0] == b"set" else self.answer(request)

    def connect(self):
        connection = self.gate.connect()
        self.addCleanup(connection.close)
        return connection

    def connect_large(self):
        """Its next request takes the link for large values."""
        connection = self.connect()
        self.assertEqual(connection.ask(SET_LARGE), b"STORED")
        self.gate.process.wait_for(LINK_UP % "text")
        return connection

    def test_nobody_waits_behind_a_large_value(self):
        large, other = self.connect_large(), self.connect()
        large.send(b"set held 0 0 %d\r\n%s\r\n" % (len(LARGE), LARGE))
        self.assertTrue(self.holding.wait(harness.START_TIMEOUT))
        self.assertEqual(other.ask(b"get a\r\n"), b"END")
        self.assertEqual(other.ask(b"set b 0 0 1\r\nx\r\n"), b"STORED")
        self.release.set()
        self.assertEqual(large.line(), b"STORED")

    def test_the_link_changes_when_nothing_is_in_flight(self):
        session, other = self.connect_large(), self.connect()
        for _ in range(20):  # until its values are small again
            self.assertEqual(session.ask(b"set small 0 0 1\r\nx\r\n"), b"STORED")
        del self.seen[:]
        session.send(b"set held 0 0 1\r\nx\r\n" + SET_LARGE)
        self.assertTrue(self.holding.wait(harness.START_TIMEOUT))
        # mcgate has seen all of it: what came later, by another protocol, is answered.
        self.assertEqual(other.call("get", b"b").status, 1)
        self.assertEqual(self.seen, [b"set held"])
        self.release.set()
        self.assertEqual([session.line() for _ in range(2)], [b"STORED", b"STORED"])

    def test_barely_large(self):
        """The END of a get that brought a large value makes it no smaller."""
        large, session, other = self.connect_large(), self.connect(), self.connect()
        for _ in range(3):
            self.assertEqual(len(session.get(b"barely")), 8200)
        del self.seen[:]
        large.send(b"set held 0 0 %d\r\n%s\r\n" % (len(LARGE), LARGE))
        self.assertTrue(self.holding.wait(harness.START_TIMEOUT))
        session.send(b"get barely\r\n")
        self.assertEqual(other.ask(b"get a\r\n"), b"END")
        self.assertEqual(self.seen, [b"set held", b"get a\r\n"])
        self.release.set()
        self.assertEqual(large.line(), b"STORED")
        self.assertEqual(session.lines_until(b"END")[0], b"VALUE barely 0 8200")

    def test_it_makes_nobody_ready(self):
        self.connect_large()
        self.assertEqual(self.admin.metrics()['mcgate_upstream_links{protocol="text"}'], 1)

    def test_it_may_be_to_another_version(self):
        """A get that began on one link goes on on another, which does not know the command."""
        self.wait_until_up(1)
        self.backend.version = b"1.4.39"
        self.connect_large()
        keys = [b"k%d" % n for n in range(200)]
        del self.seen[:]
        session = self.connect()
        session.send(b"gat 1 " + b" ".join(keys) + b"\r\n")
        self.assertRegex(session.lines_until(UNSUPPORTED)[0], rb"VALUE k0 0 20000")
        self.assertEqual(session.ask(b"get a\r\n"), b"END")
        self.assertEqual(self.seen, [b"gat 1", b"get a\r\n"])

    def test_a_lost_link_costs_only_those_on_it(self):
        large, idle, other = self.connect_large(), self.connect_large(), self.connect()
        self.assertEqual(idle.ask(b"get a\r\n"), b"END")
        self.backend.probe = lambda request: b"SERVER_ERROR Too many open connections\r\n"
        large.send(b"set cut 0 0 %d\r\n%s\r\n" % (len(LARGE), LARGE))
        self.assertEqual(large.rest(), UNAVAILABLE + b"\r\n")  # it may have been stored, so its session has ended
        self.gate.process.wait_for(r"event=upstream_down .*dialect=text values=large ")
        self.assertEqual(idle.ask(b"version\r\n"), b"VERSION 1.6.18")
        self.assertEqual(idle.ask(SET_LARGE), b"STORED")
        self.assertEqual(other.ask(b"get a\r\n"), b"END")
        self.assertNotRegex(self.gate.process.log(), r"event=upstream_down .*values=any ")

    def test_where_it_cannot_be_had(self):
        self.wait_until_up(1)
        self.backend.probe = lambda request: b"SERVER_ERROR Too many open connections\r\n"
        with self.connect() as session:
            self.assertEqual(session.ask(SET_LARGE), b"STORED")
            self.gate.process.wait_for(r"event=upstream_down .*dialect=text values=large .*Too many open connections")
            self.assertEqual(session.ask(SET_LARGE), b"STORED")
            self.assertEqual(session.ask(b"get a\r\n"), b"END")


@harness.needs_mcgate
class Order(UpstreamCase):
    def test_text(self):
        """Small and large values of the same keys in one pipeline: each get sees the set before it."""
        self.start()
        pick = random.Random(1)
        with self.connect() as session:
            for _ in range(20):
                sent, expected = b"", b""
                for i in range(50):
                    key, value = b"alice:%d" % pick.randrange(3), b"%d" % i * pick.choice([1, 1, 10_000, 50_000])
                    sent += b"set %s 0 0 %d\r\n%s\r\nget %s\r\n" % (key, len(value), value, key)
                    expected += b"STORED\r\nVALUE %s 0 %d\r\n%s\r\nEND\r\n" % (key, len(value), value)
                writer = threading.Thread(target=session.send, args=(sent,))
                writer.start()
                got = session.read(len(expected))
                writer.join()
                self.assertTrue(got == expected)
        self.gate.process.wait_for(LINK_UP % "text")

    def test_binary(self):
        self.start()
        pick = random.Random(2)
        with self.connect(binary=True) as session:
            for _ in range(20):
                values = [b"%d" % i * pick.choice([1, 1, 10_000]) for i in range(30)]
                sent = b"".join(storage("set", b"alice:k", value, opaque=i) + packet("get", b"alice:k", opaque=i)
                                for i, value in enumerate(values))
                writer = threading.Thread(target=session.send, args=(sent,))
                writer.start()
                for i, value in enumerate(values):
                    stored, got = session.packet(), session.packet()
                    self.assertEqual((stored.status, stored.opaque, got.status, got.opaque), (0, i, 0, i))
                    self.assertTrue(got.value == value)
                writer.join()
        self.gate.process.wait_for(LINK_UP % "binary")


if __name__ == "__main__":
    unittest.main()
