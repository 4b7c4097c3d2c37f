"""`mcgate user` at a terminal: the password is asked for twice, is not echoed, and is never an argument."""

import os
import pty
import resource
import subprocess
import termios
import time
import unittest

import harness

PASSWORD = b"correct horse"


def converse(command, typed, at_prompt=lambda pid: None):
    """Runs a command at a terminal of its own, typing a line at each prompt; its exit status and all that was shown."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(command[0], command)
    shown, answers = b"", list(typed)
    prompts = 0
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # the terminal has gone with its last program
            break
        if not data:
            break
        shown += data
        while answers and shown.count(b"assword: ") > prompts:
            prompts += 1
            # The prompt stands there before the echo is off, which no person is quick enough to see.
            while termios.tcgetattr(terminal)[3] & termios.ECHO:
                time.sleep(0.001)
            at_prompt(child)
            os.write(terminal, answers.pop(0) + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown


@harness.needs_mcgate
class Prompt(unittest.TestCase):
    def setUp(self):
        self.memcached = harness.Memcached()
        self.addCleanup(self.memcached.stop)
        self.config = harness.fresh_path(".toml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(harness.config_text(self.memcached.upstream(), [harness.plain_listener()], roles=harness.ROLES,
                                           limits={"sessions": 100}))

    def text(self):
        with open(self.config, encoding="utf-8") as file:
            return file.read()

    def user(self, *arguments):
        return [harness.MCGATE, "user", *arguments, "-c", self.config, "--iterations", "4096"]

    def test_asked_for_twice_and_not_shown(self):
        for arguments, password in ((("add", "alice", "--role", "alice"), PASSWORD), (("passwd", "alice"), b"another one")):
            with self.subTest(arguments=arguments):
                status, shown = converse(self.user(*arguments), [password, password])
                self.assertEqual((status, shown.count(b"assword: ")), (0, 2), shown)
                self.assertNotIn(password, shown)
                self.assertNotIn(password.decode(), self.text())
        process = harness.Process([harness.MCGATE, "serve", "-c", self.config])
        self.addCleanup(process.kill)
        process.wait_for("event=ready")
        with harness.Connection(harness.Mcgate._address(process.wait_for("event=listening")[0])) as connection:
            self.assertEqual(connection.login(b"alice", PASSWORD), b"CLIENT_ERROR authentication failure")
            self.assertEqual(connection.login(b"alice", b"another one"), b"STORED")

    def test_leaves_no_core_file(self):
        if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
            self.skipTest("no core file is to be had here at all")
        limits = []

        def look(pid):
            with open(f"/proc/{pid}/limits", encoding="ascii") as file:
                limits.extend(line.split()[4:6] for line in file if line.startswith("Max core file size"))
        status, shown = converse(self.user("add", "alice"), [PASSWORD, PASSWORD], look)
        self.assertEqual((status, limits), (0, [["0", "0"]] * 2), shown)

    def test_not_the_same_twice(self):
        before = self.text()
        status, shown = converse(self.user("add", "alice"), [PASSWORD, b"something else", PASSWORD, b"something else"])
        self.assertEqual(status, os.EX_DATAERR, shown)
        self.assertEqual(self.text(), before)

    def test_never_an_argument(self):
        before = self.text()
        for arguments in (("add", "alice", "secret"), ("add", "alice", "--password", "secret"), ("passwd", "alice", "secret")):
            with self.subTest(arguments=arguments):
                ended = subprocess.run(self.user(*arguments), capture_output=True, stdin=subprocess.DEVNULL, check=False,
                                       timeout=harness.START_TIMEOUT)
                self.assertEqual(ended.returncode, os.EX_USAGE)
        self.assertEqual(self.text(), before)


if __name__ == "__main__":
    unittest.main()
