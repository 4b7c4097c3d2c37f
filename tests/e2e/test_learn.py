"""`mcgate learn`: what was observed is a policy that lets just that pass."""

import os
import re
import signal
import subprocess
import unittest

import admin
import harness
import wire
from harness import PASSWORDS

DENIED = b"CLIENT_ERROR access denied"


def learn(config, observed, *options, stdin=None):
    """(exit status, standard output, standard error)"""
    ran = subprocess.run([harness.MCGATE, "-c", config, "learn", "--observed", observed, *options], input=stdin, text=True,
                         capture_output=True, check=False, timeout=60)
    return ran.returncode, ran.stdout, ran.stderr


@harness.needs_mcgate
class Learn(unittest.TestCase):
    def setUp(self):
        endpoint = admin.listener()
        self.memcached, self.gate = harness.start(self, [harness.plain_listener(auth="observe")], admin=endpoint)
        self.admin = admin.Admin(endpoint["address"])

    def connect(self):
        connection = self.gate.connect()
        self.addCleanup(connection.close)
        return connection

    def observed(self):
        status, body = self.admin.get("/observed")
        self.assertEqual(status, 200)
        path = harness.fresh_path(".json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(body)
        return path

    def enforce(self, proposal):
        """As its comments say: put at the end, each user with its role in place of those it had. Then the listener is one
        that refuses."""
        with open(self.gate.config, encoding="utf-8") as file:
            text = file.read()
        with open(self.gate.config, "w", encoding="utf-8") as file:
            file.write(text + "\n" + proposal)
        self.check()  # pasted and no more
        text = text.replace('auth = "observe"\n', "")
        for name, roles in re.findall(r'^# User "(.+?)", (?:.*\n#)*? In its table .*: (roles = .*)$', proposal, re.MULTILINE):
            text, count = re.subn(rf'(name = "{name}"\n)roles = .*', rf"\1{roles}", text)
            self.assertEqual(count, 1, name)
        with open(self.gate.config, "w", encoding="utf-8") as file:
            file.write(text + "\n" + proposal)
        self.check()
        self.gate.process.child.send_signal(signal.SIGHUP)
        self.gate.process.wait_for("event=reloaded")

    def check(self):
        checked = subprocess.run([harness.MCGATE, "-c", self.gate.config, "check"], text=True, capture_output=True,
                                 check=False, timeout=60)
        self.assertEqual((checked.returncode, checked.stdout), (0, f"{self.gate.config}: ok\n"), checked.stderr)

    def converse(self):
        """Alice by text and in binary, and somebody who has never logged in."""
        alice = self.connect()
        self.assertEqual(alice.login(b"alice", PASSWORDS[b"alice"]), b"STORED")
        for request, answer in ((b"set session:1 0 0 1\r\n1\r\n", b"STORED"), (b"incr session:1 1\r\n", b"2"),
                                (b"mg session:1 v\r\n", b"VA 1"), (b"delete a\"]b.c\r\n", b"NOT_FOUND"),
                                (b"get hits\r\n", b"END"), (b"verbosity 1\r\n", b"OK")):
            alice.send(request)
            self.assertEqual(alice.line(), answer, request)
            if answer == b"VA 1":
                self.assertEqual(alice.line(), b"2")
        binary = self.connect()
        self.assertEqual(binary.sasl_plain(b"alice", PASSWORDS[b"alice"]).status, 0)
        self.assertEqual(binary.call("get", b"session:1").value, b"2")
        self.assertEqual(binary.call("touch", b"session:1", extras=bytes(4)).status, 0)
        stranger = self.connect()
        self.assertEqual(stranger.get(b"session:1"), b"2")
        self.assertEqual(stranger.ask(b"get price-1\r\n"), b"END")
        return alice, binary, stranger

    def test_what_was_observed_passes_and_nothing_else(self):
        self.converse()
        status, proposal, said = learn(self.gate.config, self.observed(), "--anonymous")
        self.assertEqual((status, said), (0, ""))
        self.assertIn("# Still anonymous, 1: 2 requests, of which 2 would be refused: 127.0.0.1\n", proposal)
        self.assertNotIn('"*"', proposal)
        self.enforce(proposal)
        alice, binary, stranger = self.converse()
        for connection in (alice, stranger):
            for request in (b"get other:1\r\n", b"get session\r\n", b"get hits1\r\n", b"set price-1 0 0 1\r\n1\r\n",
                            b"delete session:1\r\n", b"set hits 0 0 1\r\n1\r\n", b"stats\r\n", b"flush_all\r\n"):
                self.assertEqual(connection.ask(request), DENIED, request)
        self.assertEqual(alice.ask(b"get price-1\r\n"), DENIED)
        self.assertEqual(stranger.ask(b"touch session:1 0\r\n"), DENIED)
        self.assertEqual(binary.call("delete", b"session:1").status, wire.AUTH_ERROR)
        bob = self.connect()
        self.assertEqual(bob.login(b"bob", PASSWORDS[b"bob"]), b"STORED")
        self.assertEqual(bob.ask(b"get session:1\r\n"), DENIED)

    def test_nobody_is_let_in_unless_that_is_asked_for(self):
        """The same without --anonymous: who is anonymous is told, and stays outside."""
        self.converse()
        status, proposal, _ = learn(self.gate.config, self.observed())
        self.assertEqual(status, 0)
        self.assertIn("# Still anonymous, 1: 2 requests, of which 2 would be refused: 127.0.0.1\n", proposal)
        self.assertNotIn("[[", proposal)
        self.enforce(proposal)
        self.assertEqual(self.connect().ask(b"get session:1\r\n"), b"CLIENT_ERROR unauthenticated")

    def test_what_was_beyond_is_told_and_not_granted(self):
        connection = self.connect()
        for start in range(0, 300, 100):
            connection.ask(b"get " + b" ".join(b"k%d" % n for n in range(start, start + 100)) + b"\r\n")
        with open(self.observed(), encoding="utf-8") as file:
            status, proposal, _ = learn(self.gate.config, "-", stdin=file.read())
        self.assertEqual(status, 0)
        self.assertIn("\n# 44 keys more were beyond the bound", proposal)
        self.assertNotIn("*", proposal)

    def test_what_cannot_be_read_is_told(self):
        path = harness.fresh_path(".json")
        for text, told in (("", "it is no JSON, from byte 1 on"), ("{}", "it is not what GET /observed answers")):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            status, proposal, said = learn(self.gate.config, path)
            self.assertEqual((status, proposal), (os.EX_DATAERR, ""))
            self.assertIn(f"mcgate learn: {path}: {told}", said)
        status, _, said = learn(self.gate.config, path + ".none")
        self.assertEqual((status, said), (os.EX_NOINPUT, f"mcgate learn: opening {path}.none: No such file or directory\n"))


if __name__ == "__main__":
    unittest.main()
