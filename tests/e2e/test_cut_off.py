"""A backend that is cut off, after each byte of each reply: whoever waits gets what was proven, then an error in its own
dialect; the link is another at once.
"""

import unittest

import harness
import wire
from fake_backend import END, Cut, binary_reply, block, opaque_of
from upstream_case import UNAVAILABLE, FakeCase
from wire import TEMPORARY_FAILURE, packet

ERROR = UNAVAILABLE + b"\r\n"
FLAGS = b"\0\0\0\0"


def prefixes(pieces):
    """What may stand before an error: as many of the pieces, each whole, as have been proven."""
    return [b"".join(pieces[:count]) for count in range(len(pieces) + 1)]


# (request, the pieces of what the backend answers to it, what the client is told of each)
READS = [
    (b"get a\r\n", lambda r: [block(b"a", b"hello"), END], None),
    (b"get a b c\r\n", lambda r: [block(b"a", b""), block(b"c", b"END\r\nEND"), END], None),
    (b"gets a\r\n", lambda r: [block(b"a", b"hello", b" 7"), END], None),
    (b"gat 1 a\r\n", lambda r: [block(b"a", b"hello"), END], None),
    (b"mg a v\r\n", lambda r: [b"VA 5 O%s\r\nhello\r\n" % opaque_of(r)], [b"VA 5\r\nhello\r\n"]),
    (b"mg a k\r\n", lambda r: [b"EN O%s\r\n" % opaque_of(r)], [b"EN\r\n"]),
    (b"stats\r\n", lambda r: [b"STAT pid 1\r\n", b"STAT uptime 2\r\n", END], None),
]
# Whatever is not known to be a read: its outcome is unknown, so the session ends with its error.
WRITES = [
    (b"set a 0 0 1\r\nx\r\n", lambda r: b"STORED\r\n"),
    (b"delete a\r\n", lambda r: b"NOT_FOUND\r\n"),
    (b"incr a 1\r\n", lambda r: b"12345\r\n"),
    (b"touch a 1\r\n", lambda r: b"TOUCHED\r\n"),
    (b"ms a 1\r\nx\r\n", lambda r: b"HD O%s\r\n" % opaque_of(r)),
    (b"ma a v\r\n", lambda r: b"VA 1 O%s\r\n7\r\n" % opaque_of(r)),
    (b"md a\r\n", lambda r: b"HD O%s\r\n" % opaque_of(r)),
    (b"me a\r\n", lambda r: b"ME a exp=-1 la=0 cas=2 fetch=no cls=1 size=63\r\n"),
    (b"flush_all\r\n", lambda r: b"OK\r\n"),
    (b"set a 0 0 1 noreply\r\nx\r\n", lambda r: b"STORED\r\n"),
]
BINARY_READS = [
    (packet("get", b"a", opaque=9), lambda r: binary_reply(r, extras=FLAGS, value=b"hello")),
    (packet("getk", b"a", opaque=9), lambda r: binary_reply(r, extras=FLAGS, key=b"a", value=b"hello")),
    (wire.touching("gat", b"a", opaque=9), lambda r: binary_reply(r, extras=FLAGS, value=b"hello")),
    (packet("stat", opaque=9), lambda r: binary_reply(r, key=b"pid", value=b"1") + binary_reply(r)),
]
BINARY_WRITES = [
    (wire.storage("set", b"a", b"x", opaque=9), binary_reply),
    (wire.storage("setq", b"a", b"x", opaque=9), binary_reply),
    (wire.arithmetic("incr", b"a", 1, opaque=9), lambda r: binary_reply(r, value=b"\0" * 8)),
    (packet("delete", b"a", opaque=9), binary_reply),
]


@harness.needs_mcgate
class CutOff(FakeCase):
    def setUp(self):
        self.start()
        self.ups = 1

    def each_cut(self, rows, check):
        for request, reply, *_ in rows:
            def said(r, reply=reply):
                pieces = reply(r)
                return pieces if isinstance(pieces, bytes) else b"".join(pieces)
            # No opaque of ours is longer than this one: where it is shorter, the last cuts are the same.
            for cut in range(len(said(request if request[0] == 0x80 else b" O1000 "))):
                with self.subTest(request=request, cut=cut), self.gate.connect() as client:
                    self.lie = lambda r, cut=cut, said=said: Cut(said(r)[:min(cut, len(said(r)) - 1)])
                    client.send(request)
                    check(client, request)
                    self.ups += 1
                    self.wait_until_up(self.ups, "binary" if request[0] == 0x80 else "text")
                    self.backend.wait_closed(self.ups - 1)

    def test_text_reads(self):
        told = {request: told or reply(request) for request, reply, told in READS}

        def check(client, request):
            said = b""
            while not said.endswith(ERROR):
                said += client.line() + b"\r\n"
            self.assertIn(said[:-len(ERROR)], prefixes(told[request][:-1]))
            self.assertEqual(client.ask(b"nonsense\r\n"), b"ERROR")
        self.each_cut(READS, check)

    def test_text_writes(self):
        self.each_cut(WRITES, lambda client, request: self.assertEqual(
            client.rest(), b"" if b"noreply" in request else ERROR))

    def test_binary_reads(self):
        def check(client, request):
            answer = client.packet()
            if answer.key == b"pid":
                answer = client.packet()
            self.assertEqual((answer.opcode, answer.opaque, answer.status), (request[1], 9, TEMPORARY_FAILURE))
            self.assertEqual(client.call(0x7f).status, wire.UNKNOWN_COMMAND)
        self.each_cut(BINARY_READS, check)

    def test_binary_writes(self):
        def check(client, request):
            answer = client.packet()
            self.assertEqual((answer.opcode, answer.opaque, answer.status), (request[1], 9, TEMPORARY_FAILURE))
            self.assertEqual(client.rest(), b"")
        self.each_cut(BINARY_WRITES, check)

    def test_streams(self):
        for request, lines in ((b"lru_crawler metadump all\r\n", b"key=a exp=-1 la=0 cas=2 fetch=no cls=1 size=63\n"),
                               (b"stats cachedump 1 0\r\n", b"ITEM a [1 b; 0 s]\r\n")):
            for cut in range(len(lines + lines)):
                with self.subTest(request=request, cut=cut), self.gate.connect() as client:
                    self.lie = lambda r, cut=cut, lines=lines: Cut((lines + lines)[:cut])
                    client.send(request)
                    told = b""
                    while not told.endswith(ERROR):
                        client._fill()
                        told += client.read(len(client.buffer))
                    self.assertIn(told[:-len(ERROR)], prefixes([lines]))
                    self.assertEqual(client.ask(b"nonsense\r\n"), b"ERROR")


if __name__ == "__main__":
    unittest.main()
