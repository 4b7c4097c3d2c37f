"""memcached at fault in ways of its own: stopped, slow, full, of another version than before, gone again as soon as it is
there, or answering the probe of a new connection with nonsense. Each client is told so in its own dialect, and is served
again within the back-off.
"""

import time
import unittest

import admin
import harness
import wire
from fake_backend import END, Cut, Drip, binary_reply, block, opaque_of
from upstream_case import LINKS, TIMED_OUT, UNAVAILABLE, FakeCase, UpstreamCase, stopped
from wire import TEMPORARY_FAILURE, packet

FLAGS = b"\0\0\0\0"
# The longest pause between two attempts to connect, with what chance adds to it, and time for a busy machine.
BACK_OFF = 1.25 + 5


@harness.needs_mcgate
class Stopped(UpstreamCase):
    """memcached takes requests and does nothing with them."""

    def setUp(self):
        self.start(upstream_options={"reply_timeout_seconds": 1, "connect_timeout_seconds": 1})

    def back_again(self, client):
        up = self.logged("upstream_up")
        began = time.monotonic()
        self.resume_memcached()
        self.gate.process.wait_for(r"event=upstream_up ", up + 1)
        self.assertLess(time.monotonic() - began, BACK_OFF)
        self.assertEqual(client.get(b"alice:none"), None)

    def test_each_is_told_in_its_dialect(self):
        text, writer = self.connect(), self.connect()
        binary, binary_writer = self.connect(binary=True), self.connect(binary=True)
        self.pause_memcached()
        text.send(b"get alice:a\r\ngets alice:a alice:b\r\nmg alice:a v q\r\nmn\r\n")
        writer.send(b"ms alice:a 1\r\nx\r\n")
        binary.send(packet("getk", b"alice:a", opaque=1) + packet("getkq", b"alice:a", opaque=2) + packet("noop", opaque=3))
        binary_writer.send(wire.storage("setq", b"alice:a", b"x", opaque=4))
        self.assertEqual([text.line() for _ in range(3)], [TIMED_OUT] * 3)
        self.assertIn(text.line(), (b"MN", UNAVAILABLE))
        for opaque, opcode, body in ((1, "getk", b"Upstream timed out"), (3, "noop", b"Upstream unavailable")):
            answer = binary.packet()
            self.assertEqual((answer.opaque, answer.opcode, answer.status, answer.value),
                             (opaque, wire.OPCODES[opcode], TEMPORARY_FAILURE, body))
        # What became of a write nobody knows: it is told so, and its session ends.
        self.assertEqual(writer.rest(), TIMED_OUT + b"\r\n")
        answer = binary_writer.packet()
        self.assertEqual((answer.opaque, answer.status), (4, TEMPORARY_FAILURE))
        self.assertEqual(binary_writer.rest(), b"")
        self.back_again(text)


@harness.needs_mcgate
class Slow(FakeCase):
    def test_byte_by_byte(self):
        """However few bytes come at a time, the answer is the right one."""
        self.start()
        rows = [
            (b"get a b\r\n", lambda r: block(b"a", b"1\r\nEND\r\n") + block(b"b", b"") + END, None),
            (b"gets a\r\n", lambda r: block(b"a", b"1", b" 7") + END, None),
            (b"mg a v f\r\n", lambda r: b"VA 5 f7 O%s\r\nhello\r\n" % opaque_of(r), b"VA 5 f7\r\nhello\r\n"),
            (b"set a 0 0 1\r\nx\r\n", lambda r: b"STORED\r\n", None),
            (b"stats\r\n", lambda r: b"STAT pid 1\r\nSTAT uptime 2\r\n" + END, None),
        ]
        with self.gate.connect() as client:
            for request, reply, told in rows:
                with self.subTest(request=request):
                    self.lie = lambda r, reply=reply: Drip(reply(r))
                    client.send(request)
                    expected = told or reply(request)
                    self.assertEqual(client.read(len(expected)), expected)
        with self.gate.connect() as client:
            self.lie = lambda r: Drip(binary_reply(r, extras=FLAGS, key=b"a", value=b"hello"))
            answer = client.call("getk", b"a", opaque=9)
            self.assertEqual((answer.status, answer.opaque, answer.key, answer.value), (0, 9, b"a", b"hello"))
        self.assertNotIn("event=upstream_down", self.gate.process.log())


@harness.needs_mcgate
class Full(UpstreamCase):
    """memcached has no connection to spare."""

    CONNECTIONS = 100  # memcached lets itself have as many descriptors and a few, and needs some for itself

    def fill(self):
        """Takes what connections memcached has left; the last one is refused."""
        taken = []
        while True:
            connection = self.memcached.connect()
            self.addCleanup(connection.close)
            try:
                if connection.ask(b"version\r\n").startswith(b"VERSION "):
                    taken.append(connection)
                    continue
            except (wire.Closed, ConnectionError):
                pass
            return taken

    def setUp(self):
        self.start(memcached_options=("-c", str(self.CONNECTIONS)))
        self.text, self.binary = self.connect(b"admin"), self.connect(b"admin", binary=True)

    def test_it_has_none_for_a_stream(self):
        """What needs a connection of its own is told so, and nobody else notices."""
        self.fill()
        self.assertEqual(self.text.ask(b"stats conns\r\n"), UNAVAILABLE)
        self.assertEqual(self.text.get(b"none"), None)
        self.assertEqual(self.binary.call("get", b"none").status, wire.NOT_FOUND)
        self.assertNotIn("event=upstream_down", self.gate.process.log())

    def test_it_has_none_at_all(self):
        with stopped(self.gate.process.child):  # lest it be faster than we
            self.memcached.kill()
            self.memcached.start()
            taken = self.fill()
        self.gate.process.wait_for(r"event=upstream_still_down .*Too many open connections", LINKS)
        self.assertEqual(self.text.ask(b"get a\r\n"), UNAVAILABLE)
        self.assertEqual(self.text.ask(b"mg a v\r\n"), UNAVAILABLE)
        self.assertEqual(self.binary.call("get", b"a").status, TEMPORARY_FAILURE)
        up = self.logged("upstream_up")
        began = time.monotonic()
        for connection in taken:
            connection.close()
        self.gate.process.wait_for(r"event=upstream_up ", up + LINKS)
        self.assertLess(time.monotonic() - began, BACK_OFF)
        self.assertEqual(self.text.get(b"none"), None)
        self.assertEqual(self.binary.call("get", b"none").status, wire.NOT_FOUND)


@harness.needs_mcgate
class AnotherVersion(FakeCase):
    """A backend comes back as another version: what is asked of it is judged by the new one."""

    def restart_as(self, version, ups):
        self.backend.version = self.backend.binary_version = version
        self.backend.disconnect()
        for dialect in ("text", "binary"):
            self.gate.process.wait_for(rf"event=upstream_up .*dialect={dialect} .*version={version.decode()}", ups)

    def test_older_and_newer_again(self):
        self.start(lambda r: binary_reply(r, status=1, value=b"Not found") if r[0] == 0x80 else
                   b"EN\r\n" if r.startswith(b"mg") else b"NOT_FOUND\r\n" if r.startswith(b"touch") else END,
                   version=b"1.6.17")
        with self.gate.connect() as text, self.gate.connect() as binary:
            # (version, meta and touch as far as it knows them)
            for round_, (version, meta, touch, status) in enumerate((
                    (b"1.6.17", b"EN", b"NOT_FOUND", wire.NOT_FOUND), (b"1.4.4", b"ERROR", b"ERROR", wire.UNKNOWN_COMMAND),
                    (b"1.5.22", b"ERROR", b"NOT_FOUND", wire.NOT_FOUND), (b"1.6.17", b"EN", b"NOT_FOUND", wire.NOT_FOUND))):
                with self.subTest(version=version, round=round_):
                    if round_:
                        self.restart_as(version, 2 if round_ == 3 else 1)
                    self.assertEqual(text.ask(b"version\r\n"), b"VERSION " + version)
                    self.assertEqual(text.ask(b"get a\r\n"), b"END")
                    self.assertEqual(text.ask(b"mg a v\r\n"), meta)
                    self.assertEqual(text.ask(b"touch a 1\r\n"), touch)
                    self.assertEqual(binary.call("version").value, version)
                    self.assertEqual(binary.call("get", b"a").status, wire.NOT_FOUND)
                    binary.send(wire.touching("touch", b"a"))
                    self.assertEqual(binary.packet().status, status)

    def test_newer_for_a_stream_than_for_the_link(self):
        """A stream's own connection that finds another version there than its request was judged by is not used."""
        self.start()
        with self.gate.connect() as client:
            self.assertEqual(client.ask(b"get a\r\n"), b"END")
            self.backend.version = b"1.4.4"
            self.assertEqual(client.ask(b"stats conns\r\n"), UNAVAILABLE)
            self.assertEqual(client.ask(b"get a\r\n"), b"END")


def version(request, **lies):
    """What a probe is answered with in truth; or, where it is binary, with lies."""
    if request[0] != 0x80:
        return b"VERSION none\r\n" if lies else b"VERSION 1.6.18\r\n"
    return binary_reply(request, **({"value": b"1.6.18"} | lies))


# What a new connection's probe is answered with, in place of the version.
PROBE_LIES = {
    "nothing, and closed": lambda r: Cut(),
    "half of it, and closed": lambda r: Cut(version(r)[:-4]),
    "an error": lambda r: b"ERROR\r\n",
    "a line without end": lambda r: b"VERSION 1.6.18 " + b"x" * 1_000_000,
    "bytes of zero": lambda r: b"\0" * 4096,
    "no number": lambda r: version(r, value=b"none"),
    "another's opcode": lambda r: version(r, opcode=0),
    "another's opaque": lambda r: version(r, opaque=1),
    "beyond all bounds": lambda r: version(r, bodylen=0xffffffff) + b"x" * 1_000_000,
    "an error in binary": lambda r: version(r, status=0x81, value=b"Unknown command"),
    "twice": lambda r: version(r) * 2,
    "and a value": lambda r: version(r) + block(b"a", b"x") + END,
}


@harness.needs_mcgate
class Probe(FakeCase):
    def test_a_lie_is_not_taken_for_a_memcached(self):
        self.start()
        with self.gate.connect() as text, self.gate.connect() as binary:
            for round_, (name, lie) in enumerate(PROBE_LIES.items(), 1):
                with self.subTest(name):
                    tried = len(self.backend.accepted)
                    self.backend.probe = lie
                    self.backend.disconnect()
                    self.backend.wait_accepted(tried + 2 * LINKS)  # each has tried, and again
                    self.assertEqual(text.ask(b"get a\r\n"), UNAVAILABLE)
                    self.assertEqual(binary.call("get", b"a").status, TEMPORARY_FAILURE)
                    began = time.monotonic()
                    self.backend.probe = None
                    self.wait_until_up(1 + round_)
                    self.wait_until_up(1 + round_, "binary")
                    self.assertLess(time.monotonic() - began, BACK_OFF)
                    self.assertEqual(text.ask(b"get a\r\n"), b"END")
                    self.assertEqual(binary.call("get", b"a").status, wire.NOT_FOUND)

    def test_no_answer(self):
        table = admin.listener()
        self.start(upstream_options={"connect_timeout_seconds": 1}, admin=table)
        self.backend.probe = lambda r: b""
        self.backend.disconnect()
        self.gate.process.wait_for(r"event=upstream_still_down .*upstream\.connect_timeout_seconds", LINKS)
        metrics = admin.Admin(table["address"]).metrics()
        self.assertGreaterEqual(metrics['mcgate_upstream_failures_total{reason="timeout"}'], LINKS)
        with self.gate.connect() as client:
            self.assertEqual(client.ask(b"get a\r\n"), UNAVAILABLE)


@harness.needs_mcgate
class BackOff(FakeCase):
    """How often it is tried to reach a memcached that is not well. Times are measured at the backend; that they are too
    short is what fails."""

    def start_with(self, probe):
        self.start()
        self.backend.accepted.clear()
        self.backend.probe = probe
        self.backend.disconnect()

    def test_while_it_refuses(self):
        # Both dialects' links try at once, then after 50 ms, 100 ms and so on, each a quarter more or less.
        self.start_with(lambda r: Cut())
        self.backend.wait_accepted(10)
        began, *_, fifth = sorted(self.backend.accepted)[:10]
        self.assertGreater(fifth - began, 0.75 * (0.05 + 0.1 + 0.2 + 0.4) - 0.1)

    def test_while_it_comes_and_goes(self):
        """It answers the probe and is gone again: no loop at full speed, and no flood of lines."""
        self.start_with(lambda r: Cut(version(r)))
        self.backend.wait_accepted(40)
        self.assertGreater(self.backend.accepted[39] - self.backend.accepted[0], 19 * 0.75 * 0.05 - 0.1)
        self.backend.probe = None
        with self.gate.connect() as client:
            began = time.monotonic()
            while client.ask(b"get a\r\n") != b"END":
                self.assertLess(time.monotonic() - began, BACK_OFF)


if __name__ == "__main__":
    unittest.main()
