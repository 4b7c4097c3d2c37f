"""Listeners where all pass: nothing is refused, everything is noted; and anonymous users by network."""

import json
import signal
import time
import unittest

import admin
import harness
import scram
import wire
from harness import PASSWORDS

DENIED = b"CLIENT_ERROR access denied"
UNAUTHENTICATED = b"CLIENT_ERROR unauthenticated"


@harness.needs_mcgate
class AllPass(unittest.TestCase):
    OBSERVE, REPORT, REQUIRED = range(3)

    def setUp(self):
        endpoint = admin.listener()
        self.memcached, self.gate = harness.start(
            self, [harness.plain_listener(auth="observe"), harness.plain_listener(auth="report"),
                   harness.plain_listener()], admin=endpoint, workers=2)
        self.admin = admin.Admin(endpoint["address"])

    def connect(self, listener=OBSERVE):
        connection = self.gate.connect(listener)
        self.addCleanup(connection.close)
        return connection

    def observed(self):
        """{'address 127.0.0.1': {('read', 'session:*'): (requests, refused)}}"""
        status, body = self.admin.get("/observed")
        self.assertEqual(status, 200)
        found = {}
        for client in json.loads(body)["clients"]:
            name = f"user {client['user']}" if "user" in client else f"address {client['address']}"
            found[name] = {(right["right"], right.get("keys")): (right["requests"], right["refused"])
                           for right in client["rights"]}
        return found

    def test_strangers_pass_and_are_noted(self):
        for listener in (self.OBSERVE, self.REPORT):
            connection = self.connect(listener)
            self.assertEqual(connection.set(b"session:1", b"v"), b"STORED")
            self.assertEqual(connection.get(b"session:1"), b"v")
            self.assertEqual(connection.ask(b"touch hits 0\r\n"), b"NOT_FOUND")
            self.assertEqual(connection.ask(b"flush_all\r\n"), b"OK")
            self.assertEqual(connection.ask(b"get a b\r\n"), b"END")
        self.assertEqual(self.observed(), {"address 127.0.0.1": {
            ("write", "session:*"): (2, 2), ("read", "session:*"): (2, 2), ("touch", "hits"): (2, 2),
            ("flush_all", None): (2, 2), ("read", "a"): (2, 2), ("read", "b"): (2, 2)}})
        self.assertEqual(self.connect(self.REQUIRED).ask(b"get a\r\n"), UNAUTHENTICATED)

    def test_binary_strangers_pass(self):
        connection = self.connect()
        connection.send(wire.storage("set", b"k", b"v"))
        self.assertEqual(connection.packet().status, 0)
        self.assertEqual(connection.call("get", b"k").value, b"v")
        self.assertEqual(self.observed(), {"address 127.0.0.1": {("write", "k"): (1, 1), ("read", "k"): (1, 1)}})

    def test_a_log_in_is_done_and_its_rights_judged(self):
        connection = self.connect(self.REPORT)
        self.assertEqual(connection.login(b"alice", PASSWORDS[b"alice"]), b"STORED")
        self.assertEqual(connection.set(b"alice:1", b"v"), b"STORED")
        self.assertEqual(connection.set(b"bob:1", b"v"), b"STORED")
        self.gate.process.wait_for(r"event=would_be_denied user=alice .*command=set key_prefix=bob: ")
        self.assertEqual(self.observed(), {"user alice": {("write", "alice:*"): (1, 0), ("write", "bob:*"): (1, 1)}})

    def test_a_failed_log_in_is_told_and_the_session_goes_on(self):
        connection = self.connect()
        self.assertEqual(connection.login(b"alice", b"wrong"), b"CLIENT_ERROR authentication failure")
        self.assertEqual(connection.set(b"k", b"v"), b"STORED")
        binary = self.connect()
        self.assertEqual(binary.sasl_plain(b"alice", b"wrong").status, wire.AUTH_ERROR)
        self.assertEqual(binary.call("get", b"k").value, b"v")
        self.assertEqual(binary.sasl_plain(b"alice", PASSWORDS[b"alice"]).status, 0)

    def test_a_log_in_is_never_stored(self):
        """Not at first, and not when it is tried again (DESIGN 11.2)."""
        connection = self.connect()
        for password in (b"wrong", b"wrong too", PASSWORDS[b"alice"]):
            connection.login(b"alice", password)
        with self.memcached.connect() as behind:
            self.assertIsNone(behind.get(b"login"))
        self.assertEqual(connection.set(b"login", b"alice is here"), b"STORED")  # logged in: it is a value now
        self.assertIn("user alice", self.observed())

    def test_the_sketch_is_bounded_and_says_so(self):
        connection = self.connect()
        for start in range(0, 600, 100):
            connection.ask(b"get " + b" ".join(b"k%d" % n for n in range(start, start + 100)) + b"\r\n")
        client = json.loads(self.admin.get("/observed")[1])["clients"][0]
        self.assertEqual((len(client["rights"]), client["beyond"]["requests"]), (256, 600 - 256))
        self.assertEqual(client["requests"], 6)

    def test_explain_through_the_running_server(self):
        ask = lambda query: self.admin.get("/explain?" + query)
        status, body = ask("user=alice&command=get&key=alice%3A1")
        self.assertEqual((status, json.loads(body)["allowed"]), (200, True))
        status, body = ask("user=alice&command=get&key=bob%3A1")
        self.assertEqual((status, json.loads(body)["allowed"]), (200, False))
        self.assertIn("{ commands = [\"get\"], keys = [\"bob:1\"] }", json.loads(body)["change"][0])
        self.assertEqual(ask("user=alice")[0], 400)
        self.assertEqual(ask("user=alice&command=get&key=a&password=x")[0], 400)


@harness.needs_mcgate
class WhatHoldsAllTheSame(unittest.TestCase):
    """What is no matter of rights: limits, namespaces, and whom a proxy speaks for."""

    ONE, HIDES, TENANT, PROXIED, UNIX_PROXIED, LOGINS = range(6)
    FULL = b"CLIENT_ERROR limit exceeded: connections"

    @classmethod
    def setUpClass(cls):
        endpoint = admin.listener()
        secrets = [scram.verifier(b"pw")]
        users = [
            {"name": "one", "secrets": secrets, "limits": {"connections": 1, "ttl_seconds": 100, "on_long_ttl": "refuse"}},
            {"name": "hides", "roles": ["open"]},
            {"name": "tenant", "namespace": "t:", "secrets": secrets},
            {"name": "far", "roles": ["open"]},
        ]
        roles = {"open": {"allow": [{"commands": ["read"], "keys": ["open:*"]}], "on_denied_read": "miss"}}
        far = [{"networks": ["192.0.2.0/24"], "user": "far"}]
        cls.memcached, cls.gate = harness.start(cls, [
            harness.plain_listener(auth="observe", anonymous="one"),
            harness.plain_listener(auth="report", anonymous="hides"),
            harness.plain_listener(auth="observe", anonymous="tenant"),
            harness.plain_listener(auth="observe", anonymous=far, proxy_protocol_from=["127.0.0.0/8"]),
            harness.unix_listener(auth="report", anonymous=far, proxy_protocol_from=["unix"]),
            harness.plain_listener(auth="observe"),
        ], users=users, roles=roles, admin=endpoint)
        cls.admin = admin.Admin(endpoint["address"])

    def connect(self, listener, *lines):
        connection = self.gate.connect(listener)
        self.addCleanup(connection.close)
        for line in lines:
            connection.send(line)
        return connection

    def observed(self, kind, which):
        clients = json.loads(self.admin.get("/observed")[1])["clients"]
        rights = next(client["rights"] for client in clients if client.get(kind) == which)
        return {(right["right"], right.get("keys")): (right["requests"], right["refused"]) for right in rights}

    def only(self, begin):
        """A session that has the one place there is, once those of other tests have left it, begun with `begin`."""
        deadline = time.monotonic() + harness.START_TIMEOUT
        while True:
            connection = self.connect(self.ONE)
            begin(connection)
            if connection.ask(b"get n\r\n") == b"END":
                return connection
            self.assertLess(time.monotonic(), deadline)

    def test_connections(self):
        first, second = self.only(lambda connection: None), self.connect(self.ONE)
        self.assertEqual(first.set(b"one:k", b"v", exptime=100), b"STORED")
        self.assertEqual(second.ask(b"get one:k\r\n"), self.FULL)
        with self.assertRaises((wire.Closed, ConnectionError)):
            second.line()
        third = self.connect(self.LOGINS)
        self.assertEqual(third.login(b"one", b"pw"), self.FULL)
        self.assertEqual(third.ask(b"get one:k\r\n"), self.FULL)
        self.assertEqual(first.get(b"one:k"), b"v")

    def test_a_failed_log_in_takes_no_second_place(self):
        def fail(connection):
            self.assertEqual(connection.login(b"one", b"wrong"), b"CLIENT_ERROR authentication failure")
        connection = self.only(fail)
        self.assertEqual(connection.login(b"one", b"pw"), b"STORED")
        self.assertEqual(connection.ask(b"get n\r\n"), b"END")
        self.assertEqual(connection.ask(b"touch n 101\r\n"), b"CLIENT_ERROR limit exceeded: time to live")
        self.assertEqual(self.observed("user", "one")["touch", "n"], (1, 1))

    def test_nothing_is_hidden(self):
        connection = self.connect(self.HIDES)
        with self.memcached.connect() as behind:
            for key in (b"open:1", b"closed:1"):
                self.assertEqual(behind.set(key, b"v"), b"STORED")
        connection.send(b"get open:1 closed:1\r\nget closed:1\r\n")
        for line in (b"VALUE open:1 0 1", b"v", b"VALUE closed:1 0 1", b"v", b"END", b"VALUE closed:1 0 1", b"v", b"END"):
            self.assertEqual(connection.line(), line)
        self.gate.process.wait_for(r"event=would_be_denied user=hides .*command=get key_prefix=closed: ", count=2)
        rights = self.observed("address", "127.0.0.1")
        self.assertEqual(rights["read", "closed:*"], (2, 2))
        self.assertEqual(rights["read", "open:*"], (1, 1))  # one request: refused whole

    def test_namespaces(self):
        with self.memcached.connect() as behind:
            self.assertEqual(behind.set(b"k", b"another's"), b"STORED")
            connection = self.connect(self.TENANT)
            self.assertEqual(connection.ask(b"get k\r\n"), b"END")
            self.assertEqual(connection.set(b"k", b"mine"), b"STORED")
            for request in (b"flush_all\r\n", b"stats\r\n", b"stats items\r\n", b"lru_crawler metadump all\r\n"):
                self.assertEqual(connection.ask(request), DENIED)
            self.assertEqual((behind.get(b"k"), behind.get(b"t:k")), (b"another's", b"mine"))
            logged_in = self.connect(self.LOGINS)
            self.assertEqual(logged_in.login(b"tenant", b"pw"), b"STORED")
            self.assertEqual(logged_in.get(b"k"), b"mine")
            self.assertEqual(logged_in.ask(b"flush_all\r\n"), DENIED)

    def test_whom_a_proxy_speaks_for(self):
        for listener in (self.PROXIED, self.UNIX_PROXIED):
            here = self.connect(listener, b"PROXY TCP4 198.51.100.7 198.51.100.7 4711 11211\r\n")
            self.assertEqual(here.ask(b"get none:1\r\n"), b"END")
            there = self.connect(listener, b"PROXY TCP4 192.0.2.9 192.0.2.9 4711 11211\r\n")
            self.assertEqual(there.ask(b"get none:1\r\n"), b"END")
            self.assertEqual(there.ask(b"get open:none\r\n"), b"END")
        self.assertEqual(self.observed("address", "198.51.100.7"), {("read", "none:*"): (2, 2)})
        self.assertEqual(self.observed("address", "192.0.2.9"), {("read", "none:*"): (2, 2), ("read", "open:*"): (2, 0)})
        self.gate.process.wait_for(r"event=would_be_denied user=far peer=192.0.2.9:4711 .*key_prefix=none: ")


@harness.needs_mcgate
class Reload(unittest.TestCase):
    def test_who_is_here_passes_and_is_closed_in_the_end(self):
        _, gate = harness.start(self, [harness.plain_listener()])
        connection = gate.connect()
        self.addCleanup(connection.close)
        self.assertEqual(connection.ask(b"get k\r\n"), UNAUTHENTICATED)
        with open(gate.config, encoding="utf-8") as file:
            required = file.read()
        observe = required.replace("[[listener]]\n", "[[listener]]\nauth = \"observe\"\n")
        self.reload(gate, observe, 1)
        while (answer := connection.ask(b"get k\r\n")) == UNAUTHENTICATED:
            pass  # its worker has been told, and may not have looked yet
        self.assertEqual(answer, b"END")
        self.reload(gate, required, 2)
        gate.process.wait_for("event=session_revoked")
        with self.assertRaises((wire.Closed, ConnectionError)):
            connection.ask(b"get k\r\n")

    def test_who_is_somebody_stays_and_may_what_it_may(self):
        _, gate = harness.start(self, [harness.plain_listener(auth="observe")], workers=1)
        alice = gate.connect()
        self.addCleanup(alice.close)
        self.assertEqual(alice.login(b"alice", PASSWORDS[b"alice"]), b"STORED")
        self.assertEqual(alice.set(b"bob:1", b"v"), b"STORED")
        with open(gate.config, encoding="utf-8") as file:
            observe = file.read()
        self.reload(gate, observe.replace('auth = "observe"\n', ""), 1)
        self.assertEqual(alice.set(b"bob:1", b"v"), DENIED)
        self.assertEqual(alice.set(b"alice:1", b"v"), b"STORED")

    def reload(self, gate, text, count):
        with open(gate.config, "w", encoding="utf-8") as file:
            file.write(text)
        gate.process.child.send_signal(signal.SIGHUP)
        gate.process.wait_for("event=reloaded", count=count)


@harness.needs_mcgate
class AnonymousByNetwork(unittest.TestCase):
    def test_only_those_of_the_network_need_no_log_in(self):
        here, elsewhere = (harness.plain_listener(anonymous=[{"networks": [network], "user": "alice"}])
                           for network in ("127.0.0.0/8", "10.0.0.0/8"))
        _, gate = harness.start(self, [here, elsewhere])
        with gate.connect(0) as connection:
            self.assertEqual(connection.set(b"alice:1", b"v"), b"STORED")
            self.assertEqual(connection.set(b"bob:1", b"v"), DENIED)
            self.assertEqual(connection.login(b"bob", PASSWORDS[b"bob"]), DENIED)  # not first: a set like any other
        with gate.connect(1) as connection:
            self.assertEqual(connection.ask(b"get alice:1\r\n"), UNAUTHENTICATED)
            self.assertEqual(connection.login(b"bob", PASSWORDS[b"bob"]), b"STORED")


if __name__ == "__main__":
    unittest.main()
