"""Sub-commands that ask the mcgate that runs: explain and user list with --running, learn."""

import os
import socket
import subprocess
import threading
import unittest

import admin
import harness
from harness import PASSWORDS


def mcgate(config, *arguments):
    """(exit status, standard output, standard error)"""
    ran = subprocess.run([harness.MCGATE, "-c", config, *arguments], stdin=subprocess.DEVNULL, text=True,
                         capture_output=True, check=False, timeout=60)
    return ran.returncode, ran.stdout, ran.stderr


def free_port():
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return some.getsockname()[1]


@harness.needs_mcgate
class Running(unittest.TestCase):
    def start(self, endpoint):
        _, self.gate = harness.start(self, [harness.plain_listener(auth="observe")], admin=endpoint)

    def edit(self, old, new):
        with open(self.gate.config, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(old, text)
        with open(self.gate.config, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new))

    def explain(self, *arguments):
        return mcgate(self.gate.config, "explain", "--user", "alice", "--command", "get", "--key", *arguments)

    def test_explain_by_what_is_served(self):
        for endpoint in (admin.listener(), {"address": f"127.0.0.1:{free_port()}"}):
            with self.subTest(endpoint=endpoint):
                self.start(endpoint)
                for key in ("alice:1", "bob:&=%41?#+"):
                    from_file, running = self.explain(key), self.explain(key, "--running")
                    self.assertEqual(running, from_file)
                    self.assertEqual(running[0], 0 if key.startswith("alice") else 1, running)
                self.edit('"alice:*"', '"elsewhere:*"')
                self.assertEqual(self.explain("alice:1")[0], 1)
                status, said, _ = self.explain("alice:1", "--running")
                self.assertEqual((status, said[:9]), (0, "allowed: "))

    def test_what_is_wrong_with_a_question_is_told_as_from_the_file(self):
        self.start(admin.listener())
        wrong = ("explain", "--user", "alice", "--command", "gett", "--key", "k")
        running = mcgate(self.gate.config, *wrong, "--running")
        self.assertEqual(running, mcgate(self.gate.config, *wrong))
        self.assertEqual(running[0], os.EX_USAGE)

    def test_users_and_when_their_secrets_were_used(self):
        self.start(admin.listener())
        _, before, _ = mcgate(self.gate.config, "user", "list")
        with self.gate.connect() as connection:
            self.assertEqual(connection.login(b"alice", PASSWORDS[b"alice"]), b"STORED")
        status, said, _ = mcgate(self.gate.config, "user", "list", "--running")
        self.assertEqual(status, 0)
        rows = [line.split() for line in said.splitlines()]
        self.assertEqual(rows[0][:4], before.splitlines()[0].split()[:4])
        self.assertEqual([row[:4] for row in rows[1:]], [line.split()[:4] for line in before.splitlines()[1:]])
        for row in rows[1:]:
            used = row[5]
            if used != "never":
                self.assertRegex(used, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
                self.assertEqual(row[0], "alice")
        self.assertEqual([row[0] for row in rows[1:] if row[5] != "never"], ["alice"])

    def test_learn_asks_what_was_observed(self):
        self.start(admin.listener())
        status, said, _ = mcgate(self.gate.config, "learn")
        self.assertEqual(status, 0)
        self.assertIn("# There was nobody: ", said)
        with self.gate.connect() as connection:
            self.assertEqual(connection.get(b"session:1"), None)
        status, said, _ = mcgate(self.gate.config, "learn")
        self.assertEqual(status, 0)
        self.assertIn('[role.learned-anonymous]\nallow = [ { commands = [ "read" ], keys = [ "session:*" ] } ]\n', said)


QUESTIONS = (("explain", "--user", "alice", "--command", "stats", "--running"), ("user", "list", "--running"), ("learn",))


@harness.needs_mcgate
class NotToBeAsked(unittest.TestCase):
    def config(self, **sections):
        path = harness.fresh_path(".toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(harness.config_text("127.0.0.1:1", [harness.plain_listener()], users=harness.users(),
                                           roles=harness.ROLES, **sections))
        return path

    def check(self, config, told):
        for question in QUESTIONS:
            status, said, problem = mcgate(config, *question)
            self.assertEqual((status, said), (os.EX_UNAVAILABLE, ""), problem)
            self.assertRegex(problem, told)

    def test_without_an_admin_endpoint(self):
        config = self.config()
        self.check(config, f"^mcgate [a-z]+: {config} has no \\[admin\\], by which the mcgate that runs could be asked\n$")

    def test_at_a_port_that_nobody_knows(self):
        self.check(self.config(admin={"address": "127.0.0.1:0"}), "admin.address of .* has port 0")

    def test_where_nobody_listens(self):
        for address in (f"127.0.0.1:{free_port()}", f"unix:{harness.fresh_path('.admin')}"):
            self.check(self.config(admin={"address": address}),
                       "^mcgate [a-z]+: asking the admin endpoint at .*(Connection refused|No such file or directory)"
                       ".*; does an mcgate run with this configuration\\?\n$")

    def test_where_another_answers(self):
        """Somebody who took the port while no mcgate ran: what it says is no policy, and does nothing to a terminal."""
        body = b'{"allowed": true, "why": "\\u001b[2J\\n", "change": []}'
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        for answer, told in ((b"SSH-2.0-x\r\n", "what it says is no answer of HTTP/1.1"), (b"", "no answer of HTTP/1.1"),
                             (whole[:-1], "its answer was cut off"),
                             (b"HTTP/1.1 404 x\r\nContent-Length: 5\r\n\r\n\x1b[2J\n",
                              r"the admin endpoint refuses: \?\[2J \(404\)")):
            self.check(self.config(admin={"address": self.impostor(answer)}), told)
        config = self.config(admin={"address": self.impostor(whole)})
        self.assertEqual(mcgate(config, *QUESTIONS[0]), (0, "allowed: ?[2J?\n", ""))
        for question, code in ((QUESTIONS[1], os.EX_PROTOCOL), (QUESTIONS[2], os.EX_DATAERR)):
            status, said, problem = mcgate(config, *question)
            self.assertEqual((status, said), (code, ""))
            self.assertIn("is not what GET /", problem)

    def impostor(self, answer):
        """The address of one who says this to everyone."""
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)

        def serve():
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)
        threading.Thread(target=serve, daemon=True).start()
        return f"127.0.0.1:{listening.getsockname()[1]}"


if __name__ == "__main__":
    unittest.main()
