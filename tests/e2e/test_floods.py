"""Clients that take what they can get: slowly, in masses, or without ever reading. Each flood has its bound, and in each of
them a well-behaved client beside it is served all the while.
"""

import resource
import select
import socket
import ssl
import threading
import time
import unittest

import harness
import wire
from fake_backend import END, block
from harness import PASSWORDS
from test_limits import resident
from upstream_case import FakeCase, UpstreamCase, stopped
from wire import packet

MEGABYTE = 1_000_000
MANY = 100
IDLE = 10_000
ROUNDS = 20  # of the neighbour, for it to be served


class Neighbour(threading.Thread):
    """A client that sets and gets, one at a time, and checks each answer."""

    def __init__(self, gate, listener=0):
        super().__init__(daemon=True)
        self.connection = gate.connect(listener)
        if self.connection.login(b"bob", PASSWORDS[b"bob"]) != b"STORED":
            raise AssertionError("the neighbour may not log in")
        self.rounds, self.longest, self.error, self.ending = 0, 0, None, False
        self.changed = threading.Condition()

    def run(self):
        try:
            while not self.ending:
                began = time.monotonic()
                value = b"%d" % self.rounds
                if self.connection.set(b"bob:a", value) != b"STORED" or self.connection.get(b"bob:a") != value:
                    raise AssertionError("a wrong answer")
                with self.changed:
                    self.longest = max(self.longest, time.monotonic() - began)
                    self.rounds += 1
                    self.changed.notify_all()
        except Exception as error:  # pylint: disable=broad-except: whatever it is, the test must say so
            with self.changed:
                self.error = error
                self.changed.notify_all()

    def is_served(self):
        """Waits for some rounds more."""
        with self.changed:
            wanted = self.rounds + ROUNDS
            if not self.changed.wait_for(lambda: self.error or self.rounds >= wanted, 2 * wire.TIMEOUT):
                raise AssertionError("the neighbour is not served")
        if self.error:
            raise self.error

    def stop(self):
        self.ending = True
        self.join()
        self.connection.close()


class FloodCase(UpstreamCase):
    def start(self, listeners=None, **config):
        super().start(listeners, **config)
        self.neighbour = Neighbour(self.gate)
        self.neighbour.start()
        self.addCleanup(self.neighbour.stop)

    def open(self, listener=0):
        """A connection that has said nothing yet, not even in TLS."""
        made = socket.create_connection(self.gate.addresses[listener], harness.START_TIMEOUT)
        self.addCleanup(made.close)
        return made

    def drip_until_closed(self, sockets, dripping):
        """Sends a byte more on each, over and over, until mcgate has closed all of them."""
        left = set(sockets)
        deadline = time.monotonic() + harness.START_TIMEOUT
        while left:
            self.assertLess(time.monotonic(), deadline, f"{len(left)} are still open")
            for each in list(left):
                try:
                    each.sendall(dripping)
                except OSError:
                    left.discard(each)
            ready, _, _ = select.select(list(left), [], [], 0.05) if left else ([], [], [])
            for each in ready:
                try:
                    if not each.recv(65536):
                        left.discard(each)
                except OSError:
                    left.discard(each)
            self.neighbour.is_served()

    def assert_new_ones_are_served(self):
        with self.gate.connect() as client:
            self.assertEqual(client.login(b"alice", PASSWORDS[b"alice"]), b"STORED")
            self.assertEqual(client.get(b"alice:none"), None)


@harness.needs_mcgate
class Slowloris(FloodCase):
    """Bytes keep coming, and never the last one."""

    def test_in_a_handshake(self):
        self.start([harness.plain_listener(), harness.tls_listener()], timeouts={"handshake_seconds": 2})
        # The beginning of a hello that says it is long.
        begun = [self.open(1) for _ in range(MANY)]
        for each in begun:
            each.sendall(b"\x16\x03\x01\x20\x00\x01\x00\x1f\xfc\x03\x03")
        self.drip_until_closed(begun, b"x")
        self.assert_new_ones_are_served()

    def test_in_a_log_in(self):
        self.start(timeouts={"login_seconds": 2})
        begun = [self.open() for _ in range(MANY)]
        for number, each in enumerate(begun):
            each.sendall(b"set login 0 0 4000\r\nalice " if number % 2 else
                         packet("sasl_auth", b"PLAIN", b"\0alice\0x", bodylen=4000)[:-1])
        self.drip_until_closed(begun, b"x")
        self.assert_new_ones_are_served()

    def test_in_a_line_a_key_or_a_value(self):
        self.start(timeouts={"request_seconds": 2})
        begun = []
        for number in range(MANY):
            client = self.connect(binary=number % 4 == 3)
            client.send((b"get alice:", b"set alice:slow 0 0 900000\r\n", b"mg alice:",
                         wire.storage("set", b"alice:slow", b"x", bodylen=900_000)[:-1])[number % 4])
            begun.append(client.socket)
        self.drip_until_closed(begun, b"x")
        with self.memcached.connect() as direct:
            self.assertIsNone(direct.get(b"alice:slow"))
        self.assert_new_ones_are_served()


@harness.needs_mcgate
class NeverReading(FloodCase):
    def test_gigabytes_are_asked_for(self):
        bound = 4 * MEGABYTE
        self.start(limits={"session_output_bytes": bound, "value_bytes": MEGABYTE}, timeouts={"write_seconds": 3},
                   log={"level": "debug"})
        with self.memcached.connect() as direct:
            self.assertEqual(direct.set(b"alice:big", b"B" * MEGABYTE), b"STORED")
        self.neighbour.is_served()
        before = resident(self.gate)
        greedy = []
        for _ in range(2):
            for binary, requests in (
                    (False, b"get alice:big\r\n" * 200), (False, b"get" + b" alice:big" * 200 + b"\r\n"),
                    (False, b"mg alice:big v\r\n" * 200), (True, packet("get", b"alice:big") * 200),
                    (True, packet("getkq", b"alice:big") * 200 + packet("noop"))):
                greedy.append(client := self.connect(binary=binary))
                client.send(requests)  # 200 MB each
        self.neighbour.is_served()
        if before is not None:
            # Each may hold its bound and what its allocator makes of it, and one value is under way.
            self.assertLess(resident(self.gate) - before, 10 * 2 * bound + 8 * MEGABYTE)
        # Whoever does not read for so long is closed, and all that was for it let go.
        too_slow = r"event=bound_reached limit=(timeouts\.write_seconds|limits\.write_bytes_per_second) "
        self.gate.process.wait_for(too_slow, len(greedy))
        self.neighbour.is_served()
        self.assert_new_ones_are_served()


@harness.needs_mcgate
class Masses(FloodCase):
    def test_ten_thousand_idle(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < IDLE + 500:
            self.skipTest(f"only {hard} file descriptors")
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        resource.setrlimit(resource.RLIMIT_NOFILE, (IDLE + 500, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.start([harness.plain_listener(), harness.unix_listener(anonymous="reader")], limits={"sessions": IDLE + 100})
        before = resident(self.gate)
        for number in range(IDLE):
            idle = socket.socket(socket.AF_UNIX)
            self.addCleanup(idle.close)
            idle.settimeout(wire.TIMEOUT)
            idle.connect(self.gate.addresses[1])
            if number % 100 == 0:
                idle.sendall(b"get none\r\n")
                self.assertEqual(idle.recv(100), b"END\r\n")
                self.neighbour.is_served()
        if before is not None:
            self.assertLess((resident(self.gate) - before) / IDLE, 4096)
        self.neighbour.is_served()
        self.assert_new_ones_are_served()

    def test_more_than_there_is_room_for(self):
        self.start([harness.plain_listener(), harness.tls_listener()], limits={"sessions": 50})
        for listener in (0, 1):
            with self.subTest(listener=listener):
                held = []
                refused = 0
                while refused < 500:
                    held.append(self.open(listener))
                    ready, _, _ = select.select(held, [], [], 0.01 if len(held) > 49 else 0)
                    for each in ready:
                        each.close()
                        held.remove(each)
                        refused += 1
                self.neighbour.is_served()
                for each in held:
                    each.close()
        self.gate.process.wait_for("event=bound_reached limit=limits.sessions ")

    def test_connects(self):
        self.start([harness.plain_listener(), harness.tls_listener()])
        for number in range(3000):
            with socket.create_connection(self.gate.addresses[number % 2], harness.START_TIMEOUT) as made:
                if number % 3:
                    made.sendall(b"get alice:a\r\n" if number % 2 == 0 else b"\x16\x03\x01\x02\x00\x01")
                if number % 500 == 0:
                    self.neighbour.is_served()
        self.neighbour.is_served()
        self.assert_new_ones_are_served()

    def test_handshakes(self):
        self.start([harness.plain_listener(), harness.tls_listener()])
        tls = harness.client_tls()

        def shake():
            for _ in range(40):
                with socket.create_connection(self.gate.addresses[1], harness.START_TIMEOUT) as made:
                    tls.wrap_socket(made, server_hostname="localhost").close()
        crowd = [threading.Thread(target=shake) for _ in range(8)]
        for each in crowd:
            each.start()
        while any(each.is_alive() for each in crowd):
            self.neighbour.is_served()
        self.assert_new_ones_are_served()

    def test_steps_of_handshakes_are_taken_in_turn(self):
        """So many want one at once that they queue: a lone byte takes its turn too. Nobody there is forgotten."""
        self.start([harness.plain_listener(), harness.tls_listener()])
        waiting = [self.open(1) for _ in range(MANY)]
        with stopped(self.gate.process.child):
            for each in waiting:
                each.sendall(b"\x16")
            for each in waiting[::10]:
                each.close()  # before it has been looked at
        tls = harness.client_tls()
        left = [each for each in waiting if each.fileno() >= 0]
        for number, each in enumerate(left):
            hello, reply = ssl.MemoryBIO(), ssl.MemoryBIO()
            shaking = tls.wrap_bio(reply, hello, server_hostname="localhost")
            with self.assertRaises(ssl.SSLWantReadError):
                shaking.do_handshake()
            each.sendall(hello.read()[1:])
            left[number] = (each, shaking, hello, reply)
        for each, shaking, hello, reply in left:
            while True:
                try:
                    shaking.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    received = each.recv(65536)
                    self.assertNotEqual(received, b"", "it was closed in its handshake")
                    reply.write(received)
            shaking.write(wire.text_login(b"alice", PASSWORDS[b"alice"]))
            each.sendall(hello.read())
            self.assertIn(b"STORED", self.read_tls(each, shaking, reply))
        self.neighbour.is_served()
        self.assert_new_ones_are_served()

    def read_tls(self, each, shaking, reply):
        while True:
            try:
                return shaking.read(1000)
            except ssl.SSLWantReadError:
                reply.write(each.recv(65536))


@harness.needs_mcgate
class LogIns(FloodCase):
    def test_a_spray(self):
        """Names and passwords are tried on many connections at once."""
        self.start()
        tried = [self.open() for _ in range(MANY)]
        for number, each in enumerate(tried):
            user = (b"alice", b"nobody%d" % number)[number % 2]
            each.sendall(wire.text_login(user, b"guess") * 5 if number % 4 < 2 else
                         packet("sasl_auth", b"PLAIN", wire.plain_message(user, b"guess")) * 5)
        self.neighbour.is_served()
        for each in tried:
            each.close()
        self.neighbour.is_served()
        self.gate.process.wait_for("event=login_refused")


@harness.needs_mcgate
class Endless(FloodCase):
    def flood(self, client, request):
        """Sends a request over and over, and reads the answers or not; the neighbour is served meanwhile."""
        ending = threading.Event()

        def send():
            try:
                while not ending.is_set():
                    client.socket.sendall(request * 1000)
            except OSError:
                pass

        def read():
            try:
                while client.socket.recv(1 << 20):
                    pass
            except OSError:
                pass
        threads = [threading.Thread(target=act) for act in (send, read)]
        for each in threads:
            each.start()
        for _ in range(5):
            self.neighbour.is_served()
        ending.set()
        client.socket.shutdown(socket.SHUT_RDWR)
        for each in threads:
            each.join()

    def test_pipelines(self):
        self.start()
        for name, request in {
            "gets": b"get alice:a\r\n", "meta": b"mg alice:a v\r\n", "sets": b"set alice:b 0 0 100\r\n%s\r\n" % (b"x" * 100),
            "quiet": b"set alice:b 0 0 1 noreply\r\nx\r\n", "noops": b"mn\r\n", "refused": b"get bob:a\r\n",
            "nonsense": b"nonsense\r\n", "multigets": b"get" + b" alice:a" * 500 + b"\r\n",
        }.items():
            with self.subTest(name):
                self.flood(self.connect(), request)

    def test_a_multiget_of_many_quiet_ones(self):
        """Each tenth key is there: that one is answered, right and in its order, and nothing else is."""
        count, keys = 50_000, 1000
        self.start()
        with self.memcached.connect() as direct:
            for number in range(0, keys, 10):
                self.assertEqual(direct.set(b"alice:%d" % number, b"of %d" % number), b"STORED")
        asked = [(opaque, opaque % keys) for opaque in range(count)]
        found = [(opaque, b"alice:%d" % number, b"of %d" % number) for opaque, number in asked if number % 10 == 0]
        binary, meta = self.connect(binary=True), self.connect()

        def send(client, requests):
            sending = threading.Thread(target=client.send, args=(requests,))
            sending.start()
            self.addCleanup(sending.join)
        send(binary, b"".join(packet("getkq", b"alice:%d" % number, opaque=opaque) for opaque, number in asked) +
             packet("noop"))
        for wanted in found:
            answer = binary.packet()
            self.assertEqual((answer.opaque, answer.key, answer.value), wanted)
        self.assertEqual(binary.packet().opcode, wire.OPCODES["noop"])
        send(meta, b"".join(b"mg alice:%d v k q O%d\r\n" % (number, opaque) for opaque, number in asked) + b"mn\r\n")
        for opaque, key, value in found:
            self.assertEqual(meta.line(), b"VA %d k%s O%d" % (len(value), key, opaque))
            self.assertEqual(meta.line(), value)
        self.assertEqual(meta.line(), b"MN")
        self.neighbour.is_served()

    def test_binary_pipelines(self):
        self.start()
        for name, request in {"gets": packet("get", b"alice:a"), "quiet": packet("getkq", b"alice:a"),
                              "noops": packet("noop"), "refused": packet("get", b"bob:a")}.items():
            with self.subTest(name):
                self.flood(self.connect(binary=True), request)


@harness.needs_mcgate
class Turns(FakeCase):
    """Whoever sends thousands of requests at once has so many of them taken and no more; then others have theirs."""

    AT_ONCE = 128

    def test_a_newcomer_does_not_wait_behind_all_of_a_pipeline(self):
        seen = []

        def answer(request):
            seen.append(request)
            return b"".join(END for _ in range(request.count(b"\r\n")))
        self.start(answer)
        with self.gate.connect() as hog, self.gate.connect() as modest:
            for client in (hog, modest):
                client.send(b"\r\n")
                client.line()
            with stopped(self.gate.process.child):
                hog.send(b"gat 0 hog\r\n" * 2000)
                modest.send(b"gat 0 modest\r\n")
            self.assertEqual(modest.line(), b"END")
            self.assertEqual([hog.line() for _ in range(2000)], [b"END"] * 2000)
        before, _ = b"".join(seen).split(b"gat 0 modest\r\n")
        self.assertLessEqual(before.count(b"hog"), self.AT_ONCE)

    def test_large_values_come_a_few_at_a_time(self):
        """Others wait behind what is under way on the link, so it is no more than a megabyte, once their size is known."""
        seen = []

        def answer(request):
            lines = [line.split()[1:] for line in request.splitlines()]
            seen.append(sum(len(keys) for keys in lines))
            return b"".join(b"".join(block(key, b"x" * 300_000) for key in keys) + END for keys in lines)
        self.start(answer)
        with self.gate.connect() as client:
            # One is known before the others are asked for: then it holds from the first of them.
            client.send(b"get one\r\n")
            client.read(len(block(b"one", b"x" * 300_000) + END))
            client.send(b"".join(b"get %d\r\n" % number for number in range(100)))
            client.read(sum(len(block(b"%d" % number, b"x" * 300_000) + END) for number in range(100)))
        self.assertLessEqual(max(seen), 3)
        seen.clear()
        with self.gate.connect() as client:
            client.send(b"".join(b"get %d\r\n" % number for number in range(100)))
            for number in range(100):
                self.assertEqual(client.line(), b"VALUE %d 0 300000" % number)
                client.read(300_002)
                self.assertEqual(client.line(), b"END")
        self.assertLessEqual(seen[0], 64)
        self.assertLessEqual(max(seen[1:]), 5)


if __name__ == "__main__":
    unittest.main()
