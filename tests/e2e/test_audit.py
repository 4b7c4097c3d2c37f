"""The audit trail: each decision is told once, in JSON, and nothing that happens to the file holds anybody up."""

import json
import os
import signal
import stat
import time
import unittest

import harness
import wire
from harness import PASSWORDS
from wire import text_login

ALICE = text_login(b"alice", PASSWORDS[b"alice"])
ADMIN = text_login(b"admin", PASSWORDS[b"admin"])
DENIED = b"CLIENT_ERROR access denied"
CANARY = "canary-7f3a"


@harness.needs_mcgate
class Audit(unittest.TestCase):
    def start(self, listener=None, **audit):
        self.file = audit.setdefault("file", harness.fresh_path(".audit"))
        self.memcached, self.gate = harness.start(
            self, [listener or harness.plain_listener()], audit={"keys": "full", "group_seconds": 3600} | audit,
            admin={"address": f"unix:{harness.fresh_path('.admin')}"})

    def client(self, login=None):
        client = self.gate.connect()
        self.addCleanup(client.close)
        if login:
            self.assertEqual(client.ask(login), b"STORED")
        return client

    def text(self, file=None):
        with open(file or self.file, encoding="ascii") as opened:
            return opened.read()

    def events(self, name=None, file=None):
        lines = [json.loads(line) for line in self.text(file).splitlines()]
        return [line for line in lines if name in (None, line["event"])]

    def wait_for(self, name, count=1, file=None):
        end = time.monotonic() + harness.START_TIMEOUT
        while time.monotonic() < end:
            if self.text(file).endswith("\n") and len(found := self.events(name, file)) >= count:
                return found
            time.sleep(0.02)
        self.fail(f"{name} was not told {count} times:\n{self.text(file)}")

    def signal(self, number):
        self.gate.process.child.send_signal(number)

    def assert_event(self, event, **facts):
        self.assertEqual({name: event.get(name) for name in facts}, facts)
        self.assertIn("ts", event)

    def test_text(self):
        self.start()
        self.assertEqual(stat.S_IMODE(os.stat(self.file).st_mode), 0o600)
        stranger = self.client()
        stranger.send(b"get x\r\n")
        stranger.line()
        self.wait_for("unauthenticated")
        stranger = self.client()
        stranger.ask(text_login(b"alice", b"wrong"))
        client = self.client(ALICE)
        self.assertEqual(client.ask(b"get alice:k bob:k\r\n"), DENIED)
        self.assertEqual(client.ask(b"flush_all\r\n"), DENIED)
        self.assertEqual(client.ask(b"mg bob:m v\r\n"), DENIED)
        admin = self.client(ADMIN)
        self.assertEqual(admin.ask(b"flush_all\r\n"), b"OK")
        self.wait_for("administrative")
        here = {"user": "alice", "address": "127.0.0.1", "listener": "127.0.0.1:0"}
        self.assert_event(self.events("login_refused")[0], proof="text", **here)
        login = self.events("login")[0]
        self.assert_event(login, proof="text", **here)
        self.assertIsInstance(login["port"], int)
        get, flush, meta = self.events("denied")
        self.assert_event(get, command="get", key="bob:k", **here)
        self.assertIn("no grant", get["rule"])
        self.assert_event(flush, command="flush_all", **here)
        self.assert_event(meta, command="mg", key="bob:m", **here)
        self.assert_event(self.events("administrative")[0], user="admin", command="flush_all")

    def test_where_all_pass(self):
        """Nothing is denied there; what is done to all of the cache is told, whoever does it."""
        self.start(listener=harness.plain_listener(auth="observe"))
        stranger = self.client()
        self.assertEqual(stranger.ask(b"get k\r\n"), b"END")
        self.assertEqual(stranger.ask(b"flush_all\r\n"), b"OK")
        told = self.wait_for("administrative")[0]
        self.assert_event(told, user=None, address="127.0.0.1", command="flush_all")
        self.assertEqual({event["event"] for event in self.events()}, {"configuration", "administrative"})

    def test_a_denial_names_its_rule_and_line(self):
        self.start()
        reader = self.client(text_login(b"reader", PASSWORDS[b"reader"]))
        self.assertEqual(reader.ask(b"get secret\r\n"), DENIED)
        denied = self.wait_for("denied")[0]
        with open(self.gate.config, encoding="utf-8") as file:
            self.assertIn("secret*", file.read().splitlines()[denied["line"] - 1])
        self.assertIn("reader", denied["rule"])

    def test_binary(self):
        self.start()
        client = self.client()
        client.sasl_plain(b"alice", b"wrong")
        client.sasl_plain(b"alice", PASSWORDS[b"alice"])
        client.call("get", b"bob:\xff")
        admin = self.client()
        admin.sasl_plain(b"admin", PASSWORDS[b"admin"])
        admin.call("flush")
        self.wait_for("administrative")
        self.assert_event(self.events("login_refused")[0], user="alice", proof="PLAIN")
        self.assert_event(self.events("login")[0], user="alice", proof="PLAIN")
        self.assert_event(self.wait_for("denied")[0], user="alice", command="get", key_hex=b"bob:\xff".hex())
        self.assert_event(self.events("administrative")[0], user="admin", command="flush_all")

    def test_what_happens_again_is_counted(self):
        self.start()
        client = self.client(ALICE)
        for _ in range(50):
            self.assertEqual(client.ask(b"get bob:k\r\n"), DENIED)
        self.gate.stop()
        first, again = self.events("denied")
        self.assertNotIn("count", first)
        self.assert_event(again, count=49, key="bob:k", rule=first["rule"])
        self.assertLessEqual(again["first"], again["last"])

    def test_configurations(self):
        self.start()
        self.signal(signal.SIGHUP)
        self.wait_for("configuration", 2)
        with open(self.gate.config, "a", encoding="utf-8") as file:
            file.write("[nonsense]\n")
        self.signal(signal.SIGHUP)
        refused = self.wait_for("configuration_refused")[0]
        self.assertEqual([event["generation"] for event in self.events("configuration")], [1, 2])
        self.assert_event(refused, generation=2)
        self.assertIn("nonsense", refused["reason"])

    def test_rotation(self):
        self.start(group_seconds=0)
        client = self.client(ALICE)
        self.wait_for("login")
        moved = self.file + ".1"
        os.rename(self.file, moved)
        self.assertEqual(client.ask(b"get bob:before\r\n"), DENIED)
        self.wait_for("denied", file=moved)
        self.signal(signal.SIGUSR1)
        self.gate.process.wait_for("event=audit_reopened")
        self.assertEqual(client.ask(b"get bob:after\r\n"), DENIED)
        self.assertEqual([event["key"] for event in self.wait_for("denied")], ["bob:after"])
        self.assertEqual([event["key"] for event in self.events("denied", moved)], ["bob:before"])
        os.rename(self.file, moved)
        os.mkdir(self.file)
        self.signal(signal.SIGUSR1)
        self.gate.process.wait_for("event=audit_reopen_failed")
        self.assertEqual(client.ask(b"get bob:kept\r\n"), DENIED)
        self.wait_for("denied", 2, moved)

    def test_a_disk_that_is_full_holds_nobody_up(self):
        self.start(file="/dev/full", group_seconds=0)
        client = self.client(ALICE)
        for _ in range(100):
            self.assertEqual(client.ask(b"get bob:k\r\n"), DENIED)
        self.assertEqual(client.ask(b"get alice:k\r\n"), b"END")

    def test_a_fifo_that_nobody_reads_holds_nobody_up(self):
        path = harness.fresh_path(".fifo")
        os.mkfifo(path)
        self.start(file=path, group_seconds=0)
        client = self.client(ALICE)
        for i in range(2000):  # some 400 KB, and a pipe holds 64
            self.assertEqual(client.ask(b"get bob:%d\r\n" % i), DENIED)
        fd = os.open(path, os.O_RDONLY)
        told, text = 0, ""
        while told + text.count('"denied"') < 2000:  # what is missing is said, as soon as there is room
            text += os.read(fd, 65536).decode("ascii")
            whole = text[:text.rfind("\n") + 1].splitlines()
            lines = [json.loads(line) for line in whole]
            told = sum(line["count"] for line in lines if line["event"] == "events_dropped")
        os.close(fd)
        self.assertGreater(told, 0)
        self.assertEqual(told + sum(line["event"] == "denied" for line in lines), 2000)

    def test_no_secret_and_no_value(self):
        self.start(group_seconds=0)
        bad = self.client()
        bad.ask(text_login(b"alice", CANARY.encode() + b"1"))
        bad.ask(text_login(CANARY.encode() + b"2", b"x"))
        binary = self.client()
        binary.sasl_plain(CANARY.encode() + b"3", CANARY.encode() + b"4")
        binary.sasl_plain(b"alice", PASSWORDS[b"alice"])
        binary.send(wire.storage("set", b"bob:k", CANARY.encode() + b"5"))
        binary.packet()
        client = self.client(ALICE)
        value = CANARY.encode() + b"6"
        for key in (b"alice:k", b"bob:k"):
            client.ask(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value))
            client.ask(b"ms %s %d\r\n%s\r\n" % (key, len(value), value))
        self.gate.stop()
        text = self.text()
        self.assertGreaterEqual(len(self.events("login_refused")), 3)
        self.assertGreaterEqual(len(self.events("denied")), 3)
        self.assertNotIn(CANARY, text)
        self.assertNotIn(CANARY.encode().hex(), text)
        for password in PASSWORDS.values():
            self.assertNotIn(password.decode(), text)
        self.assertIn("unknown", [event["user"] for event in self.events("login_refused")])

    def test_beside_the_log(self):
        memcached, gate = harness.start(self, [harness.plain_listener()], audit={"file": "stderr"})
        with gate.connect() as client:
            self.assertEqual(client.ask(ALICE), b"STORED")
        line = gate.process.wait_for(r'^\{.*"event":"login"')[0]
        self.assertEqual(json.loads(line)["user"], "alice")

    def test_a_file_that_cannot_be_opened(self):
        self.start()
        with open(self.gate.config, encoding="utf-8") as file:
            config = file.read()
        path = harness.fresh_path(".toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config.replace(self.file, "/nowhere/audit.log"))
        process = harness.Process([harness.MCGATE, "serve", "-c", path])
        self.assertEqual(process.wait(), os.EX_CANTCREAT)
        self.assertRegex(process.log(), r"\.toml:\d+:\d+: /nowhere/audit\.log cannot be opened")
        process.kill()


if __name__ == "__main__":
    unittest.main()
