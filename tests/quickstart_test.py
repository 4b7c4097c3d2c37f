#!/usr/bin/python3
"""./quickstart: what it shows, that it leaves nothing behind however it ends, and that what it lacks is told in a sentence.

usage: quickstart_test.py SOURCE_DIR
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(sys.argv.pop(1)).resolve()
SCRIPT = str(SOURCE / "quickstart")
TIMEOUT = 600  # seconds; it may have to build
NOBODY = 65534


def run(*arguments, **more):
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, timeout=TIMEOUT, check=False, **more)


def servers(parent):
    """The processes that a quickstart has started, by their numbers: the servers, once it shows what to try."""
    found = set()
    for entry in pathlib.Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        if entry.name.isdigit() and int(fields[1]) == parent:
            found.add(int(entry.name))
    return found


def gone(process):
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


class Quickstart(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.mkdtemp(prefix="qs-")
        os.chmod(self.scratch, 0o755)
        self.addCleanup(shutil.rmtree, self.scratch)
        self.environment = os.environ | {"TMPDIR": self.scratch}

    def assert_sentence(self, ended, said):
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertRegex(ended.stderr, said)
        self.assertEqual(len(ended.stderr.strip().split("\n")), 1, ended.stderr)
        self.assertEqual(os.listdir(self.scratch), [])

    def test_once(self):
        ended = run("--once", env=self.environment)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        for line in ("    hello through mcgate", "    CLIENT_ERROR access denied", "    CLIENT_ERROR unauthenticated"):
            self.assertIn(line, ended.stdout.split("\n"))
        self.assertEqual(os.listdir(self.scratch), [])

    def in_foreground(self):
        """A quickstart that has shown all there is to see, what it printed, and its servers."""
        shown = pathlib.Path(self.scratch, "shown")
        with open(shown, "w", encoding="utf-8") as file:
            process = subprocess.Popen([SCRIPT], stdout=file, stderr=subprocess.STDOUT, env=self.environment,
                                       start_new_session=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        deadline = time.monotonic() + TIMEOUT
        while "Ctrl-C ends it all." not in shown.read_text() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        text = shown.read_text()
        self.assertIn("Ctrl-C ends it all.", text)
        shown.unlink()
        started = servers(process.pid)
        self.assertEqual(len(started), 2)
        return process, text, started

    def assert_all_gone(self, started):
        deadline = time.monotonic() + TIMEOUT
        while not all(map(gone, started)) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual([each for each in started if not gone(each)], [])

    def test_in_the_foreground_until_told_to_end(self):
        for number, status in ((signal.SIGINT, 0), (signal.SIGTERM, 0)):
            with self.subTest(signal=number):
                process, text, started = self.in_foreground()
                # The lines to try by hand do what they say.
                with_openssl, with_python = re.search(r"With openssl:\n\n(.*?)\n\nWith Python:\n\n(.*?)\n\nCtrl-C", text,
                                                      re.DOTALL).groups()
                for lines in (with_openssl, with_python):
                    tried = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, timeout=60, check=True)
                    self.assertIn("hello through mcgate", tried.stdout)
                os.killpg(process.pid, number)  # as a terminal does
                self.assertEqual(process.wait(TIMEOUT), status)
                self.assert_all_gone(started)
                self.assertEqual(os.listdir(self.scratch), [])

    def test_servers_end_with_it_though_it_cannot_clean_up(self):
        process, _, started = self.in_foreground()
        process.kill()
        process.wait(TIMEOUT)
        self.assert_all_gone(started)

    def test_a_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            self.assert_sentence(run("--once", "--port", str(port), env=self.environment),
                                 f"^quickstart: port {port} is in use; ")

    def test_a_wrong_command_line(self):
        for arguments in (("--frobnicate",), ("--port", "0"), ("--port", "70000"), ("--port", "http"), ("--port",)):
            with self.subTest(arguments=arguments):
                ended = run(*arguments, env=self.environment)
                self.assertEqual(ended.returncode, 1)
                self.assertRegex(ended.stderr, "quickstart: ")

    def path_with(self, *names):
        """A PATH with these programs alone."""
        folder = pathlib.Path(self.scratch, "bin")
        folder.mkdir()
        for name in names:
            (folder / name).symlink_to(shutil.which(name))
        return str(folder)

    def test_no_package_manager(self):
        path = self.path_with("bash", "dirname", "basename")
        ended = run("--once", env=self.environment | {"PATH": path})
        shutil.rmtree(path)
        self.assert_sentence(ended, r"^quickstart: this needs Debian's package manager \(apt-get and dpkg-query\)")

    def test_packages_missing_and_no_rights_to_install_them(self):
        path = self.path_with("bash", "basename", "dpkg-query", "apt-get", "mktemp")
        packages = pathlib.Path(self.scratch, "packages.sh")  # where nobody can read it
        shutil.copy(SOURCE / ".ci" / "packages.sh", packages)
        os.chmod(packages, 0o644)
        lesser = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        ended = subprocess.run(
            [f"{path}/bash", "-c", 'set -euo pipefail; source "$1"; install_missing bash no-such-package', "quickstart", str(packages)],
            capture_output=True, text=True, timeout=TIMEOUT, check=False, env=self.environment | {"PATH": path}, **lesser)
        shutil.rmtree(path)
        packages.unlink()
        self.assert_sentence(ended, "^quickstart: these packages are missing, and installing them needs root or sudo: no-such-package$")


if __name__ == "__main__":
    unittest.main()
