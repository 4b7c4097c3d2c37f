"""memcached behind mcgate: gone, slow, back again; mcgate's own end; clients that vanish or do not read; streams; and the
statistics and admin commands of memcached itself, untouched.
"""

import os
import time
import unittest

import admin
import harness
import wire
from harness import PASSWORDS
from upstream_case import DENIED, LINKS, TIMED_OUT, UNAVAILABLE, WORKERS, UpstreamCase
from wire import AUTH_ERROR, TEMPORARY_FAILURE, packet


@harness.needs_mcgate
class Gone(UpstreamCase):
    def setUp(self):
        self.start()
        self.text, self.binary = self.connect(), self.connect(binary=True)
        self.kill_memcached()
        self.began = time.monotonic()

    def tearDown(self):
        self.assertLess(time.monotonic() - self.began, 5, "errors must come at once")

    def test_text(self):
        for request in (b"get alice:a\r\n", b"gets alice:a alice:b\r\n", b"set alice:a 0 0 1\r\nx\r\n", b"incr alice:a 1\r\n",
                        b"delete alice:a\r\n", b"touch alice:a 1\r\n", b"gat 1 alice:a\r\n", b"stats\r\n", b"version\r\n",
                        b"mg alice:a v\r\n", b"ms alice:a 1\r\nx\r\n", b"md alice:a\r\n", b"ma alice:a\r\n", b"mn\r\n"):
            with self.subTest(request=request):
                self.assertEqual(self.text.ask(request), UNAVAILABLE)
        self.assertEqual(self.text.ask(b"get bob:a\r\n"), DENIED)
        self.assertEqual(self.text.ask(b"nonsense\r\n"), b"ERROR")

    def test_text_noreply(self):
        self.text.send(b"set alice:a 0 0 1 noreply\r\nx\r\ndelete alice:a noreply\r\nget alice:a\r\n")
        self.assertEqual(self.text.line(), UNAVAILABLE)
        self.text.send(b"nonsense\r\n")
        self.assertEqual(self.text.line(), b"ERROR")

    def test_binary(self):
        rows = [packet("get", b"alice:a"), packet("getk", b"alice:a"), wire.storage("set", b"alice:a", b"x"),
                wire.storage("setq", b"alice:a", b"x"), wire.arithmetic("incr", b"alice:a", 1), packet("delete", b"alice:a"),
                wire.touching("touch", b"alice:a"), wire.touching("gat", b"alice:a"), packet("stat"), packet("version")]
        for row in rows:
            self.binary.send(row)
            response = self.binary.packet()
            self.assertEqual((response.status, response.opcode), (TEMPORARY_FAILURE, row[1]))
        self.assertEqual(self.binary.call("get", b"bob:a").status, AUTH_ERROR)

    def test_quiet_reads_are_silent_and_the_fence_says_it(self):
        self.binary.send(packet("getkq", b"alice:a", opaque=1) + packet("getq", b"alice:b", opaque=2) +
                         packet("noop", opaque=3))
        response = self.binary.packet()
        self.assertEqual((response.status, response.opaque), (TEMPORARY_FAILURE, 3))

    def test_log_in_meanwhile(self):
        self.assertEqual(self.connect().ask(b"get alice:a\r\n"), UNAVAILABLE)
        self.connect(binary=True)

    def test_back_again(self):
        self.restart_memcached()
        # The same sessions go on.
        self.assertEqual(self.text.set(b"alice:a", b"1"), b"STORED")
        self.assertEqual(self.binary.call("get", b"alice:a").value, b"1")
        self.assertEqual(self.connect().get(b"alice:a"), b"1")
        for _ in range(2):
            self.kill_memcached()
            self.assertEqual(self.text.ask(b"get alice:a\r\n"), UNAVAILABLE)
            self.restart_memcached()
            self.assertEqual(self.text.get(b"alice:a"), None)
        self.began = time.monotonic()


@harness.needs_mcgate
class Lost(UpstreamCase):
    """memcached goes while requests are under way."""

    def setUp(self):
        self.start()

    def test_reads_get_an_error_and_the_session_lives(self):
        connection = self.connect()
        self.pause_memcached()
        self.send_upstream(connection, b"get alice:a\r\nmg alice:a v\r\nget alice:b\r\n")
        self.memcached.kill()
        self.assertEqual([connection.line() for _ in range(3)], [UNAVAILABLE] * 3)
        self.restart_memcached()
        self.assertEqual(connection.get(b"alice:a"), None)

    def test_a_write_of_unknown_outcome_ends_the_session(self):
        for request, answers in ((b"set alice:a 0 0 1\r\nx\r\n", UNAVAILABLE + b"\r\n"), (b"incr alice:a 1\r\n", UNAVAILABLE + b"\r\n"),
                                 (b"set alice:a 0 0 1 noreply\r\nx\r\n", b""), (b"delete alice:a noreply\r\n", b""),
                                 (b"gat 1 alice:a\r\nset alice:a 0 0 1\r\nx\r\nget alice:a\r\n", (UNAVAILABLE + b"\r\n") * 3)):
            with self.subTest(request=request):
                connection = self.connect()
                self.pause_memcached()
                self.send_upstream(connection, request)
                self.memcached.kill()
                self.assertEqual(connection.rest(), answers)
                self.restart_memcached()

    def test_binary(self):
        reader, writer = self.connect(binary=True), self.connect(binary=True)
        self.pause_memcached()
        for connection, requests in ((reader, packet("getkq", b"alice:a", opaque=1) + packet("noop", opaque=2)),
                                     (writer, wire.storage("setq", b"alice:a", b"x", opaque=3))):
            connection.send(packet("get", b"bob:x") + requests)
            self.assertEqual(connection.packet().status, AUTH_ERROR)
        self.memcached.kill()
        response = reader.packet()
        self.assertEqual((response.opaque, response.status), (2, TEMPORARY_FAILURE))
        response = writer.packet()
        self.assertEqual((response.opaque, response.status), (3, TEMPORARY_FAILURE))
        self.assertEqual(writer.rest(), b"")
        self.restart_memcached()
        self.assertEqual(reader.call("get", b"alice:a").status, wire.NOT_FOUND)


@harness.needs_mcgate
class Slow(UpstreamCase):
    def test_no_answer_in_time(self):
        table = admin.listener()
        self.start(upstream_options={"reply_timeout_seconds": 1, "connect_timeout_seconds": 1}, admin=table)
        connection = self.connect()
        self.pause_memcached()
        self.assertEqual(connection.ask(b"get alice:a\r\n"), TIMED_OUT)
        self.gate.process.wait_for(r"event=upstream_down .*upstream\.reply_timeout_seconds")
        metrics = admin.Admin(table["address"]).metrics()
        self.assertGreaterEqual(metrics['mcgate_upstream_failures_total{reason="timeout"}'], 1)
        self.assertIn(connection.ask(b"get alice:a\r\n"), (UNAVAILABLE, TIMED_OUT))
        before = self.logged("upstream_up")
        self.resume_memcached()
        self.gate.process.wait_for(r"event=upstream_up ", before + 1)
        self.assertEqual(connection.get(b"alice:a"), None)

    def test_not_there_at_start(self):
        path = harness.fresh_path(".mc")
        gate = harness.Mcgate(f"unix:{path}", [harness.plain_listener()], users=harness.users(), roles=harness.ROLES,
                              workers=WORKERS, limits={"sessions": 100})
        self.addCleanup(gate.stop)
        with gate.connect() as connection:
            self.assertEqual(connection.login(b"alice", PASSWORDS[b"alice"]), b"STORED")
            self.assertEqual(connection.ask(b"get alice:a\r\n"), UNAVAILABLE)
            memcached = harness.Memcached(path=path)
            self.addCleanup(memcached.stop)
            gate.process.wait_for(r"event=upstream_up ", LINKS)
            self.assertEqual(connection.get(b"alice:a"), None)


@harness.needs_mcgate
class Ending(UpstreamCase):
    def test_what_is_under_way_is_answered(self):
        self.start([harness.plain_listener(), harness.tls_listener(), harness.unix_listener()])
        with self.memcached.connect() as direct:
            direct.set(b"alice:a", b"v")
        idle, busy, half = self.connect(), self.connect(), self.connect()
        half.send(b"set alice:half 0 0 10\r\nxxx")
        self.pause_memcached()
        self.send_upstream(busy, b"get alice:a\r\nset alice:b 0 0 1\r\nx\r\n")
        self.gate.terminate()
        self.gate.process.wait_for(r"event=draining\b")
        self.assertEqual((idle.rest(), half.rest()), (b"", b""))
        for listener in range(3):
            with self.assertRaises(OSError):
                self.gate.connect(listener).close()
        self.resume_memcached()
        self.assertEqual(busy.rest(), b"VALUE alice:a 0 1\r\nv\r\nEND\r\nSTORED\r\n")
        self.assertEqual(self.gate.process.wait(), 0)
        with self.memcached.connect() as direct:
            self.assertEqual((direct.get(b"alice:b"), direct.get(b"alice:half")), (b"x", None))

    def test_more_was_asked_than_may_be_under_way(self):
        self.start(limits={"requests_in_flight": 8})
        text, binary = self.connect(), self.connect(binary=True)
        self.pause_memcached()
        self.send_upstream(text, b"get alice:a\r\nmn\r\n" * 150)
        binary.send(packet("get", b"bob:x") + packet("get", b"alice:a") * 150)
        self.assertEqual(binary.packet().status, AUTH_ERROR)
        self.gate.terminate()
        self.gate.process.wait_for(r"event=draining\b")
        self.resume_memcached()
        self.assertEqual(text.rest(), b"END\r\nMN\r\n" * 150)
        self.assertEqual([binary.packet().status for _ in range(150)], [wire.NOT_FOUND] * 150)
        self.assertEqual(binary.rest(), b"")
        self.assertEqual(self.gate.process.wait(), 0)

    def test_the_deadline(self):
        self.start(timeouts={"drain_seconds": 1})
        connection = self.connect()
        self.pause_memcached()
        self.send_upstream(connection, b"get alice:a\r\n")
        self.gate.terminate()
        self.assertEqual(self.gate.process.wait(15), 0)
        self.assertIn("event=bound_reached limit=timeouts.drain_seconds worker=0 sessions=1", self.gate.process.log())

    def test_a_second_signal_means_now(self):
        self.start(timeouts={"drain_seconds": 600})
        connection = self.connect()
        self.pause_memcached()
        self.send_upstream(connection, b"get alice:a\r\n")
        self.gate.terminate()
        self.gate.process.wait_for(r"event=draining\b")
        self.gate.terminate()
        self.assertEqual(self.gate.process.wait(15), 0)

    def test_a_successor_keeps_its_socket(self):
        listener = harness.unix_listener()
        self.start([listener])
        path = self.gate.addresses[0]
        idle, busy = self.connect(), self.connect()
        self.pause_memcached()
        self.send_upstream(busy, b"get alice:a\r\n")
        self.gate.terminate()
        self.assertEqual(idle.rest(), b"")  # its listener is closed by now
        _, successor = harness.start(self, [listener], self.memcached)
        self.resume_memcached()
        self.assertEqual(busy.rest(), b"END\r\n")
        self.assertEqual(self.gate.process.wait(), 0)
        with successor.connect() as connection:
            self.assertEqual(connection.login(b"alice", PASSWORDS[b"alice"]), b"STORED")
        successor.stop()
        self.assertFalse(os.path.exists(path))

    def test_with_nothing_to_do(self):
        self.start()
        self.gate.terminate()
        self.assertEqual(self.gate.process.wait(15), 0)


@harness.needs_mcgate
class Clients(UpstreamCase):
    def test_vanishing_mid_request(self):
        self.start()
        request = b"set alice:gone 0 0 10\r\n0123456789\r\n"
        other = self.connect()
        for cut in range(1, len(request), 3):
            connection = self.connect()
            connection.send(request[:cut])
            connection.close()
            self.assertEqual(other.get(b"alice:gone"), None)
        binary = wire.storage("set", b"alice:gone", b"0123456789")
        for cut in range(1, len(binary), 5):
            connection = self.connect(binary=True)
            connection.send(binary[:cut])
            connection.close()
        self.assertEqual(other.get(b"alice:gone"), None)

    def test_vanishing_mid_reply(self):
        self.start()
        other = self.connect()
        self.assertEqual(other.set(b"alice:big", b"B" * 500_000), b"STORED")
        for number in range(20):
            connection = self.connect()
            connection.send(b"get alice:big\r\n" * 10)
            connection.line()
            connection.close()
            value = b"value %d" % number
            self.assertEqual(other.set(b"alice:small", value), b"STORED")
            self.assertEqual(other.get(b"alice:small"), value)

    def test_vanishing_with_requests_under_way(self):
        self.start()
        with self.memcached.connect() as direct:
            direct.set(b"bob:a", b"bob's")
            direct.set(b"alice:a", b"alice's")
        bob = self.connect(b"bob")
        for _ in range(10):
            alice = self.connect()
            self.pause_memcached()
            self.send_upstream(alice, b"get alice:a\r\nmg alice:a v\r\n" * 50)
            alice.close()
            self.send_upstream(bob, b"get bob:a\r\n", b"get alice:a\r\n")
            self.resume_memcached()
            self.assertEqual([bob.line() for _ in range(3)], [b"VALUE bob:a 0 5", b"bob's", b"END"])

    def test_a_client_that_does_not_read_hurts_nobody(self):
        self.start(limits={"session_output_bytes": 2_000_000})
        other = self.connect()
        self.assertEqual(other.set(b"alice:big", b"B" * 1_000_000), b"STORED")
        greedy = self.connect()
        greedy.send(b"get alice:big\r\n" * 200)
        for number in range(50):
            self.assertEqual(other.set(b"alice:small", b"%d" % number), b"STORED")
            self.assertEqual(other.get(b"alice:small"), b"%d" % number)
        # It gets what is right, or is closed; never anything else.
        answers = greedy.rest() if "limit=limits.session_output_bytes" in self.gate.process.log() else greedy.read(30)
        self.assertTrue(answers.startswith(b"VALUE alice:big 0 1000000\r\nBBB"))

    def test_ended_its_side(self):
        self.start()
        connection = self.connect()
        connection.send(b"set alice:a 0 0 1\r\nx\r\nget alice:a\r\n")
        connection.finish()
        self.assertEqual(connection.rest(), b"STORED\r\nVALUE alice:a 0 1\r\nx\r\nEND\r\n")


@harness.needs_mcgate
class Untouched(UpstreamCase):
    """What a user of full rights is told is memcached's own."""

    def setUp(self):
        # Its background thread would move items from list to list between what is asked twice.
        self.start(memcached_options=("-o", "no_lru_maintainer"))
        self.admin = self.connect(b"admin")
        self.direct = self.memcached.connect()
        self.addCleanup(self.direct.close)

    def stats(self, connection, request):
        connection.send(request)
        return connection.lines_until(b"END")

    def test_statistics(self):
        self.direct.set(b"a", b"1")
        for request in (b"stats settings\r\n", b"stats sizes\r\n", b"stats items\r\n"):
            with self.subTest(request=request):
                self.assertEqual(self.stats(self.admin, request), self.stats(self.direct, request))
        def names(connection, request):
            return [line.split(b" ")[1] for line in self.stats(connection, request)]
        for request in (b"stats\r\n", b"stats slabs\r\n"):
            with self.subTest(request=request):
                self.assertEqual(names(self.admin, request), names(self.direct, request))
        # It goes over a link of its own, which is among the connections listed.
        self.assertLessEqual(set(names(self.direct, b"stats conns\r\n")), set(names(self.admin, b"stats conns\r\n")))
        pid = b"STAT pid %d" % self.memcached.process.child.pid
        self.assertIn(pid, self.stats(self.admin, b"stats\r\n"))
        self.assertIn(pid, self.stats(self.connect(b"reader"), b"stats\r\n"))

    def test_statistics_without_end(self):
        # memcached's answer has no END, so these are not known here.
        for request in (b"stats sizes_enable\r\n", b"stats sizes_disable\r\n"):
            self.assertEqual(self.admin.ask(request), b"ERROR")
        self.assertEqual(self.admin.get(b"a"), None)

    def test_binary_statistics(self):
        connection = self.connect(b"admin", binary=True)

        def stats(connection, name):
            found = {}
            connection.send(packet("stat", name, opaque=5))
            while (response := connection.packet()).key:
                self.assertEqual((response.status, response.opaque), (0, 5))
                found[response.key] = response.value
            return found
        with self.memcached.connect() as direct:
            self.assertEqual(stats(connection, b"settings"), stats(direct, b"settings"))
            general = stats(connection, b"")
            self.assertEqual(general.keys(), stats(direct, b"").keys())
            self.assertEqual(general[b"pid"], b"%d" % self.memcached.process.child.pid)

    def test_flush_all(self):
        self.direct.set(b"a", b"1")
        self.assertEqual(self.admin.ask(b"flush_all\r\n"), b"OK")
        self.assertEqual(self.direct.get(b"a"), None)

    def test_verbosity(self):
        self.assertEqual(self.admin.ask(b"verbosity 1\r\n"), b"OK")
        self.assertIn(b"STAT verbosity 1", self.stats(self.direct, b"stats settings\r\n"))

    def test_cachedump(self):
        for number in range(20):
            self.direct.set(b"a%d" % number, b"1")
        request = b"stats cachedump 1 10\r\n"
        dump = self.stats(self.admin, request)
        self.assertEqual(len(dump), 10)
        self.assertEqual(dump, self.stats(self.direct, request))

    def test_metadump(self):
        keys = {b"key%d" % number for number in range(3000)}
        for key in keys:
            self.direct.send(b"set %s 0 0 1 noreply\r\nx\r\n" % key)
        for key in (b"first", b"last"):
            self.assertEqual(self.direct.set(key, b"x"), b"STORED")
        # Dump lines end in LF alone.
        self.admin.send(b"get first\r\nlru_crawler metadump all\r\nget last\r\n")
        self.assertEqual([self.admin.line() for _ in range(3)], [b"VALUE first 0 1", b"x", b"END"])
        dump = self.admin.line()
        while not dump.endswith(b"END"):
            dump += b"\n" + self.admin.line()
        found = {line.split(b" ")[0] for line in dump.replace(b"\r", b"").split(b"\n")[:-1]}
        # memcached passes by what it holds for a get, whose reply may have come before it let go.
        self.assertEqual(found - {b"key=first"}, {b"key=" + key for key in keys | {b"last"}})
        self.assertEqual([self.admin.line() for _ in range(3)], [b"VALUE last 0 1", b"x", b"END"])

    def test_watch(self):
        watcher = self.connect(b"admin")
        watcher.send(b"watch fetchers\r\n")
        self.assertEqual(watcher.line(), b"OK")
        other = self.connect(b"admin")
        watcher.socket.settimeout(0.1)  # memcached's logger passes lines on when it likes: asked for again meanwhile
        for _ in range(200):
            other.get(b"watched")
            try:
                watcher._fill()
            except TimeoutError:
                pass
            if b"key=watched" in watcher.buffer:
                break
        self.assertIn(b"type=item_get key=watched status=not_found", watcher.buffer)
        watcher.close()
        self.assertEqual(other.get(b"watched"), None)

    def test_streams_are_bounded(self):
        _, gate = harness.start(self, [harness.plain_listener()], self.memcached, workers=1, limits={"streams": 1})
        watchers = []
        for _ in range(2):
            connection = gate.connect()
            self.addCleanup(connection.close)
            connection.login(b"admin", PASSWORDS[b"admin"])
            connection.send(b"watch evictions\r\n")
            watchers.append(connection)
        self.assertEqual(watchers[0].line(), b"OK")
        self.assertTrue(watchers[1].line().startswith(b"SERVER_ERROR "))
        self.assertEqual(watchers[1].get(b"a"), None)

    def test_shutdown_refused_by_memcached(self):
        # Not enabled there: memcached's own answer.
        self.assertEqual(self.admin.ask(b"shutdown\r\n"), self.direct.ask(b"shutdown\r\n"))


if __name__ == "__main__":
    unittest.main()
