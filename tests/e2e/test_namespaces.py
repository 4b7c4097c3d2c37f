"""Namespaces: users whose keys are the same never meet, in no dialect; whatever is of the whole cache is refused in one.

The property test gives two tenants the same keys behind one memcached, and each a memcached of its own beside: to each tenant
the one that is shared must look like the one that nobody else uses, whatever the other does meanwhile.
"""

import concurrent.futures
import os
import random
import re
import signal
import struct
import unittest

import harness
import wire
from differential import FENCE, FENCE_ANSWER, Side, batches
from generator import KEYS, Generator
from wire import packet

SEED = int(os.environ.get("MCGATE_DIFF_SEED", "2026")) or random.SystemRandom().randrange(1, 1 << 32)
REQUESTS = int(os.environ.get("MCGATE_NAMESPACE_REQUESTS", "20000"))
DENIED = b"CLIENT_ERROR access denied"
BAD_FORMAT = b"CLIENT_ERROR bad command line format"

ALL = {"allow": [{"commands": ["*"], "keys": ["*"]}]}
ROLES = {
    "all": ALL,
    "everything": {"allow": [{"commands": ["*", "admin"], "keys": ["*"]}]},
    "counts": {"allow": [{"commands": ["*", "stats"], "keys": ["*"]}]},
    "public": {"allow": [{"commands": ["*"], "keys": ["public:*"]}]},
}
USERS = [
    {"name": "a", "namespace": "a:", "roles": ["all"]},
    {"name": "b", "namespace": "bb/", "roles": ["all"]},
    {"name": "also-a", "namespace": "a:", "roles": ["public"]},
    {"name": "admin-of-a", "namespace": "a:", "roles": ["everything"]},
    {"name": "counts-in-a", "namespace": "a:", "roles": ["counts"]},
    {"name": "longest", "namespace": "n" * 100, "roles": ["all"]},
    {"name": "whole", "roles": ["everything"]},
]
NAMES = [user["name"] for user in USERS]


def listeners():
    return [harness.unix_listener(anonymous=name) for name in NAMES]


class Tenants(unittest.TestCase):
    def setUp(self):
        self.memcached, self.gate = harness.start(self, listeners(), users=USERS, roles=ROLES, workers=1)
        with open(self.gate.config, encoding="utf-8") as file:
            self.config = file.read()

    def connect(self, name):
        connection = self.gate.connect(NAMES.index(name))
        self.addCleanup(connection.close)
        return connection

    def lines(self, connection, request, count):
        connection.send(request)
        return [connection.line() for _ in range(count)]


@harness.needs_mcgate
class Namespaces(Tenants):
    def test_a_prefix_goes_up_and_does_not_come_back(self):
        a, whole = self.connect("a"), self.connect("whole")
        self.assertEqual(a.set(b"k", b"of a", 5), b"STORED")
        self.assertEqual(self.lines(whole, b"get k a:k\r\n", 3), [b"VALUE a:k 5 4", b"of a", b"END"])
        self.assertEqual(self.lines(a, b"get nothing k a:k\r\n", 3), [b"VALUE k 5 4", b"of a", b"END"])
        self.assertRegex(self.lines(a, b"gats 0 k\r\n", 3)[0], rb"^VALUE k 5 4 \d+$")
        self.assertEqual(self.lines(a, b"mg k v k Ox\r\n", 2), [b"VA 4 kk Ox", b"of a"])
        self.assertEqual(self.lines(a, b"mg aw== b k v\r\n", 2), [b"VA 4 kaw== b", b"of a"])
        self.assertEqual(a.ask(b"mg nothing k v\r\n"), b"EN knothing")
        self.assertEqual(a.ask(b"incr k 1\r\n"), b"CLIENT_ERROR cannot increment or decrement non-numeric value")
        self.assertEqual(a.ask(b"delete k\r\n"), b"DELETED")
        self.assertIsNone(whole.get(b"a:k"))

    def test_a_prefix_in_binary(self):
        a, whole = self.connect("a"), self.connect("whole")
        self.assertEqual(a.call("set", b"k", b"of a", struct.pack(">II", 5, 0)).status, 0)
        for opcode in ("getk", "getkq", "gatk", "gatkq"):
            extras = struct.pack(">I", 0) if opcode.startswith("gat") else b""
            a.send(packet(opcode, b"k", extras=extras, opaque=7) + packet("noop"))
            hit = a.packet()
            self.assertEqual((hit.status, hit.key, hit.value, hit.flags, hit.opaque), (0, b"k", b"of a", 5, 7))
            self.assertEqual(a.packet().opcode, wire.OPCODES["noop"])
            if not opcode.endswith("q"):
                miss = a.call(opcode, b"a:k", extras=extras)
                self.assertEqual((miss.status, miss.key, miss.value), (wire.NOT_FOUND, b"a:k", b""))
        self.assertEqual(whole.call("getk", b"a:k").value, b"of a")

    def test_keys_and_namespace_are_measured_together(self):
        for name, prefix in (("a", 2), ("longest", 100)):
            text, binary = self.connect(name), self.connect(name)
            fits, too_long = b"x" * (250 - prefix), b"x" * (251 - prefix)
            self.assertEqual(text.set(fits, b"v"), b"STORED")
            self.assertEqual(text.get(fits), b"v")
            for request in (b"get %s\r\n", b"get k %s\r\n", b"gat 0 %s\r\n", b"touch %s 0\r\n", b"delete %s\r\n", b"incr %s 1\r\n",
                            b"mg %s v\r\n", b"md %s q\r\n", b"set %s 0 0 1\r\nv\r\n", b"ms %s 1\r\nv\r\n"):
                self.assertEqual(text.ask(request % too_long), BAD_FORMAT, request)
            self.assertEqual(text.get(fits), b"v")
            self.assertEqual(binary.call("getk", fits).value, b"v")
            self.assertEqual(binary.call("get", too_long).status, wire.INVALID)
            self.assertEqual(binary.call("set", too_long, b"v", struct.pack(">II", 0, 0)).status, wire.INVALID)
            binary.send(packet("getq", too_long) + packet("noop"))
            self.assertEqual(binary.packet().opcode, wire.OPCODES["noop"])
        # A gat line that would be too long on its way up.
        longest = self.connect("longest")
        keys = b" ".join(b"%d" % number for number in range(10))
        self.assertEqual(longest.ask(b"gat 0 %s\r\n" % keys), b"CLIENT_ERROR line too long")
        self.assertEqual(longest.ask(b"gat 0 %s\r\n" % keys[:-4]), b"END")

    def test_what_is_of_the_whole_cache_is_refused(self):
        self.connect("whole").set(b"other", b"x")
        admin = self.connect("admin-of-a")
        for request in (b"flush_all", b"flush_all 0", b"verbosity 0", b"cache_memlimit 64", b"slabs automove 1", b"lru mode flat",
                        b"lru_crawler metadump all", b"lru_crawler crawl all", b"extstore free_memchunks 0 0", b"watch mutations",
                        b"shutdown", b"refresh_certs", b"stats items", b"stats slabs", b"stats sizes", b"stats conns",
                        b"stats settings", b"stats reset", b"stats detail dump", b"stats cachedump 1 10", b"stats extstore"):
            self.assertEqual(admin.ask(request + b"\r\n"), DENIED, request)
        self.assertEqual(admin.ask(b"stats\r\n"), DENIED, "`*` alone does not name it")
        self.assertEqual(admin.ask(b"me other\r\n"), b"EN")
        self.assertEqual(admin.set(b"own", b"x"), b"STORED")
        self.assertRegex(admin.ask(b"me own\r\n"), rb"^ME own exp=")
        binary = self.connect("admin-of-a")
        for key in (b"", b"items", b"slabs", b"sizes", b"conns", b"settings", b"reset", b"detail dump"):
            self.assertEqual(binary.call("stat", key).status, wire.AUTH_ERROR, key)
        for opcode in ("flush", "flushq"):
            self.assertEqual(binary.call(opcode).status, wire.AUTH_ERROR)
        self.assertEqual(self.connect("whole").get(b"other"), b"x")
        counts = self.connect("counts-in-a")
        counts.send(b"stats\r\n")
        self.assertTrue(any(line.startswith(b"STAT version") for line in counts.lines_until(b"END")))
        binary_counts = self.connect("counts-in-a")
        binary_counts.send(packet("stat"))
        names = []
        while (statistic := binary_counts.packet()).key:
            names.append(statistic.key)
        self.assertIn(b"version", names)

    def test_users_of_one_namespace_share_it_and_grants_judge_their_own_keys(self):
        a, also = self.connect("a"), self.connect("also-a")
        self.assertEqual(also.set(b"public:k", b"x"), b"STORED")
        self.assertEqual(a.get(b"public:k"), b"x")
        self.assertEqual(also.ask(b"get k\r\n"), DENIED)
        self.assertEqual(also.ask(b"get a:public:k\r\n"), DENIED)

    def test_gets_that_share_a_line(self):
        """Those of one turn, of tenants with the same keys and of one who sees theirs as they are."""
        clients = {name: self.connect(name) for name in ("a", "b", "whole")}
        for name in ("a", "b"):
            clients[name].set(b"k", name.encode())
        # One write for all of them would need one client; many at once make it likely enough that lines are shared.
        for _ in range(200):
            clients["a"].send(b"get k\r\nget k\r\nget x\r\nget k\r\n")
            clients["b"].send(b"get k\r\nget x\r\nget k\r\n")
            clients["whole"].send(b"get a:k\r\nget bb/k\r\nget k\r\n")
            of_a, of_b = [b"VALUE k 0 1", b"a", b"END"], [b"VALUE k 0 1", b"b", b"END"]
            for name, answers in (("a", [*of_a, *of_a, b"END", *of_a]), ("b", [*of_b, b"END", *of_b]),
                                  ("whole", [b"VALUE a:k 0 1", b"a", b"END", b"VALUE bb/k 0 1", b"b", b"END", b"END"])):
                self.assertEqual([clients[name].line() for _ in answers], answers)

    def reload(self, config):
        with open(self.gate.config, "w", encoding="utf-8") as file:
            file.write(config)
        self.gate.process.child.send_signal(signal.SIGHUP)
        self.gate.process.wait_for("event=reloaded")

    def test_another_namespace_holds_at_once_and_not_for_replies_under_way(self):
        a = self.connect("a")
        self.assertEqual(a.set(b"k", b"old"), b"STORED")
        os.kill(self.memcached.process.child.pid, signal.SIGSTOP)
        try:
            a.send(b"get k\r\n")
            late = self.connect("b")  # whoever comes later is read later: the request is on its way
            late.send(b"mn\r\n")
            self.assertEqual(late.line(), b"MN")
            self.reload(self.config.replace('namespace = "a:"', 'namespace = "longer-than-a:"'))
        finally:
            os.kill(self.memcached.process.child.pid, signal.SIGCONT)
        self.assertEqual([a.line() for _ in range(3)], [b"VALUE k 0 3", b"old", b"END"])
        self.assertIsNone(a.get(b"k"))
        self.assertEqual(a.set(b"k", b"new"), b"STORED")
        whole = self.connect("whole")
        self.assertEqual((whole.get(b"a:k"), whole.get(b"longer-than-a:k")), (b"old", b"new"))

    def test_a_namespace_may_not_begin_with_another(self):
        with open(self.gate.config, "w", encoding="utf-8") as file:
            file.write(self.config.replace('namespace = "bb/"', 'namespace = "a:b:"'))
        self.gate.process.child.send_signal(signal.SIGHUP)
        said = self.gate.process.wait_for("event=reload_refused")[0]
        self.assertRegex(said, r"toml:\d+:\d+: namespace .*a:b:.* begins with that of user .*a:.* in line \d+")


class TenantGenerator(Generator):
    def __init__(self, numbers, namespace):
        super().__init__(numbers)
        others = [b"a:k1", b"bb/k1", b"bb/bb/k1", b"a:", b"bb/"]
        self.keys = [key for key in KEYS if len(key) < 250] + others + [b"L" * (250 - len(namespace))]

    def key(self):
        return self.random.choice(self.keys)


class Tenant:
    """A user of the shared memcached, and beside it the same alone with a memcached of its own."""

    def __init__(self, case, number, options):
        user = USERS[number]
        self.namespace = user["namespace"].encode()
        self.alone = harness.Memcached(*options)
        case.addCleanup(self.alone.stop)
        self.sides = [Side(lambda: case.gate.connect(number), case.memcached), Side(self.alone.connect, self.alone)]

    def forget(self):
        self.alone.flush()
        for side in self.sides:
            side.forget()

    def contents(self, memcached, keys, namespace):
        with memcached.connect() as direct:
            direct.send(b"get %s\r\n" % b" ".join(namespace + key for key in keys) + FENCE)
            while not direct.buffer.endswith(FENCE_ANSWER):
                direct._fill()
            return re.sub(rb"^VALUE " + re.escape(namespace), b"VALUE ", bytes(direct.buffer), flags=re.MULTILINE)


@harness.needs_mcgate
class TenantsNeverMeet(Tenants):
    OPTIONS = ("-I", "16k", "-o", "slab_chunk_max=8192,no_lru_maintainer,no_lru_crawler")

    def setUp(self):
        self.memcached = harness.Memcached(*self.OPTIONS)
        self.addCleanup(self.memcached.stop)
        _, self.gate = harness.start(self, listeners(), self.memcached, users=USERS, roles=ROLES, workers=1)
        self.tenants = [Tenant(self, number, self.OPTIONS) for number in (0, 1)]
        self.hits = 0

    def play(self, tenant, dialect, batch):
        answers = [getattr(side, dialect)(batch) for side in tenant.sides]
        if answers[0] != answers[1]:
            raise AssertionError(f"{tenant.namespace} sent {[tenant.sides[0].data(request)[:200] for request in batch]}\n"
                                 f"shared {answers[0]!r:.2000}\nalone  {answers[1]!r:.2000}")
        return len(re.findall(rb"VALUE|VA ", answers[0])) if dialect == "text" else sum(
            1 for answer in answers[0] if answer[0] in (0, 9, 0x0C, 0x0D) and answer[1] == 0)

    def test_each_sees_what_it_would_see_alone(self):
        print(f"MCGATE_DIFF_SEED={SEED} MCGATE_NAMESPACE_REQUESTS={REQUESTS}", flush=True)
        sent, number = 0, 0
        with concurrent.futures.ThreadPoolExecutor(len(self.tenants)) as pool:
            while sent < REQUESTS:
                number += 1
                sent += self.conversation(pool, random.Random(f"{SEED} {number}"), number)
        self.assertGreater(self.hits, sent // 20)

    def conversation(self, pool, numbers, number):
        self.memcached.flush()
        generators, dialects = [], []
        for tenant in self.tenants:
            tenant.forget()
            generators.append(TenantGenerator(random.Random(numbers.random()), tenant.namespace))
            dialects.append(numbers.choice(("text", "text", "binary")))
        sent = 0
        for _ in range(numbers.randrange(5, 20)):
            plays = []
            for tenant, generator, dialect in zip(self.tenants, generators, dialects):
                draw = generator.text if dialect == "text" else generator.binary
                requests = [draw() for _ in range(numbers.choice((1, 2, 5, 10, 20)))]
                sent += len(requests)
                plays.append(pool.submit(lambda t=tenant, d=dialect, r=requests:
                                         sum(self.play(t, d, batch) for batch in batches(r))))
            for play in plays:
                try:
                    self.hits += play.result()
                except (AssertionError, wire.Closed, TimeoutError) as error:
                    self.fail(f"seed {SEED}, conversation {number}: {error}\n{self.gate.process.log()[-1000:]}")
        for tenant, generator in zip(self.tenants, generators):
            shared = tenant.contents(self.memcached, generator.keys, tenant.namespace)
            self.assertEqual(shared, tenant.contents(tenant.alone, generator.keys, b""), f"seed {SEED}, conversation {number}")
        return sent


if __name__ == "__main__":
    unittest.main()
