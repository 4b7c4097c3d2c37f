"""users_file: its users are those of the configuration in all, and it is read again at SIGHUP."""

import json
import os
import re
import signal
import subprocess
import unittest

import admin
import harness
import wire
from harness import PASSWORDS
from login_case import ALICE, FAILURE
from wire import text_login

BOB = text_login(b"bob", PASSWORDS[b"bob"])


@harness.needs_mcgate
class UsersFile(unittest.TestCase):
    def setUp(self):
        self.users_file = harness.fresh_path(".users.toml")
        self.bob = self.table("bob")
        self.write(self.bob)
        endpoint = admin.listener()
        _, self.gate = harness.start(
            self, [harness.plain_listener()], users=[user for user in harness.users() if user["name"] == "alice"],
            users_file=os.path.basename(self.users_file), admin=endpoint)
        self.admin = admin.Admin(endpoint["address"])

    @staticmethod
    def table(name):
        user = next(each for each in harness.users() if each["name"] == name)
        return "[[user]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in user.items())

    def write(self, text):
        with open(self.users_file, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.users_file, 0o600)

    def hang_up(self, event):
        seen = self.gate.process.log().count(f"event={event}")
        self.gate.process.child.send_signal(signal.SIGHUP)
        return self.gate.process.wait_for(f"event={event}", count=seen + 1)[-1]

    def log_in(self, login, answer=b"STORED"):
        client = self.gate.connect()
        self.addCleanup(client.close)
        self.assertEqual(client.ask(login), answer)
        return client

    def run_mcgate(self, *arguments, **options):
        done = subprocess.run([harness.MCGATE, "-c", self.gate.config, *arguments], capture_output=True, text=True,
                              check=False, timeout=60, **options)
        return done.returncode, done.stdout + done.stderr

    def listed(self):
        return [user["name"] for user in json.loads(self.admin.get("/users")[1])["users"]]

    def test_a_user_is_added_and_another_removed(self):
        alice, bob = self.log_in(text_login(*ALICE)), self.log_in(BOB)
        self.assertEqual(bob.ask(b"set bob:k 0 0 1\r\nx\r\n"), b"STORED")
        self.assertEqual(bob.ask(b"get alice:k\r\n"), b"CLIENT_ERROR access denied")
        reader = text_login(b"reader", PASSWORDS[b"reader"])
        self.log_in(reader, FAILURE)
        self.assertEqual(sorted(self.listed()), ["alice", "bob"])

        self.write(self.table("reader"))
        self.hang_up("reloaded")
        with self.assertRaises(wire.Closed):
            bob.line()
        self.log_in(BOB, FAILURE)
        self.log_in(reader)
        self.assertEqual(alice.ask(b"get alice:k\r\n"), b"END")
        self.assertEqual(sorted(self.listed()), ["alice", "reader"])

    def test_a_broken_file_changes_nothing_and_is_named(self):
        bob = self.log_in(BOB)
        for text, said in (
                ("[[user]\n", r"1:\d+: not TOML"),
                (self.bob + "\n" + self.bob, r"\d+:8: user .*bob.* is there already, in line 2\b"),
                (self.table("alice"), r"2:8: user .*alice.* is there already, in line \d+ of the configuration"),
                (self.bob.replace('"SCRAM-SHA-256$4096:', '"SCRAM-SHA-256$4096;'), r"\d+:\d+: "),
                (self.bob + "[log]\n", r"\d+:\d+: .*log.*: a users file holds")):
            with self.subTest(said=said):
                self.write(text)
                line = self.hang_up("reload_refused")
                self.assertRegex(line, re.escape(self.users_file) + ":" + said)
                self.assertNotIn("4096", line)
                code, output = self.run_mcgate("check")
                self.assertEqual(code, 1)
                self.assertRegex(output, "(?m)^" + re.escape(self.users_file) + ":" + said)
                self.assertEqual(bob.ask(b"get bob:k\r\n"), b"END")
                self.log_in(BOB)
        os.unlink(self.users_file)
        self.assertRegex(self.hang_up("reload_refused"),
                         re.escape(self.gate.config) + r":\d+:\d+: users_file: .* cannot be read: No such file")
        self.assertEqual(bob.ask(b"get bob:k\r\n"), b"END")

    def test_a_pipe_that_nobody_writes_to_holds_nobody_up(self):
        bob = self.log_in(BOB)
        for file in (self.users_file, self.gate.config):
            with self.subTest(file=file):
                os.rename(file, file + ".kept")
                os.mkfifo(file, 0o600)
                line = self.hang_up("reload_refused")
                self.assertIn(file, line)
                self.assertIn("cannot be read: it is no regular file", line)
                self.assertEqual(bob.ask(b"get bob:k\r\n"), b"END")
                self.assertEqual(sorted(self.listed()), ["alice", "bob"])
                os.rename(file + ".kept", file)
                self.hang_up("reloaded")

    def test_the_commands_know_which_file(self):
        code, output = self.run_mcgate("check")
        self.assertEqual(code, 0)
        self.assertNotIn("everybody", output)
        os.chmod(self.users_file, 0o646)
        code, output = self.run_mcgate("check")
        self.assertEqual(code, 0)
        self.assertIn(f"{self.users_file}: warning: everybody may read", output)
        self.assertIn(f"{self.users_file}: warning: everybody may make users", output)
        os.chmod(self.users_file, 0o600)
        code, output = self.run_mcgate("explain", "--user", "bob", "--command", "get", "--key", "alice:k")
        self.assertEqual(code, 1)
        self.assertIn(f"{self.users_file}:1:1", output)

        code, output = self.run_mcgate("user", "add", "eve", "--role", "reader", input="eve's own\n")
        self.assertEqual((code, output), (0, ""))
        with open(self.users_file, encoding="utf-8") as file:
            self.assertIn('name = "eve"', file.read())
        with open(self.gate.config, encoding="utf-8") as file:
            self.assertNotIn("eve", file.read())
        self.assertEqual(os.stat(self.users_file).st_mode & 0o777, 0o600)
        self.hang_up("reloaded")
        self.log_in(text_login(b"eve", b"eve's own"))
        for user in ("alice", "bob", "eve"):
            self.assertIn(user, self.run_mcgate("user", "list")[1])
        self.assertEqual(self.run_mcgate("user", "passwd", "bob", input="another\n"), (0, ""))
        self.assertEqual(self.run_mcgate("user", "passwd", "alice", input="another\n"), (0, ""))
        self.hang_up("reloaded")
        self.log_in(text_login(b"bob", b"another"))
        self.log_in(text_login(b"alice", b"another"))
        self.log_in(BOB, FAILURE)


if __name__ == "__main__":
    unittest.main()
