"""Real clients, unchanged: each logs in the way it can and must be served as memcached would serve it; a refused key must
leave it with a connection that works.
"""

import json
import re
import subprocess
import unittest

import harness
from harness import PASSWORDS

LARGE = b"0123456789" * 100_000  # 1,000,000 bytes: near what memcached's default item size can hold
USER, PASSWORD = "alice", PASSWORDS[b"alice"].decode()


class ClientCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.memcached, cls.gate = harness.start(cls, [harness.plain_listener(), harness.tls_listener()])

    def setUp(self):
        self.memcached.flush()

    def port(self, listener):
        return self.gate.addresses[listener][1]


@harness.needs_mcgate
class Pymemcache(ClientCase):
    """Text over TLS; the log-in is the first `set` on the connection."""

    def client(self, user=USER, password=PASSWORD):
        from pymemcache.client.base import Client
        client = Client(self.gate.addresses[1], tls_context=harness.client_tls(), timeout=20, default_noreply=False)
        self.addCleanup(client.close)
        return client, client.set("login", f"{user} {password}")

    def test_everything(self):
        client, logged_in = self.client()
        self.assertTrue(logged_in)
        self.assertTrue(client.set("alice:a", b"1"))
        self.assertEqual(client.get("alice:a"), b"1")
        self.assertTrue(client.set("alice:n", b"1", noreply=True))
        self.assertEqual(client.set_many({"alice:b": b"2", "alice:c": b"3"}), [])
        self.assertEqual(client.get_many(["alice:a", "alice:b", "alice:c", "alice:d"]),
                         {"alice:a": b"1", "alice:b": b"2", "alice:c": b"3"})
        value, cas = client.gets("alice:a")
        self.assertEqual((value, client.cas("alice:a", b"5", cas), client.cas("alice:a", b"6", cas)), (b"1", True, False))
        self.assertEqual((client.incr("alice:a", 2), client.decr("alice:a", 1)), (7, 6))
        self.assertTrue(client.touch("alice:a", 100))
        self.assertTrue(client.append("alice:b", b"x"))
        self.assertTrue(client.prepend("alice:b", b"y"))
        self.assertEqual(client.get("alice:b"), b"y2x")
        self.assertFalse(client.add("alice:b", b"z"))
        self.assertTrue(client.replace("alice:b", b"z"))
        self.assertTrue(client.delete("alice:a"))
        self.assertIsNone(client.get("alice:a"))
        self.assertEqual(client.version(), b"1.6.18")
        self.assertIn(b"pid", client.stats())
        self.assertTrue(client.set("alice:large", LARGE))
        self.assertEqual(client.get("alice:large"), LARGE)
        client.quit()

    def test_wrong_password(self):
        from pymemcache.exceptions import MemcacheClientError
        with self.assertRaisesRegex(MemcacheClientError, "authentication failure"):
            self.client(password="wrong")

    def test_refused_key(self):
        from pymemcache.exceptions import MemcacheClientError
        client, _ = self.client()
        for attempt in (lambda: client.get("bob:a"), lambda: client.set("bob:a", b"x"), lambda: client.delete("bob:a"),
                        lambda: client.get_many(["alice:a", "bob:a"]), lambda: client.incr("bob:a", 1)):
            with self.assertRaisesRegex(MemcacheClientError, "access denied"):
                attempt()
            # It drops its connection at any error, and so has to log in anew.
            self.assertTrue(client.set("login", f"{USER} {PASSWORD}"))
            self.assertTrue(client.set("alice:a", b"1"))


@harness.needs_mcgate
class BinaryMemcached(ClientCase):
    """python-binary-memcached: SASL PLAIN over TLS; quiet multi-gets that no error may interrupt."""

    def client(self, user=USER, password=PASSWORD):
        import bmemcached
        client = bmemcached.Client([f"127.0.0.1:{self.port(1)}"], user, password, socket_timeout=20,
                                   tls_context=harness.client_tls())
        self.addCleanup(client.disconnect_all)
        return client

    def test_everything(self):
        client = self.client()
        self.assertTrue(client.set("alice:a", b"1"))
        self.assertEqual(client.get("alice:a"), b"1")
        self.assertFalse(client.set_multi({"alice:b": b"2", "alice:c": b"3"}))
        self.assertEqual(client.get_multi(["alice:a", "alice:b", "alice:c", "alice:d"]),
                         {"alice:a": b"1", "alice:b": b"2", "alice:c": b"3"})
        value, cas = client.gets("alice:a")
        self.assertEqual((value, client.cas("alice:a", b"5", cas), client.cas("alice:a", b"6", cas)), (b"1", True, False))
        self.assertEqual((client.incr("alice:n", 2, default=7), client.incr("alice:n", 2), client.decr("alice:n", 1)),
                         (7, 9, 8))
        self.assertTrue(client.delete("alice:a"))
        self.assertIsNone(client.get("alice:a"))
        self.assertFalse(client.delete_multi(["alice:b"]) is None)
        self.assertTrue(client.set("alice:large", LARGE))
        self.assertEqual(client.get("alice:large"), LARGE)
        self.assertTrue(any("pid" in stats for stats in client.stats().values()))

    def test_wrong_password(self):
        from bmemcached.exceptions import MemcachedException
        with self.assertRaises(MemcachedException):
            self.client(password="wrong").get("alice:a")

    def test_refused_key(self):
        from bmemcached.exceptions import MemcachedException
        client = self.client()
        self.assertTrue(client.set("alice:a", b"1"))
        for attempt in (lambda: client.get("bob:a"), lambda: client.set("bob:a", b"x"), lambda: client.delete("bob:a"),
                        lambda: client.incr("bob:a", 1)):
            with self.assertRaises(MemcachedException):
                attempt()
            self.assertEqual(client.get("alice:a"), b"1")
        # The last of a multi-get is asked loudly, the others quietly.
        self.assertEqual(client.get_multi(["bob:a", "alice:a", "bob:b", "alice:a"]), {"alice:a": b"1"})
        self.assertEqual(client.get("alice:a"), b"1")
        self.assertEqual(client.get_multi(["alice:a", "alice:b"]), {"alice:a": b"1"})


@harness.needs_mcgate
class Pylibmc(ClientCase):
    """libmemcached from Python: SASL over the binary protocol, in the clear on loopback; libsasl picks SCRAM."""

    def client(self, user=USER, password=PASSWORD):
        import pylibmc
        return pylibmc.Client([f"127.0.0.1:{self.port(0)}"], binary=True, username=user, password=password,
                              behaviors={"cas": True})

    def test_everything(self):
        client = self.client()
        self.assertTrue(client.set("alice:a", b"1"))
        self.assertEqual(client.get("alice:a"), b"1")
        self.assertEqual(client.set_multi({"alice:b": b"2", "alice:c": b"3"}), [])
        self.assertEqual(client.get_multi(["alice:a", "alice:b", "alice:c", "alice:d"]),
                         {"alice:a": b"1", "alice:b": b"2", "alice:c": b"3"})
        value, cas = client.gets("alice:a")
        self.assertEqual((value, client.cas("alice:a", 5, cas)), (b"1", True))
        self.assertEqual((client.incr("alice:a", 2), client.decr("alice:a", 1)), (7, 6))
        self.assertTrue(client.touch("alice:a", 100))
        self.assertFalse(client.add("alice:b", b"z"))
        self.assertTrue(client.replace("alice:b", b"z"))
        self.assertTrue(client.append("alice:b", b"x"))
        self.assertTrue(client.delete("alice:a"))
        self.assertIsNone(client.get("alice:a"))
        self.assertTrue(client.set("alice:large", LARGE))
        self.assertEqual(client.get("alice:large"), LARGE)

    def test_wrong_password(self):
        import pylibmc
        with self.assertRaises(pylibmc.Error):
            self.client(password="wrong").set("alice:a", b"1")

    def test_refused_key(self):
        import pylibmc
        client = self.client()
        self.assertTrue(client.set("alice:a", b"1"))
        self.assertIsNone(client.get("bob:a"))  # libmemcached asks quietly, so that a refusal is a miss
        # No incr: libmemcached 1.1.4 fails an assertion of its own, and its process dies, at 0x20 for incr and decr.
        for attempt in (lambda: client.set("bob:a", b"x"), lambda: client.delete("bob:a"),
                        lambda: client.touch("bob:a", 1), lambda: client.append("bob:a", "x")):
            with self.assertRaises(pylibmc.Error):
                attempt()
            self.assertEqual(client.get("alice:a"), b"1")
        self.assertEqual(client.get_multi(["bob:a", "alice:a"]), {"alice:a": b"1"})
        self.assertEqual(client.get("alice:a"), b"1")


    def test_refused_incr_under_no_access(self):
        import pylibmc
        _, gate = harness.start(self, [harness.plain_listener()], self.memcached, denied_status="no-access")
        client = pylibmc.Client([f"127.0.0.1:{gate.addresses[0][1]}"], binary=True, username=USER, password=PASSWORD)
        self.assertTrue(client.set("alice:n", b"1"))
        for attempt in (client.incr, client.decr):
            with self.assertRaises(pylibmc.Error):
                attempt("bob:n", 1)
            self.assertEqual(client.get("alice:n"), b"1")


PHP = r"""
[$_, $port, $user, $password] = $argv;
$m = new Memcached();
$m->setOption(Memcached::OPT_BINARY_PROTOCOL, true);
$m->setSaslAuthData($user, $password);
$m->addServer('127.0.0.1', (int)$port);
$large = str_repeat('0123456789', 100000);
$m->setOption(Memcached::OPT_COMPRESSION, false);
$out = [];
$out['set'] = $m->set('alice:a', '1');
$out['code'] = $m->getResultCode();
$out['get'] = $m->get('alice:a');
$out['set_multi'] = $m->setMulti(['alice:b' => '2', 'alice:c' => '3']);
$out['get_multi'] = $m->getMulti(['alice:a', 'alice:b', 'alice:c', 'alice:d']);
$extended = $m->get('alice:a', null, Memcached::GET_EXTENDED);
$out['cas'] = $m->cas($extended['cas'] ?? 1, 'alice:a', '5');
$out['stale_cas'] = $m->cas($extended['cas'] ?? 1, 'alice:a', '6');
$out['increment'] = $m->increment('alice:n', 2, 7);
$out['increment_again'] = $m->increment('alice:n', 2, 7);
$out['touch'] = $m->touch('alice:a', 100);
$out['refused_get'] = $m->get('bob:a');
$out['refused_get_code'] = $m->getResultCode();
$out['refused_set'] = $m->set('bob:a', 'x');
$out['refused_multi'] = $m->getMulti(['bob:a', 'alice:a']);
$out['after_refusals'] = $m->get('alice:a');
$out['delete'] = $m->delete('alice:a');
$out['gone'] = $m->get('alice:a');
$out['large'] = $m->set('alice:large', $large) && $m->get('alice:large') === $large;
$m->quit();
echo json_encode($out);
"""


@harness.needs_mcgate
class PhpMemcached(ClientCase):
    """php-memcached: SASL over the binary protocol, in the clear on loopback."""

    def run_php(self, password):
        done = subprocess.run(["/usr/bin/php", "-r", PHP, "--", str(self.port(0)), USER, password],
                              capture_output=True, timeout=60, check=True)
        return json.loads(done.stdout)

    def test_everything(self):
        out = self.run_php(PASSWORD)
        self.assertNotEqual(out.pop("refused_get_code"), 0)
        self.assertEqual(out, {
            "set": True, "code": 0, "get": "1", "set_multi": True,
            "get_multi": {"alice:a": "1", "alice:b": "2", "alice:c": "3"}, "cas": True, "stale_cas": False,
            "increment": 7, "increment_again": 9, "touch": True, "refused_get": False, "refused_set": False,
            "refused_multi": {"alice:a": "5"}, "after_refusals": "5", "delete": True, "gone": False, "large": True})

    def test_wrong_password(self):
        out = self.run_php("wrong")
        self.assertFalse(out["set"])
        self.assertNotEqual(out["code"], 0)
        self.assertFalse(out["get"])
        self.assertFalse(out["large"])


class Memccapable(unittest.TestCase):
    """libmemcached's test of servers: what passes against memcached must pass through mcgate, which is all of it."""

    @staticmethod
    def run_memccapable(port, flag):
        done = subprocess.run(["/usr/bin/memccapable", "-h", "127.0.0.1", "-p", str(port), "-t", "20", flag],
                              capture_output=True, timeout=120, check=False)
        output = (done.stdout + done.stderr).decode()
        return dict(re.findall(r"^((?:ascii|binary) .*?)\s+\[(\w+)\]$", output, re.MULTILINE)), output

    @harness.needs_mcgate
    def test_through_mcgate(self):
        _, gate = harness.start(self, [harness.plain_listener(anonymous="admin")])
        for flag, count in (("-a", 27), ("-b", 27)):
            with self.subTest(flag=flag):
                results, output = self.run_memccapable(gate.addresses[0][1], flag)
                self.assertEqual([name for name, result in results.items() if result != "pass"], [], output)
                self.assertEqual(len(results), count, output)


if __name__ == "__main__":
    unittest.main()
