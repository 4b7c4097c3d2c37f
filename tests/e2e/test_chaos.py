"""Two users at full speed over the same links, clients that leave whenever they like, and a memcached that is killed and
comes back: no answer may ever reach anyone but who asked, and no session may hang.

Every value says whose it is, under which key, and a number; a client checks all three in whatever it is answered. The
course of each client is drawn from MCGATE_CHAOS_SEED (printed), its length is MCGATE_CHAOS_ROUNDS.
"""

import os
import random
import re
import struct
import threading
import time
import unittest

import harness
import wire
from harness import PASSWORDS

SEED = int(os.environ.get("MCGATE_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
ROUNDS = int(os.environ.get("MCGATE_CHAOS_ROUNDS", "60"))  # per client: connections, each of many requests
CLIENTS = 4  # per user and dialect
KEYS = 40  # per user; few, so that clients of one user meet
KILLS = int(os.environ.get("MCGATE_CHAOS_KILLS", "5"))

TEXT_ERRORS = (b"SERVER_ERROR upstream unavailable", b"SERVER_ERROR upstream timed out")


class Wrong(Exception):
    """An answer that no request of this client can have."""


class Gone(Exception):
    """mcgate closed the session, which it may after a write of unknown outcome."""


def make_value(random_numbers, key):
    size = random_numbers.choice((0, 10, 100, 1000, 20_000))
    return b"<%s %d %s>" % (key, random_numbers.randrange(10**6), b"x" * size)


def check_value(key, value):
    if not re.fullmatch(rb"<%s \d+ x*>" % re.escape(key), value):
        raise Wrong(f"{key!r} was answered {value[:100]!r}")


class Client(threading.Thread):
    """One client of one user: connections, each with batches of pipelined requests whose answers are checked."""

    def __init__(self, gate, user, name, seed):
        super().__init__(daemon=True)
        self.gate, self.user = gate, user
        self.random = random.Random(f"{seed} {name}")
        self.others = b"bob" if user == b"alice" else b"alice"
        self.error, self.answered, self.failed = None, 0, 0
        self.name = name

    def run(self):
        try:
            for _ in range(ROUNDS):
                with self.gate.connect(self.random.randrange(2)) as connection:
                    try:
                        self.session(connection)
                    except (Gone, wire.Closed, ConnectionError):
                        self.failed += 1
        except Exception as error:  # pylint: disable=broad-except: whatever it is, the test must say so
            self.error = error

    def key(self, user=None):
        return b"%s:%d" % (user or self.user, self.random.randrange(KEYS))

    def session(self, connection):
        self.login(connection)
        for _ in range(self.random.randrange(1, 8)):
            batch = [self.request() for _ in range(self.random.randrange(1, 40))]
            connection.send(b"".join(data for data, _ in batch))
            if self.random.random() < 0.2:  # leaves without its answers, or amid them
                for _, check in batch[:self.random.randrange(len(batch))]:
                    check(connection)
                return
            for _, check in batch:
                check(connection)
                self.answered += 1

    def login(self, connection):
        raise NotImplementedError

    def request(self):
        raise NotImplementedError


class TextClient(Client):
    def login(self, connection):
        if (line := connection.login(self.user, PASSWORDS[self.user])) != b"STORED":
            raise Wrong(f"the log-in was answered {line!r}")

    def request(self):
        kind = self.random.choice(("get", "get", "get", "mg", "mg", "set", "set", "noreply", "ms", "others", "delete"))
        key = self.key()
        value = make_value(self.random, key)
        if kind == "get":
            keys = [self.key() for _ in range(self.random.choice((1, 1, 3, 10)))]
            return b"get %s\r\n" % b" ".join(keys), lambda c: self.check_get(c, keys)
        if kind == "mg":
            opaque = b"%d" % self.random.randrange(10**9)
            return b"mg %s v k O%s\r\n" % (key, opaque), lambda c: self.check_mg(c, key, opaque)
        if kind == "set":
            return b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value), lambda c: self.check_line(c, b"STORED")
        if kind == "noreply":
            return b"set %s 0 0 %d noreply\r\n%s\r\n" % (key, len(value), value), lambda c: None
        if kind == "ms":
            return b"ms %s %d\r\n%s\r\n" % (key, len(value), value), lambda c: self.check_line(c, b"HD")
        if kind == "delete":
            return b"delete %s\r\n" % key, lambda c: self.check_line(c, b"DELETED", b"NOT_FOUND")
        return b"get %s %s\r\n" % (key, self.key(self.others)), lambda c: self.check_line(c, b"CLIENT_ERROR access denied")

    def line(self, connection):
        """The next line; None for an error that a lost memcached excuses."""
        line = connection.line()
        if line in TEXT_ERRORS:
            self.failed += 1
            return None
        return line

    def check_line(self, connection, *right):
        line = self.line(connection)
        if line is not None and line not in right:
            raise Wrong(f"expected one of {right}, got {line[:100]!r}")

    def check_get(self, connection, keys):
        left = list(keys)
        while (line := self.line(connection)) not in (None, b"END"):
            match = re.fullmatch(rb"VALUE (\S+) 0 (\d+)", line)
            if not match or match[1] not in left:
                raise Wrong(f"get of {keys} was answered {line[:100]!r}")
            left = left[left.index(match[1]) + 1:]
            check_value(match[1], connection.read(int(match[2]) + 2)[:-2])

    def check_mg(self, connection, key, opaque):
        line = self.line(connection)
        if line is None or line == b"EN k%s O%s" % (key, opaque):
            return
        match = re.fullmatch(rb"VA (\d+) k(\S+) O(\d+)", line)
        if not match or (match[2], match[3]) != (key, opaque):
            raise Wrong(f"mg of {key!r} {opaque!r} was answered {line[:100]!r}")
        check_value(key, connection.read(int(match[1]) + 2)[:-2])


class BinaryClient(Client):
    def login(self, connection):
        if (response := connection.sasl_plain(self.user, PASSWORDS[self.user])).status != 0:
            raise Wrong(f"the log-in was answered {response}")

    def request(self):
        kind = self.random.choice(("get", "get", "quiet", "quiet", "set", "setq", "others", "delete"))
        key, opaque = self.key(), self.random.randrange(1 << 32)
        value = make_value(self.random, key)
        if kind == "get":
            return wire.packet("getk", key, opaque=opaque), lambda c: self.check(c, opaque, key)
        if kind == "quiet":
            keys = {opaque + n & 0xFFFFFFFF: self.key(self.others if self.random.random() < 0.1 else None)
                    for n in range(1, self.random.randrange(2, 12))}
            data = b"".join(wire.packet("getkq", each, opaque=number) for number, each in keys.items())
            return data + wire.packet("noop", opaque=opaque), lambda c: self.check_quiet(c, keys, opaque)
        if kind == "set":
            return wire.storage("set", key, value, opaque=opaque), lambda c: self.check(c, opaque)
        if kind == "setq":
            # A fence behind it, so that an error is read in its place.
            return (wire.storage("setq", key, value, opaque=opaque) + wire.packet("noop", opaque=opaque ^ 1),
                    lambda c: self.check_setq(c, opaque))
        if kind == "delete":
            return wire.packet("delete", key, opaque=opaque), lambda c: self.check(c, opaque)
        return wire.packet("get", self.key(self.others), opaque=opaque), lambda c: self.check_denied(c, opaque)

    def check(self, connection, opaque, key=None):
        response = connection.packet()
        if response.opaque != opaque or response.status not in (0, wire.NOT_FOUND, wire.TEMPORARY_FAILURE):
            raise Wrong(f"{opaque} {key} was answered {response}")
        if response.status == wire.TEMPORARY_FAILURE:
            self.failed += 1
        elif key and (response.key != key or (response.status == 0 and check_value(key, response.value))):
            raise Wrong(f"getk of {key!r} was answered {response}")

    def check_quiet(self, connection, keys, fence):
        numbers = list(keys)
        while (response := connection.packet()).opaque != fence:
            if response.opaque not in numbers or response.key != keys[response.opaque] or response.status != 0:
                raise Wrong(f"a quiet multi-get of {keys} was answered {response}")
            if not response.key.startswith(self.user):
                raise Wrong(f"denied, and answered {response}")
            numbers = numbers[numbers.index(response.opaque) + 1:]
            check_value(response.key, response.value)
        if response.opcode != wire.OPCODES["noop"]:
            raise Wrong(f"the fence was answered {response}")

    def check_setq(self, connection, opaque):
        response = connection.packet()
        if response.opaque == opaque and response.status == wire.TEMPORARY_FAILURE:
            self.failed += 1
            response = connection.packet()
        if response.opaque != opaque ^ 1:
            raise Wrong(f"setq and noop were answered {response}")

    def check_denied(self, connection, opaque):
        response = connection.packet()
        if (response.opaque, response.status) != (opaque, wire.AUTH_ERROR):
            raise Wrong(f"a denied get was answered {response}")


class Stranger(Client):
    """Connects, says nonsense or the half of something, and leaves."""

    def login(self, connection):
        pass

    def session(self, connection):
        data = self.random.choice((
            wire.text_login(self.user, b"wrong") + b"get alice:1\r\n", b"get alice:1\r\n", b"\x80" + self.random.randbytes(60),
            self.random.randbytes(200), wire.packet("sasl_auth", b"PLAIN", wire.plain_message(self.user, b"wrong")),
            wire.text_login(self.user, PASSWORDS[self.user]) + b"set %s:1 0 0 1000\r\nabc" % self.user,
            wire.text_login(self.user, PASSWORDS[self.user]) + b"get %s:1\r\n" % self.user * 50,
            struct.pack(">BBHBBHIIQ", 0x80, 1, 7, 8, 0, 0, 0xFFFFFFFF, 0, 0)))
        connection.send(data[:self.random.randrange(len(data))])


@harness.needs_mcgate
class Chaos(unittest.TestCase):
    def test_nothing_reaches_another(self):
        print(f"MCGATE_CHAOS_SEED={SEED} MCGATE_CHAOS_ROUNDS={ROUNDS}", flush=True)
        memcached, gate = harness.start(self, [harness.plain_listener(), harness.tls_listener()])
        clients = [kind(gate, user, f"{kind.__name__} {user} {number}", SEED)
                   for kind in (TextClient, BinaryClient) for user in (b"alice", b"bob") for number in range(CLIENTS)]
        clients.append(Stranger(gate, b"alice", "stranger", SEED))
        for client in clients:
            client.start()
        # memcached dies each time that a certain share of the work is done.
        work = CLIENTS * 4 * ROUNDS
        numbers = random.Random(SEED)
        for kill in range(1, KILLS + 1):
            # Waiting for whichever client ends first, in short steps, since there is no event for "so much is done".
            while sum(client.is_alive() for client in clients) > 1 and self.progress(clients) < kill * work * 8 / (KILLS + 1):
                numbers.choice(clients).join(0.02)
            memcached.kill()
            memcached.start()
        for client in clients:
            self.wait_for(client, clients)
        self.assertEqual([(client.name, repr(client.error)) for client in clients if client.error], [])
        answered, failed = (sum(getattr(client, what) for client in clients) for what in ("answered", "failed"))
        print(f"{answered} answered, {failed} lost to memcached's {KILLS} deaths", flush=True)
        self.assertGreater(answered, failed)
        self.assertGreater(answered, work)
        log = gate.process.log()
        for reason in re.findall(r'event=upstream_down .*?reason="?([^"]*)"?', log):
            self.assertNotRegex(reason, "not a|unasked|order|another|without|neither",
                                "memcached answered rightly, and a link was poisoned all the same")
        with gate.connect() as connection:
            self.assertEqual(connection.login(b"alice", PASSWORDS[b"alice"]), b"STORED")
            # The clients may have ended with the last death: then a link is still to come back.
            while (answer := connection.set(b"alice:after", b"x")) == b"SERVER_ERROR upstream unavailable":
                time.sleep(0.05)
            self.assertEqual(answer, b"STORED")

    def wait_for(self, client, clients):
        """Until it ends, however long that takes as long as anybody comes on."""
        while client.is_alive():
            before = self.progress(clients)
            client.join(60)
            if client.is_alive():
                self.assertNotEqual(self.progress(clients), before, f"{client.name} hangs")

    @staticmethod
    def progress(clients):
        return sum(client.answered for client in clients)


if __name__ == "__main__":
    unittest.main()
