"""Passwords from clients that are not local: only under TLS, unless the listener says otherwise. To be a client from
elsewhere without leaving this machine, the test runs in a network namespace of its own, where loopback has one more
address."""

import os
import subprocess
import sys
import unittest

import harness
import login_case
import scram
import wire
from login_case import ALICE, FAILURE

REMOTE = "10.9.9.9"
INSIDE = "MCGATE_TEST_NAMESPACE"


def enter_namespace():
    """Runs this test again in a namespace, if there is none yet and one can be had."""
    setup = f"ip link set lo up && ip addr add {REMOTE}/32 dev lo"
    if INSIDE in os.environ or subprocess.run(["unshare", "-rn", "sh", "-c", setup], capture_output=True,
                                              check=False).returncode != 0:
        return
    again = f'{setup} && exec "$@"'
    os.execvpe("unshare", ["unshare", "-rn", "sh", "-c", again, "sh", sys.executable, *sys.argv], os.environ | {INSIDE: "1"})


@harness.needs_mcgate
@unittest.skipUnless(INSIDE in os.environ, "no network namespace can be had here")
class Remote(login_case.LoginCase):
    PLAIN, TLS, INSECURE, LOCAL = range(4)

    @classmethod
    def setUpClass(cls):
        there = {"address": f"{REMOTE}:0"}
        cls.memcached, cls.gate = harness.start(cls, [
            harness.plain_listener(**there), harness.tls_listener(**there),
            harness.plain_listener(insecure_passwords=True, **there), harness.plain_listener()])

    def mechanisms(self, listener):
        return set(self.connect(listener).call("sasl_list").value.split(b" "))

    def test_text(self):
        refused = self.connect(self.PLAIN)
        self.assertEqual(refused.ask(wire.text_login(*ALICE)), FAILURE)
        self.gate.process.wait_for(r"event=login_refused user=alice reason=\"a password without TLS\" peer=10\.9\.9\.9:")
        self.assertEqual(refused.ask(b"get alice:k\r\n"), b"CLIENT_ERROR unauthenticated")
        for listener in (self.TLS, self.INSECURE, self.LOCAL):
            with self.subTest(listener=listener):
                client = self.connect(listener)
                self.assertEqual(client.ask(wire.text_login(*ALICE)), b"STORED")
                self.assert_serves(client)
        # Not even a check that is remembered by now.
        self.assertEqual(self.connect(self.PLAIN).ask(wire.text_login(*ALICE)), FAILURE)

    def test_plain_is_neither_offered_nor_taken(self):
        scrams = {b"SCRAM-SHA-256", b"SCRAM-SHA-512"}
        message = wire.plain_message(*ALICE)
        for listener in (self.TLS, self.INSECURE, self.LOCAL):
            bound = {b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-512-PLUS"} if listener == self.TLS else set()
            self.assertEqual(self.mechanisms(listener), scrams | bound | {b"PLAIN"})
            self.assertEqual(self.connect(listener).call("sasl_auth", b"PLAIN", message).status, 0)
        self.assertEqual(self.mechanisms(self.PLAIN), scrams)
        refused = self.connect(self.PLAIN)
        self.assert_auth_failure(refused.call("sasl_auth", b"PLAIN", message))
        self.assert_auth_failure(refused.call("get", b"alice:k"))

    def test_scram_sends_no_password(self):
        connection = self.connect(self.PLAIN)
        client = scram.Client("SCRAM-SHA-256", *ALICE)
        response = connection.call("sasl_auth", b"SCRAM-SHA-256", client.first())
        response = connection.call("sasl_step", b"SCRAM-SHA-256", client.final(response.value))
        self.assertTrue(client.proves_server(response.value))
        self.assertEqual(connection.call("sasl_step", b"SCRAM-SHA-256", b"").status, 0)
        self.assert_serves_binary(connection)


if __name__ == "__main__":
    enter_namespace()
    unittest.main()
