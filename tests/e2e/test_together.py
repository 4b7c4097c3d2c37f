"""A backend that lies to several who wait at once, some of them on one line: nobody gets what is another's, whoever waits
behind the lie gets an error, the link is closed, and all is well with the next.
"""

import unittest

import harness
from fake_backend import END, Cut, binary_reply, block, honest
from upstream_case import TIMED_OUT, UNAVAILABLE, FakeCase, stopped
from wire import TEMPORARY_FAILURE, packet

ERROR = UNAVAILABLE + b"\r\n"
ERRORS = (ERROR, TIMED_OUT + b"\r\n")
FLAGS = b"\0\0\0\0"

# What a backend says to `get k0 k1 k2 k3`, by the keys in the order that they went up. Each client asked for one of them.
MERGED_LIES = {
    "swapped": lambda k: block(k[1], k[1]) + block(k[0], k[0]) + block(k[2], k[2]) + block(k[3], k[3]) + END,
    "backwards": lambda k: b"".join(block(key, key) for key in reversed(k)) + END,
    "another's key first": lambda k: block(b"secret", b"secret") + honest(k),
    "another's key amid": lambda k: block(k[0], k[0]) + block(b"secret", b"secret") + honest(k[1:]),
    "another's key last": lambda k: honest(k)[:-5] + block(b"secret", b"secret") + END,
    "a key twice": lambda k: block(k[0], k[0]) * 2 + honest(k[1:]),
    "the last key twice": lambda k: honest(k)[:-5] + block(k[3], k[3]) + END,
    "a value too long": lambda k: block(k[0], k[0]) + b"VALUE %s 0 2\r\n%s-more\r\n" % (k[1], k[1]) + honest(k[2:]),
    "a value too short": lambda k: block(k[0], k[0]) + b"VALUE %s 0 9\r\n%s\r\n" % (k[1], k[1]) + honest(k[2:]),
    "no line end": lambda k: block(k[0], k[0])[:-2] + honest(k[1:]),
    "a line more": lambda k: block(k[0], k[0]) + b"\r\n" + honest(k[1:]),
    "a cas": lambda k: block(k[0], k[0]) + block(k[1], k[1], b" 7") + honest(k[2:]),
    "no key": lambda k: b"VALUE 0 2\r\nk0\r\n" + honest(k),
    "an error amid": lambda k: block(k[0], k[0]) + b"SERVER_ERROR out of memory writing get response\r\n",
    "an error": lambda k: b"ERROR\r\n",
    "END amid": lambda k: block(k[0], k[0]) + END + honest(k[1:]),
    "END and one more": lambda k: honest(k) + END,
    "no END": lambda k: honest(k)[:-5],
    "no END but another answer": lambda k: honest(k)[:-5] + b"STORED\r\n",
    "beyond all bounds": lambda k: b"VALUE %s 0 4294967295\r\n%s\r\n" % (k[0], k[0] * 1000),
    "a line without end": lambda k: block(k[0], k[0]) + b"VALUE " + b"x" * 1_000_000,
    "the line's end alone": lambda k: b"\n" * 10,
    "bytes of zero": lambda k: b"\0" * 4096,
}


@harness.needs_mcgate
class Together(FakeCase):
    """Those of several sessions that wait on the same link, some of them on the same line of it."""

    CLIENTS = 4

    def setUp(self):
        self.start(upstream_options={"reply_timeout_seconds": 1})
        self.ups = 1
        self.clients = [self.gate.connect() for _ in range(self.CLIENTS)]
        for client in self.clients:
            self.addCleanup(client.close)
            client.send(b"\r\n")
            self.assertEqual(client.line(), b"ERROR")  # it is there, and speaks text

    def at_once(self, requests, lie, clients=None):
        """Each client's request, all in one turn of mcgate's; what of it went up in one piece."""
        seen = []

        def lying(request):
            seen.append(request)
            return lie(request)
        self.lie = lying
        with stopped(self.gate.process.child):
            for client, request in zip(clients or self.clients, requests):
                client.send(request)
        return seen

    def link_is_lost(self, dialect="text"):
        self.ups += 1
        self.wait_until_up(self.ups, dialect)
        self.backend.wait_closed(self.ups - 1)

    def told(self, client):
        """All of its answer to a get: to END or an error."""
        said = b""
        while not said.endswith((END, *ERRORS)):
            said += client.line() + b"\r\n"
        return said

    def lie_about_gets(self, lie):
        keys = [b"k%d" % number for number in range(self.CLIENTS)]
        seen = self.at_once([b"get %s\r\n" % key for key in keys], lambda r: lie(r.split()[1:]))
        for key, client in zip(keys, self.clients):
            # A miss in place of a hit is memcached's to tell; another's value, or half of one, is not.
            self.assertIn(self.told(client), [END, block(key, key) + END, *(
                before + error for before in (b"", block(key, key)) for error in ERRORS)])
        self.assertEqual(sorted(seen[0].split()), [b"get", *keys], "the gets did not go up as one line")
        self.link_is_lost()
        for client in self.clients:
            self.assertEqual(client.ask(b"get other\r\n"), b"END")

    def test_gets_on_one_line(self):
        for name, lie in MERGED_LIES.items():
            with self.subTest(name):
                self.lie_about_gets(lie)

    def test_gets_on_one_line_that_is_cut(self):
        for cut in range(len(honest([b"k0"] * self.CLIENTS))):
            with self.subTest(cut=cut):
                self.lie_about_gets(lambda keys, cut=cut: Cut(honest(keys)[:cut]))

    def test_meta(self):
        lies = {
            "swapped": lambda o: b"VA 1 O%s\r\n1\r\nVA 1 O%s\r\n0\r\n" % (o[1], o[0]),
            "one is left out": lambda o: b"".join(b"VA 1 O%s\r\n%d\r\n" % (o[n], n) for n in (0, 2, 3)),
            "twice": lambda o: b"VA 1 O%s\r\n0\r\n" % o[0] * 2,
            "no opaque": lambda o: b"VA 1 O%s\r\n0\r\nVA 1\r\n1\r\n" % o[0],
            "another length": lambda o: b"VA 1 O%s\r\n0\r\nVA 3 O%s\r\n1\r\n" % (o[0], o[1]),
            "beyond all bounds": lambda o: b"VA 99999999999 O%s\r\n0\r\n" % o[0],
            "a line without end": lambda o: b"VA 1 O%s " % o[0] + b"x" * 1_000_000,
            "an error": lambda o: b"CLIENT_ERROR bad command line format\r\n" * 4,
            "too many": lambda o: b"".join(b"VA 1 O%s\r\n%d\r\n" % (o[n], n) for n in range(4)) + b"EN\r\n",
        }
        for name, lie in lies.items():
            with self.subTest(name):
                self.at_once([b"mg k%d v O%d\r\n" % (n, n) for n in range(4)],
                             lambda r, lie=lie: lie([line.split(b" O")[1] for line in r.split(b"\r\n")[:-1]]))
                for number, client in enumerate(self.clients):
                    line = client.line()
                    if line == b"VA 1 O%d" % number:
                        self.assertIn(client.line(), [b"0", b"1", b"2", b"3"])  # the backend's opaques name no key
                    else:
                        self.assertIn(line, [UNAVAILABLE, TIMED_OUT])
                self.link_is_lost()

    def test_binary(self):
        clients = [self.gate.connect() for _ in range(4)]
        for client in clients:
            self.addCleanup(client.close)
            self.assertEqual(client.call("noop").status, 0)

        def replies(requests, **others):
            return [binary_reply(request, extras=FLAGS, key=key, value=key, **others)
                    for request, key in zip(requests, (b"k0", b"k1", b"k2", b"k3"))]
        lies = {
            "swapped": lambda r: b"".join(replies(r)[n] for n in (1, 0, 2, 3)),
            "one is left out": lambda r: b"".join(replies(r)[n] for n in (0, 2, 3)),
            "twice": lambda r: replies(r)[0] * 2,
            "another's key": lambda r: replies(r)[0] + binary_reply(r[1], extras=FLAGS, key=b"k2", value=b"k2"),
            "another's opaque": lambda r: binary_reply(r[3], extras=FLAGS, key=b"k0", value=b"k0"),
            "the client's opcode": lambda r: replies(r, opcode=0x0d)[0],
            "key longer than body": lambda r: replies(r, bodylen=3)[0],
            "beyond all bounds": lambda r: replies(r, bodylen=0xffffffff)[0] + b"x" * 1_000_000,
            "no such status": lambda r: replies(r, status=0x83)[0],
            "text": lambda r: b"VALUE k0 0 2\r\nk0\r\nEND\r\n" * 4,
            "a request": lambda r: replies(r, magic=0x80)[0],
            "one too many": lambda r: b"".join(replies(r)) + replies(r)[0],
            "half of it, and no more": lambda r: b"".join(replies(r))[:80],
        } | {f"cut at {cut}": lambda r, cut=cut: Cut(b"".join(replies(r))[:cut]) for cut in range(0, 4 * 32, 3)}
        for name, lie in lies.items():
            with self.subTest(name):
                self.at_once([packet("getk" if n % 2 else "getkq", b"k%d" % n, opaque=n) + packet("noop", opaque=n + 10)
                              for n in range(4)],
                             lambda r, lie=lie: lie([r[at:at + 26] for at in range(0, len(r), 26)]), clients)
                for number, client in enumerate(clients):
                    answer = client.packet()
                    failed = answer.status == TEMPORARY_FAILURE
                    if answer.opaque == number:
                        self.assertTrue(failed or (answer.key, answer.value) == (b"k%d" % number,) * 2, answer)
                        answer = client.packet()
                    # A quiet get says nothing of its failure; the fence behind it does.
                    self.assertEqual(answer.opaque, number + 10)
                    self.assertIn(answer.status, (0, TEMPORARY_FAILURE))
                self.link_is_lost("binary")

    def test_all_kinds_at_once(self):
        """A cut tells each in its own way, whatever came before it on the link."""
        requests = [b"get k0 k1\r\n", b"set k1 0 0 1\r\nx\r\n", b"mg k2 v\r\n", b"get k3\r\ndelete k3 noreply\r\nget k4\r\n"]

        def reply(request):
            said = b""
            for line in request.split(b"\r\n"):
                words = line.split(b" ")
                said += {b"get": lambda w: honest(w[1:]), b"set": lambda w: b"STORED\r\n", b"delete": lambda w: b"DELETED\r\n",
                         b"mg": lambda w: b"VA 1 %s\r\nx\r\n" % w[-1]}.get(words[0], lambda w: b"")(words)
            return said
        whole = len(reply(b"\r\n".join(requests).replace(b" v", b" v O1000")))
        for cut in range(0, whole, 2):
            with self.subTest(cut=cut):
                clients = [self.gate.connect() for _ in requests]
                for client in clients:
                    client.send(b"\r\n")
                    client.line()
                self.at_once(requests, lambda r, cut=cut: Cut(reply(r)[:cut]), clients)
                reader, writer, meta, mixed = clients
                k0, k1 = block(b"k0", b"k0"), block(b"k1", b"k1")
                self.assertIn(self.told(reader), [k0 + k1 + END, *(before + ERROR for before in (b"", k0, k0 + k1))])
                if (line := writer.line()) == UNAVAILABLE:
                    self.assertEqual(writer.rest(), b"")
                else:
                    self.assertEqual(line, b"STORED")
                if (line := meta.line()) != UNAVAILABLE:
                    self.assertEqual((line, meta.line()), (b"VA 1", b"x"))
                self.assertIn(self.told(mixed), [block(b"k3", b"k3") + END, block(b"k3", b"k3") + ERROR, ERROR])
                # Whether the delete was done is unknown, unless it was answered; the get behind it is in any case.
                self.assertIn(self.told(mixed), [block(b"k4", b"k4") + END, block(b"k4", b"k4") + ERROR, ERROR])
                for client in clients:
                    client.close()
                self.link_is_lost()


@harness.needs_mcgate
class Windows(FakeCase):
    """A get that goes up three keys at a time, and whose backend lies in any of its windows."""

    KEYS = [b"k%d" % number for number in range(8)]
    LIES = {
        "another's key": lambda k: block(k[0], k[0]) + block(b"secret", b"secret") + END,
        "the key of another window": lambda k: block(b"k7" if k[0] != b"k6" else b"k0", b"x") + END,
        "backwards": lambda k: b"".join(block(key, key) for key in reversed(k)) + END,
        "one END too many": lambda k: honest(k) + END,
        "no END": lambda k: honest(k)[:-5],
        "an error": lambda k: b"SERVER_ERROR out of memory\r\n",
        "a line without end": lambda k: block(k[0], k[0]) + b"x" * 1_000_000,
        "cut in a line": lambda k: Cut(honest(k)[:5]),
        "cut in a value": lambda k: Cut(honest(k)[:22]),
        "cut in END": lambda k: Cut(honest(k)[:-3]),
        "cut at once": lambda k: Cut(),
    }

    def test_each_window(self):
        self.start(upstream_options={"reply_timeout_seconds": 1}, limits={"requests_in_flight": 3})
        lie_to, lie, windows = None, None, 0

        def answer(request):
            nonlocal windows
            keys = request.split()[1:]
            windows += 1
            return lie(keys) if windows == lie_to + 1 else honest(keys)
        self.backend.reply = answer
        ups = 1
        for name, lie in self.LIES.items():
            for lie_to in range(3):
                with self.subTest(name, window=lie_to), self.gate.connect() as client:
                    windows = 0
                    client.send(b"get " + b" ".join(self.KEYS) + b"\r\n")
                    said = b""
                    while not said.endswith((END, *ERRORS)):
                        said += client.line() + b"\r\n"
                    all_blocks = [block(key, key) for key in self.KEYS]
                    if said.endswith(END):
                        # The lie came behind what was complete.
                        self.assertEqual((name, lie_to, said), ("one END too many", 2, b"".join(all_blocks) + END))
                    else:
                        before = said[:said.index(b"SERVER_ERROR")]
                        self.assertTrue(b"".join(all_blocks).startswith(before) or name == "backwards", said)
                        self.assertNotIn(b"secret", before)
                        self.assertGreaterEqual(before.count(b"VALUE"), 3 * lie_to)
                    ups += 1
                    self.wait_until_up(ups)
                    self.backend.wait_closed(ups - 1)
                    self.assertEqual(client.ask(b"nonsense\r\n"), b"ERROR")  # one error, and no more of the get


if __name__ == "__main__":
    unittest.main()
