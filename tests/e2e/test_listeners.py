"""Where mcgate listens, whom it lets in there, and what it says of it in its log."""

import json
import os
import re
import signal
import socket
import ssl
import stat
import struct
import subprocess
import unittest

import harness
import wire
from harness import PASSWORDS
from wire import text_login

ALICE = text_login(b"alice", PASSWORDS[b"alice"])


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


@harness.needs_mcgate
class Listeners(unittest.TestCase):
    @unittest.skipUnless(has_ipv6(), "this machine has no ::1")
    def test_ipv6(self):
        _, gate = harness.start(self, [harness.plain_listener(address="[::1]:0"), harness.tls_listener(address="[::1]:0")])
        for listener in (0, 1):
            with self.subTest(listener=listener), gate.connect(listener) as client:
                self.assertEqual(client.ask(ALICE), b"STORED")
                self.assertEqual(client.set(b"alice:k", b"v"), b"STORED")
                self.assertEqual(client.get(b"alice:k"), b"v")

    def test_every_worker_has_a_socket_of_its_own(self):
        _, gate = harness.start(self, [harness.plain_listener()], workers=3)
        with open("/proc/net/tcp", encoding="ascii") as file:
            sockets = [line.split() for line in file][1:]
        port, listening = f":{gate.addresses[0][1]:04X}", "0A"
        self.assertEqual(len([each for each in sockets if each[1].endswith(port) and each[3] == listening]), 3)

    def test_clients_from_elsewhere_are_closed_at_once(self):
        _, gate = harness.start(self, [harness.plain_listener(networks=["192.0.2.0/24", "2001:db8::/32"]),
                                       harness.plain_listener(networks=["127.0.0.0/8"])])
        with gate.connect(0) as client, self.assertRaises(wire.Closed):
            client.send(ALICE)
            client.line()
        with gate.connect(1) as client:
            self.assertEqual(client.ask(ALICE), b"STORED")

    def test_unix_socket_has_the_mode_that_was_asked_for(self):
        _, gate = harness.start(self, [harness.unix_listener(mode="0640")])
        self.assertEqual(stat.S_IMODE(os.stat(gate.addresses[0]).st_mode), 0o640)
        with gate.connect() as client:
            self.assertEqual(client.ask(ALICE), b"STORED")

    def test_a_stale_unix_socket_is_replaced_and_a_living_one_is_not(self):
        listener = harness.unix_listener()
        path = listener["address"].removeprefix("unix:")
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(path)
        memcached, gate = harness.start(self, [listener])
        with gate.connect() as client:
            self.assertEqual(client.ask(ALICE), b"STORED")
        self.refused_to_start(gate, "something already listens there")
        with gate.connect() as client:
            self.assertEqual(client.ask(ALICE), b"STORED")

    def test_a_port_in_use_is_an_error(self):
        _, gate = harness.start(self, [harness.plain_listener()])
        with open(gate.config, encoding="utf-8") as file:
            config = file.read().replace("127.0.0.1:0", f"127.0.0.1:{gate.addresses[0][1]}")
        with open(gate.config, "w", encoding="utf-8") as file:
            file.write(config)
        self.refused_to_start(gate, "something already listens there")

    def refused_to_start(self, gate, reason):
        """A second mcgate with the same configuration says why it cannot start and exits with EX_UNAVAILABLE."""
        ended = subprocess.run([harness.MCGATE, "serve", "-c", gate.config], capture_output=True, text=True,
                               timeout=harness.START_TIMEOUT, check=False)
        self.assertEqual(ended.returncode, os.EX_UNAVAILABLE, ended.stderr)
        self.assertIn(reason, ended.stderr)


@harness.needs_mcgate
class Log(unittest.TestCase):
    def setUp(self):
        self.memcached, self.gate = harness.start(self, [harness.plain_listener(), harness.tls_listener()],
                                                  log={"format": "json", "level": "debug"})

    def connect(self, listener=0):
        client = self.gate.connect(listener)
        self.addCleanup(client.close)
        return client

    def events(self, name=None):
        events = [json.loads(line) for line in self.gate.process.log().split("\n") if line.startswith("{")]
        return [event for event in events if name in (None, event["event"])]

    def wait_for(self, name, count=1):
        self.gate.process.wait_for(rf'"event":"{name}"', count)
        return self.events(name)

    def test_log_ins_and_refusals(self):
        client = self.connect(1)
        self.assertEqual(client.ask(text_login(b"alice", b"wrong")), b"CLIENT_ERROR authentication failure")
        self.assertEqual(client.ask(text_login(b"S3cret-typed-as-name", b"x")), b"CLIENT_ERROR authentication failure")
        self.assertEqual(client.ask(ALICE), b"STORED")
        self.assertEqual(client.ask(b"get bob:secret-of-bob\r\n"), b"CLIENT_ERROR access denied")
        self.assertEqual(client.ask(b"flush_all\r\n"), b"CLIENT_ERROR access denied")
        refused = self.wait_for("login_refused", 2)
        self.assertEqual([event["user"] for event in refused], ["alice", "unknown"])
        self.assertEqual([event["failures"] for event in refused], [1, 2])
        [login] = self.wait_for("login")
        self.assertEqual((login["level"], login["user"], login["proof"]), ("info", "alice", "text"))
        self.assertRegex(login["peer"], r"^127\.0\.0\.1:\d+$")
        self.assertRegex(login["transport"], r"^TLSv1\.[23]$")
        get, flush = self.wait_for("denied", 2)
        self.assertEqual((get["user"], get["command"], get["key_prefix"]), ("alice", "get", "bob:"))
        self.assertTrue(get["rule"])
        self.assertEqual((flush["command"], flush["key_prefix"]), ("flush_all", ""))

    def test_no_secret_and_no_value(self):
        client = self.connect()
        self.assertEqual(client.ask(text_login(b"alice", b"wrong-password")), b"CLIENT_ERROR authentication failure")
        self.assertEqual(client.ask(ALICE), b"STORED")
        self.assertEqual(client.set(b"alice:k", b"a-value"), b"STORED")
        self.assertEqual(client.ask(b"set bob:k 0 0 7\r\na-value\r\n"), b"CLIENT_ERROR access denied")
        self.wait_for("denied")
        log = self.gate.process.log()
        for secret in ("wrong-password", PASSWORDS[b"alice"].decode(), "a-value", "SCRAM-SHA-256$"):
            self.assertNotIn(secret, log)

    def test_a_scan_is_not_worth_a_line(self):
        for listener in (0, 1):
            address = self.gate.addresses[listener]
            socket.create_connection(address).close()
            with socket.create_connection(address) as scanner:
                scanner.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                while scanner.recv(4096):
                    pass
        context = ssl.create_default_context()  # which does not know our CA, and leaves
        with socket.create_connection(self.gate.addresses[1]) as suspicious, self.assertRaises(ssl.SSLError):
            context.wrap_socket(suspicious, server_hostname="localhost")
        self.assertEqual(self.connect().ask(ALICE), b"STORED")
        self.wait_for("login")
        known = {"start", "listening", "upstream_up", "ready", "login"}
        loud = [event for event in self.events() if event["level"] != "debug" and event["event"] not in known]
        self.assertEqual(loud, [])

    def test_refusals_are_logged_at_a_bounded_rate(self):
        many = 5000
        client = self.connect()
        self.assertEqual(client.ask(ALICE), b"STORED")
        client.send(b"get bob:k\r\n" * many)
        self.assertEqual({client.line() for _ in range(many)}, {b"CLIENT_ERROR access denied"})
        suppressed = self.wait_for("lines_suppressed")
        while len(self.events("denied")) + sum(event["count"] for event in suppressed) < many:
            suppressed = self.wait_for("lines_suppressed", len(suppressed) + 1)
        self.assertLess(len(self.events("denied")), many / 2)
        self.assertEqual(len(self.events("denied")) + sum(event["count"] for event in suppressed), many)

    def test_upstream_and_end_are_told(self):
        for dialect in ("text", "binary"):
            self.assertIn(dialect, [event["dialect"] for event in self.wait_for("upstream_up", 4)])
        self.memcached.kill()
        self.assertTrue(all(event["reason"] for event in self.wait_for("upstream_down", 4)))
        self.gate.terminate()
        self.assertEqual(self.gate.process.wait(), 0)
        self.assertEqual([len(self.events(name)) for name in ("start", "ready", "draining", "stopped")], [1] * 4)

    def test_a_signal_to_open_the_log_again_ends_nobody(self):
        client = self.connect()
        self.assertEqual(client.ask(ALICE), b"STORED")
        self.gate.process.child.send_signal(signal.SIGUSR1)
        self.gate.process.child.send_signal(signal.SIGHUP)  # behind it, and answered
        self.wait_for("reloaded")
        self.assertEqual(client.ask(b"get alice:k\r\n"), b"END")

    def test_verbose(self):
        _, gate = harness.start(self, [harness.plain_listener()], self.memcached)
        for options, told in (([], False), (["-v"], True)):
            process = harness.Process([harness.MCGATE, "serve", *options, "-c", gate.config])
            self.addCleanup(process.kill)
            process.wait_for("event=ready")
            address = harness.Mcgate._address(process.wait_for("event=listening")[0])
            with wire.Connection(address) as client:  # a client that resets the connection is told at debug alone
                self.assertEqual(client.ask(ALICE), b"STORED")
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if told:
                process.wait_for("level=debug event=client_lost")
            process.child.send_signal(signal.SIGTERM)
            process.child.wait(harness.STOP_TIMEOUT)
            self.assertEqual("level=debug" in process.log(), told)

    def test_nothing_a_client_sends_forges_a_line(self):
        client = self.connect()
        self.assertEqual(client.ask(ALICE), b"STORED")
        self.assertEqual(client.ask(b'get "}\xff\xfe\x80event=login\r\n'), b"CLIENT_ERROR access denied")
        [denied] = self.wait_for("denied")
        self.assertEqual(denied["user"], "alice")
        for line in self.gate.process.log().split("\n"):
            self.assertTrue(line.isascii() and (not line or re.match(r"^\{.*\}$", line)), line)


if __name__ == "__main__":
    unittest.main()
