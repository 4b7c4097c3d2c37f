"""What a client can make mcgate hold, and for how long: pipelined requests, large replies, dumps of a memcached that hangs,
and TLS's own answers."""

import select
import time
import unittest

import admin
import harness
import tls_records
import wire
from fake_backend import FakeBackend
from harness import PASSWORDS
from upstream_case import DENIED, TIMED_OUT, UNAVAILABLE, UpstreamCase, resident

MEGABYTE = 1_000_000
STALLED = 2  # seconds for which the other side takes nothing


def push(socket, pieces, most):
    """Sends until the other side takes no more, or has closed, or has taken `most` bytes. How many it took."""
    socket.setblocking(False)
    taken = 0
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            if taken >= most or not select.select([], [socket], [], STALLED)[1]:
                return taken
            try:
                sent = socket.send(rest[:65536])
            except BlockingIOError:
                continue
            except ConnectionError:
                return taken
            taken += sent
            rest = rest[sent:]


def value(number):
    return b"%03d." % number * (MEGABYTE // 4)


class LimitsCase(UpstreamCase):
    def start(self, listeners=None, **config):
        # A Unix socket holds little by itself: what is not read waits in mcgate.
        super().start(listeners or [harness.unix_listener()], **config)

    def assert_grew_less(self, before, most):
        if before is not None:
            self.assertLess(resident(self.gate) - before, most)

    def store(self, count):
        with self.memcached.connect() as direct:
            for number in range(count):
                self.assertEqual(direct.set(b"alice:%d" % number, value(number)), b"STORED")

    def read_value(self, connection, number):
        self.assertEqual(connection.line(), b"VALUE alice:%d 0 %d" % (number, MEGABYTE))
        self.assertTrue(connection.read(MEGABYTE + 2) == value(number) + b"\r\n", number)

    def assert_lives(self, connection):
        self.assertEqual(connection.ask(b"nonsense\r\n"), b"ERROR")


@harness.needs_mcgate
class Memory(LimitsCase):
    def test_answers_of_our_own_behind_one_in_flight(self):
        self.start(upstream_options={"reply_timeout_seconds": 120})
        client = self.connect()
        before = resident(self.gate)
        self.pause_memcached()
        self.send_upstream(client, b"get alice:a\r\n")
        taken = push(client.socket, iter(lambda: b"mn\r\n" * 100_000, None), 64 * MEGABYTE)
        self.assertLess(taken, 16 * MEGABYTE)
        self.assert_grew_less(before, 8 * MEGABYTE)
        self.resume_memcached()
        client.socket.settimeout(wire.TIMEOUT)
        self.assertEqual(client.line(), b"END")
        whole, begun = divmod(taken, 4)
        self.assertTrue(client.read(4 * whole) == b"MN\r\n" * whole)
        client.send(b"mn\r\n"[begun:])
        self.assertEqual(client.line(), b"MN")

    @unittest.skipUnless(tls_records.AESGCM, "python3-cryptography is not installed")
    def test_answers_of_tls_itself(self):
        self.start([harness.tls_listener()])
        client = tls_records.Client(self.gate.addresses[0])
        self.addCleanup(client.socket.close)
        before = resident(self.gate)
        # Each asks for a renegotiation, and is answered that there is none.
        pieces = iter(lambda: b"".join(client.record(tls_records.HANDSHAKE, tls_records.CLIENT_HELLO_OF_NOTHING)
                                       for _ in range(1000)), None)
        push(client.socket, pieces, 24 * MEGABYTE)
        self.assertEqual(self.connect().get(b"alice:a"), None)
        self.assert_grew_less(before, 8 * MEGABYTE)

    def test_idle_connections(self):
        self.start([harness.tls_listener()])
        if resident(self.gate) is None:
            return
        # The first bring what all share, and the holes that handshakes leave.
        clients = [self.ask_once() for _ in range(200)]
        before = resident(self.gate)
        clients += [self.ask_once() for _ in range(600)]
        grew = (resident(self.gate) - before) / 600
        self.assertLess(grew, 14_800)  # what the first brought comes to some 500 bytes each of 2,000
        self.assertEqual(clients[0].get(b"alice:a"), None)

    def ask_once(self):
        client = self.connect()
        self.assertEqual(client.get(b"alice:a"), None)
        return client

    def test_buffers_of_those_who_were_busy(self):
        self.start([harness.tls_listener()])
        self.connect().get(b"alice:a")
        before = resident(self.gate)
        if before is None:
            return
        clients = []
        for _ in range(300):
            # Busy at once, so that what it frees lies between what the next ones keep: at the heap's end, up to 64 MB
            # stay for values to come.
            clients.append(self.connect())
            for _ in range(8):
                self.assertEqual(clients[-1].get(b"alice:a"), None)
        # TLS's alone come to some 33 KB each. Waited for: the time it takes is no promise.
        deadline = time.monotonic() + harness.START_TIMEOUT
        while (grew := (resident(self.gate) - before) / len(clients)) > 24 * 1024 and time.monotonic() < deadline:
            time.sleep(0.2)
        self.assertLess(grew, 24 * 1024)
        for client in clients:
            self.assertEqual(client.get(b"alice:a"), None)


@harness.needs_mcgate
class Copies(LimitsCase):
    """A large value is in memory twice at most while it passes: as it arrives, and as it leaves."""
    SIZE = 8 * MEGABYTE
    KEY = b"alice:large"

    def peak(self):
        """The most memory that mcgate has ever had."""
        with open(f"/proc/{self.gate.process.child.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))

    def check(self, listener, dialect, direction):
        self.start([listener], memcached_options=["-I", "16m", "-m", "256"], limits={"value_bytes": 2 * self.SIZE})
        if resident(self.gate) is None:
            return
        data = b"%08d" * (self.SIZE // 8) % tuple(range(self.SIZE // 8))
        client = self.connect(binary=dialect == "binary")
        with self.memcached.connect() as direct:
            if direction == "get":
                direct.set(self.KEY, data)
            before = resident(self.gate)
            if direction == "get":
                self.assertEqual(getattr(self, f"get_{dialect}")(client), data)
            else:
                getattr(self, f"set_{dialect}")(client, data)
                self.assertEqual(direct.get(self.KEY), data)
        self.assertLess(self.peak() - before, 2 * self.SIZE + 3 * MEGABYTE)

    def set_text(self, client, data):
        self.assertEqual(client.set(self.KEY, data), b"STORED")

    def get_text(self, client):
        return client.get(self.KEY)

    def set_meta(self, client, data):
        self.assertEqual(client.ask(b"ms %s %d\r\n%s\r\n" % (self.KEY, len(data), data)), b"HD")

    def get_meta(self, client):
        self.assertEqual(client.ask(b"mg %s v\r\n" % self.KEY), b"VA %d" % self.SIZE)
        return client.read(self.SIZE + 2)[:-2]

    def set_binary(self, client, data):
        client.send(wire.storage(0x01, self.KEY, data))
        self.assertEqual(client.packet().status, 0)

    def get_binary(self, client):
        client.send(wire.packet(0x00, self.KEY))
        return client.packet().value

    def test_every_dialect(self):
        for transport, make in (("plain", harness.unix_listener), ("tls", harness.tls_listener)):
            for dialect in ("text", "meta", "binary"):
                for direction in ("set", "get"):
                    with self.subTest(transport=transport, dialect=dialect, direction=direction):
                        self.check(make(), dialect, direction)


@harness.needs_mcgate
class LargeReplies(LimitsCase):
    def test_many_large_values_read_slowly(self):
        self.start(memcached_options=["-m", "1024"])
        self.store(200)
        client, other = self.connect(), self.connect()
        client.send(b"get " + b" ".join(b"alice:%d" % number for number in range(200)) + b"\r\n")
        for number in range(200):
            self.read_value(client, number)
            self.assertEqual(other.get(b"alice:none"), None)
        self.assertEqual(client.line(), b"END")
        self.assert_lives(client)

    def test_many_long_keys(self):
        self.start()
        keys = [b"alice:%0234d" % number for number in range(10_000)]
        hits = [0, 1, 62, 63, 1024, 5000, 9999]
        with self.memcached.connect() as direct:
            for number in hits:
                self.assertEqual(direct.set(keys[number], b"%d" % number), b"STORED")
        client = self.connect()
        client.socket.settimeout(120)
        for command, fields in ((b"get", 4), (b"gets", 5)):
            for key_list, expected in ((keys, hits), (keys[2:62] * 150, [])):
                with self.subTest(command=command, keys=len(key_list)):
                    client.send(b"%s %s\r\n" % (command, b" ".join(key_list)))
                    lines = client.lines_until(b"END")
                    self.assertEqual([line.split(b" ")[:4] for line in lines[::2]],
                                     [[b"VALUE", keys[number], b"0", b"%d" % len(str(number))] for number in expected])
                    self.assertEqual({len(line.split(b" ")) for line in lines[::2]}, {fields} if expected else set())
                    self.assertEqual(lines[1::2], [b"%d" % number for number in expected])
        self.assert_lives(client)

    # A get of 40 keys goes up ten at a time.
    WINDOW, ALL = 10, 40

    def begin(self):
        """A client whose get has its first window's values waiting in mcgate, and another client."""
        self.start(limits={"requests_in_flight": self.WINDOW})
        self.store(self.ALL)
        client, other = self.connect(), self.connect()
        self.send_upstream(client, b"get " + b" ".join(b"alice:%d" % number for number in range(self.ALL)) + b"\r\n")
        self.assertEqual(other.get(b"alice:none"), None)  # behind it, on the same link
        return client, other

    def finish(self, client):
        for number in range(self.WINDOW):
            self.read_value(client, number)
        self.assertEqual(client.line(), UNAVAILABLE)
        self.assert_lives(client)

    def test_memcached_is_lost_between_windows(self):
        client, _ = self.begin()
        self.kill_memcached()
        self.finish(client)
        self.restart_memcached()
        self.assertEqual(client.get(b"alice:0"), None)

    def test_lost_between_windows_with_nothing_else_to_say(self):
        """The error is written though no input was taken and all output had left: whatever the sizes, nobody waits."""
        for window in (5, 6, 7):
            with self.subTest(window=window):
                self.start([harness.plain_listener()], limits={"requests_in_flight": window})
                self.store(20)
                client, other = self.connect(), self.connect()
                keys = b" ".join(b"alice:%d" % number for number in range(20))
                self.send_upstream(client, b"get " + keys + b"\r\n")
                self.assertEqual(other.get(b"alice:none"), None)
                self.kill_memcached()
                number = 0
                while (line := client.line()) != UNAVAILABLE:
                    self.assertEqual(line, b"VALUE alice:%d 0 %d" % (number, MEGABYTE))
                    client.read(MEGABYTE + 2)
                    number += 1
                self.assert_lives(client)

    def test_more_is_asked_over_tls_while_replies_wait(self):
        self.start([harness.tls_listener()])
        self.store(16)
        client, other = self.connect(), self.connect()
        self.send_upstream(client, b"get " + b" ".join(b"alice:%d" % number for number in range(16)) + b"\r\n")
        self.assertEqual(other.get(b"alice:none"), None)
        client.send(b"get alice:1\r\n")
        self.assertEqual(other.get(b"alice:none"), None)
        for number in range(16):
            self.read_value(client, number)
        self.assertEqual(client.line(), b"END")
        self.read_value(client, 1)
        self.assertEqual(client.line(), b"END")

    def test_memcached_is_lost_in_a_window(self):
        client, other = self.begin()
        self.pause_memcached()
        for number in range(self.WINDOW):
            self.read_value(client, number)
        self.assertEqual(other.ask(b"get bob:x\r\n"), DENIED)  # a turn later: the next window is on the link
        before = self.logged("upstream_down")
        self.memcached.kill()
        self.assertEqual(client.line(), UNAVAILABLE)
        self.gate.process.wait_for(r"event=upstream_down ", before + 2)
        self.assert_lives(client)
        self.restart_memcached()
        self.assertEqual(client.get(b"alice:0"), None)


@harness.needs_mcgate
class Idle(LimitsCase):
    def test_a_slow_reader_is_not_idle(self):
        self.start(timeouts={"idle_seconds": 2})
        self.store(20)
        client = self.connect()
        client.send(b"".join(b"get alice:%d\r\n" % number for number in range(20)))
        for number in range(20):
            # More time than the limit, at once and in all, while there is more to come.
            select.select([], [], [], 5 if number == 1 else 0.3 if number < 18 else 0)
            self.read_value(client, number)
            self.assertEqual(client.line(), b"END")
        self.assertEqual(client.get(b"alice:none"), None)
        self.assertEqual(client.rest(), b"")  # now it is


@harness.needs_mcgate
class Streams(UpstreamCase):
    def test_no_more_than_there_may_be(self):
        table = admin.listener()
        self.start(limits={"streams": 1}, admin=table)
        watcher, other = self.connect(b"admin"), self.connect(b"admin")
        self.assertEqual(watcher.ask(b"watch fetchers\r\n"), b"OK")
        self.assertRegex(other.ask(b"watch fetchers\r\n"), b"^SERVER_ERROR ")
        self.assertEqual(other.get(b"none"), None)
        self.gate.process.wait_for("event=bound_reached limit=limits.streams peer=.* user=admin")
        metrics = admin.Admin(table["address"]).metrics()
        self.assertEqual(metrics['mcgate_bound_hits_total{bound="limits.streams"}'], 1)

    def test_no_more_is_held_meanwhile_than_there_may_be(self):
        """What a client sends while its stream is under way, to be answered afterwards."""
        table, most = admin.listener(), 65536
        self.start(admin=table)
        told, counted = admin.Admin(table["address"]), 'mcgate_bound_hits_total{bound="ahead"}'
        watchers = [self.connect(b"admin") for _ in range(2)]
        other = self.connect(b"admin")
        for watcher in watchers:
            self.assertEqual(watcher.ask(b"watch fetchers\r\n"), b"OK")
        received = told.metrics()["mcgate_client_received_bytes_total"]
        for watcher in watchers:
            watcher.send(b"mn\r\n" * (most // 4))
        metrics = told.wait_for(lambda found: found["mcgate_client_received_bytes_total"] >= received + 2 * most, "all read")
        self.assertEqual((metrics[counted], metrics["mcgate_sessions"]), (0, 3))
        watchers[0].send(b"m")
        self.assertEqual(watchers[0].rest(), b"")
        self.gate.process.wait_for("level=warning event=bound_reached limit=ahead peer=.* user=admin$")
        self.assertEqual(told.metrics()[counted], 1)
        self.assertEqual(other.get(b"none"), None)
        told.wait_for(lambda found: found["mcgate_sessions"] == 2, "the other watcher stays")

    def test_memcached_may_rest_before_a_watch_begins(self):
        """A second, where there is a watcher already and little to tell; that is no failure."""
        self.start(upstream_options={"reply_timeout_seconds": 0.5})
        there = self.memcached.connect()
        self.addCleanup(there.close)
        self.assertEqual(there.ask(b"watch fetchers\r\n"), b"OK")
        took, deadline = 0, time.monotonic() + harness.START_TIMEOUT
        while took < 0.9:
            self.assertLess(time.monotonic(), deadline, "memcached rests no longer than that")
            with self.memcached.connect() as another:
                began = time.monotonic()
                self.assertEqual(another.ask(b"watch fetchers\r\n"), b"OK")
                took = time.monotonic() - began
        self.assertEqual(self.connect(b"admin").ask(b"watch fetchers\r\n"), b"OK")


@harness.needs_mcgate
class HungStreams(unittest.TestCase):
    """Of a memcached that takes requests and never answers."""

    STREAMS = 3

    def setUp(self):
        self.backend = FakeBackend(lambda request: b"")
        self.addCleanup(self.backend.stop)
        admin_listener = admin.listener()
        self.gate = harness.Mcgate(
            self.backend.upstream(), [harness.plain_listener()], users=harness.users(), roles=harness.ROLES, workers=1,
            limits={"sessions": 100, "streams": self.STREAMS}, upstream_options={"reply_timeout_seconds": 1},
            admin=admin_listener)
        self.admin = admin.Admin(admin_listener["address"])
        self.addCleanup(self.gate.stop)

    def connect(self):
        connection = self.gate.connect()
        self.addCleanup(connection.close)
        self.assertEqual(connection.login(b"admin", PASSWORDS[b"admin"]), b"STORED")
        return connection

    def test_each_gets_an_error_in_time(self):
        client = self.connect()
        streams = {b"lru_crawler metadump all\r\n": '"lru_crawler metadump"', b"stats cachedump 1 0\r\n": '"stats cachedump"',
                   b"stats conns\r\n": '"stats conns"', b"watch fetchers\r\n": "watch"}
        for request, command in streams.items():
            with self.subTest(request=request):
                self.assertEqual(client.ask(request), TIMED_OUT)
                self.assertEqual(client.ask(b"nonsense\r\n"), b"ERROR")
                self.gate.process.wait_for(f'event=stream_lost user=admin peer=\\S+ command={command} '
                                           'reason="no answer within upstream.reply_timeout_seconds"')
        self.assertEqual(self.admin.metrics()['mcgate_upstream_failures_total{reason="timeout"}'], len(streams))

    def test_those_who_left_leave_room(self):
        for _ in range(self.STREAMS):
            client = self.connect()
            client.send(b"lru_crawler metadump all\r\n")
            client.finish()
            client.close()
        self.backend.wait_closed(self.STREAMS)
        for _ in range(self.STREAMS):
            self.assertEqual(self.connect().ask(b"stats cachedump 1 0\r\n"), TIMED_OUT)


if __name__ == "__main__":
    unittest.main()
