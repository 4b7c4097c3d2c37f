"""The admin endpoint: what it counts, when it is ready, and that nobody holds it up."""

import json
import os
import signal
import socket
import stat
import unittest

import admin
import harness
import scram
import wire
from harness import PASSWORDS

CONNECTIONS = 16  # that it has at a time


def value(metrics, name, **labels):
    pairs = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return metrics[f"{name}{{{pairs}}}" if pairs else name]


class AdminCase(unittest.TestCase):
    def start(self, listeners=None, **config):
        config = {"admin": admin.listener()} | config
        self.memcached, self.gate = harness.start(self, listeners or [harness.plain_listener()], **config)
        self.admin = admin.Admin(config["admin"]["address"])

    def connect(self, user=None, listener=0):
        connection = self.gate.connect(listener)
        self.addCleanup(connection.close)
        if user:
            self.assertEqual(connection.login(user, PASSWORDS[user]), b"STORED")
        return connection


@harness.needs_mcgate
class Counting(AdminCase):
    def test_requests_by_command_and_outcome(self):
        self.start()
        before = self.admin.metrics()
        stranger, binary = self.connect(), self.connect()
        self.assertEqual(stranger.ask(b"get alice:a\r\n"), b"CLIENT_ERROR unauthenticated")
        refused = binary.call("get", b"alice:a")
        self.assertEqual(refused.status, 0x20)
        alice = self.connect(b"alice")
        self.assertEqual(alice.set(b"alice:a", b"1"), b"STORED")
        self.assertEqual(alice.get(b"alice:a"), b"1")
        self.assertEqual(alice.get(b"alice:b"), None)
        self.assertEqual(alice.ask(b"get bob:a\r\n"), b"CLIENT_ERROR access denied")
        self.assertEqual(alice.ask(b"nonsense\r\n"), b"ERROR")
        sent = 24 + len(refused.value) + len(
            b"CLIENT_ERROR unauthenticated\r\n" + b"STORED\r\n" * 2 + b"VALUE alice:a 0 1\r\n1\r\nEND\r\n" + b"END\r\n" +
            b"CLIENT_ERROR access denied\r\nERROR\r\n")
        # Bytes are counted once they are sent: the client may have them before.
        after = self.admin.wait_for(lambda metrics: value(metrics, "mcgate_client_sent_bytes_total") >=
                                    value(before, "mcgate_client_sent_bytes_total") + sent, "the count of the bytes sent")

        def grew(name, **labels):
            return value(after, name, **labels) - value(before, name, **labels)
        self.assertEqual(grew("mcgate_requests_total", command="set", outcome="allowed"), 1)
        self.assertEqual(grew("mcgate_requests_total", command="get", outcome="allowed"), 2)
        self.assertEqual(grew("mcgate_requests_total", command="get", outcome="denied"), 1)
        self.assertEqual(grew("mcgate_requests_total", command="get", outcome="unauthenticated"), 1)
        self.assertEqual(sum(after[name] - before[name] for name in after if name.startswith("mcgate_requests_total")),
                         5)
        self.assertEqual(grew("mcgate_malformed_requests_total"), 2)
        self.assertEqual(grew("mcgate_logins_total", proof="text", outcome="granted"), 1)
        self.assertEqual(grew("mcgate_client_received_bytes_total"),
                         len(wire.packet("get", b"alice:a") + b"get alice:a\r\n" + wire.text_login(b"alice", PASSWORDS[b"alice"]) +
                             b"set alice:a 0 0 1\r\n1\r\n" + b"get alice:a\r\n" * 2 + b"get bob:a\r\nnonsense\r\n"))
        self.assertEqual(grew("mcgate_client_sent_bytes_total"), sent)

    def test_a_request_that_was_held_back_counts_once(self):
        self.start(limits={"requests_in_flight": 1}, workers=1)
        alice = self.connect(b"alice")
        alice.send(b"get alice:a\r\n" * 50)
        for _ in range(50):
            self.assertEqual(alice.line(), b"END")
        self.assertEqual(value(self.admin.metrics(), "mcgate_requests_total", command="get", outcome="allowed"), 50)

    def test_logins(self):
        self.start()
        client = self.connect()
        self.assertEqual(client.login(b"alice", b"wrong"), b"CLIENT_ERROR authentication failure")
        binary = self.connect()
        self.assertEqual(binary.sasl_plain(b"alice", b"wrong").status, 0x20)
        self.assertEqual(binary.call("sasl_auth", b"NONESUCH", b"x").status, 0x20)
        self.assertEqual(binary.sasl_plain(b"alice", PASSWORDS[b"alice"]).status, 0)
        metrics = self.admin.metrics()
        for proof, outcome in (("text", "refused"), ("PLAIN", "refused"), ("unknown", "refused"),
                               ("PLAIN", "granted")):
            self.assertEqual(value(metrics, "mcgate_logins_total", proof=proof, outcome=outcome), 1, (proof, outcome))

    def test_sessions_and_why_they_ended(self):
        self.start([harness.plain_listener(), harness.tls_listener(), harness.plain_listener(networks=["192.0.2.0/24"])])
        staying = self.connect(b"alice")
        self.assertEqual(self.admin.metrics()["mcgate_sessions"], 1)
        leaving = self.connect(b"alice")
        leaving.send(b"quit\r\n")
        leaving.rest()
        mixing = self.connect(b"alice")
        mixing.send(wire.packet("noop"))
        mixing.rest()
        guessing = self.connect()
        for _ in range(10):
            self.assertEqual(guessing.login(b"alice", b"wrong"), b"CLIENT_ERROR authentication failure")
        guessing.rest()
        not_tls = wire.Connection(self.gate.addresses[1])
        self.addCleanup(not_tls.close)
        not_tls.send(b"get alice:a\r\n")
        not_tls.rest()
        self.connect(listener=2).rest()
        for client in (leaving, mixing, guessing, not_tls):
            client.close()
        metrics = self.admin.wait_for(lambda found: found["mcgate_sessions"] == 1, "one session")
        for reason, count in {"client": 1, "protocol": 1, "logins": 1, "lost": 1, "bound": 0, "revoked": 0}.items():
            self.assertEqual(value(metrics, "mcgate_sessions_closed_total", reason=reason), count, reason)
        self.assertEqual(metrics["mcgate_sessions_accepted_total"], 5)
        self.assertEqual(metrics["mcgate_clients_from_elsewhere_total"], 1)
        self.assertEqual(staying.get(b"alice:none"), None)

    def test_reloads(self):
        self.start()
        process = self.gate.process
        self.assertEqual(self.admin.metrics()["mcgate_config_generation"], 1)
        process.child.send_signal(signal.SIGHUP)
        process.wait_for("event=reloaded")
        with open(self.gate.config, "a", encoding="utf-8") as file:
            file.write("nonsense = 1\n")
        process.child.send_signal(signal.SIGHUP)
        process.wait_for("event=reload_refused")
        metrics = self.admin.metrics()
        self.assertEqual(metrics["mcgate_config_generation"], 2)
        self.assertEqual(value(metrics, "mcgate_reloads_total", outcome="adopted"), 1)
        self.assertEqual(value(metrics, "mcgate_reloads_total", outcome="refused"), 1)

    def test_when_each_secret_was_last_used(self):
        old, new = (scram.verifier(password) for password in (b"old", b"new"))
        user = {"name": "rotating", "roles": ["alice"], "secrets": [new, old]}
        self.start(users=harness.users() + [user])

        def last_uses():
            status, body = self.admin.get("/users")
            self.assertEqual(status, 200)
            self.assertNotRegex(body, "SCRAM-SHA-(256|512)\\$")
            users = {each["name"]: each for each in json.loads(body)["users"]}
            self.assertTrue(users["alice"]["enabled"])
            return [secret["last_used"] for secret in users["rotating"]["secrets"]]
        self.assertEqual(last_uses(), [None, None])
        self.assertEqual(self.connect().login(b"rotating", b"old"), b"STORED")
        unused, used = last_uses()
        self.assertIsNone(unused)
        self.assertRegex(used, r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(self.connect().sasl_plain(b"rotating", b"new").status, 0)
        self.assertNotIn(None, last_uses())
        self.assertEqual(self.connect().login(b"rotating", b"wrong"), b"CLIENT_ERROR authentication failure")

    def test_no_answer_tells_of_users_keys_or_secrets(self):
        self.start()
        alice = self.connect(b"alice")
        self.assertEqual(alice.set(b"alice:confidential", b"very-secret-value"), b"STORED")
        for path in ("/metrics", "/healthz", "/readyz", "/alice:confidential", "/%0d%0aX: y"):
            _, headers, body = self.admin.ask(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            for word in ("alice", "confidential", "secret", "SCRAM-SHA-256$"):
                self.assertNotIn(word, body + str(headers))
            self.assertNotIn("x", headers)


@harness.needs_mcgate
class Readiness(AdminCase):
    def test_it_follows_memcached_and_the_end(self):
        self.start(timeouts={"drain_seconds": 60})
        self.assertEqual(self.admin.get("/readyz"), (200, "ready\n"))
        alice = self.connect(b"alice")
        self.memcached.kill()
        self.admin.wait_for(lambda found: value(found, "mcgate_upstream_links", protocol="text") == 0 and
                            value(found, "mcgate_upstream_links", protocol="binary") == 0, "memcached is gone")
        self.assertEqual(self.admin.get("/readyz"), (503, "not ready\n"))
        self.assertEqual(self.admin.get("/healthz"), (200, "ok\n"))
        self.memcached.start()
        metrics = self.admin.wait_for(lambda found: value(found, "mcgate_upstream_links", protocol="text") == 2,
                                      "memcached is back")
        self.assertGreater(value(metrics, "mcgate_upstream_failures_total", reason="lost"), 0)
        self.assertEqual(self.admin.get("/readyz")[0], 200)
        # Something under way, so that it drains for a while.
        os.kill(self.memcached.process.child.pid, signal.SIGSTOP)
        alice.send(b"get alice:a\r\n")
        self.admin.wait_for(lambda found: value(found, "mcgate_requests_total", command="get", outcome="allowed") == 1,
                            "the get is under way")
        self.gate.terminate()
        self.gate.process.wait_for("event=draining")
        self.assertEqual(self.admin.get("/readyz")[0], 503)
        self.assertEqual(self.admin.get("/healthz")[0], 200)
        os.kill(self.memcached.process.child.pid, signal.SIGCONT)
        self.assertEqual(alice.line(), b"END")
        self.gate.stop()
        self.assertFalse(os.path.exists(self.admin.address))

    def test_without_memcached_from_the_start(self):
        table = admin.listener()
        gate = harness.Mcgate(f"unix:{harness.fresh_path('.none')}", [harness.plain_listener()], admin=table, workers=2,
                              limits={"sessions": 100})
        self.addCleanup(gate.stop)
        self.assertEqual(admin.Admin(table["address"]).get("/readyz")[0], 503)


@harness.needs_mcgate
class Http(AdminCase):
    def test_methods_and_paths(self):
        self.start()
        head = " HTTP/1.1\r\nHost: mcgate\r\nContent-Length: 0\r\n\r\n"
        for request, status in (("GET /metrics", 200), ("GET /metrics?x=1", 200), ("GET /", 404), ("GET /metrics/", 404),
                                ("GET /Metrics", 404), ("POST /metrics", 405), ("PUT /readyz", 405),
                                ("DELETE /healthz", 405), ("HEAD /metrics", 405)):
            with self.subTest(request=request):
                got, headers, _ = self.admin.ask((request + head).encode())
                self.assertEqual(got, status)
                self.assertEqual(headers.get("connection"), "close")
                self.assertEqual(headers.get("allow"), "GET" if status == 405 else None)

    def test_what_is_no_http_or_too_long(self):
        self.start()
        for request in (b"\0" * 100 + b"\r\n\r\n", b"get a\r\n", b"GET /metrics HTTP/1.1\r\nX: " + b"y" * 100_000,
                        b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n",
                        b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"):
            with self.subTest(request=request[:40]):
                with self.admin.connect() as connection:
                    try:
                        connection.send(request)
                    except ConnectionError:
                        pass  # it was refused before it was all there
                    answer = connection.rest()
                self.assertTrue(answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:100])
        self.assertEqual(self.admin.get("/healthz")[0], 200)

    def test_tcp_and_its_mode_on_a_socket(self):
        table = admin.listener() | {"mode": "0640"}
        self.start(admin=table)
        self.assertEqual(stat.S_IMODE(os.stat(self.admin.address).st_mode), 0o640)
        self.start_on_tcp()
        self.assertEqual(self.admin.get("/healthz"), (200, "ok\n"))

    def start_on_tcp(self, **options):
        self.start(admin={"address": "127.0.0.1:0"} | options)
        line, = self.gate.process.wait_for("event=admin ")
        host, port = line.rsplit("address=", 1)[1].rsplit(":", 1)
        self.admin.address = (host, int(port))

    def test_a_page_whose_name_was_made_to_point_here_reads_nothing(self):
        self.start_on_tcp(hosts=["mcgate.example"])

        def answers(host):
            lines = "" if host is None else f"Host: {host}\r\n"
            return {path: self.admin.ask(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())[0]
                    for path in ("/metrics", "/users", "/observed", "/explain?command=get&key=k", "/healthz", "/readyz")}
        for host in ("127.0.0.1", f"127.0.0.1:{self.admin.address[1]}", "[::1]:1", "localhost:9150", "MCGATE.example"):
            with self.subTest(host=host):
                told = answers(host)
                self.assertEqual([told[path] for path in ("/metrics", "/users", "/observed", "/healthz")], [200] * 4)
                self.assertNotIn(421, told.values())
        for host in ("evil.example", f"evil.example:{self.admin.address[1]}", "127.0.0.1.evil.example", "", None):
            with self.subTest(host=host):
                self.assertEqual(list(answers(host).values()), [421] * 4 + [200] * 2)

    def test_the_host_is_the_targets_if_that_names_one(self):
        self.start_on_tcp()

        def ask(target, *hosts):
            lines = "".join(f"Host: {host}\r\n" for host in hosts)
            return self.admin.ask(f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode())[0]
        for target, host, status in (
                ("http://evil.example/users", "localhost", 421), ("http://evil.example:9150/users", "localhost", 421),
                ("http://localhost@evil.example/users", "localhost", 421), ("//evil.example/users", "localhost", 421),
                ("http:///users", "localhost", 421), ("http://localhost.evil.example/users", "localhost", 421),
                ("http://localhost/users", "evil.example", 200), ("http://127.0.0.1:9150/users", "localhost", 200),
                ("http://[::1]:9150/users", "localhost", 200), ("http://evil.example/healthz", "localhost", 200)):
            with self.subTest(target=target, host=host):
                self.assertEqual(ask(target, host), status)
        for hosts in (("localhost", "evil.example"), ("evil.example", "localhost"), ("localhost", "localhost")):
            with self.subTest(hosts=hosts):
                self.assertEqual([ask(path, *hosts) for path in ("/users", "/healthz", "/nowhere")], [400] * 3)

    def test_who_is_slow_or_silent_makes_room_again(self):
        self.start()
        held = [self.admin.connect() for _ in range(CONNECTIONS)]
        for connection in held:
            self.addCleanup(connection.close)
        held[0].send(b"GET /metr")
        late = self.admin.connect()
        self.addCleanup(late.close)
        late.send(b"GET /healthz HTTP/1.1\r\nHost: mcgate\r\n\r\n")
        # It waits in the queue of the listening socket: nothing is answered while all connections are held.
        late.socket.settimeout(1)
        with self.assertRaises(socket.timeout):
            late.line()
        descriptors = len(os.listdir(f"/proc/{self.gate.process.child.pid}/fd"))
        more = [self.admin.connect() for _ in range(50)]
        for connection in more:
            self.addCleanup(connection.close)
        self.assertEqual(len(os.listdir(f"/proc/{self.gate.process.child.pid}/fd")), descriptors)
        # Clients are served meanwhile, and those who say nothing are ended.
        self.assertEqual(self.connect(b"alice").get(b"alice:a"), None)
        late.socket.settimeout(wire.TIMEOUT)
        self.assertEqual(late.line(), b"HTTP/1.1 200 OK")

    def test_one_byte_now_and_then_does_not_keep_a_connection(self):
        self.start()
        slow = self.admin.connect()
        self.addCleanup(slow.close)
        slow.socket.settimeout(1)
        with self.assertRaises((ConnectionError, wire.Closed)):
            for byte in b"GET /metrics HTTP/1.1\r\nX: " + b"y" * 100:
                slow.send(bytes([byte]))
                try:
                    slow.line()
                except socket.timeout:
                    pass


if __name__ == "__main__":
    unittest.main()
