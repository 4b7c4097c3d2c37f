"""No password stays in mcgate's memory when its log-in is over, however its bytes came."""

import os
import re
import unittest

import harness
import scram
import wire
from harness import PASSWORDS
from test_bounds import BoundsCase
from test_proxy_protocol import version_2

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
        self.start([harness.unix_listener(), harness.unix_listener(anonymous="alice"),
                    harness.unix_listener(proxy_protocol_from=["unix"], insecure_passwords=True)],
                   users=harness.users()[1:2] + [user])
        try:
            with open(f"/proc/{self.gate.process.child.pid}/mem", "rb"):
                pass
        except PermissionError:
            self.skipTest("another process's memory may not be looked at")

    def send_and_wait(self, connection, message):
        """Until mcgate has read it."""
        name = "mcgate_client_received_bytes_total"
        until = self.admin.metrics()[name] + len(message)
        connection.send(message)
        self.admin.wait_for(lambda found: found[name] == until, "all is read")

    def send_in_two(self, connection, message):
        """Its second half when mcgate has read the first, which ends within the password."""
        cut = message.index(self.password) + len(self.password) // 2
        self.send_and_wait(connection, message[:cut])
        connection.send(message[cut:])

    def wait_for_end(self):
        """Until all sessions are gone, and what they were with them: it is gone at the end of a turn, and this is
        another."""
        self.admin.wait_for(lambda found: found["mcgate_sessions"] == 0, "none is left")
        with self.gate.connect(0) as another:
            another.send(b"quit\r\n")
            self.assertEqual(another.rest(), b"")

    def alice(self):
        connection = self.connect()
        self.assertEqual(connection.sasl_plain(b"alice", PASSWORDS[b"alice"]).status, 0)
        return connection

    def plain(self, mechanism=b"PLAIN"):
        return wire.packet("sasl_auth", mechanism, wire.plain_message(b"bob", self.password))

    def text(self):
        return wire.text_login(b"bob", self.password)

    def assert_forgotten(self):
        half = len(self.password) // 2
        for part in (self.password[:half], self.password[half:]):
            self.assertFalse(holds(self.gate.process.child.pid, part[:16]))

    def test_in_the_first_log_in(self):
        text, binary = self.connect(), self.connect()
        self.send_in_two(text, self.text())
        self.assertEqual(text.line(), b"STORED")
        self.send_in_two(binary, self.plain())
        self.assertEqual(binary.packet().status, 0)
        self.assert_forgotten()

    def test_in_a_second(self):
        binary = self.alice()
        self.send_in_two(binary, self.plain())
        self.assertEqual(binary.packet().status, 0)
        self.assert_forgotten()

    def test_behind_other_requests(self):
        binary = self.alice()
        binary.send(wire.packet("get", b"alice:k") * 3 + self.plain())
        self.assertEqual([binary.packet().status for _ in range(4)], [wire.NOT_FOUND] * 3 + [0])
        self.assert_forgotten()

    def test_of_somebody_who_is_anonymous(self):
        text = self.connect(1)
        self.send_in_two(text, self.text())
        self.assertEqual(text.line(), b"STORED")
        self.assert_forgotten()

    def test_behind_so_many_that_the_input_moves(self):
        binary = self.alice()
        binary.send(wire.packet("get", b"alice:k") * 300 + self.plain())
        self.assertEqual([binary.packet().status for _ in range(301)], [wire.NOT_FOUND] * 300 + [0])
        self.assert_forgotten()

    def test_not_sent_to_its_end(self):
        for begin, message in ((self.connect, self.text()), (self.connect, self.plain()), (self.alice, self.plain())):
            with self.subTest(begin=begin.__name__, message=message[:1]):
                connection = begin()
                self.send_and_wait(connection, message[:-4])
                connection.close()
                self.wait_for_end()
                self.assert_forgotten()

    def test_broken_by_its_mechanism(self):
        for send in (wire.Connection.send, lambda connection, message: self.send_in_two(connection, message)):
            binary = self.alice()
            send(binary, self.plain(b"PLAIN" + b"X" * 30))
            self.assertNotEqual(binary.packet().status, 0)
            binary.send(wire.packet("sasl_list"))  # so that all before it has been read
            self.assertEqual(binary.packet().status, 0)
            self.assert_forgotten()

    def test_broken_by_its_length(self):
        for send in (wire.Connection.send, lambda connection, message: self.send_in_two(connection, message)):
            text = self.connect(1)
            token = b"bob " + self.password
            send(text, b"set login 0 0 %d\r\n%sZZ\r\n" % (len(token) - 1, token))
            self.assertEqual(text.line(), b"CLIENT_ERROR bad data chunk")
            self.assertEqual(text.line(), b"ERROR")
            self.assert_forgotten()

    def test_behind_the_end(self):
        text = self.connect()
        text.send(b"quit\r\n")
        self.assertEqual(text.rest(), b"")
        text.send(self.text())
        text.close()
        self.wait_for_end()
        self.assert_forgotten()

    def test_behind_a_proxy_header(self):
        text = self.connect(2)
        text.send(version_2(extra=b"\x04\0\x40" + b"\0" * 64) + self.text())
        self.assertEqual(text.line(), b"STORED")
        self.assert_forgotten()

    def test_without_a_proxy_header(self):
        for message in (self.text(), self.plain()):
            connection = self.connect(2)
            connection.send(message)
            self.assertEqual(connection.rest(), b"")
            self.wait_for_end()
            self.assert_forgotten()


if __name__ == "__main__":
    unittest.main()
