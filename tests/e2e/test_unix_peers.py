"""Clients at a Unix socket, who are users by whose process they are."""

import os
import re
import signal
import subprocess
import sys
import unittest

import harness
import wire
from harness import PASSWORDS
from login_case import UNAUTHENTICATED
from wire import AUTH_ERROR, text_login

ALICE = text_login(b"alice", PASSWORDS[b"alice"])
ROLES = {"web": {"allow": [{"commands": ["*"], "keys": ["web:*"]}]}}
# Connects, says what it is given, and prints what comes until the end.
CLIENT = """
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
connection.sendall(sys.stdin.buffer.read())
while data := connection.recv(65536):
    sys.stdout.buffer.write(data)
"""

as_root = unittest.skipUnless(os.geteuid() == 0, "only root can be others")


@harness.needs_mcgate
class UnixPeers(unittest.TestCase):
    UNIX, TCP, ANONYMOUS = range(3)

    def start(self, *users):
        self.memcached, self.gate = harness.start(
            self, [harness.unix_listener(mode="0666"), harness.plain_listener(), harness.unix_listener(anonymous="reader")],
            users=[*harness.users(), *users], roles=harness.ROLES | ROLES)

    def connect(self, listener=UNIX):
        connection = self.gate.connect(listener)
        self.addCleanup(connection.close)
        return connection

    def ask_as(self, uid, gid, request=b"get web:k\r\nquit\r\n"):
        os.chmod(harness.scratch(), 0o711)
        done = subprocess.run([sys.executable, "-c", CLIENT, self.gate.addresses[self.UNIX]], input=request, user=uid,
                              group=gid, extra_groups=[], stdout=subprocess.PIPE, timeout=60, check=True)
        return done.stdout.split(b"\r\n")[0]

    def me(self, **more):
        return {"name": "me", "unix_users": [str(os.geteuid())], "roles": ["web"]} | more

    def test_at_once_in_any_protocol(self):
        self.start(self.me())
        text, binary = self.connect(), self.connect(self.ANONYMOUS)
        self.assertEqual(text.set(b"web:k", b"v"), b"STORED")
        self.assertEqual(text.ask(b"get alice:k\r\n"), b"CLIENT_ERROR access denied")
        self.assertEqual(binary.call("get", b"web:k").value, b"v")
        self.gate.process.wait_for("event=login user=me proof=unix peer=unix")
        self.assertEqual(self.connect(self.TCP).ask(b"get web:k\r\n"), UNAUTHENTICATED)

    def test_log_ins_confirm_it_or_end_it(self):
        self.start(self.me(networks=["192.0.2.0/24"]))  # which judge addresses, and there is none
        connection = self.connect()
        self.assertEqual(connection.call("sasl_list").value, b"EXTERNAL PLAIN")
        self.assertEqual(connection.call("sasl_auth", b"EXTERNAL", b"me").status, 0)
        self.assertEqual(connection.call("get", b"web:k").status, wire.NOT_FOUND)
        self.assertEqual(connection.sasl_plain(b"alice", PASSWORDS[b"alice"]).status, AUTH_ERROR)
        with self.assertRaises(wire.Closed):
            connection.packet()
        text = self.connect()
        self.assertEqual(text.ask(ALICE), b"CLIENT_ERROR authentication failure")
        with self.assertRaises(wire.Closed):
            text.line()

    @as_root
    def test_users_before_groups_and_nobody_else(self):
        self.start({"name": "one", "unix_users": ["4321"], "roles": ["web"]},
                   {"name": "all", "unix_groups": ["8765"], "roles": ["alice"]})
        self.assertEqual(self.ask_as(4321, 8765), b"END")
        self.assertEqual(self.ask_as(4322, 8765), b"CLIENT_ERROR access denied")
        self.assertEqual(self.ask_as(4322, 8765, b"get alice:k\r\nquit\r\n"), b"END")
        self.assertEqual(self.ask_as(8765, 4321), UNAUTHENTICATED)
        self.assertEqual(self.ask_as(4322, 8764), UNAUTHENTICATED)
        self.assertEqual(self.ask_as(4322, 8764, ALICE + b"quit\r\n"), b"STORED")

    def test_a_reload_that_maps_otherwise(self):
        self.start(self.me(), {"name": "other", "roles": ["web"]})
        connection, anonymous, remote = self.connect(), self.connect(self.ANONYMOUS), self.connect(self.TCP)
        self.assertEqual(connection.ask(b"get web:k\r\n"), b"END")
        self.assertEqual(remote.ask(ALICE), b"STORED")
        self.rewrite('unix_users = .*\\n', "")
        for each in (connection, anonymous):
            with self.assertRaises(wire.Closed):
                each.line()
        stranger = self.connect()
        self.assertEqual(stranger.ask(ALICE), b"STORED")
        self.rewrite('name = "other"\\n', f'name = "other"\\nunix_users = ["{os.geteuid()}"]\\n')
        with self.assertRaises(wire.Closed):
            stranger.line()
        self.assertEqual(remote.ask(b"get alice:k\r\n"), b"END")

    def rewrite(self, pattern, replacement):
        with open(self.gate.config, encoding="utf-8") as file:
            config = file.read()
        with open(self.gate.config, "w", encoding="utf-8") as file:
            file.write(re.sub(pattern, replacement, config))
        done = self.gate.process.log().count("event=reloaded")
        self.gate.process.child.send_signal(signal.SIGHUP)
        self.gate.process.wait_for("event=reloaded", count=done + 1)


if __name__ == "__main__":
    unittest.main()
