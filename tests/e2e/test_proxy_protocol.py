"""The PROXY protocol: whom a proxy speaks for is who is judged and logged, and a client that no proxy of ours brings, or
that it brings wrongly, is closed."""

import os
import shutil
import socket
import ssl
import struct
import subprocess
import unittest

import harness
import wire
from harness import PASSWORDS
from login_case import FAILURE
from wire import text_login

ALICE = text_login(b"alice", PASSWORDS[b"alice"])
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version_1(source="192.0.2.1", port=4711):
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {source} {port} 11211\r\n".encode()


def version_2(source="192.0.2.1", port=4711, extra=b""):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    address = socket.inet_pton(family, source)
    body = address + address + struct.pack(">HH", port, 11211) + extra
    return SIGNATURE + struct.pack(">BBH", 0x21, 0x21 if ":" in source else 0x11, len(body)) + body


LOCAL = SIGNATURE + b"\x20\0\0\0"
UNKNOWN = (b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x21\0\0\0")


class ProxyCase(unittest.TestCase):
    TLS, PLAIN, LIMITED, UNIX, FOREIGN = range(5)

    @classmethod
    def setUpClass(cls):
        trusted = {"proxy_protocol_from": ["127.0.0.0/8"]}
        far = dict(harness.users()[1], name="far", networks=["192.0.2.0/24"])
        cls.memcached, cls.gate = harness.start(cls, [
            harness.tls_listener(**trusted),
            harness.plain_listener(**trusted),
            harness.tls_listener(**trusted, networks=["192.0.2.0/24", "2001:db8::/32"]),
            harness.unix_listener(proxy_protocol_from=["unix"], networks=["192.0.2.0/24"], insecure_passwords=True),
            harness.plain_listener(proxy_protocol_from=["192.0.2.0/24"]),
        ], users=[*harness.users(), far,
                  {"name": "me", "unix_users": [str(os.geteuid())], "roles": ["bob"]}],
            log={"level": "debug"}, timeouts={"handshake_seconds": 3})

    def connect(self, listener, *pieces):
        connection = wire.Connection(self.gate.addresses[listener])
        self.addCleanup(connection.close)
        for piece in pieces:
            connection.send(piece)
        return connection

    def begin_tls(self, connection):
        connection.socket = harness.client_tls().wrap_socket(connection.socket, server_hostname="localhost")
        return connection

    def assert_closed(self, connection):
        with self.assertRaises((wire.Closed, ssl.SSLError, ConnectionError)):
            connection.line()


@harness.needs_mcgate
class Headers(ProxyCase):
    def test_split_anywhere_with_tls_behind_it(self):
        port = 20000
        for make in (version_1, version_2):
            for at in range(len(make())):
                port += 1
                header = make(port=port)
                with self.subTest(version=make.__name__, at=at):
                    connection = self.begin_tls(self.connect(self.TLS, header[:at], header[at:]))
                    self.assertEqual(connection.ask(ALICE), b"STORED")
                    connection.close()
                    self.gate.process.wait_for(f"event=login user=alice proof=text peer=192.0.2.1:{port} ")

    def test_in_one_piece_with_the_first_of_tls(self):
        for number, header in enumerate((version_1(), version_2(), version_2(extra=b"\x04\0\x01x" * 100))):
            with self.subTest(number=number):
                connection = self.connect(self.TLS)
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                tls = harness.client_tls().wrap_bio(incoming, outgoing, server_hostname="localhost")
                with self.assertRaises(ssl.SSLWantReadError):
                    tls.do_handshake()
                connection.send(header + outgoing.read())
                while True:
                    incoming.write(connection.socket.recv(65536))
                    try:
                        tls.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        pass
                tls.write(ALICE)
                connection.send(outgoing.read())
                while True:
                    try:
                        self.assertEqual(tls.read(8), b"STORED\r\n")
                        break
                    except ssl.SSLWantReadError:
                        incoming.write(connection.socket.recv(65536))

    def test_plain_with_a_request_in_the_same_piece(self):
        for header in (version_1("2001:db8::7"), version_2("2001:db8::7")):
            connection = self.connect(self.PLAIN, header + b"get k\r\n")
            self.assertEqual(connection.line(), b"CLIENT_ERROR unauthenticated")

    def test_what_is_no_header_closes(self):
        for number, said in enumerate([
                b"get alice:k\r\n", ALICE, b"\x80" + bytes(23), b"\x16\x03\x01\x02\0\x01", b"PROXY TCP4 1.2.3.4\r\n",
                b"PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n", b"PROXY TCP6 1:2 ::1 1 2\r\n", SIGNATURE + b"\x31",
                SIGNATURE + b"\x21\x11\xff\xff", SIGNATURE + b"\x21\x12\0\x0c" + bytes(12), b"PROXY UNKNOWN" + b"x" * 200]):
            with self.subTest(said=said[:40]):
                connection = self.connect(self.PLAIN, said)
                self.assert_closed(connection)
                self.gate.process.wait_for("event=proxy_refused", count=number + 1)

    def test_a_header_that_never_ends_is_not_waited_for(self):
        for said in (b"", b"PROXY TCP4 192.0.2.1", version_2()[:-1], SIGNATURE + b"\x21\x11\x0f\0" + bytes(100)):
            self.assert_closed(self.connect(self.PLAIN, said))
        self.gate.process.wait_for("event=bound_reached limit=timeouts.handshake_seconds", count=4)


@harness.needs_mcgate
class Judged(ProxyCase):
    def log_in(self, listener, header, user=b"alice"):
        connection = self.begin_tls(self.connect(listener, header))
        return connection.ask(text_login(user, PASSWORDS[b"alice"]))

    def test_who_is_no_proxy_of_ours_is_closed(self):
        for header in (version_1(), version_2(), LOCAL, b""):
            self.assert_closed(self.connect(self.FOREIGN, header))

    def test_the_listeners_networks(self):
        for source in ("192.0.2.255", "2001:db8::1"):
            self.assertEqual(self.log_in(self.LIMITED, version_1(source)), b"STORED")
            self.assertEqual(self.log_in(self.LIMITED, version_2(source)), b"STORED")
        for header in (version_1("198.51.100.1"), version_2("198.51.100.1"), version_2("127.0.0.1"), *UNKNOWN):
            with self.assertRaises((wire.Closed, OSError)):
                self.log_in(self.LIMITED, header)
        self.assertEqual(self.log_in(self.LIMITED, LOCAL), b"STORED")  # the proxy itself, which may connect

    def test_the_users_networks(self):
        self.assertEqual(self.log_in(self.TLS, version_2("192.0.2.9"), b"far"), b"STORED")
        for header in (version_2("198.51.100.1"), version_1("192.0.3.1"), LOCAL, *UNKNOWN):
            self.assertEqual(self.log_in(self.TLS, header, b"far"), FAILURE)

    def test_nobody_that_a_proxy_speaks_for_is_local(self):
        for header in (version_1("127.0.0.1"), version_2("127.0.0.1"), version_2("::1"), version_2(), *UNKNOWN):
            self.assertEqual(self.connect(self.PLAIN, header).ask(ALICE), FAILURE)
        self.assertEqual(self.connect(self.PLAIN, LOCAL).ask(ALICE), b"STORED")

    def test_through_a_unix_socket(self):
        self.assertEqual(self.connect(self.UNIX, version_2()).ask(ALICE), b"STORED")
        self.gate.process.wait_for("event=login user=alice proof=text peer=192.0.2.1:4711 transport=plain")
        # Whose process the proxy is says who the proxy is, and not its client.
        self.assertEqual(self.connect(self.UNIX, version_2(), b"get bob:k\r\n").line(), b"CLIENT_ERROR unauthenticated")
        self.assertEqual(self.connect(self.UNIX, LOCAL, b"get bob:k\r\n").line(), b"END")
        for header in (version_2("198.51.100.1"), *UNKNOWN):  # a listener with networks, and an unknown address
            self.assert_closed(self.connect(self.UNIX, header))


@harness.needs_mcgate
@unittest.skipUnless(shutil.which("haproxy", path=os.defpath + ":/usr/sbin"), "haproxy is not installed")
class Haproxy(ProxyCase):
    def test_both_versions_and_health_checks(self):
        port = self.gate.addresses[self.TLS][1]
        for option, check in (("send-proxy", "check-send-proxy"), ("send-proxy-v2", "check-send-proxy")):
            with self.subTest(option), socket.create_server(("127.0.0.1", 0)) as listening:
                config = harness.fresh_path(".cfg")
                with open(config, "w", encoding="ascii") as file:
                    file.write("global\n  maxconn 100\ndefaults\n  mode tcp\n  timeout connect 20s\n  timeout client 20s\n"
                               "  timeout server 20s\nfrontend f\n"
                               f"  bind fd@{listening.fileno()}\n  default_backend b\nbackend b\n"
                               f"  server s 127.0.0.1:{port} {option} check {check}\n")
                haproxy = subprocess.Popen(["/usr/sbin/haproxy", "-db", "-f", config], pass_fds=[listening.fileno()],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                try:
                    connection = wire.Connection(listening.getsockname(), harness.client_tls())
                    own = "%s:%d" % connection.socket.getsockname()
                    self.assertEqual(connection.ask(ALICE), b"STORED")
                    connection.close()
                    self.gate.process.wait_for(f"event=login user=alice proof=text peer={own} transport=TLS")
                finally:
                    haproxy.kill()
                    haproxy.wait()


if __name__ == "__main__":
    unittest.main()
