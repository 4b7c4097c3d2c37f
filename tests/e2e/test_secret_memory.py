"""No password stays in mcgate's memory when its log-in is over, however its bytes came."""

import os
import re
import unittest

import harness
import scram
import wire
from harness import PASSWORDS
from test_bounds import BoundsCase

LARGEST = 256 * 1024 * 1024  # of a mapping; a sanitizer's own are larger, and hold nothing of the program's


def holds(pid, secret):
    """Whether a process's writable memory has those bytes."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as file:
        spans = [re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line) for line in file]
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for span in filter(None, spans):
            begin, end = (int(address, 16) for address in span.groups())
            if end - begin > LARGEST:
                continue
            memory.seek(begin)
            try:
                if secret in memory.read(end - begin):
                    return True
            except OSError:
                pass  # of a device
    return False


@harness.needs_mcgate
class Passwords(BoundsCase):
    def setUp(self):
        self.password = os.urandom(48).hex().encode()
        user = {"name": "bob", "roles": ["bob"], "secrets": [scram.verifier(self.password)]}
        self.start([harness.unix_listener(), harness.unix_listener(anonymous="alice")], users=harness.users()[1:2] + [user])
        try:
            with open(f"/proc/{self.gate.process.child.pid}/mem", "rb"):
                pass
        except PermissionError:
            self.skipTest("another process's memory may not be looked at")

    def send_in_two(self, connection, message):
        """Its second half when mcgate has read the first, which ends within the password."""
        def received():
            return self.admin.metrics()["mcgate_client_received_bytes_total"]
        cut = message.index(self.password) + len(self.password) // 2
        before = received()
        connection.send(message[:cut])
        self.admin.wait_for(lambda found: found["mcgate_client_received_bytes_total"] == before + cut, "half is read")
        connection.send(message[cut:])

    def assert_forgotten(self):
        half = len(self.password) // 2
        for part in (self.password[:half], self.password[half:]):
            self.assertFalse(holds(self.gate.process.child.pid, part[:16]))

    def test_in_the_first_log_in(self):
        text, binary = self.connect(), self.connect()
        self.send_in_two(text, wire.text_login(b"bob", self.password))
        self.assertEqual(text.line(), b"STORED")
        self.send_in_two(binary, wire.packet("sasl_auth", b"PLAIN", wire.plain_message(b"bob", self.password)))
        self.assertEqual(binary.packet().status, 0)
        self.assert_forgotten()

    def test_in_a_second(self):
        binary = self.connect()
        self.assertEqual(binary.sasl_plain(b"alice", PASSWORDS[b"alice"]).status, 0)
        self.send_in_two(binary, wire.packet("sasl_auth", b"PLAIN", wire.plain_message(b"bob", self.password)))
        self.assertEqual(binary.packet().status, 0)
        self.assert_forgotten()

    def test_behind_other_requests(self):
        binary = self.connect()
        self.assertEqual(binary.sasl_plain(b"alice", PASSWORDS[b"alice"]).status, 0)
        binary.send(wire.packet("get", b"alice:k") * 3 +
                    wire.packet("sasl_auth", b"PLAIN", wire.plain_message(b"bob", self.password)))
        self.assertEqual([binary.packet().status for _ in range(4)], [wire.NOT_FOUND] * 3 + [0])
        self.assert_forgotten()

    def test_of_somebody_who_is_anonymous(self):
        text = self.connect(1)
        self.send_in_two(text, wire.text_login(b"bob", self.password))
        self.assertEqual(text.line(), b"STORED")
        self.assert_forgotten()


if __name__ == "__main__":
    unittest.main()
