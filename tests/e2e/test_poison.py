"""A backend that answers what the request cannot have been answered with: an error, the link closed, never a wrong value,
and service as soon as the backend is honest again."""

import threading
import unittest

import harness
import wire
from fake_backend import Drip, Endless as EndlessReply, binary_reply as binary, opaque_of
from upstream_case import TIMED_OUT, UNAVAILABLE, FakeCase
from wire import TEMPORARY_FAILURE, packet

FLAGS = b"\0\0\0\0"

# (request, what the backend says to it)
TEXT = [
    (b"get a\r\n", lambda r: b"VALUE b 0 1\r\nx\r\nEND\r\n"),
    (b"get a b\r\n", lambda r: b"VALUE b 0 1\r\nx\r\nVALUE a 0 1\r\nx\r\nEND\r\n"),
    (b"get a\r\n", lambda r: b"VALUE a 0 1\r\nx\r\nVALUE a 0 1\r\ny\r\nEND\r\n"),
    (b"get a\r\n", lambda r: b"VALUE a 0 1\r\nxxEND\r\n"),
    (b"get a\r\n", lambda r: b"VALUE a 0 99999999999\r\nx\r\nEND\r\n"),
    (b"get a\r\n", lambda r: b"VALUE a 0 -1\r\n\r\nEND\r\n"),
    (b"get a\r\n", lambda r: b"VALUE a 0 1 7\r\nx\r\nEND\r\n"),
    (b"gets a\r\n", lambda r: b"VALUE a 0 1\r\nx\r\nEND\r\n"),
    (b"get a\r\n", lambda r: b"STORED\r\n"),
    (b"get a\r\n", lambda r: b"ERROR\r\n"),
    (b"get a\r\n", lambda r: b"CLIENT_ERROR bad command line format\r\n"),
    (b"get a\r\n", lambda r: b"SERVER_ERROR out of memory writing get response\r\n"),
    (b"get a\r\n", lambda r: b"x" * 100_000),
    (b"get a\r\n", lambda r: b"END\r\nEND\r\n"),
    (b"get a\r\n", lambda r: b"\r\nEND\r\n"),
    (b"get a\r\n", lambda r: b"\x81" + b"\0" * 23 + b"\r\n"),
    (b"mg a v\r\n", lambda r: b"VA 1 O%d\r\nx\r\n" % (int(opaque_of(r)) + 1)),
    (b"mg a v\r\n", lambda r: b"VA 1\r\nx\r\n"),
    (b"mg a v\r\n", lambda r: b"HD O" + opaque_of(r) + b"\r\nHD\r\n"),
    (b"mg a t\r\n", lambda r: b"HD tx O" + opaque_of(r) + b"\r\n"),
    (b"mg a v\r\n", lambda r: b"VALUE a 0 1\r\nx\r\nEND\r\n"),
    (b"mg a v\r\n", lambda r: b"VA 1 O" + opaque_of(r) + b"\r\nxx\r\n"),
    (b"stats\r\n", lambda r: b"VALUE a 0 1\r\nx\r\nEND\r\n"),
]
# Their outcome is unknown, so the session ends with its error.
TEXT_WRITES = [
    (b"set a 0 0 1\r\nx\r\n", lambda r: b"DELETED\r\n"),
    (b"set a 0 0 1\r\nx\r\n", lambda r: b"ERROR\r\n"),
    (b"set a 0 0 1\r\nx\r\n", lambda r: b"CLIENT_ERROR bad data chunk\r\n"),
    (b"set a 0 0 1\r\nx\r\n", lambda r: b"SERVER_ERROR " + b"x" * 100_000),
    (b"delete a\r\n", lambda r: b"STORED\r\n"),
    (b"incr a 1\r\n", lambda r: b"VALUE a 0 1\r\nx\r\nEND\r\n"),
    (b"incr a 1\r\n", lambda r: b"-1\r\n"),
    (b"touch a 1\r\n", lambda r: b"OK\r\n"),
    (b"ms a 1\r\nx\r\n", lambda r: b"HD\r\n"),
    (b"md a\r\n", lambda r: b"EN\r\n"),
    (b"ma a\r\n", lambda r: b"HD O1000000000\r\n"),
]
BINARY = [
    ("get", packet("get", b"a", opaque=7), lambda r: binary(r, opaque=7, extras=FLAGS, value=b"x")),
    ("get", packet("get", b"a", opaque=7), lambda r: binary(r, opcode=1)),
    ("get", packet("get", b"a"), lambda r: binary(r, magic=0x80, extras=FLAGS, value=b"x")),
    ("get", packet("get", b"a"), lambda r: binary(r, value=b"x")),
    ("get", packet("get", b"a"), lambda r: binary(r, extras=FLAGS, key=b"b", value=b"x")),
    ("get", packet("get", b"a"), lambda r: binary(r, extras=FLAGS, extlen=255)),
    ("get", packet("get", b"a"), lambda r: binary(r, extras=FLAGS, value=b"x", bodylen=0xffffffff)),
    ("get", packet("get", b"a"), lambda r: binary(r, extras=FLAGS, value=b"x") * 2),
    ("getk", packet("getk", b"a"), lambda r: binary(r, extras=FLAGS, key=b"b", value=b"x")),
    ("getk", packet("getk", b"a"), lambda r: binary(r, status=1, key=b"b")),
    ("getk", packet("getk", b"a"), lambda r: binary(r, extras=FLAGS, value=b"x")),
    ("get", packet("get", b"a"), lambda r: binary(r, status=0x21)),
    ("get", packet("get", b"a"), lambda r: b"END\r\n" * 10),
    ("stat", packet("stat"), lambda r: binary(r, opaque=0xffffffff)),
]


@harness.needs_mcgate
class Poison(FakeCase):
    def setUp(self):
        self.start()

    def test_text_reads(self):
        for number, (request, lie) in enumerate(TEXT, 1):
            with self.subTest(request=request, number=number), self.gate.connect() as client:
                self.lie = lie
                client.send(request)
                said = []
                while not said or said[-1] not in (UNAVAILABLE, b"END", b"HD"):
                    said.append(client.line())
                # What was proven before the lie may stand; after it there is nothing but the error. One reply too many
                # is seen after the true one has gone out.
                proven = [[b"VALUE %s 0 1" % key, b"x", UNAVAILABLE] for key in (b"a", b"b")]
                self.assertIn(said, ([UNAVAILABLE], [b"END"], *proven)
                              if request.startswith(b"get") else ([UNAVAILABLE], [b"HD"]))
                self.backend.wait_closed(number)
                self.wait_until_up(number + 1)
                client.send(b"get other\r\n")
                self.assertEqual(client.line(), b"END")

    def test_text_writes(self):
        for number, (request, lie) in enumerate(TEXT_WRITES, 1):
            with self.subTest(request=request, number=number), self.gate.connect() as client:
                self.lie = lie
                client.send(request)
                self.assertEqual(client.line(), UNAVAILABLE)
                with self.assertRaises(wire.Closed):
                    client.line()
                self.backend.wait_closed(number)
                self.wait_until_up(number + 1)

    def test_binary(self):
        for number, (name, request, lie) in enumerate(BINARY, 1):
            with self.subTest(name=name, number=number), self.gate.connect() as client:
                self.lie = lie
                client.send(request)
                answer = client.packet()
                doubled = number == 8  # the true answer, then one too many
                self.assertEqual((answer.status, answer.value), (0, b"x") if doubled
                                 else (TEMPORARY_FAILURE, b"Upstream unavailable"))
                self.backend.wait_closed(number)
                self.wait_until_up(number + 1, "binary")
                self.assertEqual(client.call("get", b"other").status, wire.NOT_FOUND)

    def test_others_on_the_link_get_an_error_and_nothing_else(self):
        """Requests of several clients wait behind the lie; none of them gets a byte of it."""
        clients = [self.gate.connect() for _ in range(8)]
        for client in clients:
            self.addCleanup(client.close)
        self.lie = lambda request: b"VALUE mallory 0 6\r\nsecret\r\nEND\r\n" * 20
        for number, client in enumerate(clients):
            client.send(b"get key%d\r\n" % number)
        for client in clients:
            self.assertIn(client.line(), (UNAVAILABLE, b"END"))


STATISTICS = {  # by dialect: a request for them, and one of the reply, of that value
    "text": (b"stats\r\n", lambda r, value: b"STAT a " + value + b"\r\n"),
    "binary": (packet("stat"), lambda r, value: binary(r, key=b"a", value=value)),
}


@harness.needs_mcgate
class Endless(FakeCase):
    """Statistics without end: who waits behind them gets an error, and service again."""

    def ask(self, asker, neighbour, dialect, reply):
        """Lets one ask for statistics, and then another for a key; the reply comes once both are on the link."""
        both = threading.Event()
        self.addCleanup(both.set)

        def lie(request):
            both.wait(wire.TIMEOUT)
            return reply(request)
        self.lie = lie
        # What mcgate answers at once comes with each, so that it is known when they are.
        if dialect == "binary":
            asker.send(packet("noop") + STATISTICS[dialect][0])
            self.assertEqual(asker.packet().status, 0)
            neighbour.send(packet("noop") + packet("get", b"a"))
            self.assertEqual(neighbour.packet().status, 0)
        else:
            asker.send(b"nonsense\r\n" + STATISTICS[dialect][0])
            self.assertEqual(asker.line(), b"ERROR")
            neighbour.send(b"nonsense\r\nget a\r\n")
            self.assertEqual(neighbour.line(), b"ERROR")
        both.set()

    def answer_to(self, neighbour, dialect):
        return neighbour.packet().value if dialect == "binary" else neighbour.line()

    def check(self, dialect, reply, told, reason):
        with self.gate.connect() as asker, self.gate.connect() as neighbour:
            self.ask(asker, neighbour, dialect, reply)
            self.assertEqual(self.answer_to(neighbour, dialect), told)
            self.gate.process.wait_for(rf"event=upstream_down .*dialect={dialect} .*{reason}")
            self.wait_until_up(2, dialect)
            neighbour.send(packet("get", b"a") if dialect == "binary" else b"get a\r\n")
            self.assertEqual(self.answer_to(neighbour, dialect), b"Not found" if dialect == "binary" else b"END")

    def test_at_full_speed(self):
        self.start(upstream_options={"reply_timeout_seconds": 600})
        for dialect, told in (("text", UNAVAILABLE), ("binary", b"Upstream unavailable")):
            with self.subTest(dialect=dialect):
                one = STATISTICS[dialect][1]
                self.check(dialect, lambda request, one=one: EndlessReply(one(request, b"b" * 1000) * 100), told,
                           "endless statistics")

    def test_bit_by_bit(self):
        """No pause is longer than a reply may take, and yet it does not come in time."""
        self.start(upstream_options={"reply_timeout_seconds": 1})
        for dialect, told in (("text", TIMED_OUT), ("binary", b"Upstream timed out")):
            with self.subTest(dialect=dialect):
                one = STATISTICS[dialect][1]
                self.check(dialect, lambda request, one=one: Drip(one(request, b"b") * 100_000), told,
                           r"upstream\.reply_timeout_seconds")


@harness.needs_mcgate
class Old(FakeCase):
    """A memcached that does not know all requests yet."""

    def test_a_fence_tells_of_what_stands_before_it_and_not_behind(self):
        told = threading.Event()

        def answer(request):
            told.wait(wire.TIMEOUT)
            return binary(request, status=1, value=b"Not found")
        self.start(answer, version=b"1.4.4")
        self.addCleanup(told.set)
        with self.gate.connect() as client, self.gate.connect() as other:
            client.send(packet("get", b"a", opaque=1) + packet("noop", opaque=2) +
                        wire.touching("gatq", b"b", opaque=3) + packet("noop", opaque=4) + packet("noop", opaque=5))
            self.assertEqual(other.call("noop").status, 0)  # all of that has been seen
            told.set()
            self.assertEqual([(response.opaque, response.status) for response in (client.packet() for _ in range(4))],
                             [(1, wire.NOT_FOUND), (2, 0), (4, TEMPORARY_FAILURE), (5, 0)])


if __name__ == "__main__":
    unittest.main()
