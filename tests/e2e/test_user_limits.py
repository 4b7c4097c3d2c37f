"""What a user may take, by its own limits and those of its roles, and how a read that is denied may look: in all dialects,
and at once when the configuration changes.
"""

import os
import signal
import struct
import unittest

import admin
import harness
import scram
import wire
from wire import AUTH_ERROR, NOT_FOUND, TOO_LARGE, packet, text_login

EVERYTHING = [{"commands": ["*"], "keys": ["*"]}]
ROLES = {
    "all": {"allow": EVERYTHING},
    "small": {"allow": EVERYTHING, "limits": {"value_bytes": 10, "keys_per_request": 3}},
    "smaller": {"limits": {"value_bytes": 5, "keys_per_request": 2}},
    "whole": {"allow": EVERYTHING, "deny": [{"commands": ["append", "prepend"], "keys": ["*"]}],
              "limits": {"value_bytes": 10}},
    "short": {"allow": EVERYTHING, "limits": {"ttl_seconds": 100}},
    "strict": {"allow": EVERYTHING, "limits": {"ttl_seconds": 100, "on_long_ttl": "refuse"}},
    # So slow that nothing is made up for while a test runs.
    "slow": {"allow": EVERYTHING, "limits": {"requests_per_second": 1, "requests_burst": 3600}},
    "narrow": {"allow": EVERYTHING, "limits": {"bytes_per_second": 1, "bytes_burst": 1000}},
    "two": {"allow": EVERYTHING, "limits": {"connections": 2}},
    "hides": {"allow": [{"commands": ["*"], "keys": ["open:*"]}], "on_denied_read": "miss"},
    "tells": {"on_denied_read": "error"},
}
USERS = [
    {"name": "all", "roles": ["all"]},
    {"name": "small", "roles": ["small"]},
    {"name": "smaller", "roles": ["smaller", "small"]},
    {"name": "own", "roles": ["smaller", "small"], "limits": {"value_bytes": 20}},
    {"name": "whole", "roles": ["whole"]},
    {"name": "short", "roles": ["short"]},
    {"name": "strict", "roles": ["short", "strict"]},
    {"name": "few", "roles": ["slow"], "limits": {"requests_per_second": 1, "requests_burst": 5}},
    {"name": "few-too", "roles": ["slow"], "limits": {"requests_per_second": 1, "requests_burst": 5}},
    {"name": "few-binary", "roles": ["slow"], "limits": {"requests_per_second": 1, "requests_burst": 5}},
    {"name": "few-meta", "roles": ["slow"], "limits": {"requests_per_second": 1, "requests_burst": 5}},
    {"name": "narrow", "roles": ["narrow"]},
    {"name": "two", "roles": ["two"]},
    {"name": "hides", "roles": ["hides"]},
    {"name": "tells", "roles": ["hides", "tells"]},
]
NAMES = [user["name"] for user in USERS]
LONG = b"CLIENT_ERROR limit exceeded: time to live"
FAST = b"CLIENT_ERROR limit exceeded: requests per second"
WIDE = b"CLIENT_ERROR limit exceeded: bytes per second"
FULL = b"CLIENT_ERROR limit exceeded: connections"
DENIED = b"CLIENT_ERROR access denied"
TOO_LARGE_LINE = b"SERVER_ERROR object too large for cache"


@harness.needs_mcgate
class UserLimits(unittest.TestCase):
    def setUp(self):
        users = [user | {"secrets": [scram.verifier(b"pw")]} for user in USERS]
        listeners = [harness.unix_listener(anonymous=name) for name in NAMES] + [harness.unix_listener()]
        table = admin.listener()
        self.memcached, self.gate = harness.start(self, listeners, users=users, roles=ROLES, admin=table)
        self.admin = admin.Admin(table["address"])
        with open(self.gate.config, encoding="utf-8") as file:
            self.config = file.read()

    def connect(self, name):
        connection = self.gate.connect(NAMES.index(name) if name else len(NAMES))
        self.addCleanup(connection.close)
        return connection

    def lines(self, connection, request, count):
        connection.send(request)
        return [connection.line() for _ in range(count)]

    def reload(self, old, new):
        self.assertIn(old, self.config)
        self.config = self.config.replace(old, new)
        with open(self.gate.config, "w", encoding="utf-8") as file:
            file.write(self.config)
        done = self.gate.process.log().count("event=reloaded")
        self.gate.process.child.send_signal(signal.SIGHUP)
        self.gate.process.wait_for("event=reloaded", count=done + 1)

    def assert_logged(self, user, limit):
        """And counted."""
        self.gate.process.wait_for(rf"event=bound_reached limit=limits\.{limit} .*user={user}\b")
        self.assertGreater(self.admin.metrics()[f'mcgate_bound_hits_total{{bound="limits.{limit}"}}'], 0)

    def test_value_size_and_keys_of_a_get(self):
        for name, most, keys in (("small", 10, 3), ("smaller", 5, 2), ("own", 20, 2)):
            with self.subTest(user=name):
                text, binary = self.connect(name), self.connect(name)
                fits, large = b"x" * most, b"x" * (most + 1)
                self.assertEqual(text.set(b"k", fits), b"STORED")
                for verb in (b"set", b"add", b"append", b"prepend", b"replace"):
                    self.assertEqual(text.ask(b"%s k 0 0 %d\r\n%s\r\n" % (verb, len(large), large)), TOO_LARGE_LINE)
                self.assertEqual(text.ask(b"ms k %d\r\n%s\r\n" % (len(large), large)), TOO_LARGE_LINE)
                self.assertEqual(text.ask(b"set k 0 0 %d noreply\r\n%s\r\nmn\r\n" % (len(large), large)), b"MN")
                self.assertEqual(text.get(b"k"), fits)
                self.assertEqual(binary.call("set", b"k", large, bytes(8)).status, TOO_LARGE)
                self.assertEqual(binary.call("append", b"k", large).status, TOO_LARGE)
                self.assertEqual(binary.call("get", b"k").value, fits)
                self.assertEqual(text.ask(b"get %s\r\n" % b" ".join([b"n"] * keys)), b"END")
                for request in (b"get %s\r\n", b"gat 0 %s\r\n"):
                    self.assertEqual(text.ask(request % b" ".join([b"n"] * (keys + 1))), b"CLIENT_ERROR too many keys")
                text.send(b"delete k\r\n")
                self.assertEqual(text.line(), b"DELETED")
        self.assert_logged("small", "value_bytes")
        self.assert_logged("small", "keys_per_request")

    def test_what_is_added_to_a_value(self):
        """Judged by itself, as the manual says; and what it says keeps items within the limit does."""
        fits = b"x" * 10
        adding = [b"append k 0 0 10\r\n%s\r\n", b"prepend k 0 0 10\r\n%s\r\n", b"ms k 10 MA\r\n%s\r\n",
                  b"ms k 10 MP\r\n%s\r\n"]
        for name, added, status in (("small", True, 0), ("whole", False, AUTH_ERROR)):
            with self.subTest(user=name):
                text, binary = self.connect(name), self.connect(name)
                self.assertEqual(text.set(b"k", fits), b"STORED")
                for request in adding:
                    self.assertEqual(text.ask(request % fits) in (b"STORED", b"HD"), added)
                for opcode in ("append", "prepend"):
                    self.assertEqual(binary.call(opcode, b"k", fits).status, status)
                self.assertEqual(len(text.get(b"k")), 70 if added else 10)

    def ttl(self, key):
        """Seconds that an item still has; -1 for ever, None if there is none."""
        with self.memcached.connect() as direct:
            said = direct.ask(b"mg %s t\r\n" % key)
            return None if said == b"EN" else int(said.split(b" t")[1].split(b" ")[0])

    def test_times_to_live_are_capped(self):
        text, binary = self.connect("short"), self.connect("short")
        rows = [
            b"set %s 0 0 1\r\n1\r\n", b"set %s 0 101 1\r\n1\r\n", b"set %s 0 2000000000 1\r\n1\r\n", b"add %s 0 0 1\r\n1\r\n",
            b"ms %s 1\r\n1\r\n", b"ms %s 1 T0\r\n1\r\n", b"ms %s 1 T500 ME\r\n1\r\n", b"ma %s N0 J1\r\n", b"mg %s N0 v\r\n",
        ]
        for number, request in enumerate(rows):
            key = b"t%d" % number
            text.send(request % key + b"mn\r\n")
            text.lines_until(b"MN")
            self.assertIn(self.ttl(key), range(90, 101), request)
        for request in (b"touch t0 0\r\n", b"gat 0 t0\r\n", b"mg t0 T0\r\n", b"replace t0 0 0 1\r\n2\r\n", b"ma t0 T0\r\n", b"md t0 I T0\r\n"):
            self.assertEqual(self.connect("all").ask(b"touch t0 0\r\n"), b"TOUCHED")
            self.assertEqual(self.ttl(b"t0"), -1)
            text.send(request + b"mn\r\n")
            text.lines_until(b"MN")
            self.assertIn(self.ttl(b"t0"), range(90, 101), request)
        text.send(b"touch t0 50\r\n")
        self.assertEqual(text.line(), b"TOUCHED")
        self.assertIn(self.ttl(b"t0"), range(40, 51))
        packets = [packet("set", b"%s", b"1", struct.pack(">II", 0, 0)), packet("addq", b"%s", b"1", struct.pack(">II", 0, 101)),
                   packet("incr", b"%s", b"", struct.pack(">QQI", 1, 1, 0)), packet("set", b"%s", b"1", struct.pack(">II", 0, 0xFFFFFFFF))]
        for number, request in enumerate(packets):
            key = b"b%d" % number
            binary.send(request.replace(b"%s", key) + packet("noop"))
            while binary.packet().opcode != wire.OPCODES["noop"]:
                pass
            self.assertIn(self.ttl(key), range(90, 101), request)
        for opcode in ("touch", "gat", "gatk"):
            self.assertEqual(self.connect("all").ask(b"touch b0 0\r\n"), b"TOUCHED")
            self.assertEqual(binary.call(opcode, b"b0", extras=bytes(4)).status, 0)
            self.assertIn(self.ttl(b"b0"), range(90, 101), opcode)

    def test_times_to_live_are_refused(self):
        text, binary = self.connect("strict"), self.connect("strict")
        self.assertEqual(text.set(b"k", b"1", exptime=100), b"STORED")
        for request in (b"set k 0 0 1\r\n2\r\n", b"set k 0 101 1\r\n2\r\n", b"ms k 1\r\n2\r\n", b"ms k 1 T0 q\r\n2\r\n", b"touch k 0\r\n",
                        b"gat 0 k\r\n", b"mg k T101\r\n", b"ma k N0\r\n", b"md k I T0\r\n"):
            self.assertEqual(text.ask(request), LONG, request)
        self.assertEqual(text.ask(b"set k 0 0 1 noreply\r\n2\r\nmn\r\n"), b"MN")
        self.assertEqual(text.get(b"k"), b"1")
        for opcode, value, extras in (("set", b"2", bytes(8)), ("setq", b"2", bytes(8)), ("touch", b"", bytes(4)), ("gat", b"", bytes(4)),
                                      ("incr", b"", struct.pack(">QQI", 1, 1, 0))):
            refused = binary.call(opcode, b"k", value, extras, opaque=9)
            self.assertEqual((refused.status, refused.opaque, refused.value), (AUTH_ERROR, 9, b"Limit exceeded: time to live"))
        binary.send(packet("gatq", b"k", extras=bytes(4)) + packet("noop"))
        self.assertEqual(binary.packet().opcode, wire.OPCODES["noop"])
        self.assertEqual(binary.call("incr", b"k", b"", struct.pack(">QQI", 1, 1, 0xFFFFFFFF)).status, 0)
        self.assert_logged("strict", "ttl_seconds")
        self.reload('on_long_ttl" = "refuse"', 'on_long_ttl" = "cap"')
        self.assertEqual(text.set(b"k", b"2"), b"STORED")

    def test_requests_a_second_over_all_connections(self):
        first, second = self.connect("few"), self.connect("few")
        self.assertEqual(first.set(b"k", b"v"), b"STORED")
        self.assertEqual(self.lines(first, b"get k\r\nget n\r\n", 4), [b"VALUE k 0 1", b"v", b"END", b"END"])
        self.assertEqual(self.lines(second, b"get n\r\nget n\r\nget n\r\nset k 0 0 1\r\nw\r\nversion\r\n", 5)[:4], [b"END", b"END", FAST, FAST])
        self.assertEqual(first.ask(b"set k 0 0 1 noreply\r\nw\r\nget k\r\n"), FAST)
        self.assertEqual(first.ask(b"mn\r\n"), b"MN")  # what needs no grant is not counted
        self.assertEqual(self.connect("few").ask(b"get k\r\n"), FAST)  # a new connection is no fresh start
        self.assertEqual(self.connect("few-too").ask(b"get k\r\n"), b"VALUE k 0 1")
        self.assert_logged("few", "requests_per_second")
        self.reload('{ "requests_per_second" = 1, "requests_burst" = 5 }', '{ "requests_per_second" = 1000000, "requests_burst" = 5 }')
        self.assertEqual(first.get(b"k"), b"v")

    def test_requests_a_second_in_binary_and_meta(self):
        binary = self.connect("few-binary")
        binary.send(b"".join(packet("get", b"n", opaque=number) for number in range(7)) + packet("getkq", b"n") + packet("setq", b"n", b"x", bytes(8), opaque=8)
                    + packet("noop", opaque=9))
        answers = [binary.packet() for _ in range(9)]
        self.assertEqual([answer.status for answer in answers], [NOT_FOUND] * 5 + [AUTH_ERROR] * 3 + [0])
        self.assertEqual([answer.opaque for answer in answers], [0, 1, 2, 3, 4, 5, 6, 8, 9])
        self.assertEqual(answers[5].value, b"Limit exceeded: requests per second")
        meta = self.connect("few-meta")
        self.assertEqual(self.lines(meta, b"mg n v\r\n" * 3 + b"ms k 1 T0\r\nx\r\n" * 2 + b"mg n v\r\nms k 1 q\r\nx\r\nmn\r\n", 8),
                         [b"EN"] * 3 + [b"HD"] * 2 + [FAST] * 2 + [b"MN"])

    def test_bytes_a_second(self):
        client = self.connect("narrow")
        self.connect("all").set(b"large", b"x" * 5000)
        self.assertEqual(client.set(b"k", b"x" * 100), b"STORED")
        self.assertEqual(client.get(b"large"), b"x" * 5000)  # and is owed for it
        self.assertEqual(self.lines(client, b"get k\r\nset k 0 0 1\r\ny\r\nmn\r\n", 3), [WIDE, WIDE, b"MN"])
        self.assertEqual(self.connect("narrow").call("get", b"k").value, b"Limit exceeded: bytes per second")
        self.assert_logged("narrow", "bytes_per_second")
        self.reload('"bytes_per_second" = 1,', '"bytes_per_second" = 1000000000,')
        # What is owed at the new rate is made up for in microseconds, counted from the first request that knows it.
        self.assertEqual(client.ask(b"touch k 0 noreply\r\nmn\r\n"), b"MN")
        self.assertEqual(client.get(b"k"), b"x" * 100)

    def test_connections(self):
        held = [self.connect("two") for _ in range(2)]
        for connection in held:
            self.assertEqual(connection.ask(b"get n\r\n"), b"END")
        # Of an identity that comes without a log-in: told at the first request, whatever it is.
        for request in (b"get n\r\n", b"get n\r\nget n\r\n", b"mg n v\r\n", b"delete n noreply\r\n"):
            one_more = self.connect("two")
            one_more.send(request)
            self.assertEqual(one_more.rest(), FULL + b"\r\n", request)
        one_more = self.connect("two")
        refused = one_more.call("getq", b"n", opaque=5)
        self.assertEqual((refused.status, refused.opaque, refused.value), (AUTH_ERROR, 5, b"Limit exceeded: connections"))
        self.assertEqual(one_more.rest(), b"")
        # By a log-in: by text, by SASL; a failure that counts as none.
        for _ in range(12):
            text = self.connect(None)
            self.assertEqual(text.ask(text_login(b"two", b"pw")), FULL)
        binary = self.connect(None)
        self.assertEqual(binary.sasl_plain(b"two", b"pw").value, b"Limit exceeded: connections")
        self.assertEqual(binary.sasl_plain(b"all", b"pw").status, 0)
        self.assertEqual(self.connect(None).ask(text_login(b"all", b"pw")), b"STORED")
        self.assert_logged("two", "connections")
        # Another log-in, or the end, gives a place back.
        held[0].send(b"quit\r\n")
        self.assertEqual(held[0].rest(), b"")
        text = self.connect(None)
        self.assertEqual(text.ask(text_login(b"two", b"pw")), b"STORED")
        self.assertEqual(self.connect(None).ask(text_login(b"two", b"pw")), FULL)
        self.reload('{ "connections" = 2 }', '{ "connections" = 3 }')
        self.assertEqual(self.connect(None).ask(text_login(b"two", b"pw")), b"STORED")
        self.assertEqual(self.connect(None).ask(text_login(b"two", b"pw")), FULL)

    def test_a_connection_counts_until_its_answers_are_taken(self):
        everything = self.connect("all")
        self.assertEqual(everything.set(b"large", b"x" * 1_000_000), b"STORED")
        for end in ("quit", "half-closed"):
            with self.subTest(end=end):
                # More than the sockets hold: what is left waits for the client, who does not read.
                slow = self.connect("two")
                self.assertEqual(slow.ask(b"get n\r\n"), b"END")
                slow.send(b"get large\r\n" * 3 + (b"quit\r\n" if end == "quit" else b""))
                if end == "half-closed":
                    slow.finish()
                other = self.connect("two")
                self.assertEqual(other.ask(b"get n\r\n"), b"END")
                one_more = self.connect("two")
                one_more.send(b"get n\r\n")
                self.assertEqual(one_more.rest(), FULL + b"\r\n")
                self.assertEqual(slow.rest().count(b"END\r\n"), 3)
                instead = self.connect("two")
                self.assertEqual(instead.ask(b"get n\r\n"), b"END")
                for connection in (other, instead):
                    connection.send(b"quit\r\n")
                    self.assertEqual(connection.rest(), b"")

    def test_what_is_answered_after_the_last_request_is_charged(self):
        self.connect("all").set(b"large", b"x" * 5000)
        leaves = self.connect("narrow")
        leaves.send(b"get large\r\nquit\r\n")
        self.assertEqual(len(leaves.rest()), len(b"VALUE large 0 5000\r\n") + 5000 + len(b"\r\nEND\r\n"))
        self.assertEqual(self.connect("narrow").ask(b"get large\r\n"), WIDE)

    def test_a_denied_read_may_look_like_a_miss(self):
        everything, text, binary = self.connect("all"), self.connect("hides"), self.connect("hides")
        for key in (b"open:1", b"open:2", b"shut"):
            everything.set(key, b"v")
        self.assertEqual(self.lines(text, b"get shut open:1 shut open:2 shut\r\n", 5),
                         [b"VALUE open:1 0 1", b"v", b"VALUE open:2 0 1", b"v", b"END"])
        for request in (b"get shut\r\n", b"gets shut shut\r\n", b"gat 0 shut\r\n", b"gats 0 shut\r\n"):
            self.assertEqual(text.ask(request), b"END", request)
        self.assertEqual(text.ask(b"mg shut v k Ox\r\n"), b"EN kshut Ox")
        self.assertEqual(text.ask(b"mg c2h1dA== b v Ox k\r\n"), b"EN Ox kc2h1dA== b")
        self.assertEqual(text.ask(b"mg shut v q\r\nmn\r\n"), b"MN")
        self.assertEqual(text.ask(b"mg nothing v k Ox\r\n"), self.connect("all").ask(b"mg nothing v k Ox\r\n"))
        self.assertEqual(text.ask(b"mg shut v N30 T30\r\n"), b"EN")
        for request in (b"set shut 0 0 1\r\nw\r\n", b"delete shut\r\n", b"touch shut 0\r\n", b"incr shut 1\r\n", b"ms shut 1\r\nw\r\n"):
            self.assertEqual(text.ask(request), DENIED, request)
        for opcode in ("get", "getk", "gat", "gatk"):
            extras = bytes(4) if opcode.startswith("gat") else b""
            denied, missing = (self.connect(name).call(opcode, b"shut" if name == "hides" else b"gone", extras=extras, opaque=3)
                               for name in ("hides", "all"))
            self.assertEqual(repr(denied), repr(missing).replace("gone", "shut"))
            binary.send(packet(opcode + "q", b"shut", extras=extras) + packet(opcode, b"open:1", extras=extras) + packet("noop"))
            self.assertEqual(binary.packet().value, b"v")
            self.assertEqual(binary.packet().opcode, wire.OPCODES["noop"])
        self.assertEqual(binary.call("delete", b"shut").status, AUTH_ERROR)
        self.gate.process.wait_for(r"event=denied user=hides .*command=mg")
        self.assertEqual(everything.get(b"shut"), b"v")
        # Where one role tells, it is told.
        self.assertEqual(self.connect("tells").ask(b"get open:1 shut\r\n"), DENIED)
        self.reload('on_denied_read = "miss"', 'on_denied_read = "error"')
        self.assertEqual(text.ask(b"get open:1 shut\r\n"), DENIED)

    def test_a_large_get_of_which_some_may_not_be_read(self):
        everything, text = self.connect("all"), self.connect("hides")
        everything.send(b"".join(b"set open:%d 0 0 1 noreply\r\nv\r\n" % number for number in range(1500)) + b"mn\r\n")
        self.assertEqual(everything.line(), b"MN")
        keys = [b"open:%d" % number if number % 3 else b"shut:%d" % number for number in range(1500)]
        text.send(b"get %s\r\n" % b" ".join(keys))
        lines = text.lines_until(b"END")
        self.assertEqual(lines, [line for key in keys if key.startswith(b"open") for line in (b"VALUE %s 0 1" % key, b"v")])


if __name__ == "__main__":
    unittest.main()
