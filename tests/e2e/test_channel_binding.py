"""SCRAM-PLUS: log-ins bound to their TLS connection, which whoever stands in between cannot pass on; by a client of our own,
and by libsasl2's. Those that cannot bind log in as ever.
"""

import os
import signal
import ssl
import subprocess
import time
import unittest

from cryptography.hazmat.primitives import hashes

import admin
import harness
import pki
import scram
import wire
from bound_connection import END_POINT, EXPORTER, NO_EXTENDED_MASTER_SECRET, VERSIONS, BoundConnection
from login_case import ALICE, LoginCase
from relay import Relay
from sasl_client import SaslClient
from wire import AUTH_CONTINUE

PLUS = {b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-512-PLUS"}
TLS_1_2, TLS_1_3 = VERSIONS


def issue(*signing, key=("ec", "ec_paramgen_curve:P-256")):
    """A certificate for localhost by the tests' authority, or by itself where `signing` says how: (chain, key) files."""
    ca, chain, key_file = harness.certificates()[0], harness.fresh_path(".pem"), harness.fresh_path(".key")
    algorithm, option = key
    by = ["-CA", ca, "-CAkey", ca.replace(".pem", ".key")] if not signing else []
    subprocess.run(["openssl", "req", "-x509", "-newkey", algorithm, *(["-pkeyopt", option] if option else []), "-nodes",
                    "-keyout", key_file, "-out", chain, "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1", *by, *signing], check=True, capture_output=True)
    return chain, key_file


class BindingCase(LoginCase):
    def bound(self, address=None, **options):
        connection = BoundConnection(address or self.gate.addresses[self.TLS], **options)
        self.addCleanup(connection.close)
        return connection

    def listed(self, connection):
        return set(connection.call("sasl_list").value.split(b" "))

    def log_in(self, connection, mechanism, password=ALICE[1], **how):
        """The last answer's status of a SCRAM log-in of alice."""
        client = scram.Client(mechanism, ALICE[0], password, **how)
        response = connection.call("sasl_auth", mechanism.encode(), client.first())
        if response.status == AUTH_CONTINUE:
            response = connection.call("sasl_step", mechanism.encode(), client.final(response.value))
        if response.status == AUTH_CONTINUE:
            self.assertTrue(client.proves_server(response.value))
            response = connection.call("sasl_step", mechanism.encode(), b"")
        return response.status

    def assert_refused(self, connection, mechanism, **how):
        self.assertEqual(self.log_in(connection, mechanism, **how), wire.AUTH_ERROR)
        self.assert_auth_failure(connection.call("get", b"alice:k"))

    def relay(self, *arguments, **options):
        relay = Relay(self.gate.addresses[self.TLS], *arguments, **options)
        self.addCleanup(relay.stop)
        return relay


@harness.needs_mcgate
class Binding(BindingCase):
    def test_is_listed_over_tls_alone(self):
        for listener in (self.PLAIN, self.UNIX):
            self.assertFalse(self.listed(self.connect(listener)) & PLUS)
        for version in VERSIONS:
            self.assertTrue(self.listed(self.bound(version=version)) >= PLUS)

    def test_every_kind_and_version(self):
        for version in VERSIONS:
            for kind in (EXPORTER, END_POINT):
                for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS", "SCRAM-SHA-256"):
                    with self.subTest(version=version, kind=kind, mechanism=mechanism):
                        connection = self.bound(version=version)
                        self.assertEqual(self.log_in(connection, mechanism, binding=connection.binding(kind)), 0)
                        self.assert_serves_binary(connection)
                        self.assertEqual(self.log_in(connection, mechanism, b"wrong", binding=connection.binding(kind)),
                                         wire.AUTH_ERROR)

    def test_of_another_connection_or_kind_is_refused(self):
        for version in VERSIONS:
            for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"):
                connection, other = self.bound(version=version), self.bound(version=version)
                exporter, end_point = connection.binding(EXPORTER), connection.binding(END_POINT)
                for binding in (other.binding(EXPORTER), (EXPORTER, end_point[1]), (END_POINT, exporter[1]),
                                (b"tls-unique", exporter[1]), (EXPORTER, exporter[1][:-1]), (EXPORTER, b"")):
                    with self.subTest(version=version, mechanism=mechanism, binding=binding):
                        self.assert_refused(connection, mechanism, binding=binding)
                self.assertEqual(self.log_in(connection, mechanism, binding=exporter), 0)

    def test_what_a_client_says_of_itself(self):
        connection = self.bound()
        self.assertEqual(self.log_in(connection, "SCRAM-SHA-256", flag=b"n"), 0)
        self.assert_refused(connection, "SCRAM-SHA-256", flag=b"y")  # it was listed: somebody took it off
        for flag in (b"n", b"y"):
            self.assert_refused(connection, "SCRAM-SHA-256-PLUS", flag=flag)
        plain = self.connect()
        for flag in (b"n", b"y"):
            self.assertEqual(self.log_in(plain, "SCRAM-SHA-256", flag=flag), 0)
        self.assert_refused(plain, "SCRAM-SHA-256-PLUS", binding=(EXPORTER, b"x" * 32))
        self.assert_refused(plain, "SCRAM-SHA-256", binding=(EXPORTER, b"x" * 32))

    def test_tls_1_2_without_extended_master_secrets(self):
        """There two connections can be made to export the same."""
        connection = self.bound(version=TLS_1_2, options=NO_EXTENDED_MASTER_SECRET)
        self.assert_refused(connection, "SCRAM-SHA-256-PLUS", binding=connection.binding(EXPORTER))
        self.assertEqual(self.log_in(connection, "SCRAM-SHA-256-PLUS", binding=connection.binding(END_POINT)), 0)

    def test_resumed_sessions(self):
        for version in VERSIONS:
            first = self.bound(version=version)
            self.assertEqual(self.log_in(first, "SCRAM-SHA-256-PLUS", binding=first.binding(EXPORTER)), 0)
            before = first.binding(EXPORTER)
            again = self.bound(version=version, session=first.tls.get_session())
            self.assertTrue(resumed(again))
            self.assert_refused(again, "SCRAM-SHA-256-PLUS", binding=before)
            for kind in (EXPORTER, END_POINT):
                with self.subTest(version=version, kind=kind):
                    self.assertEqual(self.log_in(again, "SCRAM-SHA-256-PLUS", binding=again.binding(kind)), 0)


def resumed(connection):
    """pyOpenSSL does not say."""
    from OpenSSL import SSL
    return bool(SSL._lib.SSL_session_reused(connection.tls._ssl))  # pylint: disable=protected-access


@harness.needs_mcgate
class NotShown(BindingCase):
    """Where mcgate lists no SCRAM, a client that could bind says truly that it was not shown it can."""

    def test_to_whom_a_certificate_identifies_or_who_need_not_log_in(self):
        root = pki.Authority("Clients' root")
        by_certificate = {"client_certificate": "optional", "client_ca": root.file}
        _, gate = harness.start(
            self, [harness.tls_listener(tls=harness.server_tls() | by_certificate), harness.tls_listener(anonymous="reader")],
            self.memcached, users=[user | {"certificates": ["cn:alice"]} if user["name"] == "alice" else user
                                   for user in harness.users()])
        for address, tls, listed in ((gate.addresses[0], root.issue(subject=pki.common_name("alice")).tls(), b"EXTERNAL PLAIN"),
                                     (gate.addresses[1], harness.client_tls(), b"Unknown command")):
            for flag, password, status in ((b"y", ALICE[1], 0), (b"n", ALICE[1], 0), (b"y", b"wrong", wire.AUTH_ERROR)):
                with self.subTest(listed=listed, flag=flag, password=password):
                    connection = wire.Connection(address, tls)
                    self.addCleanup(connection.close)
                    self.assertEqual(connection.call("sasl_list").value, listed)
                    self.assertEqual(self.log_in(connection, "SCRAM-SHA-256", password, flag=flag), status)


@harness.needs_mcgate
class Between(BindingCase):
    """Somebody in between whose certificate the client trusts."""

    def server_tls(self, chain, key):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        return context

    def man_in_the_middle(self, **options):
        return self.relay(self.server_tls(*issue()), **options)

    def test_cannot_pass_a_bound_log_in_on(self):
        middle = self.man_in_the_middle()
        for version in VERSIONS:
            for kind in (EXPORTER, END_POINT):
                with self.subTest(version=version, kind=kind):
                    connection = self.bound(("127.0.0.1", middle.port), version=version)
                    self.assertTrue(self.listed(connection) >= PLUS)
                    self.assert_refused(connection, "SCRAM-SHA-256-PLUS", binding=connection.binding(kind))
                    # What is not bound is passed on, which is what binding is for.
                    self.assertEqual(self.log_in(connection, "SCRAM-SHA-256"), 0)

    def test_with_the_servers_own_key_is_found_out_by_the_exporter_alone(self):
        _, chain, key = harness.certificates()
        middle = self.relay(self.server_tls(chain, key))
        connection = self.bound(("127.0.0.1", middle.port))
        self.assert_refused(connection, "SCRAM-SHA-256-PLUS", binding=connection.binding(EXPORTER))
        self.assertEqual(self.log_in(connection, "SCRAM-SHA-256-PLUS", binding=connection.binding(END_POINT)), 0)

    def test_cannot_take_it_off_the_list(self):
        middle = self.man_in_the_middle(change=lambda data: data.replace(b"-PLUS", b"     "))
        connection = self.bound(("127.0.0.1", middle.port))
        self.assertFalse(self.listed(connection) & PLUS)
        self.assert_refused(connection, "SCRAM-SHA-256", flag=b"y")


@harness.needs_mcgate
class Clients(BindingCase):
    def log_in_by_libsasl2(self, connection, password=ALICE[1], bind=True):
        """(the last status, the mechanism's name, the first message) of libsasl2's client, as libmemcached drives it."""
        client = SaslClient(ALICE[0], password, connection.binding(EXPORTER) if bind else None)
        self.addCleanup(client.close)
        mechanism, message = client.start(connection.call("sasl_list").value)
        first = message
        response = connection.call("sasl_auth", mechanism, message)
        while response.status == AUTH_CONTINUE:
            response = connection.call("sasl_step", mechanism, client.step(response.value))
        return response.status, mechanism, first

    def test_libsasl2_binds_where_it_can(self):
        for version in VERSIONS:
            connection = self.bound(version=version)
            status, mechanism, first = self.log_in_by_libsasl2(connection)
            self.assertEqual(status, 0)
            self.assertTrue(first.startswith(b"p=tls-exporter,"), first)
            self.assertFalse(mechanism.endswith(b"-PLUS"))  # its choice shows in the message alone
            self.assert_serves_binary(connection)
            self.assertEqual(self.log_in_by_libsasl2(self.bound(version=version), b"wrong")[0], wire.AUTH_ERROR)

    def test_libsasl2_goes_on_without_where_it_cannot(self):
        status, _, first = self.log_in_by_libsasl2(self.bound(), bind=False)
        self.assertEqual((status, first[:2]), (0, b"n,"))

    def test_libmemcached_through_a_tls_tunnel(self):
        """It sees the names, and cannot bind."""
        import pylibmc
        tunnel = self.relay()
        client = pylibmc.Client([f"127.0.0.1:{tunnel.port}"], binary=True, username="alice", password=ALICE[1].decode())
        self.assertTrue(client.set("alice:k", "through"))
        self.assertEqual(client.get("alice:k"), "through")
        client.disconnect_all()
        script = ("$m = new Memcached(); $m->setOption(Memcached::OPT_BINARY_PROTOCOL, true);"
                  f"$m->setSaslAuthData('alice', '{ALICE[1].decode()}'); $m->addServer('127.0.0.1', {tunnel.port});"
                  "$m->set('alice:k', 'again'); echo $m->get('alice:k');")
        done = subprocess.run(["php", "-r", script], capture_output=True, timeout=60, check=False)
        self.assertEqual(done.stdout, b"again", done)

    def test_log_and_metrics_name_it(self):
        address = admin.listener()
        _, gate = harness.start(self, [harness.tls_listener()], self.memcached, admin=address)
        for how, password, status in ((EXPORTER, ALICE[1], 0), (END_POINT, b"wrong", wire.AUTH_ERROR)):
            connection = self.bound(gate.addresses[0])
            self.assertEqual(self.log_in(connection, "SCRAM-SHA-256", password, binding=connection.binding(how)), status)
        gate.process.wait_for("event=login .*user=alice .*proof=SCRAM-SHA-256-PLUS")
        connection = self.bound(gate.addresses[0])
        self.assertEqual(self.log_in(connection, "SCRAM-SHA-256", flag=b"y"), wire.AUTH_ERROR)
        gate.process.wait_for("event=login_refused .*reason=\"the client was not shown that channel binding is offered\"")
        metrics = admin.Admin(address["address"]).metrics()
        self.assertEqual([metrics[f'mcgate_logins_total{{proof="{proof}",outcome="{outcome}"}}'] for proof, outcome in (
            ("SCRAM-SHA-256-PLUS", "granted"), ("SCRAM-SHA-256-PLUS", "refused"), ("SCRAM-SHA-256", "refused"))], [1, 1, 1])


@harness.needs_mcgate
class Configured(BindingCase):
    def start(self, certificate=None, **login):
        chain, key = certificate or harness.certificates()[1:]
        _, self.own = harness.start(self, [harness.tls_listener(tls={"certificate": chain, "key": key})], self.memcached,
                                    login=login)
        return chain, key

    def own_bound(self, **options):
        return self.bound(self.own.addresses[0], **options)

    def test_is_left_out(self):
        self.start(mechanisms=["PLAIN", "SCRAM-SHA-256"])
        connection = self.own_bound()
        self.assertEqual(self.listed(connection), {b"PLAIN", b"SCRAM-SHA-256"})
        self.assertEqual(self.log_in(connection, "SCRAM-SHA-256", flag=b"y"), 0)
        for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"):
            self.assert_refused(connection, mechanism, binding=connection.binding(EXPORTER))

    def test_is_all_that_is_taken(self):
        self.start(mechanisms=["SCRAM-SHA-256-PLUS"])
        connection = self.own_bound()
        self.assertEqual(self.listed(connection), {b"SCRAM-SHA-256-PLUS"})
        for flag in (b"n", b"y"):
            self.assert_refused(connection, "SCRAM-SHA-256", flag=flag)
        self.assert_auth_failure(connection.sasl_plain(*ALICE))
        for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"):
            self.assertEqual(self.log_in(connection, mechanism, binding=connection.binding(EXPORTER)), 0)

    def test_a_new_certificate_is_that_of_new_connections(self):
        chain, key = self.start(issue())
        before = self.own_bound()
        old = before.binding(END_POINT)
        for now, new in zip((chain, key), issue()):
            os.replace(new, now)
        self.own.process.child.send_signal(signal.SIGHUP)
        self.own.process.wait_for("event=reloaded")
        deadline = time.monotonic() + harness.START_TIMEOUT
        while (after := self.own_bound()).binding(END_POINT) == old:  # by a worker that has not heard of it yet
            self.assertLess(time.monotonic(), deadline)
        for connection in (before, after):
            self.assertEqual(self.log_in(connection, "SCRAM-SHA-256-PLUS", binding=connection.binding(END_POINT)), 0)
        self.assert_refused(after, "SCRAM-SHA-256-PLUS", binding=old)

    def test_the_hash_is_that_of_the_certificates_signature(self):
        pss = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32")
        rsa = ("rsa", "rsa_keygen_bits:2048")
        for name, signing, key, digest in (("EC", ("-sha384",), ("ec", "ec_paramgen_curve:P-256"), hashes.SHA384()),
                                           ("RSA", ("-sha512",), rsa, hashes.SHA512()),
                                           ("RSA-PSS", ("-sha384", *pss), rsa, hashes.SHA384())):
            with self.subTest(name):
                chain, _ = self.start(issue(*signing, key=key))
                connection = self.own_bound(ca=chain)
                binding = connection.binding(END_POINT, signed_with=digest)
                self.assertEqual(self.log_in(connection, "SCRAM-SHA-256-PLUS", binding=binding), 0)

    def test_a_signature_that_names_no_hash(self):
        chain, _ = self.start(issue("-utf8", key=("ed25519", None)))
        connection = self.own_bound(ca=chain)
        self.assertTrue(self.listed(connection) >= PLUS)
        for digest in (b"", b"x" * 32, b"x" * 64):
            self.assert_refused(connection, "SCRAM-SHA-256-PLUS", binding=(END_POINT, digest))
        self.assertEqual(self.log_in(connection, "SCRAM-SHA-256-PLUS", binding=connection.binding(EXPORTER)), 0)
        unsafe = self.own_bound(version=TLS_1_2, options=NO_EXTENDED_MASTER_SECRET, ca=chain)
        self.assertFalse(self.listed(unsafe) & PLUS)
        self.assertEqual(self.log_in(unsafe, "SCRAM-SHA-256", flag=b"y"), 0)


if __name__ == "__main__":
    unittest.main()
