"""Each bound of the configuration: what happens to who reaches it, that it is counted and logged by its key, and that
nobody else is hurt."""

import contextlib
import os
import re
import resource
import select
import signal
import socket
import subprocess
import time
import unittest

import admin
import harness
import wire
from harness import PASSWORDS
from test_proxy_protocol import LOCAL, version_1
from upstream_case import stopped
from wire import text_login

ALICE = text_login(b"alice", PASSWORDS[b"alice"])
LARGE = b"x" * 1_000_000


def hits(metrics, bound):
    return metrics[f'mcgate_bound_hits_total{{bound="{bound}"}}']


class BoundsCase(unittest.TestCase):
    def start(self, listeners=None, **config):
        config = {"admin": admin.listener(), "workers": 1} | config
        self.memcached, self.gate = harness.start(self, listeners or [harness.plain_listener()], **config)
        self.admin = admin.Admin(config["admin"]["address"])

    def connect(self, listener=0):
        connection = self.gate.connect(listener)
        self.addCleanup(connection.close)
        return connection

    def serving(self, listener=0):
        connection = self.connect(listener)
        self.assertEqual(connection.ask(ALICE), b"STORED")
        return connection

    def assert_reached(self, bound, count=1):
        """Counted, and logged under its key."""
        metrics = self.admin.wait_for(lambda found: hits(found, bound) >= count, f"{count} of {bound}")
        self.assertEqual(hits(metrics, bound), count)
        self.gate.process.wait_for(rf"event=bound_reached limit={re.escape(bound)} ")
        return metrics


@harness.needs_mcgate
class Sessions(BoundsCase):
    def test_in_all(self):
        self.start(limits={"sessions": 3})
        held = [self.serving() for _ in range(3)]
        self.assertEqual(self.connect().rest(), b"")
        self.assert_reached("limits.sessions")
        held.pop().close()
        self.admin.wait_for(lambda found: found["mcgate_sessions"] == 2, "one left")
        held.append(self.serving())
        for client in held:
            self.assertEqual(client.get(b"alice:none"), None)

    def test_of_one_address(self):
        self.start([harness.plain_listener(), harness.unix_listener()], limits={"sessions_per_address": 2}, workers=2)
        held = [self.serving() for _ in range(2)]
        self.assertEqual(self.connect().rest(), b"")
        self.assert_reached("limits.sessions_per_address")
        other = socket.create_connection(self.gate.addresses[0], wire.TIMEOUT, ("127.0.0.2", 0))
        self.addCleanup(other.close)
        other.sendall(ALICE)
        self.assertEqual(other.recv(100), b"STORED\r\n")
        # A Unix socket's clients are told by whose processes they are.
        held += [self.serving(listener=1) for _ in range(2)]
        self.assertEqual(self.connect(listener=1).rest(), b"")
        self.assert_reached("limits.sessions_per_address", count=2)
        held.pop(0).close()
        self.admin.wait_for(lambda found: found["mcgate_sessions"] == 4, "one left")
        held.append(self.serving())
        for client in held:
            self.assertEqual(client.get(b"alice:none"), None)

    def test_of_one_address_behind_a_proxy(self):
        """Whom the proxy speaks for is counted, and the proxy for itself alone."""
        self.start([harness.plain_listener(proxy_protocol_from=["127.0.0.0/8"], insecure_passwords=True)],
                   limits={"sessions_per_address": 1})

        def client_of(header):
            connection = wire.Connection(self.gate.addresses[0])
            self.addCleanup(connection.close)
            connection.send(header + ALICE)
            return connection
        first, second = version_1("192.0.2.1"), version_1("192.0.2.2")
        held = [client_of(header) for header in (first, second, LOCAL)]
        for client in held:
            self.assertEqual(client.line(), b"STORED")
        self.assertEqual(client_of(first).rest(), b"")
        self.assert_reached("limits.sessions_per_address")
        self.gate.process.wait_for("event=bound_reached limit=limits.sessions_per_address peer=192.0.2.1:4711 ")
        held[0].close()
        self.admin.wait_for(lambda found: found["mcgate_sessions"] == 2, "two left")
        self.assertEqual(client_of(first).line(), b"STORED")

    def test_that_have_not_logged_in(self):
        self.start([harness.plain_listener(), harness.tls_listener(), harness.plain_listener(anonymous="reader")],
                   limits={"strangers": 3})
        held = [self.serving() for _ in range(4)]
        self.assertEqual(self.connect(2).ask(b"get alice:none\r\n"), b"END")
        strangers = [self.connect(), self.connect(), wire.Connection(self.gate.addresses[1])]  # the last shakes no hand
        self.addCleanup(strangers[-1].close)
        self.admin.wait_for(lambda found: found["mcgate_strangers"] == 3, "three strangers")
        self.assertEqual(self.connect().rest(), b"")
        self.assert_reached("limits.strangers")
        for client in held:
            self.assertEqual(client.get(b"alice:none"), None)
        # Whoever logs in makes room, and so does whoever leaves.
        self.assertEqual(strangers[0].ask(ALICE), b"STORED")
        late = self.connect()
        self.assertEqual(late.ask(b"get a\r\n"), b"CLIENT_ERROR unauthenticated")
        late.close()
        self.admin.wait_for(lambda found: found["mcgate_strangers"] == 2, "two strangers")


@harness.needs_mcgate
class Bytes(BoundsCase):
    """Unix sockets: they hold little by themselves, so what is not read waits in mcgate."""

    def test_of_a_worker_are_taken_from_who_holds_most(self):
        self.start([harness.unix_listener()],
                   limits={"worker_bytes": 12_000_000, "session_output_bytes": 20_000_000, "value_bytes": 1_048_576})
        other = self.serving()
        self.assertEqual(other.set(b"alice:large", LARGE), b"STORED")
        greedy, modest = self.serving(), self.serving()
        modest.send(b"get alice:large\r\n" * 2)
        self.admin.wait_for(lambda found: found["mcgate_client_waiting_bytes"] > 1_500_000, "two values wait")
        greedy.send(b"get " + b"alice:large " * 16 + b"\r\n")
        self.assert_reached("limits.worker_bytes")
        self.assertLess(len(greedy.rest()), 16 * len(LARGE))
        for _ in range(2):
            self.assertEqual(modest.line(), b"VALUE alice:large 0 %d" % len(LARGE))
            self.assertTrue(modest.read(len(LARGE) + 2) == LARGE + b"\r\n")
            self.assertEqual(modest.line(), b"END")
        self.assertEqual(other.get(b"alice:none"), None)
        self.admin.wait_for(lambda found: found["mcgate_client_waiting_bytes"] == 0, "nothing waits")

    def test_the_keys_of_a_large_get_count(self):
        """They wait until the client has taken what is before them: here, for a memcached that is stopped."""
        self.start([harness.unix_listener()], limits={"worker_bytes": 12_000_000},
                   upstream_options={"reply_timeout_seconds": 600})
        line = b"get " + b" ".join(b"alice:%0244d" % number for number in range(9000)) + b"\r\n"  # 2.3 MB
        askers = [self.serving() for _ in range(3)]
        with stopped(self.memcached.process.child):
            for number, asker in enumerate(askers, 1):
                asker.send(line)
                metrics = self.admin.wait_for(lambda found, least=number * 2_000_000:
                                              found["mcgate_client_waiting_bytes"] > least, f"the keys of {number}")
            self.assertLess(metrics["mcgate_client_waiting_bytes"], 3 * len(line))  # once, and not once more as input
            self.assertEqual(hits(metrics, "limits.worker_bytes"), 0)
            for asker in (more := [self.serving() for _ in range(3)]):
                asker.send(line)
            self.assert_reached("limits.worker_bytes")
            self.admin.wait_for(lambda found: found["mcgate_client_waiting_bytes"] > 4 * 2_000_000, "the others' keys")
        for asker in askers + more:
            asker.finish()
        self.assertEqual(sorted(asker.rest() for asker in askers + more), [b""] + [b"END\r\n"] * 5)

    def test_of_a_session(self):
        """Its replies are larger than limits.value_bytes lets anyone expect: somebody else has stored them."""
        self.start([harness.unix_listener()], limits={"session_output_bytes": 2_000_000, "value_bytes": 1000})
        with self.memcached.connect() as direct:
            self.assertEqual(direct.set(b"alice:large", LARGE), b"STORED")
        other, greedy = self.serving(), self.serving()
        greedy.send(b"get alice:large\r\n" * 10)
        self.assert_reached("limits.session_output_bytes")
        self.assertLess(len(greedy.rest()), 10 * len(LARGE))
        self.assertEqual(other.get(b"alice:none"), None)

    def test_a_log_in_gives_back_no_connection_before_all_is_read(self):
        """Nobody gets another connection of the one that a user may have for what it has not read."""
        alice, = [user for user in harness.users() if user["name"] == "alice"]
        self.start([harness.unix_listener()], users=[alice | {"limits": {"connections": 1}}])
        with self.memcached.connect() as direct:
            self.assertEqual(direct.set(b"alice:large", LARGE), b"STORED")
        greedy = self.connect()
        self.assertEqual(greedy.sasl_plain(b"alice", PASSWORDS[b"alice"]).status, 0)
        greedy.send(wire.packet("get", b"alice:large") +
                    wire.packet("sasl_auth", b"PLAIN", wire.plain_message(b"alice", b"wrong")))
        self.admin.wait_for(lambda found: found["mcgate_client_waiting_bytes"] > 700_000, "the value waits")
        self.assertEqual(self.connect().ask(ALICE), b"CLIENT_ERROR limit exceeded: connections")
        self.assertTrue(greedy.packet().value == LARGE)
        self.assertEqual(greedy.packet().status, wire.AUTH_ERROR)
        self.serving()

    SECONDS = 2

    def read_slowly(self, client, total, pause=0.1, piece=50_000):
        """Half a megabyte a second, until all is there or the other side closes. How much it was."""
        got = 0
        while got < total:
            select.select([], [], [], pause)
            piece_read = client.socket.recv(piece)
            if not piece_read:
                break
            got += len(piece_read)
        return got

    def test_read_too_slowly(self):
        self.start([harness.unix_listener()], timeouts={"write_seconds": self.SECONDS},
                   limits={"write_bytes_per_second": 10_000_000})
        other = self.serving()
        self.assertEqual(other.set(b"alice:large", LARGE), b"STORED")
        slow = self.serving()
        slow.send(b"get alice:large\r\n" * 8)
        self.assertLess(self.read_slowly(slow, 8 * len(LARGE)), 8 * len(LARGE))
        self.assert_reached("limits.write_bytes_per_second")
        self.assertEqual(other.get(b"alice:none"), None)

    def test_read_slowly_but_fast_enough(self):
        self.start([harness.unix_listener()], timeouts={"write_seconds": self.SECONDS})
        slow = self.serving()
        self.assertEqual(slow.set(b"alice:large", LARGE), b"STORED")
        slow.send(b"get alice:large\r\n" * 4)
        answer = len(b"VALUE alice:large 0 1000000\r\n" + LARGE + b"\r\nEND\r\n")
        self.assertEqual(self.read_slowly(slow, 4 * answer), 4 * answer)
        self.assertEqual(slow.get(b"alice:none"), None)


@harness.needs_mcgate
class Requests(BoundsCase):
    """What is too large is refused, and its client stays."""

    def test_keys(self):
        self.start(limits={"keys_per_request": 3})
        client = self.serving()
        self.assertEqual(client.ask(b"get alice:a alice:b alice:c\r\n"), b"END")
        for request in (b"get %s\r\n", b"gets %s\r\n", b"gat 0 %s\r\n"):
            self.assertEqual(client.ask(request % b"alice:a alice:b alice:c alice:d"), b"CLIENT_ERROR too many keys")
        self.assert_reached("limits.keys_per_request", count=3)
        self.assertEqual(client.get(b"alice:none"), None)

    def test_value(self):
        self.start(limits={"value_bytes": 10})
        text, binary = self.serving(), self.connect()
        self.assertEqual(binary.sasl_plain(b"alice", PASSWORDS[b"alice"]).status, 0)
        self.assertEqual(text.set(b"alice:a", b"x" * 10), b"STORED")
        self.assertEqual(text.set(b"alice:a", b"x" * 11), b"SERVER_ERROR object too large for cache")
        self.assertEqual(binary.call("set", b"alice:a", b"x" * 11, bytes(8)).status, wire.TOO_LARGE)
        self.assert_reached("limits.value_bytes", count=2)
        self.assertEqual(text.get(b"alice:a"), b"x" * 10)


@harness.needs_mcgate
class Waiting(BoundsCase):
    def test_requests_in_flight(self):
        """Who asks for more waits, gets all of it, and it is no fault of anyone's: told to who looks closely."""
        for level in ("info", "debug"):
            with self.subTest(level=level):
                self.start(limits={"requests_in_flight": 4}, log={"level": level})
                client = self.serving()
                client.send(b"get alice:none\r\n" * 40)
                for _ in range(40):
                    self.assertEqual(client.line(), b"END")
                self.assertGreater(hits(self.admin.metrics(), "limits.requests_in_flight"), 0)
                if level == "debug":
                    self.gate.process.wait_for("level=debug event=bound_reached limit=limits.requests_in_flight peer=.* "
                                               "user=alice")
                else:
                    self.assertNotIn("bound_reached", self.gate.process.log())


@harness.needs_mcgate
class CongestedLink(BoundsCase):
    """memcached takes nothing, and sessions have more for it than may wait: for most of them the link is full."""

    BOUND = "limits.link_output_bytes"

    def start_with(self, users):
        """A session of each, all logged in."""
        self.start([harness.unix_listener()], upstream_options={"reply_timeout_seconds": 600},
                   limits={"value_bytes": 10_000, "link_output_bytes": 100_000})
        with self.memcached.connect() as direct:
            self.assertEqual(direct.set(b"shared:log", b""), b"STORED")
        clients = [self.connect() for _ in users]
        for client, user in zip(clients, users):
            self.assertEqual(client.ask(text_login(user, PASSWORDS[user])), b"STORED")
        return clients

    @staticmethod
    def piece(number):
        return b"%08d" % number * 1000

    def append_in_turn(self, clients):
        """Each asks for its piece to be appended, after the one before was understood. How many had to wait."""
        for number, client in enumerate(clients):
            received = self.admin.metrics()["mcgate_client_received_bytes_total"]
            request = b"append shared:log 0 0 8000\r\n%s\r\n" % self.piece(number)
            client.send(request)
            self.admin.wait_for(
                lambda found, until=received + len(request): found["mcgate_client_received_bytes_total"] >= until,
                f"request {number} read")
        self.assertEqual(self.connect().ask(b"get a\r\n"), b"CLIENT_ERROR unauthenticated")  # so the last one, too
        waiting = hits(self.admin.metrics(), self.BOUND)
        self.assertGreater(waiting, len(clients) // 2)
        self.gate.process.wait_for(rf"level=warning event=bound_reached limit={self.BOUND} peer=.* user=alice")
        return waiting

    def test_each_goes_on_in_its_turn_and_waits_once(self):
        """Also behind those who were closed while they waited."""
        users = [b"bob" if 60 <= number < 70 else b"alice" for number in range(100)]
        clients = self.start_with(users)
        with stopped(self.memcached.process.child):
            waiting = self.append_in_turn(clients)
            with open(self.gate.config, encoding="utf-8") as file:
                config = file.read()
            with open(self.gate.config, "w", encoding="utf-8") as file:
                file.write(re.sub(r'\[\[user\]\]\nname = "bob"\n(?:.+\n)*', "", config))
            self.gate.process.child.send_signal(signal.SIGHUP)
            for client, user in zip(clients, users):
                if user == b"bob":
                    self.assertEqual(client.rest(), b"")
        written = b""
        for number, (client, user) in enumerate(zip(clients, users)):
            if user == b"alice":
                self.assertEqual(client.line(), b"STORED")
                written += self.piece(number)
        with self.memcached.connect() as direct:
            self.assertTrue(direct.get(b"shared:log") == written)
        self.assertEqual(hits(self.admin.metrics(), self.BOUND), waiting)

    def test_the_link_is_lost(self):
        clients = self.start_with([b"alice"] * 100)
        with stopped(self.memcached.process.child):
            waiting = self.append_in_turn(clients)
            self.memcached.kill()
        for client in clients:
            self.assertEqual(client.line(), b"SERVER_ERROR upstream unavailable")
        self.memcached.start()
        self.gate.process.wait_for("event=upstream_up .*dialect=text", 2)
        # What had not gone up has no unknown outcome.
        for client in clients[-waiting:]:
            self.assertEqual(client.get(b"alice:none"), None)


def has_ubsan():
    with open(harness.MCGATE, "rb") as program:
        return b"__ubsan_handle" in program.read()


@harness.needs_mcgate
class Descriptors(BoundsCase):
    def open_files(self):
        return len(os.listdir(f"/proc/{self.gate.process.child.pid}/fd"))

    def test_none_left(self):
        """Newcomers are turned away, those who are there are served, and the loop does not turn for nothing."""
        if has_ubsan():
            self.skipTest("UBSan asks for descriptors of its own to look at an object, and takes none for a fault")
        self.start(limits={"sessions": 100})
        held = [self.serving() for _ in range(3)]
        pid = self.gate.process.child.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (self.open_files(), before[1]))
        clients = [self.connect() for _ in range(20)]
        self.assertEqual(clients[0].rest(), b"")
        self.gate.process.wait_for('level=error event=accept_failed reason=".*" limit=descriptors sessions=3$')
        for client in held:
            self.assertEqual(client.get(b"alice:none"), None)
        # At most one is refused every tenth of a second, so all twenty take two seconds; if it spun it were at once.
        began = time.monotonic()
        for client in clients[1:]:
            self.assertEqual(client.rest(), b"")
        elapsed = time.monotonic() - began
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        self.assertEqual(self.serving().get(b"alice:none"), None)
        self.assertEqual(hits(self.admin.metrics(), "descriptors"), 20)
        self.assertLessEqual(20, elapsed / 0.1 + 3)
        self.assertEqual(self.admin.get("/readyz")[0], 200)

    def test_enough_for_all_that_may_be_open_at_once(self):
        """All sessions, and a question to saslauthd for many of them, beside what mcgate needs for itself."""
        runners, sessions = 120, 150
        path = harness.fresh_path(".mux")
        dave = {"name": "dave", "password_source": "saslauthd"}
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.socket(socket.AF_UNIX) as saslauthd, contextlib.ExitStack() as questions:
            saslauthd.settimeout(wire.TIMEOUT)
            saslauthd.bind(path)
            saslauthd.listen(8)
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (64, before[1]))  # so that it asks for just what it needs
                self.start([harness.unix_listener()], users=[*harness.users(), dave], limits={"sessions": sessions},
                           login={"saslauthd": path, "saslauthd_timeout_seconds": 60, "saslauthd_runners": runners})
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, before)
            for _ in range(runners):
                self.connect().send(text_login(b"dave", b"x"))
                questions.enter_context(saslauthd.accept()[0])
            for client in [self.serving() for _ in range(sessions - runners)]:
                self.assertEqual(client.get(b"alice:none"), None)

    def run_with(self, files, sessions):
        """mcgate, unable to raise the limit of open files over `files`: (exit status, its log)."""
        config = harness.fresh_path(".toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(harness.config_text(f"unix:{harness.fresh_path('.none')}", [harness.plain_listener()], workers=1,
                                           limits={"sessions": sessions}, admin=admin.listener()))
        # Root could raise it, so it may not be root of that.
        command = ["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [*command, harness.MCGATE, "serve", "-c", config], capture_output=True, text=True, check=False, timeout=60,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)))
        return done.returncode, done.stderr

    def test_not_to_be_had(self):
        status, log = self.run_with(files=256, sessions=1000)
        self.assertEqual(status, 71)  # EX_OSERR
        line, = [line for line in log.splitlines() if "level=error" in line]
        self.assertRegex(line, r"limits\.sessions = 1000 needs \d+ file descriptors; raise the limit")


if __name__ == "__main__":
    unittest.main()
