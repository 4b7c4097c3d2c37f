"""Who gets in by the text log-in, and what is served to whom before and after. SASL has a file of its own."""

import unittest

import harness
import wire
from harness import PASSWORDS
from login_case import ALICE, BAD_TOKEN, BOB, FAILURE, UNAUTHENTICATED, LoginCase
from wire import AUTH_ERROR, UNKNOWN_COMMAND, text_login


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

    def test_ten_malformed_ones_end_the_session(self):
        connection = self.connect()
        for _ in range(10):
            self.assertEqual(connection.ask(b"set a 0 0 5\r\nalice\r\n"), BAD_TOKEN)
        self.assertEqual(connection.rest(), b"")

    def test_ten_too_long_ones_end_the_session(self):
        connection = self.connect()
        connection.send((b"set a 0 0 5000\r\n" + b"x" * 5000 + b"\r\n") * 10)
        self.assertEqual(connection.rest(), b"CLIENT_ERROR auth token too long\r\n" * 10)

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
