"""Who gets in: the text log-in, SASL over the binary protocol, and what is served to whom before and after."""

import unittest

import harness
import scram
import wire
from harness import PASSWORDS
from wire import AUTH_CONTINUE, AUTH_ERROR, INVALID, UNKNOWN_COMMAND, packet, plain_message, text_login

ALICE = (b"alice", PASSWORDS[b"alice"])
BOB = (b"bob", PASSWORDS[b"bob"])
FAILURE = b"CLIENT_ERROR authentication failure"
BAD_TOKEN = b"CLIENT_ERROR bad authentication token format"
UNAUTHENTICATED = b"CLIENT_ERROR unauthenticated"


class LoginCase(unittest.TestCase):
    """An mcgate with a plain, a TLS and a Unix listener, and one where those who do not log in are alice."""

    PLAIN, TLS, UNIX, ANONYMOUS, NO_TEXT = range(5)

    @classmethod
    def setUpClass(cls):
        cls.memcached, cls.gate = harness.start(cls, [
            harness.plain_listener(), harness.tls_listener(), harness.unix_listener(),
            harness.plain_listener(anonymous="alice"), harness.plain_listener(text_login=False)])

    def setUp(self):
        self.memcached.flush()

    def connect(self, listener=PLAIN):
        connection = self.gate.connect(listener)
        self.addCleanup(connection.close)
        return connection

    def in_memcached(self, key):
        with self.memcached.connect() as connection:
            return connection.get(key)

    def assert_serves(self, connection, key=b"alice:k"):
        self.assertEqual(connection.set(key, b"v"), b"STORED")
        self.assertEqual(connection.get(key), b"v")

    def assert_serves_binary(self, connection, key=b"alice:k"):
        self.assertEqual(connection.send(wire.storage("set", key, b"v")), None)
        self.assertEqual(connection.packet().status, 0)
        self.assertEqual(connection.call("get", key).value, b"v")

    def assert_auth_failure(self, response):
        self.assertEqual((response.status, response.value), (AUTH_ERROR, b"Auth failure."))


@harness.needs_mcgate
class TextLogin(LoginCase):
    def test_on_every_listener(self):
        for listener in (self.PLAIN, self.TLS, self.UNIX):
            for user, password in PASSWORDS.items():
                with self.subTest(listener=listener, user=user):
                    connection = self.connect(listener)
                    self.assertEqual(connection.login(user, password), b"STORED")
                    self.assertTrue(connection.ask(b"version\r\n").startswith(b"VERSION "))

    def test_any_key_flags_and_exptime(self):
        token = b"%s %s" % ALICE
        for start in (b"set k 0 0", b"set alice:k 1 2", b"set memcached_auth junk -1", b"set %s 0 0" % (b"x" * 300),
                      b"set a\tb 99999999999 z", b"set k 00 +0"):
            for end in (b"", b" noreply"):
                with self.subTest(start=start, end=end):
                    connection = self.connect()
                    self.assertEqual(connection.ask(b"%s %d%s\r\n%s\r\n" % (start, len(token), end, token)), b"STORED")
                    self.assert_serves(connection)

    def test_the_login_is_not_stored(self):
        connection = self.connect()
        connection.send(text_login(*ALICE, key=b"alice:login"))
        self.assertEqual(connection.line(), b"STORED")
        self.assertEqual(connection.get(b"alice:login"), None)
        self.assertEqual(self.in_memcached(b"alice:login"), None)

    def test_split_at_every_byte(self):
        message = text_login(*ALICE)
        for split in range(1, len(message)):
            with self.subTest(split=split):
                connection = self.connect()
                connection.send(message[:split])
                # An answer to something else on another connection: mcgate has had its turn with the first half.
                with self.gate.connect(self.PLAIN) as other:
                    self.assertEqual(other.ask(b"get a\r\n"), UNAUTHENTICATED)
                connection.send(message[split:])
                self.assertEqual(connection.line(), b"STORED")

    def test_requests_pipelined_behind_it(self):
        for listener in (self.PLAIN, self.TLS):
            connection = self.connect(listener)
            connection.send(text_login(*ALICE) + b"set alice:k 0 0 1\r\nv\r\nget alice:k\r\nget bob:k\r\nmn\r\n")
            self.assertEqual(connection.lines_until(b"MN"), [
                b"STORED", b"STORED", b"VALUE alice:k 0 1", b"v", b"END", b"CLIENT_ERROR access denied"])

    def test_requests_pipelined_behind_a_wrong_one(self):
        connection = self.connect()
        connection.send(text_login(b"alice", b"wrong") + b"get alice:k\r\nset alice:k 0 0 100\r\n" + b"x" * 100 +
                        b"\r\n" + b"delete alice:k noreply\r\n" + text_login(*ALICE) + b"get alice:k\r\nmn\r\n")
        # What is shaped as a log-in is one, whatever it was meant to be.
        answers = connection.lines_until(b"MN")
        self.assertIn(answers.pop(2), (FAILURE, BAD_TOKEN))
        self.assertEqual(answers, [FAILURE, UNAUTHENTICATED, UNAUTHENTICATED, b"STORED", b"END"])

    def test_refused(self):
        password = ALICE[1]
        rows = [
            (b"alice wrong", FAILURE), (b"alice %s " % password, FAILURE), (b"alice  %s" % password, FAILURE),
            (b"alice " + password[:-1], FAILURE), (b"alice " + password.upper(), FAILURE),
            (b"nobody " + password, FAILURE), (b"Alice " + password, FAILURE), (b"alic " + password, FAILURE),
            (b"bob " + password, FAILURE), (b"alice@localhost " + password, FAILURE),
            (b"carol " + PASSWORDS[b"carol@example.org"], FAILURE),
            (b"alice", BAD_TOKEN), (b"alice ", BAD_TOKEN), (b" " + password, BAD_TOKEN), (b"", BAD_TOKEN),
            (b" ", BAD_TOKEN), (b"alice\0x " + password, BAD_TOKEN), (b"alice " + password + b"\0", BAD_TOKEN),
            (b"alice " + password + b"\0more", BAD_TOKEN), (b"\0 \0", BAD_TOKEN),
            (b"x" * 300 + b" " + password, BAD_TOKEN),
        ]
        for token, answer in rows:
            with self.subTest(token=token[:60]):
                connection = self.connect()
                said = connection.ask(b"set k 0 0 %d\r\n%s\r\n" % (len(token), token))
                # Both are a plain refusal: which of them it is tells nobody whether a user exists.
                self.assertIn(said, {answer, FAILURE} if answer == BAD_TOKEN else {answer})
                self.assertEqual(connection.ask(b"get alice:k\r\n"), UNAUTHENTICATED)
                self.assertEqual(connection.login(*ALICE), b"STORED")

    def test_too_long(self):
        connection = self.connect()
        connection.send(b"set k 0 0 5000\r\n" + b"alice " + b"x" * 4994 + b"\r\n")
        self.assertEqual(connection.line(), b"CLIENT_ERROR auth token too long")
        self.assertEqual(connection.login(*ALICE), b"STORED")

    def test_announced_length_out_of_bounds(self):
        for length in (b"2147483647", b"4294967295", b"4294967314", b"18446744073709551615", b"99999999999999999999",
                       b"-1", b"-4294967281", b"0x10", b"1e1"):
            with self.subTest(length=length):
                connection = self.connect()
                connection.send(b"set k 0 0 %s\r\n%s %s\r\n" % ((length,) + ALICE))
                connection.finish()
                answers = connection.rest()
                self.assertNotIn(b"STORED", answers)
                self.assertTrue(answers.startswith(b"CLIENT_ERROR "), answers)

    def test_data_that_ends_elsewhere(self):
        for end in (b"\n", b"xx", b"x\r\n", b"\n\r"):
            with self.subTest(end=end):
                connection = self.connect()
                connection.send(b"set k 0 0 %d\r\n%s %s" % (len(b" ".join(ALICE)), *ALICE) + end + b"get alice:k\r\n")
                connection.finish()
                answers = connection.rest()
                self.assertTrue(answers.startswith(b"CLIENT_ERROR bad command line termination\r\n"), answers)
                self.assertNotIn(b"STORED", answers)
                self.assertNotIn(b"END", answers)

    def test_bare_lf_ends_the_line(self):
        connection = self.connect()
        token = b" ".join(ALICE)
        connection.send(b"set k 0 0 %d\n%s\r\nget alice:k\nversion\n" % (len(token), token))
        self.assertEqual(connection.line(), b"STORED")
        self.assertEqual(connection.line(), b"END")

    def test_ten_failures_end_the_session(self):
        connection = self.connect()
        for _ in range(10):
            self.assertEqual(connection.login(b"alice", b"wrong"), FAILURE)
        self.assertEqual(connection.rest(), b"")

    def test_ten_failures_pipelined(self):
        connection = self.connect()
        connection.send(text_login(b"alice", b"wrong") * 10 + text_login(*ALICE) + b"get alice:k\r\n")
        self.assertEqual(connection.rest(), (FAILURE + b"\r\n") * 10)

    def test_every_command_before_is_refused_by_itself(self):
        rows = [b"get alice:k\r\n", b"gets a b c\r\n", b"delete a noreply\r\n", b"incr a 1\r\n", b"touch a 1\r\n",
                b"add a 0 0 12\r\nget alice:\r\n\r\n", b"cas a 0 0 1 1\r\nx\r\n", b"append a 0 0 1 noreply\r\nx\r\n",
                b"mg a v\r\n", b"mg a q v\r\n", b"ms a 1\r\nx\r\n", b"md a q\r\n", b"ma a\r\n", b"mn\r\n", b"me a\r\n",
                b"version\r\n", b"verbosity 1\r\n", b"flush_all\r\n", b"flush_all noreply\r\n", b"stats\r\n",
                b"shutdown\r\n", b"watch\r\n", b"lru_crawler metadump all\r\n", b"nonsense\r\n", b"\r\n", b"get\r\n"]
        connection = self.connect()
        for row in rows:
            with self.subTest(row=row):
                self.assertEqual(connection.ask(row), UNAUTHENTICATED)
        connection.send(b"".join(rows) + text_login(*ALICE) + b"mn\r\n")
        self.assertEqual(connection.lines_until(b"MN"), [UNAUTHENTICATED] * len(rows) + [b"STORED"])

    def test_quit_before(self):
        connection = self.connect()
        connection.send(b"quit\r\n" + text_login(*ALICE))
        self.assertEqual(connection.rest(), b"")

    def test_a_second_login_is_an_ordinary_set(self):
        # As with memcached -Y: once somebody, a session's `set` stores.
        connection = self.connect()
        self.assertEqual(connection.login(*ALICE), b"STORED")
        self.assertEqual(connection.set(b"alice:text", b"bob hunter2"), b"STORED")
        self.assertEqual(connection.get(b"alice:text"), b"bob hunter2")
        self.assertEqual(connection.ask(b"get bob:k\r\n"), b"CLIENT_ERROR access denied")

    def test_switched_off(self):
        connection = self.connect(self.NO_TEXT)
        self.assertEqual(connection.login(*ALICE), UNAUTHENTICATED)
        self.assertEqual(connection.ask(b"get alice:k\r\n"), UNAUTHENTICATED)


@harness.needs_mcgate
class Anonymous(LoginCase):
    """A listener where those who do not log in are alice; they may still say who they are, first of all."""

    def test_rights_without_login(self):
        connection = self.connect(self.ANONYMOUS)
        self.assert_serves(connection)
        self.assertEqual(connection.ask(b"get bob:k\r\n"), b"CLIENT_ERROR access denied")

    def test_login_is_never_stored(self):
        connection = self.connect(self.ANONYMOUS)
        connection.send(text_login(*BOB, key=b"alice:login"))
        self.assertEqual(connection.line(), b"STORED")
        self.assertEqual(self.in_memcached(b"alice:login"), None)
        self.assert_serves(connection, b"bob:k")
        self.assertEqual(connection.ask(b"get alice:k\r\n"), b"CLIENT_ERROR access denied")

    def test_failed_login_is_never_stored_and_leaves_nobody(self):
        connection = self.connect(self.ANONYMOUS)
        connection.send(text_login(b"bob", b"wrong", key=b"alice:login"))
        self.assertEqual(connection.line(), FAILURE)
        self.assertEqual(connection.ask(b"get alice:k\r\n"), UNAUTHENTICATED)
        self.assertEqual(self.in_memcached(b"alice:login"), None)

    def test_a_first_set_that_is_no_login(self):
        for value in (b"nobody secret", b"alice", b"v"):
            connection = self.connect(self.ANONYMOUS)
            self.assertEqual(connection.set(b"alice:k", value), b"STORED")
            self.assertEqual(self.in_memcached(b"alice:k"), value)

    def test_list_mechanisms_says_that_nobody_need(self):
        connection = self.connect(self.ANONYMOUS)
        self.assertEqual(connection.call("sasl_list").status, UNKNOWN_COMMAND)
        self.assert_serves_binary(connection)

    def test_sasl_all_the_same(self):
        connection = self.connect(self.ANONYMOUS)
        self.assertEqual(connection.sasl_plain(*BOB).status, 0)
        self.assertEqual(connection.call("get", b"alice:k").status, AUTH_ERROR)
        self.assert_serves_binary(connection, b"bob:k")


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
                self.assertEqual(set(response.value.split(b" ")), {b"PLAIN", b"SCRAM-SHA-256", b"SCRAM-SHA-512"})
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


@harness.needs_mcgate
class Secrets(LoginCase):
    def test_nothing_of_a_password_is_logged(self):
        with self.gate.connect() as connection:
            connection.login(b"alice", b"wrong-Zebra77")
            connection.send(b"set k 0 0 22\r\nalice wrong-Zebra77abcXX\r\n" + b"bogus Zebra77\r\n")
            connection.finish()
            connection.rest()
        with self.gate.connect() as connection:
            connection.sasl_plain(b"alice", b"wrong-Zebra77")
            connection.sasl_plain(*ALICE)
        log = self.gate.process.log()
        self.assertNotIn("Zebra77", log)
        self.assertNotIn(ALICE[1].decode(), log)
        self.assertIn("login_refused", log)


if __name__ == "__main__":
    unittest.main()
