"""SIGHUP: a new configuration takes effect at once and whole, for the sessions that are there too, or not at all."""

import contextlib
import ctypes
import datetime
import os
import pathlib
import re
import signal
import time
import unittest

import admin
import harness
import scram
import wire
from harness import PASSWORDS
from wire import AUTH_CONTINUE, AUTH_ERROR, packet, plain_message, text_login

ALICE = text_login(b"alice", PASSWORDS[b"alice"])
BOB = text_login(b"bob", PASSWORDS[b"bob"])
DENIED = b"CLIENT_ERROR access denied"
BUSY = 0x85


PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000  # waitpid's __WALL: for threads too
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def threads_named(pid, name):
    found = []
    for each in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if (each / "comm").read_text(encoding="ascii") == name + "\n":
                found.append(int(each.name))
    return found


@contextlib.contextmanager
def held_up_thread(pid, name):
    """One of its threads of that name does nothing meanwhile; the others go on."""
    thread = threads_named(pid, name)[0]
    if _libc.ptrace(PTRACE_SEIZE, thread, None, None) != 0:
        raise unittest.SkipTest("another process's threads may not be stopped: " + os.strerror(ctypes.get_errno()))
    _libc.ptrace(PTRACE_INTERRUPT, thread, None, None)
    os.waitpid(thread, WALL)
    try:
        yield
    finally:
        _libc.ptrace(PTRACE_DETACH, thread, None, None)


@harness.needs_mcgate
class Reload(unittest.TestCase):
    def setUp(self):
        table = admin.listener()
        self.memcached, self.gate = harness.start(self, [
            harness.plain_listener(), harness.plain_listener(anonymous="reader")], admin=table,
            timeouts={"drain_seconds": 600})
        self.admin = admin.Admin(table["address"])
        with open(self.gate.config, encoding="utf-8") as file:
            self.config = file.read()
        self.reloads = 0
        self.refusals = 0

    def write(self, config):
        with open(self.gate.config, "w", encoding="utf-8") as file:
            file.write(config)
        self.gate.process.child.send_signal(signal.SIGHUP)

    def reload(self, config):
        self.write(config)
        self.reloads += 1
        self.gate.process.wait_for(r"event=reloaded", count=self.reloads)

    def refuse(self, config):
        self.write(config)
        self.refusals += 1
        return self.gate.process.wait_for(r"event=reload_refused", count=self.refusals)[-1]

    def log_in(self, login, listener=0):
        client = self.gate.connect(listener)
        self.addCleanup(client.close)
        self.assertEqual(client.ask(login), b"STORED")
        return client

    def assert_closed(self, client):
        with self.assertRaises(wire.Closed):
            while True:
                client.line()

    def without_user(self, name):
        return re.sub(rf'\[\[user\]\]\nname = "{name}"\n(?:.+\n)*', "", self.config)

    def test_rights_change_under_a_session(self):
        alice = self.log_in(ALICE)
        self.assertEqual(alice.ask(b"set alice:k 0 0 1\r\nx\r\n"), b"STORED")
        self.reload(self.config.replace('"alice:*", "shared:*"', '"other:*"'))
        self.assertEqual(alice.ask(b"get alice:k\r\n"), DENIED)
        self.assertEqual(alice.ask(b"get other:k\r\n"), b"END")

    def test_a_removed_user_is_gone_and_others_are_not(self):
        alice, bob = self.log_in(ALICE), self.log_in(BOB)
        self.reload(self.without_user("bob"))
        self.assert_closed(bob)
        self.assertEqual(alice.ask(b"get alice:k\r\n"), b"END")
        with self.gate.connect() as again:
            self.assertEqual(again.ask(BOB), b"CLIENT_ERROR authentication failure")

    def with_secrets(self, name, secrets):
        table = re.search(rf'\[\[user\]\]\nname = "{name}"\n(?:.+\n)*', self.config).group(0)
        return self.config.replace(table, re.sub(r"secrets = .*", lambda _: f"secrets = {secrets}", table))

    def with_password(self, name, password):
        new = [scram.verifier(password, hash_name) for hash_name in scram.HASHES]
        return self.with_secrets(name, f'["{new[0]}", "{new[1]}"]')

    def test_a_changed_password_ends_the_sessions_of_the_old_one(self):
        alice, bob = self.log_in(ALICE), self.log_in(BOB)
        self.reload(self.with_password("bob", b"another"))
        self.assert_closed(bob)
        self.assertEqual(alice.ask(b"get alice:k\r\n"), b"END")
        with self.gate.connect() as again:
            self.assertEqual(again.ask(BOB), b"CLIENT_ERROR authentication failure")
            self.assertEqual(again.ask(text_login(b"bob", b"another")), b"STORED")

    def test_two_secrets_and_each_ends_its_own_sessions(self):
        old, new = (scram.verifier(password) for password in (b"old", b"new"))
        with_both = self.with_secrets("bob", f'["{new}", "{old}"]')
        self.reload(with_both)
        by_old = [self.log_in(text_login(b"bob", b"old")) for _ in range(2)]  # the second is remembered
        by_new = self.log_in(text_login(b"bob", b"new"))
        used = self.gate.process.wait_for("event=login user=bob", count=3)
        secrets = [re.search(r"secret=([0-9a-f]{12})\b", line).group(1) for line in used]
        self.assertTrue(secrets[0] == secrets[1] != secrets[2], secrets)
        self.reload(self.with_secrets("bob", f'["{new}"]'))
        for client in by_old:
            self.assert_closed(client)
        self.assertEqual(by_new.ask(b"get bob:k\r\n"), b"END")
        with self.gate.connect() as again:
            self.assertEqual(again.ask(text_login(b"bob", b"old")), b"CLIENT_ERROR authentication failure")

    def test_a_secret_that_expires_ends_its_sessions(self):
        old, new = (scram.verifier(password) for password in (b"old", b"new"))

        def until(time):
            return self.with_secrets("bob", f'["{new}", {{ verifier = "{old}", not_after = {time} }}]')
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=6)
        self.reload(until(soon.strftime("%Y-%m-%dT%H:%M:%SZ")))
        by_old, by_new = (self.log_in(text_login(b"bob", password)) for password in (b"old", b"new"))
        self.gate.process.wait_for("event=session_revoked user=bob")
        self.assert_closed(by_old)
        self.assertEqual(by_new.ask(b"get bob:k\r\n"), b"END")
        with self.gate.connect() as again:
            self.assertEqual(again.ask(text_login(b"bob", b"old")), b"CLIENT_ERROR authentication failure")
            self.assertEqual(again.ask(text_login(b"bob", b"new")), b"STORED")
        self.gate.process.wait_for("event=login_refused user=bob")

    def test_a_user_that_is_no_longer_enabled(self):
        bob = self.log_in(BOB)
        self.reload(self.config.replace('name = "bob"', 'name = "bob"\nenabled = false'))
        self.assert_closed(bob)
        with self.gate.connect() as again:
            self.assertEqual(again.ask(BOB), b"CLIENT_ERROR authentication failure")
        self.reload(self.config)
        self.log_in(BOB)

    def test_a_login_under_way_when_the_password_changes(self):
        old = PASSWORDS[b"alice"]

        def begun(mechanism, first):
            client = self.gate.connect()
            self.addCleanup(client.close)
            response = client.call("sasl_auth", mechanism, first)
            self.assertEqual(response.status, AUTH_CONTINUE)
            return client, response.value
        exchanges = []
        for mechanism in scram.HASHES:
            prover = scram.Client(mechanism, b"alice", old)
            client, challenge = begun(mechanism.encode(), prover.first())
            exchanges.append((mechanism.encode(), client, prover.final(challenge)))
        # One step further: the server has seen the proof and waits for the client's assent.
        prover = scram.Client("SCRAM-SHA-256", b"alice", old)
        client, challenge = begun(b"SCRAM-SHA-256", prover.first())
        self.assertEqual(client.call("sasl_step", b"SCRAM-SHA-256", prover.final(challenge)).status, AUTH_CONTINUE)
        exchanges.append((b"SCRAM-SHA-256", client, b""))
        client, _ = begun(b"PLAIN", b"")
        exchanges.append((b"PLAIN", client, plain_message(b"alice", old)))

        self.reload(self.with_password("alice", b"another"))
        for number, (mechanism, client, message) in enumerate(exchanges):
            with self.subTest(row=number, mechanism=mechanism):
                self.assertIn(client.call("sasl_step", mechanism, message).status, (AUTH_ERROR, BUSY))
                client.send(packet("sasl_step", mechanism, b"") + wire.storage("set", b"alice:k", b"x"))
                self.assertIn(client.packet().status, (AUTH_ERROR, BUSY))
                self.assertEqual(client.packet().status, AUTH_ERROR)
                self.assertEqual(client.sasl_plain(b"alice", b"another").status, 0)
                self.assertEqual(client.call("get", b"alice:k").status, wire.NOT_FOUND)

    def test_a_stream_whose_right_is_gone(self):
        def watch():
            client = self.log_in(text_login(b"admin", PASSWORDS[b"admin"]))
            client.send(b"watch fetchers\r\n")
            self.assertEqual(client.line(), b"OK")
            return client
        watcher, other = watch(), self.log_in(text_login(b"admin", PASSWORDS[b"admin"]))
        config = self.config.replace('["*", "admin"]', '["*"]')
        self.assertNotEqual(config, self.config)
        self.reload(config)
        self.assert_closed(watcher)
        self.assertEqual(other.ask(b"watch fetchers\r\n"), DENIED)
        self.assertEqual(other.ask(b"get k\r\n"), b"END")
        self.reload(self.config)
        watch()

    def test_an_anonymous_user_that_is_no_more(self):
        with self.gate.connect(1) as client:
            self.assertEqual(client.ask(b"get k\r\n"), b"END")
            self.reload(self.config.replace('anonymous = "reader"', 'anonymous = "alice"'))
            self.assert_closed(client)
        with self.gate.connect(1) as client:
            self.assertEqual(client.ask(b"get k\r\n"), DENIED)
            self.assertEqual(client.ask(b"get alice:k\r\n"), b"END")

    def test_it_is_told_when_all_workers_go_by_it(self):
        """Not before; and the control thread waits for none that is held up."""
        bob = self.log_in(BOB)
        with held_up_thread(self.gate.process.child.pid, "worker"):
            self.write(self.without_user("bob"))
            deadline = time.monotonic() + harness.START_TIMEOUT
            while '"bob"' in self.admin.get("/users")[1]:
                self.assertLess(time.monotonic(), deadline, "the configuration is not read")
            self.assertNotIn("event=reloaded", self.gate.process.log())
            self.assertEqual(self.admin.metrics()["mcgate_config_generation"], 1)
        self.gate.process.wait_for("event=reloaded")
        self.assertEqual(self.admin.metrics()["mcgate_config_generation"], 2)
        self.assert_closed(bob)

    def test_it_is_told_although_a_worker_has_ended(self):
        alice = self.log_in(ALICE)
        os.kill(self.memcached.process.child.pid, signal.SIGSTOP)
        try:
            # It is on its way when the refusal, which came with it, is there.
            alice.send(b"get bob:k\r\nget alice:k\r\n")
            self.assertEqual(alice.line(), DENIED)
            self.reload_while_draining()
        finally:
            os.kill(self.memcached.process.child.pid, signal.SIGCONT)
        self.assertEqual(alice.line(), b"END")

    def reload_while_draining(self):
        """As soon as one worker is left."""
        self.gate.terminate()
        deadline = time.monotonic() + harness.START_TIMEOUT
        while len(threads_named(self.gate.process.child.pid, "worker")) > 1:
            self.assertLess(time.monotonic(), deadline, "no worker has ended")
            time.sleep(0.01)
        self.reload(self.config)

    def test_a_broken_configuration_changes_nothing(self):
        alice = self.log_in(ALICE)
        broken = [
            (self.config + "\n[nonsense]\n", r"toml:\d+:\d+: "),
            (self.config.replace('roles = ["bob"]', 'roles = ["nobody"]'), r"toml:\d+:\d+: .*nobody"),
            (self.config.replace("SCRAM-SHA-256$4096:", "SCRAM-SHA-256$4096;", 1), r"toml:\d+:\d+: "),
            ("", r"toml"),
            (self.without_user("reader"), r"toml:\d+:\d+: .*reader"),
        ]
        for config, said in broken:
            with self.subTest(said=said):
                self.assertNotEqual(config, self.config)
                before = len(self.gate.process.log())
                self.refusals = self.gate.process.log().count("event=reload_refused")
                self.refuse(config)
                self.reload(self.config)  # a refusal may take several lines; now they are all there
                self.assertRegex(self.gate.process.log()[before:], said)
                self.assertEqual(alice.ask(b"get alice:k\r\n"), b"END")
                self.log_in(BOB).close()

    def test_what_takes_a_restart_is_refused_whole(self):
        bob = self.log_in(BOB)
        line = self.refuse(self.without_user("bob").replace("workers = 2", "workers = 1"))
        self.assertRegex(line, "a change of workers takes a restart")
        self.assertEqual(bob.ask(b"get bob:k\r\n"), b"END")


if __name__ == "__main__":
    unittest.main()
