"""Users whose passwords a real saslauthd knows: asked, refused, hung, gone, and back."""

import contextlib
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import admin
import harness
import scram
import wire
from harness import PASSWORDS
from login_case import ALICE, FAILURE, UNAUTHENTICATED
from wire import AUTH_CONTINUE, AUTH_ERROR, packet, plain_message, text_login

SASLAUTHD = shutil.which("saslauthd", path="/usr/sbin:/usr/bin")
DAVE = (b"dave", b"dave's \"own\\ one")
ERIN = (b"erin@example.org", b"erin's")
ERINS_OLD = b"kept in the file"
BUSY = 0x85
AGAIN_AND_AGAIN = 10
UNCHECKED = b"CLIENT_ERROR log-ins cannot be checked now, try again later"
ROLES = {"web": {"allow": [{"commands": ["*"], "keys": ["web:*"]}]}}


class Imap:
    """Where saslauthd's rimap looks: an IMAP server that knows LOGIN, some passwords, and who has asked."""

    def __init__(self, passwords):
        self.passwords = passwords
        self.asked = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self):
        self._listening.close()

    def _serve(self):
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client):
        # A saslauthd that is killed hangs up on it.
        with contextlib.suppress(ConnectionError), client, client.makefile("rwb", buffering=0) as stream:
            stream.write(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
            while line := stream.readline():
                tag, word, rest = (line.rstrip(b"\r\n").split(b" ", 2) + [b""])[:3]
                if word.upper() != b"LOGIN":
                    stream.write(tag + b" OK\r\n")
                    continue
                user, password = (re.sub(rb"\\(.)", rb"\1", text)
                                  for text in re.findall(rb'"((?:[^"\\]|\\.)*)"', rest))
                self.asked.append(user)
                stream.write(tag + (b" OK" if self.passwords.get(user) == password else b" NO") + b" done\r\n")


class Saslauthd:
    def __init__(self, directory, port):
        self.path = os.path.join(directory, "mux")
        self.command = [SASLAUTHD, "-d", "-a", "rimap", "-O", f"127.0.0.1/{port}", "-m", directory, "-n", "1"]
        self.start()

    def start(self):
        self.process = harness.Process(self.command)
        self.process.wait_for("using process model")

    def stop(self):
        self.process.kill()

    def hang(self):
        os.kill(self.process.child.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self.process.child.pid, signal.SIGCONT)


@harness.needs_mcgate
@unittest.skipUnless(SASLAUTHD, "saslauthd is not installed (Debian: sasl2-bin)")
class SaslauthdCase(unittest.TestCase):
    LOGIN = {}

    def setUp(self):
        directory = tempfile.mkdtemp(dir=harness.scratch())
        self.imap = Imap({b"dave": DAVE[1], b"erin": ERIN[1]})
        self.addCleanup(self.imap.stop)
        self.saslauthd = Saslauthd(directory, self.imap.port)
        self.addCleanup(lambda: self.saslauthd.stop())
        self.users = [
            *harness.users(),
            {"name": "dave", "password_source": "saslauthd", "roles": ["web"]},
            {"name": "erin@example.org", "password_source": "saslauthd", "roles": ["web"],
             "secrets": [scram.verifier(ERINS_OLD, "SCRAM-SHA-256")]},
            {"name": "far", "password_source": "saslauthd", "networks": ["192.0.2.0/24"]},
            {"name": "off", "password_source": "saslauthd", "enabled": False},
        ]
        self.start()

    def start(self):
        self.login = {"saslauthd": self.saslauthd.path, "saslauthd_timeout_seconds": 60} | self.LOGIN
        table = admin.listener()
        self.admin = admin.Admin(table["address"])
        self.memcached, self.gate = harness.start(self, [harness.plain_listener()], admin=table, users=self.users,
                                                  roles=harness.ROLES | ROLES, login=self.login,
                                                  timeouts={"login_seconds": 3600})

    def reload(self):
        text = harness.config_text(self.memcached.upstream(), [harness.plain_listener()], users=self.users,
                                   admin={"address": f"unix:{self.admin.address}"},
                                   roles=harness.ROLES | ROLES, workers=2, limits={"sessions": 800},
                                   timeouts={"login_seconds": 3600},
                                   login={"throttle": {"delay_seconds": 0}} | self.login)
        with open(self.gate.config, "w", encoding="utf-8") as file:
            file.write(text)
        seen = self.gate.process.log().count("event=reloaded")
        self.gate.process.child.send_signal(signal.SIGHUP)
        self.gate.process.wait_for("event=reloaded", count=seen + 1)

    def connect(self):
        connection = self.gate.connect()
        self.addCleanup(connection.close)
        return connection


class Asked(SaslauthdCase):
    def test_text_and_plain(self):
        text = self.connect()
        self.assertEqual(text.login(*DAVE), b"STORED")
        self.assertEqual(text.set(b"web:k", b"v"), b"STORED")
        self.assertEqual(text.ask(b"get alice:k\r\n"), b"CLIENT_ERROR access denied")
        binary = self.connect()
        self.assertEqual(binary.sasl_plain(*DAVE).status, 0)
        self.assertEqual(binary.call("get", b"web:k").value, b"v")
        steps = self.connect()
        self.assertEqual(steps.call("sasl_auth", b"PLAIN").status, AUTH_CONTINUE)
        self.assertEqual(steps.call("sasl_step", b"PLAIN", plain_message(*DAVE)).status, 0)
        self.gate.process.wait_for("event=login user=dave proof=text .*secret=saslauthd")
        self.gate.process.wait_for("event=login user=dave proof=PLAIN .*secret=saslauthd", count=2)
        # Each time: what saslauthd has said is not remembered.
        self.assertEqual(self.imap.asked, [b"dave"] * 3)

    def test_a_wrong_password_and_those_that_cannot_be_asked(self):
        for password in (b"wrong", b"dave's", DAVE[1] + b" ", DAVE[1][:-1], b"x" * 257, b"x" * 3000, b"a\nb",
                         b'"\rsaslauthd LOGIN "erin" "erin\'s"'):
            with self.subTest(password=password[:16]):
                self.assertEqual(self.connect().login(b"dave", password), FAILURE)
                self.assertEqual(self.connect().sasl_plain(b"dave", password).status, AUTH_ERROR)
        self.assertEqual(self.connect().sasl_plain(b"dave", DAVE[1] + b"\0").status, AUTH_ERROR)
        self.assertEqual(self.connect().sasl_plain(b"dave", b"").status, AUTH_ERROR)
        self.assertEqual(self.imap.asked, [b"dave"] * 8)
        for reason, count in (("wrong password, says saslauthd", 8), ("password too long to ask saslauthd", 4),
                              ("password with a line break, of which saslauthd is not asked", 4)):
            self.gate.process.wait_for(f'event=login_refused user=dave reason="{reason}"', count=count)
        self.assertNotIn("dave's", self.gate.process.log())

    def test_only_its_users_are_asked_about(self):
        self.imap.passwords |= {b"alice": b"imap", b"nobody": b"imap", b"far": b"imap", b"off": b"imap"}
        for user in (b"alice", b"nobody", b"far", b"off", b"dave@example.org", b"erin"):
            with self.subTest(user=user):
                self.assertEqual(self.connect().login(user, b"imap"), FAILURE)
        self.assertEqual(self.connect().login(*ALICE), b"STORED")
        self.assertEqual(self.imap.asked, [])

    def test_a_realm_and_secrets_beside_it(self):
        self.assertEqual(self.connect().login(*ERIN), b"STORED")
        self.assertEqual(self.imap.asked, [b"erin"])
        self.assertEqual(self.connect().login(ERIN[0], ERINS_OLD), b"STORED")
        self.assertEqual(self.imap.asked, [b"erin"])
        self.gate.process.wait_for(r"event=login user=erin@example.org .*secret=[0-9a-f]{12}")

    def test_no_scram_is_offered(self):
        self.assertEqual(self.connect().call("sasl_list").value, b"PLAIN")
        client = scram.Client("SCRAM-SHA-256", *ALICE)
        answer = self.connect().call("sasl_auth", b"SCRAM-SHA-256", client.first())
        self.assertEqual(answer.status, AUTH_ERROR)

    def test_who_is_no_longer_its_user_is_closed(self):
        dave, erin, old = self.connect(), self.connect(), self.connect()
        self.assertEqual(dave.login(*DAVE), b"STORED")
        self.assertEqual(erin.login(*ERIN), b"STORED")
        self.assertEqual(old.login(ERIN[0], ERINS_OLD), b"STORED")
        self.reload()
        self.assertEqual(dave.set(b"web:k", b"v"), b"STORED")
        for user in self.users:
            if user["name"] == "erin@example.org":
                user["password_source"] = "secrets"
        self.reload()
        self.assertEqual(erin.rest(), b"")
        self.assertEqual(dave.set(b"web:k", b"v"), b"STORED")
        self.assertEqual(old.set(b"web:k", b"v"), b"STORED")

    def test_gone_and_back(self):
        self.saslauthd.stop()
        connection = self.connect()
        self.assertEqual(connection.login(*DAVE), UNCHECKED)
        self.assertEqual(connection.ask(b"get web:k\r\n"), UNAUTHENTICATED)
        self.assertEqual(self.connect().sasl_plain(*DAVE).status, BUSY)
        self.gate.process.wait_for('event=login_refused user=dave reason="saslauthd cannot be asked: connecting to ', 2)
        self.assertEqual(self.connect().login(*ALICE), b"STORED")
        self.assertEqual(self.connect().login(ERIN[0], ERINS_OLD), b"STORED")
        # With a secret of its own that did not match, it was a guess.
        self.assertEqual(self.connect().login(*ERIN), FAILURE)
        self.saslauthd.start()
        self.assertEqual(connection.login(*DAVE), b"STORED")


@harness.needs_mcgate
@unittest.skipUnless(SASLAUTHD, "saslauthd is not installed (Debian: sasl2-bin)")
class Sasldb(unittest.TestCase):
    """saslauthd reads /etc/sasldb2 and no other, so that ours is put over it, for that process alone."""

    IN_ITS_PLACE = 'mount --bind "$1" /etc/sasldb2 && exec "$2" -d -a sasldb -m "$3" -n 1'

    def setUp(self):
        self.directory = tempfile.mkdtemp(dir=harness.scratch())
        db = os.path.join(self.directory, "db")
        subprocess.run(["saslpasswd2", "-p", "-c", "-f", db, "-u", "example.org", "dave"], input=b"sesame", check=True)
        may = ["unshare", "-m", "sh", "-c", 'mount --bind "$1" /etc/sasldb2', "sh", db]
        if subprocess.run(may, capture_output=True, check=False).returncode != 0:
            self.skipTest("no mount namespace can be had here, or there is no /etc/sasldb2")
        self.saslauthd = harness.Process(["unshare", "-m", "sh", "-c", self.IN_ITS_PLACE, "sh", db, SASLAUTHD,
                                          self.directory])
        self.addCleanup(self.saslauthd.kill)
        self.saslauthd.wait_for("using process model")

    def test_its_users(self):
        _, gate = harness.start(
            self, [harness.plain_listener()], roles=ROLES, login={"saslauthd": os.path.join(self.directory, "mux")},
            users=[{"name": name, "password_source": "saslauthd", "roles": ["web"]}
                   for name in ("dave@example.org", "dave@other.org")])
        for name, password, answer in ((b"dave@example.org", b"sesame", b"STORED"),
                                       (b"dave@example.org", b"wrong", FAILURE),
                                       (b"dave@other.org", b"sesame", FAILURE)):
            with self.subTest(name=name, password=password), gate.connect() as connection:
                self.assertEqual(connection.login(name, password), answer)


class Hung(SaslauthdCase):
    LOGIN = {"saslauthd_runners": 2, "runners": 1}

    def test_it_holds_up_its_own_users_alone(self):
        self.saslauthd.hang()
        waiting = [self.connect() for _ in range(8)]
        for connection in waiting[:4]:
            connection.send(text_login(*DAVE))
        for connection in waiting[4:]:
            connection.send(packet("sasl_auth", b"PLAIN", plain_message(*DAVE)))
        self.assertEqual(self.connect().login(*ALICE), b"STORED")
        self.assertEqual(self.connect().sasl_plain(b"bob", PASSWORDS[b"bob"]).status, 0)
        self.assertEqual(self.connect().login(b"nobody", b"wrong"), FAILURE)
        self.saslauthd.go_on()
        for connection in waiting[:4]:
            self.assertEqual(connection.line(), b"STORED")
        for connection in waiting[4:]:
            self.assertEqual(connection.packet().status, 0)


class HungForLong(SaslauthdCase):
    LOGIN = {"saslauthd_timeout_seconds": 0.5, "throttle": {"failures": 1, "delay_seconds": 3600,
                                                            "longest_delay_seconds": 3600}}

    def test_the_deadline_and_what_comes_after(self):
        self.saslauthd.hang()
        for _ in range(3):  # which do not count as guesses
            self.assertEqual(self.connect().login(*DAVE), UNCHECKED)
        self.gate.process.wait_for('reason="saslauthd cannot be asked: .* has not answered in time"', count=3)
        self.saslauthd.stop()
        self.saslauthd.start()
        self.login["saslauthd_timeout_seconds"] = 60  # now there is an answer to wait for, on a busy machine too
        self.reload()
        self.assertEqual(self.connect().login(*DAVE), b"STORED")
        self.assertEqual(self.connect().login(b"dave", b"wrong"), FAILURE)
        self.connect().send(text_login(*DAVE))
        self.gate.process.wait_for("event=login_delayed user=dave")


class NoSaslauthdCase(SaslauthdCase):
    """Something else at its place."""

    def setUp(self):
        super().setUp()
        self.saslauthd.stop()

    @contextlib.contextmanager
    def listening(self, backlog):
        if os.path.exists(self.saslauthd.path):
            os.unlink(self.saslauthd.path)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(self.saslauthd.path)
            listening.listen(backlog)
            yield listening

    def ask(self):
        connection = self.connect()
        connection.send(text_login(*DAVE))
        return connection


class NoSaslauthd(NoSaslauthdCase):
    def login_where_it_answers(self, answer):
        with self.listening(8) as listening:
            connection = self.connect()
            connection.send(text_login(*DAVE))
            with listening.accept()[0] as asking:
                asking.sendall(answer)
                asking.shutdown(socket.SHUT_WR)
                return connection, connection.line()

    def test_what_answers_otherwise_is_not_believed(self):
        for answer in (b"", b"\0", b"\0\2O", b"OK", b"OKOK", b"\0\2ok", b"\0\2K\0", b"\0\0\0\0", b"HTTP/1.1 200 OK\r\n",
                       b"\0\0OK", b"\0\1OK", b"\0\3OK", b"\0\3OK\0", b"\0\4OKAY", b"\0\6OK re", b"\0\3 OK", b"\0\4NOOK",
                       b"\4\1OK " + b"x" * 1022, b"\xff\xffOK " + b"x" * 65532):
            with self.subTest(answer=answer[:16]):
                connection, said = self.login_where_it_answers(answer)
                self.assertEqual(said, UNCHECKED)
                self.assertEqual(connection.ask(b"get web:k\r\n"), UNAUTHENTICATED)

    def test_what_it_says_beside_the_word(self):
        for answer, expected in ((b"\0\2OK", b"STORED"), (b"\0\7OK then", b"STORED"), (b"\0\2OKNO", b"STORED"),
                                 (b"\4\0OK " + b"x" * 1021, b"STORED"), (b"\0\2NO", FAILURE), (b"\0\5NO OK", FAILURE)):
            with self.subTest(answer=answer[:16]):
                self.assertEqual(self.login_where_it_answers(answer)[1], expected)

    @contextlib.contextmanager
    def full_queue(self):
        """Of somebody who listens; and how many are in it."""
        with self.listening(0) as listening, contextlib.ExitStack() as others:
            waiting = 0
            with contextlib.suppress(BlockingIOError):
                while waiting < 64:
                    other = others.enter_context(socket.socket(socket.AF_UNIX))
                    other.setblocking(False)
                    other.connect(self.saslauthd.path)
                    waiting += 1
            yield listening, waiting

    def pauses(self):
        """How often those of mcgate's threads that ask saslauthd have gone to sleep so far."""
        found = 0
        for thread in pathlib.Path(f"/proc/{self.gate.process.child.pid}/task").iterdir():
            status = (thread / "status").read_text(encoding="ascii")
            if status.startswith("Name:\tsaslauthd\n"):
                found += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.MULTILINE).group(1))
        return found

    @contextlib.contextmanager
    def waiting(self):
        """Until whoever begins to ask meanwhile has looked for a place again and again, which nobody else is about."""
        before = self.pauses()
        yield
        deadline = time.monotonic() + harness.START_TIMEOUT
        while self.pauses() < before + AGAIN_AND_AGAIN:
            self.assertLess(time.monotonic(), deadline, "it does not wait")
            time.sleep(0.01)

    def test_its_queue_is_full(self):
        with self.full_queue() as (listening, waiting):
            with self.waiting():
                connection = self.ask()
            self.assertEqual(select.select([connection.socket], [], [], 0)[0], [], "it has been answered")
            for _ in range(waiting):
                listening.accept()[0].close()
            with listening.accept()[0] as asking:
                asking.sendall(b"\0\2OK")
                self.assertEqual(connection.line(), b"STORED")

    # stop() waits for half of the minute that saslauthd has.
    def test_the_end_waits_for_no_answer(self):
        with self.listening(8) as listening:
            self.ask()
            with listening.accept()[0]:
                self.gate.stop()

    def test_the_end_waits_for_no_place_in_its_queue(self):
        with self.full_queue():
            with self.waiting():
                self.ask()
            self.gate.stop()


class FullQueue(NoSaslauthdCase):
    LOGIN = {"saslauthd_runners": 1, "queue": 2}

    def test_who_finds_no_room_is_told(self):
        with self.listening(8) as listening:
            self.ask()
            with listening.accept()[0]:
                waiting = [self.ask() for _ in range(2)]  # half of the queue is one place's
                told, = select.select([each.socket for each in waiting], [], [], wire.TIMEOUT)[0]
                refused, = (each for each in waiting if each.socket is told)
                self.assertEqual(refused.line(), b"CLIENT_ERROR too many log-ins wait, try again later")
                self.assertEqual(refused.ask(b"get web:k\r\n"), UNAUTHENTICATED)
                answer = self.connect().sasl_plain(*DAVE)
                self.assertEqual((answer.status, answer.value), (BUSY, b"Too many log-ins wait, try again later"))
                self.assertEqual(self.connect().login(*ALICE), b"STORED")
                self.gate.process.wait_for("event=bound_reached limit=login.queue ", count=2)
                self.assertEqual(self.admin.metrics()['mcgate_bound_hits_total{bound="login.queue"}'], 2)


if __name__ == "__main__":
    unittest.main()
