"""Who gets in by SASL over the binary protocol, and what is served to whom before and after."""

import unittest

import harness
import scram
import wire
from harness import PASSWORDS
from login_case import ALICE, BOB, FAILURE, LoginCase
from wire import AUTH_CONTINUE, AUTH_ERROR, INVALID, packet, plain_message


@harness.needs_mcgate
class Sasl(LoginCase):
    def scram(self, connection, mechanism, user, password, authzid=b"", nonce=None, change=lambda message: message):
        """The whole exchange; the last answer's packet, and the client."""
        client = scram.Client(mechanism, user, password, authzid, nonce)
        response = connection.call("sasl_auth", mechanism.encode(), client.first())
        if response.status != AUTH_CONTINUE:
            return response, client
        response = connection.call("sasl_step", mechanism.encode(), change(client.final(response.value)))
        if response.status != AUTH_CONTINUE:
            return response, client
        self.assertTrue(client.proves_server(response.value))
        return connection.call("sasl_step", mechanism.encode(), b""), client

    def test_list_mechanisms(self):
        for listener in (self.PLAIN, self.TLS, self.UNIX):
            connection = self.connect(listener)
            for _ in range(2):  # before log-in and after it
                response = connection.call("sasl_list", opaque=3)
                self.assertEqual((response.status, response.opaque), (0, 3))
                without = {name for name in response.value.split(b" ") if not name.endswith(b"-PLUS")}
                self.assertEqual(without, {b"PLAIN", b"SCRAM-SHA-256", b"SCRAM-SHA-512"})
                self.assertEqual(connection.sasl_plain(*ALICE).status, 0)
            self.assert_serves_binary(connection)

    def test_plain(self):
        for listener in (self.PLAIN, self.TLS, self.UNIX):
            for user, password in PASSWORDS.items():
                for authzid in (b"", user):
                    with self.subTest(listener=listener, user=user, authzid=authzid):
                        connection = self.connect(listener)
                        response = connection.sasl_plain(user, password, authzid, opaque=77)
                        self.assertEqual((response.status, response.value, response.opaque, response.opcode),
                                         (0, b"Authenticated", 77, 0x21))

    def test_plain_is_named_without_case(self):
        connection = self.connect()
        self.assertEqual(connection.call("sasl_auth", b"plain", plain_message(*ALICE)).status, 0)

    def test_split_at_every_byte(self):
        message = packet("sasl_auth", b"PLAIN", plain_message(*ALICE)) + packet("get", b"alice:k", opaque=2)
        for split in range(1, len(message)):
            connection = self.connect()
            connection.send(message[:split])
            with self.gate.connect(self.PLAIN) as other:
                self.assertEqual(other.call("noop").status, AUTH_ERROR)
            connection.send(message[split:])
            self.assertEqual([connection.packet().status for _ in range(2)], [0, wire.NOT_FOUND], split)

    def test_requests_pipelined_behind_it(self):
        connection = self.connect()
        connection.send(packet("sasl_auth", b"PLAIN", plain_message(*ALICE)) +
                        wire.storage("set", b"alice:k", b"v") + packet("get", b"alice:k") + packet("get", b"bob:k"))
        self.assertEqual([connection.packet().status for _ in range(4)], [0, 0, 0, AUTH_ERROR])

    def test_refused(self):
        password = ALICE[1]
        rows = [
            plain_message(b"alice", b"wrong"), plain_message(b"nobody", password), plain_message(b"alice", b""),
            plain_message(b"", password), plain_message(b"alice", password, b"bob"), plain_message(b"bob", password),
            plain_message(b"alice", password + b"\0"), plain_message(b"alice", password, b"alice\0"), b"",
            plain_message(b"alice@localhost", password), plain_message(b"carol", PASSWORDS[b"carol@example.org"]),
            plain_message(b"Alice", password), b"\0", b"\0\0", b"\0\0\0", b"alice", b"alice\0" + password,
            plain_message(b"alice", password + b" "), plain_message(b"a" * 256, password), b"\xff" * 4000,
            b"x" * 5000, plain_message(b"alice", password, b"bob") + b"\0", b"\0alice" + password,
        ]
        for message in rows:
            with self.subTest(message=message[:60]):
                connection = self.connect()
                response = connection.call("sasl_auth", b"PLAIN", message)
                if message == b"" and response.status == AUTH_CONTINUE:
                    continue  # "go on": the client may send its message as a step
                self.assert_auth_failure(response)
                self.assert_auth_failure(connection.call("get", b"alice:k"))
                self.assertEqual(connection.sasl_plain(*ALICE).status, 0)

    def test_plain_in_two_messages(self):
        connection = self.connect()
        response = connection.call("sasl_auth", b"PLAIN")
        self.assertEqual((response.status, response.value), (AUTH_CONTINUE, b""))
        self.assertEqual(connection.call("sasl_step", b"PLAIN", plain_message(*ALICE)).status, 0)
        self.assert_serves_binary(connection)

    def test_scram(self):
        for mechanism in scram.HASHES:
            for user, password in PASSWORDS.items():
                for authzid in (b"", user):
                    with self.subTest(mechanism=mechanism, user=user, authzid=authzid):
                        connection = self.connect()
                        response, client = self.scram(connection, mechanism, user, password, authzid)
                        self.assertEqual((response.status, response.value), (0, b"Authenticated"))
                        self.assertEqual(client.iterations, 4096)
                        self.assertEqual(connection.call("noop").status, 0)

    def test_scram_gives_the_users_rights(self):
        connection = self.connect(self.TLS)
        self.assertEqual(self.scram(connection, "SCRAM-SHA-256", *ALICE)[0].status, 0)
        self.assert_serves_binary(connection)
        self.assertEqual(connection.call("get", b"bob:k").status, AUTH_ERROR)

    def test_scram_refused(self):
        def tamper(message):
            return message[:-3] + (b"AA=" if not message.endswith(b"AA=") else b"BB=")
        password = ALICE[1]
        rows = [(b"alice", b"wrong", b"", None), (b"nobody", password, b"", None), (b"bob", password, b"", None),
                (b"alice", password, b"bob", None), (b"alice", password, b"", tamper),
                (b"alice", password, b"", lambda message: b""), (b"alice", password, b"", lambda message: b"c=biws"),
                (b"alice", password, b"", lambda message: message.replace(b"r=", b"r=x")),
                (b"alice", password, b"", lambda message: b"\0" * 300)]
        for number, (user, given, authzid, change) in enumerate(rows):
            for mechanism in scram.HASHES:
                with self.subTest(row=number, mechanism=mechanism):
                    connection = self.connect()
                    response, _ = self.scram(connection, mechanism, user, given, authzid,
                                             change=change or (lambda message: message))
                    self.assert_auth_failure(response)
                    self.assert_auth_failure(connection.call("sasl_step", mechanism.encode(), b""))
                    self.assert_auth_failure(connection.call("get", b"alice:k"))
                    self.assertEqual(connection.sasl_plain(*ALICE).status, 0)

    def test_scram_does_not_tell_who_exists(self):
        def first_answer(user):
            connection = self.connect()
            client = scram.Client("SCRAM-SHA-256", user, b"x")
            response = connection.call("sasl_auth", b"SCRAM-SHA-256", client.first())
            parts = dict(part.split(b"=", 1) for part in response.value.split(b","))
            return response.status, sorted(parts), parts[b"i"], len(parts[b"s"]), parts[b"s"]
        known, unknown, again = first_answer(b"alice"), first_answer(b"nobody"), first_answer(b"nobody")
        self.assertEqual(known[:-1], unknown[:-1])
        self.assertEqual(unknown, again)
        self.assertNotEqual(first_answer(b"nobody2")[-1], unknown[-1])

    def test_scram_success_needs_the_last_step(self):
        connection = self.connect()
        client = scram.Client("SCRAM-SHA-256", *ALICE)
        response = connection.call("sasl_auth", b"SCRAM-SHA-256", client.first())
        response = connection.call("sasl_step", b"SCRAM-SHA-256", client.final(response.value))
        self.assertEqual(response.status, AUTH_CONTINUE)
        self.assert_auth_failure(connection.call("get", b"alice:k"))
        self.assert_auth_failure(connection.call("sasl_step", b"SCRAM-SHA-256", b""))

    def test_replayed_final_message(self):
        connection = self.connect()
        first = scram.Client("SCRAM-SHA-256", *ALICE, nonce=b"fixed")
        response = connection.call("sasl_auth", b"SCRAM-SHA-256", first.first())
        final = first.final(response.value)
        self.assertEqual(connection.call("sasl_step", b"SCRAM-SHA-256", final).status, AUTH_CONTINUE)
        again = self.connect()
        self.assertEqual(again.call("sasl_auth", b"SCRAM-SHA-256", first.first()).status, AUTH_CONTINUE)
        self.assert_auth_failure(again.call("sasl_step", b"SCRAM-SHA-256", final))

    def test_step_of_no_login(self):
        connection = self.connect()
        self.assert_auth_failure(connection.call("sasl_step", b"PLAIN", plain_message(*ALICE)))
        self.assert_auth_failure(connection.call("get", b"alice:k"))
        self.assertEqual(connection.sasl_plain(*ALICE).status, 0)
        # Neither is a step after success one of anything, and it leaves nobody.
        self.assert_auth_failure(connection.call("sasl_step", b"PLAIN", b""))
        self.assert_auth_failure(connection.call("get", b"alice:k"))

    def test_mechanisms(self):
        message = plain_message(*ALICE)
        for mechanism in (b"CRAM-MD5", b"DIGEST-MD5", b"ANONYMOUS", b"EXTERNAL", b"LOGIN", b"NTLM", b"SCRAM-SHA-1",
                          b"SCRAM-SHA-256-PLUS", b"PLAIN ", b" PLAIN", b"PLAIN\0", b"PLAI", b"PLAIN SCRAM-SHA-256",
                          b"\xff\xfe", b"x" * 32):
            with self.subTest(mechanism=mechanism):
                connection = self.connect()
                self.assert_auth_failure(connection.call("sasl_auth", mechanism, message))
                self.assert_auth_failure(connection.call("get", b"alice:k"))
        for length in (33, 250, 1000):
            connection = self.connect()
            self.assertEqual(connection.call("sasl_auth", b"x" * length, message).status, INVALID)
            self.assertEqual(connection.sasl_plain(*ALICE).status, 0)
        connection = self.connect()
        self.assertEqual(connection.call("sasl_auth", b"", message).status, INVALID)
        self.assertEqual(connection.rest(), b"")

    def test_logging_in_again_replaces_rights(self):
        connection = self.connect()
        self.assertEqual(connection.sasl_plain(*ALICE).status, 0)
        self.assert_serves_binary(connection, b"alice:k")
        self.assertEqual(connection.sasl_plain(*BOB).status, 0)
        self.assertEqual(connection.call("get", b"alice:k").status, AUTH_ERROR)
        self.assert_serves_binary(connection, b"bob:k")

    def test_failing_to_log_in_again_leaves_nobody(self):
        for attempt in (packet("sasl_auth", b"PLAIN", plain_message(b"bob", b"wrong")),
                        packet("sasl_auth", b"NONSENSE", b"x"), packet("sasl_step", b"PLAIN", b"")):
            connection = self.connect()
            self.assertEqual(connection.sasl_plain(*ALICE).status, 0)
            connection.send(attempt)
            self.assert_auth_failure(connection.packet())
            self.assert_auth_failure(connection.call("get", b"alice:k"))

    # Those that the parser refuses already: a name, or a message, that no log-in can have.
    MALFORMED = [(packet("sasl_auth", b"X" * 40, b"x"), INVALID), (packet("sasl_auth", b"PLAIN", b"x" * 5000), AUTH_ERROR),
                 (packet("sasl_step", b"PLAIN", b"x" * 5000), AUTH_ERROR)]

    def test_a_malformed_login_leaves_nobody(self):
        for number, (attempt, status) in enumerate(self.MALFORMED):
            with self.subTest(row=number):
                connection = self.connect()
                self.assertEqual(connection.sasl_plain(*ALICE).status, 0)
                self.assert_serves_binary(connection)
                connection.send(packet("get", b"alice:k") + attempt + packet("get", b"alice:k"))
                self.assertEqual([connection.packet().status for _ in range(2)], [0, status])
                self.assert_auth_failure(connection.packet())
                self.assertEqual(connection.sasl_plain(*ALICE).status, 0)
                self.assert_serves_binary(connection)

    def test_ten_malformed_ones_end_the_session(self):
        for number, (attempt, status) in enumerate(self.MALFORMED):
            for pipelined in (False, True):
                with self.subTest(row=number, pipelined=pipelined):
                    connection = self.connect()
                    self.assertEqual(connection.sasl_plain(*ALICE).status, 0)
                    for _ in range(1 if pipelined else 10):
                        connection.send(attempt * 10 if pipelined else attempt)
                        for _ in range(10 if pipelined else 1):
                            self.assertEqual(connection.packet().status, status)
                    self.assertEqual(connection.rest(), b"")

    def test_an_unfinished_login_leaves_nobody(self):
        connection = self.connect()
        self.assertEqual(connection.sasl_plain(*ALICE).status, 0)
        client = scram.Client("SCRAM-SHA-256", *ALICE)
        self.assertEqual(connection.call("sasl_auth", b"SCRAM-SHA-256", client.first()).status, AUTH_CONTINUE)
        self.assert_auth_failure(connection.call("get", b"alice:k"))

    def test_ten_failures_end_the_session(self):
        connection = self.connect()
        for _ in range(10):
            self.assert_auth_failure(connection.sasl_plain(b"alice", b"wrong"))
        self.assertEqual(connection.rest(), b"")

    def test_every_command_before_is_refused_by_itself(self):
        rows = [packet(name, key) for name in ("get", "getq", "getk", "getkq", "delete", "deleteq") for key in (b"k",)]
        rows += [wire.storage(name, b"k", b"v") for name in ("set", "add", "replace", "setq", "addq", "replaceq")]
        rows += [packet(name, b"k", b"v") for name in ("append", "prepend", "appendq", "prependq")]
        rows += [wire.arithmetic(name, b"k", 1) for name in ("incr", "decr", "incrq", "decrq")]
        rows += [wire.touching(name, b"k") for name in ("touch", "gat", "gatq", "gatk", "gatkq")]
        rows += [packet("flush"), packet("flushq"), packet("noop"), packet("stat"), packet("stat", b"settings")]
        connection = self.connect()
        for row in rows:
            connection.send(row)
            self.assert_auth_failure(connection.packet())
        connection.send(b"".join(rows) + packet("sasl_auth", b"PLAIN", plain_message(*ALICE)))
        for row in rows:
            response = connection.packet()
            self.assertEqual(response.opcode, row[1])
            self.assert_auth_failure(response)
        self.assertEqual(connection.packet().status, 0)

    def test_version_before(self):
        connection = self.connect()
        response = connection.call("version", opaque=9)
        self.assertEqual((response.status, response.value, response.opaque), (0, b"1.6.18", 9))

    def test_users_limited_to_networks(self):
        elsewhere = dict(harness.users()[1], networks=["192.0.2.0/24"])
        here = dict(harness.users()[2], networks=["127.0.0.0/8", "::1"])
        _, gate = harness.start(self, [harness.plain_listener(), harness.unix_listener()], self.memcached,
                                users=[elsewhere, here])
        with gate.connect() as connection:
            self.assert_auth_failure(connection.sasl_plain(*ALICE))
            self.assertEqual(connection.sasl_plain(*BOB).status, 0)
        with gate.connect() as connection:
            self.assertEqual(connection.login(*ALICE), FAILURE)
            self.assertEqual(connection.login(*BOB), b"STORED")

    def test_a_hash_that_not_everyone_has_is_not_offered(self):
        users = [{"name": "alice", "roles": ["alice"], "secrets": [scram.verifier(ALICE[1], "SCRAM-SHA-256")]},
                 {"name": "bob", "roles": ["bob"], "secrets": [scram.verifier(BOB[1], "SCRAM-SHA-256"),
                                                               scram.verifier(BOB[1], "SCRAM-SHA-512")]}]
        _, gate = harness.start(self, [harness.plain_listener()], self.memcached, users=users)
        with gate.connect() as connection:
            self.assertEqual(set(connection.call("sasl_list").value.split()), {b"PLAIN", b"SCRAM-SHA-256"})
            self.assert_auth_failure(connection.call("sasl_auth", b"SCRAM-SHA-512",
                                                     scram.Client("SCRAM-SHA-512", *BOB).first()))
            self.assertEqual(self.scram(connection, "SCRAM-SHA-256", *BOB)[0].status, 0)

    def test_either_of_two_passwords(self):
        users = [{"name": "alice", "roles": ["alice"],
                  "secrets": [scram.verifier(b"old"), scram.verifier(b"new")]}]
        _, gate = harness.start(self, [harness.plain_listener()], self.memcached, users=users)
        for password, status in ((b"old", 0), (b"new", 0), (b"older", AUTH_ERROR)):
            with gate.connect() as connection:
                self.assertEqual(connection.sasl_plain(b"alice", password).status, status)
            with gate.connect() as connection:
                self.assertEqual(connection.login(b"alice", password), FAILURE if status else b"STORED")


if __name__ == "__main__":
    unittest.main()
