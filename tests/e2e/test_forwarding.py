"""What memcached gets to see: canonical, loud requests, and neighbouring gets on one line."""

import re
import unittest

import harness
from fake_backend import FakeBackend
from wire import packet, storage

ROLES = {"all": {"allow": [{"commands": ["*", "admin"], "keys": ["*"]}]}}

# (what the client sends, what memcached gets, what it says to it)
TEXT = [
    (b"get  a   b \r\n", b"get a b\r\n", b"END\r\n"),
    (b"get a\n", b"get a\r\n", b"END\r\n"),
    (b"set a 007 000 01 noreply\r\nx\r\n", b"set a 7 0 1\r\nx\r\n", b"STORED\r\n"),
    (b"set a 0 -1 1  \r\nx\r\n", b"set a 0 -1 1\r\nx\r\n", b"STORED\r\n"),
    (b"delete a 0 noreply\r\n", b"delete a\r\n", b"DELETED\r\n"),
    (b"incr a 0001 noreply\r\n", b"incr a 1\r\n", b"5\r\n"),
    (b"touch a 10 noreply\r\n", b"touch a 10\r\n", b"TOUCHED\r\n"),
    (b"flush_all noreply\r\n", b"flush_all\r\n", b"OK\r\n"),
    (b"mg YQ== b v q k Oxyz\r\n", b"mg a v O1\r\n", b"EN\r\n"),
    (b"ms a 1 q T007\r\nx\r\n", b"ms a 1 T7 O1\r\nx\r\n", b"HD O1\r\n"),
    # Neighbours share a line, a key stands on it once, and nothing moves past a write.
    (b"get a\r\nget b\r\nget c\r\n", b"get a b c\r\n", b"END\r\n"),
    (b"get a\r\nget b\r\nget a\r\n", b"get a b\r\nget a\r\n", b"END\r\nEND\r\n"),
    (b"get a\r\ngets b\r\nget c\r\n", b"get a\r\ngets b\r\nget c\r\n", b"END\r\n" * 3),
    (b"get a\r\nset b 0 0 1\r\nx\r\nget b\r\n", b"get a\r\nset b 0 0 1\r\nx\r\nget b\r\n",
     b"END\r\nSTORED\r\nEND\r\n"),
    (b"get a b\r\nget c\r\n", b"get a b\r\nget c\r\n", b"END\r\n" * 2),
    (b"gat 5 a\r\nget b\r\n", b"gat 5 a\r\nget b\r\n", b"END\r\n" * 2),
]
BINARY = [
    (packet("getq", b"a", opaque=9, vbucket=7, datatype=1), packet("get", b"a", opaque=1)),
    (storage("setq", b"a", b"x", opaque=9, datatype=1), storage("set", b"a", b"x", opaque=1)),
    (packet("deleteq", b"a", opaque=9, vbucket=1), packet("delete", b"a", opaque=1)),
]


@harness.needs_mcgate
class Forwarding(unittest.TestCase):
    def setUp(self):
        self.seen = []
        self.replies = []
        self.backend = FakeBackend(self.answer)
        self.addCleanup(self.backend.stop)

    def answer(self, request):
        self.seen.append(request)
        return self.replies.pop(0) if self.replies else b""

    def start(self):
        """A new mcgate, so that sequence numbers begin at 1."""
        gate = harness.Mcgate(
            self.backend.upstream(), [harness.plain_listener(anonymous="all")], workers=1,
            users=[{"name": "all", "roles": ["all"], "secrets": []}], roles=ROLES, limits={"sessions": 100})
        self.addCleanup(gate.stop)
        return gate

    def test_text(self):
        for sent, wanted, reply in TEXT:
            with self.subTest(sent=sent):
                self.seen, self.replies = [], [reply]
                gate = self.start()
                with gate.connect() as client:
                    client.send(sent + b"mn\r\n")
                    while client.line() != b"MN":
                        pass
                self.assertEqual(b"".join(self.seen), wanted)

    def test_binary(self):
        for sent, wanted in BINARY:
            with self.subTest(sent=sent):
                self.seen = []
                gate = self.start()
                self.replies = [packet(wanted[1], opaque=1, magic=0x81, extras=b"\0\0\0\0" if wanted[1] == 0 else b"")]
                with gate.connect() as client:
                    client.send(sent + packet("noop", opaque=77))
                    while client.packet().opaque != 77:
                        pass
                self.assertEqual(b"".join(self.seen), wanted)

    def test_gets_of_several_clients_are_dealt_out_again(self):
        """While the backend is busy with one client's request, those of the others gather; whatever shares a line with
        whatever, each gets its own value or its miss."""
        def values(request):
            said = b""
            for line in re.findall(rb"get ([^\r]*)\r\n", request):
                for key in line.split():
                    if not key.endswith(b"miss"):
                        said += b"VALUE %s 0 %d\r\n%s\r\n" % (key, len(key), key)
                said += b"END\r\n"
            return said

        self.answer = values
        self.backend.reply = values
        gate = self.start()
        clients = [gate.connect() for _ in range(50)]
        for client in clients:
            self.addCleanup(client.close)
        for turn in range(40):
            for number, client in enumerate(clients):
                client.send(b"get %d-%d\r\nget %d-miss\r\nget same\r\n" % (number, turn, number))
            for number, client in enumerate(clients):
                key = b"%d-%d" % (number, turn)
                self.assertEqual([client.line() for _ in range(7)],
                                 [b"VALUE %s 0 %d" % (key, len(key)), key, b"END", b"END", b"VALUE same 0 4", b"same",
                                  b"END"])


if __name__ == "__main__":
    unittest.main()
