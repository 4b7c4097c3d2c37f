"""Failed log-ins slow down those that follow from the same address, and nobody else's."""

import select
import time
import unittest

import admin
import harness
import scram
import wire
from harness import PASSWORDS
from login_case import ALICE, BOB, FAILURE
from wire import AUTH_CONTINUE, AUTH_ERROR, Connection, packet, plain_message, text_login

BUSY = 0x85
LONG = {"failures": 3, "address_failures": 12, "half_life_seconds": 3600, "delay_seconds": 3600,
        "longest_delay_seconds": 3600}
SHORT = LONG | {"delay_seconds": 0.2, "longest_delay_seconds": 1}


class ThrottleCase(unittest.TestCase):
    THROTTLE = {}

    def setUp(self):
        table = admin.listener()
        self.memcached, self.gate = harness.start(
            self, [harness.plain_listener(), harness.plain_listener(anonymous="reader")],
            login={"throttle": self.THROTTLE}, timeouts={"login_seconds": 3600}, admin=table)
        self.admin = admin.Admin(table["address"])

    def connect(self, source="127.0.0.1", listener=0):
        connection = Connection(self.gate.addresses[listener], source=(source, 0))
        self.addCleanup(connection.close)
        return connection

    def fail(self, user=b"alice", times=3, source="127.0.0.1"):
        connection = self.connect(source)
        for _ in range(times):
            self.assertEqual(connection.login(user, b"wrong"), FAILURE)

    def assert_waits(self, connection, message, times):
        """What is sent is held up; `times`, how many were held up by then, itself included."""
        connection.send(message)
        self.gate.process.wait_for("event=login_delayed", count=times)
        self.assertEqual(select.select([connection.socket], [], [], 0)[0], [])


@harness.needs_mcgate
class Waits(ThrottleCase):
    """Delays so long that what is answered at all was not delayed."""

    THROTTLE = LONG

    def test_the_next_waits_right_or_wrong_and_nobody_else_does(self):
        self.fail()
        self.assert_waits(self.connect(), text_login(*ALICE), 1)
        self.assertEqual(self.connect().login(*BOB), b"STORED")
        self.assertEqual(self.connect("127.0.0.2").login(*ALICE), b"STORED")
        self.assertEqual(self.connect("127.0.0.2").sasl_plain(*ALICE).status, 0)
        # So many may wait, and no more: the others are told at once.
        self.assertEqual(self.connect().login(*ALICE), b"CLIENT_ERROR too many log-ins wait, try again later")
        self.assertEqual(self.connect().sasl_plain(*ALICE).status, BUSY)
        self.assertEqual(self.connect().login(*BOB), b"STORED")
        self.gate.process.wait_for("event=login_delayed user=alice peer=.* limit=login.throttle ")
        self.gate.process.wait_for("event=login_refused user=alice .* limit=login.throttle ", count=2)
        self.assertEqual(self.admin.metrics()['mcgate_bound_hits_total{bound="login.throttle"}'], 3)

    def test_an_unknown_name_waits_as_a_known_one(self):
        self.fail(b"nobody")
        self.assert_waits(self.connect(), text_login(b"nobody", b"wrong"), 1)
        self.assertNotIn("nobody", self.gate.process.log())
        self.fail(b"alice")
        self.assert_waits(self.connect(), text_login(b"alice", b"wrong"), 2)
        waits = self.gate.process.wait_for(r"event=login_delayed .*milliseconds=3\d{6}\b", count=2)
        self.assertEqual(len(waits), 2)

    def test_plain_of_sasl(self):
        self.fail()
        self.assert_waits(self.connect(), packet("sasl_auth", b"PLAIN", plain_message(*ALICE)), 1)

    def test_plain_of_sasl_in_two_messages(self):
        self.fail()
        connection = self.connect()
        self.assertEqual(connection.call("sasl_auth", b"PLAIN").status, AUTH_CONTINUE)
        self.assert_waits(connection, packet("sasl_step", b"PLAIN", plain_message(*ALICE)), 1)

    def test_scram(self):
        # A wrong proof counts as a wrong password does.
        for _ in range(3):
            connection = self.connect()
            client = scram.Client("SCRAM-SHA-256", b"alice", b"wrong")
            challenge = connection.call("sasl_auth", b"SCRAM-SHA-256", client.first())
            final = client.final(challenge.value)
            self.assertEqual(connection.call("sasl_step", b"SCRAM-SHA-256", final).status, AUTH_ERROR)
        connection = self.connect()
        client = scram.Client("SCRAM-SHA-256", *ALICE)
        challenge = connection.call("sasl_auth", b"SCRAM-SHA-256", client.first())
        self.assertEqual(challenge.status, AUTH_CONTINUE)
        self.assert_waits(connection, packet("sasl_step", b"SCRAM-SHA-256", client.final(challenge.value)), 1)
        self.assertEqual(self.connect().login(*BOB), b"STORED")

    def test_a_remembered_password_waits_too(self):
        self.assertEqual(self.connect().login(*ALICE), b"STORED")
        self.assertEqual(self.connect().login(*ALICE), b"STORED")
        self.fail()
        self.assert_waits(self.connect(), text_login(*ALICE), 1)

    def test_a_login_of_an_anonymous_session(self):
        self.fail()
        self.assert_waits(self.connect(listener=1), text_login(*ALICE), 1)

    def test_a_success_does_not_wash_away_failures(self):
        self.fail(times=2)
        self.assertEqual(self.connect().login(*ALICE), b"STORED")
        self.fail(times=1)
        self.assert_waits(self.connect(), text_login(*ALICE), 1)

    def test_an_address_that_fails_with_many_names(self):
        for i in range(12):
            self.fail(b"name%d" % i, 1)
        self.assert_waits(self.connect(), text_login(*ALICE), 1)
        self.assertEqual(self.connect("127.0.0.2").login(*ALICE), b"STORED")

    def test_malformed_ones_count_for_the_address(self):
        for _ in range(6):
            connection = self.connect()
            self.assertEqual(connection.ask(b"set a 0 0 5\r\nalice\r\n"),
                             b"CLIENT_ERROR bad authentication token format")
            self.assertEqual(connection.login(b"x", b"y" * 5000), b"CLIENT_ERROR auth token too long")
        self.assert_waits(self.connect(), text_login(*ALICE), 1)

    def test_many_at_once_are_not_all_looked_at(self):
        connections = [self.connect() for _ in range(60)]
        for connection in connections:
            connection.send(text_login(b"alice", b"wrong"))
        # One waits; all others are answered.
        sockets = {connection.socket: connection for connection in connections}
        answers = []
        while len(sockets) > 1:
            for ready in select.select(list(sockets), [], [], wire.TIMEOUT)[0]:
                answers.append(sockets.pop(ready).line())
        looked_at = answers.count(FAILURE)
        # The limit, and what each of the two runners had begun when it was reached.
        self.assertTrue(3 <= looked_at <= 3 + 2, looked_at)

    def test_what_waits_ends_with_its_client_and_with_the_server(self):
        self.fail()
        connection = self.connect()
        self.assert_waits(connection, text_login(*ALICE) + b"version\r\n", 1)
        self.gate.terminate()
        self.assertEqual(self.gate.process.wait(), 0)


@harness.needs_mcgate
class GoesOn(ThrottleCase):
    """Delays that end."""

    THROTTLE = SHORT

    def test_the_right_password_after_the_delay_and_what_follows_it(self):
        begun = time.monotonic()
        self.fail()
        connection = self.connect()
        connection.send(text_login(*ALICE) + b"set alice:k 0 0 1\r\nv\r\nget alice:k\r\nmn\r\n")
        self.assertEqual(connection.lines_until(b"MN"), [b"STORED", b"STORED", b"VALUE alice:k 0 1", b"v", b"END"])
        self.assertLess(0.1, time.monotonic() - begun)
        self.gate.process.wait_for("event=login_delayed")

    def test_every_failure_more_takes_longer(self):
        connection = self.connect()
        begun = []
        for _ in range(7):
            begun.append(time.monotonic() * 1000)
            self.assertEqual(connection.login(b"alice", b"wrong"), FAILURE)
        delays = [0] * 3 + [int(line.split("milliseconds=")[1])
                            for line in self.gate.process.wait_for("event=login_delayed", count=3)]
        for at, expected in enumerate((200, 400, 800), start=3):
            # Counted from the failure before, however long the client took to try again.
            self.assertLessEqual(delays[at], expected)
            self.assertGreaterEqual(begun[at + 1] - begun[at - 1] - delays[at - 1], expected)

    def test_scram_after_the_delay(self):
        self.fail()
        connection = self.connect()
        client = scram.Client("SCRAM-SHA-256", *ALICE)
        challenge = connection.call("sasl_auth", b"SCRAM-SHA-256", client.first())
        response = connection.call("sasl_step", b"SCRAM-SHA-256", client.final(challenge.value))
        self.assertEqual(response.status, AUTH_CONTINUE)
        self.assertTrue(client.proves_server(response.value))
        # The message that ends it proves nothing, and does not wait once more.
        self.assertEqual(connection.call("sasl_step", b"SCRAM-SHA-256", b"").status, 0)
        self.assertEqual(self.gate.process.log().count("event=login_delayed"), 1)


if __name__ == "__main__":
    unittest.main()
