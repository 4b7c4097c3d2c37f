"""Client certificates: who is identified by one, who is refused for one, and what becomes of a session when a
certificate, an authority or a mapping is no longer good."""

import datetime
import re
import signal
import ssl
import unittest

from cryptography import x509
from cryptography.x509.oid import NameOID

import harness
import pki
import scram
import wire
from harness import PASSWORDS
from login_case import FAILURE, UNAUTHENTICATED
from wire import AUTH_CONTINUE, AUTH_ERROR, text_login

ALICE = text_login(b"alice", PASSWORDS[b"alice"])
WEB = "spiffe://prod/ns/shop/sa/web"
USERS = [
    {"name": "web", "certificates": [WEB, "dns:Web.example.com", "cn:shop-web"], "roles": ["web"]},
    {"name": "shop", "certificates": ["spiffe://prod/ns/shop/jobs/*"], "roles": ["web"],
     "secrets": [scram.verifier(b"shop-password", hash_name) for hash_name in scram.HASHES]},
    {"name": "far", "certificates": ["cn:far"], "networks": ["192.0.2.0/24"], "roles": ["web"]},
]
ROLES = {"web": {"allow": [{"commands": ["*"], "keys": ["web:*"]}]}}


def listener(root, mode, **more):
    return {"address": "127.0.0.1:0",
            "tls": harness.server_tls() | {"client_certificate": mode, "client_ca": root.file} | more}


class CertificateCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = pki.Authority("Clients' root")
        cls.web = cls.root.issue([pki.uri(WEB)])

    def start(self, *listeners, users=USERS, **config):
        self.memcached, self.gate = harness.start(
            self, list(listeners), users=harness.users() + users, roles=harness.ROLES | ROLES, **config)

    def connect(self, tls, listener=0):
        connection = wire.Connection(self.gate.addresses[listener], tls)
        self.addCleanup(connection.close)
        return connection

    def assert_is_web(self, connection):
        self.assertEqual(connection.set(b"web:k", b"v"), b"STORED")
        self.assertEqual(connection.get(b"web:k"), b"v")
        self.assertEqual(connection.ask(b"get alice:k\r\n"), b"CLIENT_ERROR access denied")

    def refusals(self):
        """How the refusals so far were explained, oldest first."""
        return re.findall(r'event=certificate_refused .*?reason="((?:[^"\\]|\\.)*)', self.gate.process.log())

    def assert_refused(self, tls, why, listener=0):
        before = len(self.refusals())
        with self.assertRaises((wire.Closed, ssl.SSLError, ConnectionError)):
            # With TLS 1.3 a client believes that it is connected before it has been judged.
            connection = self.connect(tls, listener)
            connection.send(b"get web:k\r\n")
            connection.line()
        self.gate.process.wait_for(r"event=certificate_refused", count=before + 1)
        self.assertRegex(self.refusals()[-1], why)

    def rewrite(self, change):
        with open(self.gate.config, encoding="utf-8") as file:
            config = file.read()
        changed = change(config)
        with open(self.gate.config, "w", encoding="utf-8") as file:
            file.write(changed)

    def reload(self):
        done = self.gate.process.log().count("event=reloaded")
        self.gate.process.child.send_signal(signal.SIGHUP)
        self.gate.process.wait_for(r"event=reloaded", count=done + 1)

    def assert_closed(self, connection):
        with self.assertRaises(wire.Closed):
            connection.line()


@harness.needs_mcgate
class Identified(CertificateCase):
    REQUIRED, ANONYMOUS, OPTIONAL = range(3)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.memcached, cls.gate = harness.start(
            cls, [listener(cls.root, "required"), listener(cls.root, "optional") | {"anonymous": "reader"},
                  listener(cls.root, "optional")],
            users=harness.users() + USERS, roles=harness.ROLES | ROLES)

    def test_by_each_kind_of_name_and_version(self):
        intermediate = pki.Authority("Intermediate", pki.Authority("Between", self.root))
        plain = pki.common_name("nobody in particular")
        for said, credential in {
            "URI": self.web,
            "prefix": self.root.issue([pki.uri("spiffe://prod/ns/shop/jobs/7")], plain),
            "DNS, whatever its case": self.root.issue([pki.dns("WEB.Example.com")], plain),
            "common name": self.root.issue(subject=pki.common_name("shop-web")),
            "all of one user's": self.root.issue([pki.uri(WEB), pki.dns("web.example.com")], pki.common_name("shop-web")),
            "among others": self.root.issue([pki.dns("other.example.com"), pki.uri(WEB), pki.uri("urn:x")], plain),
            "chain of intermediates": intermediate.issue([pki.uri(WEB)], plain),
            "for any purpose": self.root.issue([pki.uri(WEB)], usage=None),
            "for both": self.root.issue([pki.uri(WEB)], usage=(pki.SERVER, pki.CLIENT)),
        }.items():
            for version in pki.VERSIONS:
                for number in (self.REQUIRED, self.OPTIONAL):
                    with self.subTest(said, version=version, listener=number):
                        self.assert_is_web(self.connect(credential.tls(version), number))
        self.assertRegex(self.gate.process.log(), r"event=login user=web proof=certificate peer=\S+ transport=TLSv1.3")

    def test_in_the_binary_protocol_from_the_first_packet(self):
        connection = self.connect(self.web.tls())
        connection.send(wire.storage("set", b"web:b", b"v"))
        self.assertEqual(connection.packet().status, 0)
        self.assertEqual(connection.call("get", b"web:b").value, b"v")
        self.assertEqual(connection.call("get", b"alice:k").status, AUTH_ERROR)

    def test_a_malformed_request_is_no_failed_log_in(self):
        for number in (self.REQUIRED, self.OPTIONAL):
            connection = self.connect(self.web.tls(), number)
            self.assertEqual(connection.ask(b"nonsense\r\n"), b"ERROR")
            self.assertEqual(connection.ask(b"get %s\r\n" % (b"k" * 300)), b"CLIENT_ERROR bad command line format")
            self.assert_is_web(connection)
            malformed = self.connect(self.web.tls(), number)
            self.assertNotEqual(malformed.call("sasl_auth", b"PLAIN", b"x" * 5000).status, 0)
            self.assert_closed(malformed)

    def test_a_stranger_at_a_required_listener(self):
        for version in pki.VERSIONS:
            context = harness.client_tls()
            context.minimum_version = context.maximum_version = version
            with self.subTest(version=version), self.assertRaises((wire.Closed, ssl.SSLError, ConnectionError)):
                connection = self.connect(context)
                connection.send(ALICE)
                connection.line()

    def test_without_a_certificate_where_it_is_optional(self):
        connection = self.connect(harness.client_tls(), self.OPTIONAL)
        self.assertEqual(connection.ask(b"get alice:k\r\n"), UNAUTHENTICATED)
        self.assertEqual(connection.ask(ALICE), b"STORED")
        self.assertEqual(connection.ask(b"get alice:k\r\n"), b"END")
        anonymous = self.connect(harness.client_tls(), self.ANONYMOUS)
        self.assertEqual(anonymous.ask(b"get k\r\n"), b"END")
        self.assertEqual(anonymous.ask(b"get secret:k\r\n"), b"CLIENT_ERROR access denied")

    def test_a_certificate_that_is_nobodys_is_as_none(self):
        nobody = self.root.issue([pki.uri("spiffe://prod/ns/other/sa/x")])
        for number in (self.REQUIRED, self.OPTIONAL):
            with self.subTest(listener=number):
                connection = self.connect(nobody.tls(), number)
                self.assertEqual(connection.ask(b"get web:k\r\n"), UNAUTHENTICATED)
                self.assertEqual(connection.ask(ALICE), b"STORED")
                self.assertEqual(connection.ask(b"get alice:k\r\n"), b"END")
        binary = self.connect(nobody.tls())
        self.assertNotIn(b"EXTERNAL", binary.call("sasl_list").value)
        self.assertEqual(binary.call("sasl_auth", b"EXTERNAL", b"web").status, AUTH_ERROR)
        self.assertEqual(binary.sasl_plain(b"alice", PASSWORDS[b"alice"]).status, 0)


@harness.needs_mcgate
class Refused(CertificateCase):
    """Bad certificates; a gate for each listener, since the log tells of no more than some each second."""

    def test_where_one_is_required(self):
        self.start(listener(self.root, "required"))
        self.refuse_all()

    def test_where_one_is_optional(self):
        self.start(listener(self.root, "optional"))
        self.refuse_all()

    def refuse_all(self):
        foreign = pki.Authority("Clients' root")  # of the same name, too
        day = 24 * pki.HOUR
        several = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in ("shop-web", "other")])
        for said, why, credential in [
            ("expired", "expired", self.root.issue([pki.uri(WEB)], start=-2 * day, end=-day)),
            ("not yet valid", "not yet valid", self.root.issue([pki.uri(WEB)], start=day, end=2 * day)),
            ("for servers", "purpose", self.root.issue([pki.uri(WEB)], usage=(pki.SERVER,))),
            ("foreign", "signature failure|issuer", foreign.issue([pki.uri(WEB)])),
            ("signed by a client", "invalid CA", self.client_as_authority().issue([pki.uri(WEB)])),
            ("of an intermediate that expired", "expired",
             pki.Authority("Old", self.root, end=-pki.HOUR / 2).issue([pki.uri(WEB)])),
            ("two users' names", "of user .*web.* and of user", self.root.issue(
                [pki.uri(WEB), pki.uri("spiffe://prod/ns/shop/jobs/7")])),
            ("a name and a common name of two", "of user", self.root.issue([pki.uri(WEB)], pki.common_name("far"))),
            ("several common names", "several common names", self.root.issue([pki.uri(WEB)], several)),
            ("from elsewhere", "may not log in from there", self.root.issue(subject=pki.common_name("far"))),
        ]:
            # Two versions of TLS refuse in two ways; one that the listener itself refuses is the same in both.
            for version in pki.VERSIONS if why in ("expired", "purpose", "of user") else pki.VERSIONS[1:]:
                with self.subTest(said, version=version):
                    self.assert_refused(credential.tls(version), why)

    def client_as_authority(self):
        """A client whose certificate is no authority's, and who signs another's all the same."""
        client = pki.Authority("web", self.root)
        own = self.root.issue([pki.uri(WEB)], client.name, key=client.key)
        client.certificate = own.certificate
        return client


@harness.needs_mcgate
class LogIns(CertificateCase):
    """Who has a certificate may log in as who it is, and as nobody else."""

    def setUp(self):
        self.start(listener(self.root, "optional"))
        self.shop = self.root.issue([pki.uri("spiffe://prod/ns/shop/jobs/1")]).tls()

    def test_external_says_the_same(self):
        connection = self.connect(self.web.tls())
        self.assertEqual(connection.call("sasl_list").value, b"EXTERNAL PLAIN")
        for said in (b"web", b""):
            response = connection.call("sasl_auth", b"external", said)
            if not said:  # memcached's protocol cannot tell an empty response from none
                self.assertEqual(response.status, AUTH_CONTINUE)
                response = connection.call("sasl_step", b"EXTERNAL", b"")
            self.assertEqual((response.status, response.value), (0, b"Authenticated"))
            self.assertEqual(connection.call("get", b"web:none").status, wire.NOT_FOUND)

    def test_the_same_user_by_password(self):
        binary, text = self.connect(self.shop), self.connect(self.shop)
        self.assertEqual(binary.sasl_plain(b"shop", b"shop-password").status, 0)
        self.assertEqual(binary.call("get", b"web:k").status, wire.NOT_FOUND)
        self.assertEqual(text.ask(text_login(b"shop", b"shop-password")), b"STORED")
        self.assertEqual(text.ask(b"get web:k\r\n"), b"END")
        with self.memcached.connect() as inside:
            self.assertIsNone(inside.get(b"login"))

    def test_another_or_a_failure_closes(self):
        alice = PASSWORDS[b"alice"]
        for said, attempt in {
            "another": lambda c: c.sasl_plain(b"alice", alice).status,
            "a wrong password": lambda c: c.sasl_plain(b"shop", b"wrong").status,
            "another by EXTERNAL": lambda c: c.call("sasl_auth", b"EXTERNAL", b"alice").status,
            "a step of nothing": lambda c: c.call("sasl_step", b"PLAIN", b"x").status,
            "an unknown mechanism": lambda c: c.call("sasl_auth", b"NONE", b"x").status,
        }.items():
            with self.subTest(said):
                connection = self.connect(self.shop)
                self.assertEqual(attempt(connection), AUTH_ERROR)
                self.assert_closed(connection)
        for said, token in {"another": (b"alice", alice), "a wrong password": (b"shop", b"wrong")}.items():
            with self.subTest(said, text=True):
                connection = self.connect(self.shop)
                self.assertEqual(connection.ask(text_login(*token)), FAILURE)
                self.assert_closed(connection)
                with self.memcached.connect() as inside:
                    self.assertIsNone(inside.get(b"login"))

    def test_between_the_messages_of_a_log_in_it_is_nobody(self):
        connection = self.connect(self.shop)
        prover = scram.Client("SCRAM-SHA-256", b"shop", b"shop-password")
        response = connection.call("sasl_auth", b"SCRAM-SHA-256", prover.first())
        self.assertEqual(response.status, AUTH_CONTINUE)
        self.assertEqual(connection.call("get", b"web:k").status, AUTH_ERROR)

    def test_a_new_password_does_not_end_what_a_certificate_proved(self):
        connection = self.connect(self.shop)
        self.assertEqual(connection.sasl_plain(b"shop", b"shop-password").status, 0)
        other = self.connect(self.shop)
        self.assertEqual(other.ask(b"get web:k\r\n"), b"END")
        for hash_name, old in zip(scram.HASHES, USERS[1]["secrets"]):
            self.rewrite(lambda config: config.replace(old, scram.verifier(b"new", hash_name)))
        self.reload()
        self.assertEqual(connection.call("get", b"web:none").status, wire.NOT_FOUND)
        self.assertEqual(other.ask(b"get web:k\r\n"), b"END")


@harness.needs_mcgate
class Revocation(CertificateCase):
    """Lists: what is on one is refused, all along the chain, and so is all where one is missing or stale."""

    def setUp(self):
        self.own = pki.Authority("Root with lists")
        self.between = pki.Authority("Between", self.own)
        self.good, self.bad = (self.between.issue([pki.uri(WEB)]) for _ in range(2))

    def gate_with(self, *lists):
        self.start(listener(self.own, "required", client_crl=list(lists)))

    def test_all_of_a_chain(self):
        root_list, list_between = self.own.revoke(), self.between.revoke(self.bad)
        self.gate_with(root_list, list_between)
        self.assert_is_web(self.connect(self.good.tls()))
        for version in pki.VERSIONS:
            self.assert_refused(self.bad.tls(version), "revoked")
        self.own.revoke(self.between.certificate, file=root_list)
        self.reload()
        self.assert_refused(self.good.tls(), "revoked")

    def test_a_missing_list_fails_closed(self):
        for lists in ([self.own.revoke()], [self.between.revoke()]):
            with self.subTest(lists=lists):
                self.gate_with(*lists)
                self.assert_refused(self.good.tls(), "unable to get certificate CRL")

    def test_a_stale_list_fails_closed(self):
        day = 24 * pki.HOUR
        self.gate_with(self.own.revoke(), self.between.revoke(start=-2 * day, end=-day))
        self.assert_refused(self.good.tls(), "CRL has expired")

    def test_a_forged_list_fails_closed(self):
        forger = pki.Authority("Between", self.own)  # the name without the key
        self.gate_with(self.own.revoke(), forger.revoke())
        self.assert_refused(self.good.tls(), "CRL")

    def test_a_session_ends_when_its_certificate_is_revoked(self):
        lists = [self.own.revoke(), self.between.revoke()]
        self.gate_with(*lists)
        good, bad = self.connect(self.good.tls()), self.connect(self.bad.tls())
        for connection in (good, bad):
            self.assert_is_web(connection)
        self.between.revoke(self.bad, file=lists[1])
        self.reload()
        self.assert_closed(bad)
        self.assert_is_web(good)


@harness.needs_mcgate
class Changes(CertificateCase):
    """What a reload, or the passing of time, ends."""

    def setUp(self):
        self.start(listener(self.root, "optional"))

    def connected(self, credential=None):
        connection = self.connect((credential or self.web).tls())
        self.assert_is_web(connection)
        return connection

    def test_nothing_changed(self):
        connection = self.connected()
        self.reload()
        self.assert_is_web(connection)

    def test_the_mapping_is_gone(self):
        connection, other = self.connected(), self.connected(self.root.issue(subject=pki.common_name("shop-web")))
        self.rewrite(lambda config: config.replace(f'"{WEB}", ', ""))
        self.reload()
        self.assert_closed(connection)
        self.assert_is_web(other)
        self.assertEqual(self.connect(self.web.tls()).ask(b"get web:k\r\n"), UNAUTHENTICATED)

    def test_it_becomes_another_users(self):
        connection = self.connected()
        nobody = self.connect(self.root.issue([pki.uri("urn:new")]).tls())
        self.assertEqual(nobody.ask(ALICE), b"STORED")
        self.rewrite(lambda config: config.replace(f'"{WEB}", ', '"uri:urn:new", ').replace('"cn:far"', f'"{WEB}"')
                     .replace('networks = ["192.0.2.0/24"]\n', ""))
        self.reload()
        self.assert_closed(connection)
        self.assert_closed(nobody)

    def test_the_user_may_no_longer_come_from_here(self):
        connection = self.connected()
        self.rewrite(lambda config: config.replace('name = "web"', 'name = "web"\nnetworks = ["192.0.2.0/24"]'))
        self.reload()
        self.assert_closed(connection)

    def test_another_authority(self):
        connection, without = self.connected(), self.connect(harness.client_tls())
        self.assertEqual(without.ask(ALICE), b"STORED")
        other = pki.Authority("Another root")
        self.rewrite(lambda config: config.replace(self.root.file, other.file))
        self.reload()
        self.assert_closed(connection)
        self.assertEqual(without.ask(b"get alice:k\r\n"), b"END")
        self.assert_refused(self.web.tls(), "issuer")
        self.assert_is_web(self.connect(other.issue([pki.uri(WEB)]).tls()))

    def test_required_from_now_on_and_no_longer_asked_for(self):
        connection, without = self.connected(), self.connect(harness.client_tls())
        self.assertEqual(without.ask(ALICE), b"STORED")
        self.rewrite(lambda config: config.replace('"optional"', '"required"'))
        self.reload()
        self.assert_closed(without)
        self.assert_is_web(connection)
        self.rewrite(lambda config: re.sub(r', "client_certificate".*"', "", config))
        self.reload()
        self.assert_closed(connection)

    def test_it_expires(self):
        brief = self.root.issue([pki.uri(WEB)], end=datetime.timedelta(seconds=4))
        connection, lasting = self.connected(brief), self.connected()
        self.gate.process.wait_for("event=session_revoked .*its certificate has expired")
        self.assert_closed(connection)
        self.assert_is_web(lasting)
        self.assert_refused(brief.tls(), "expired")


@harness.needs_mcgate
class Clients(CertificateCase):
    """Real clients that have a certificate and no log-in, or both."""

    def setUp(self):
        self.start(listener(self.root, "required"))

    def test_pymemcache(self):
        from pymemcache.client.base import Client
        client = Client(self.gate.addresses[0], tls_context=self.web.tls(), timeout=20)
        self.addCleanup(client.close)
        self.assertTrue(client.set("web:a", b"1", noreply=False))
        self.assertEqual(client.get_many(["web:a", "web:b"]), {"web:a": b"1"})
        self.assertRaises(Exception, client.get, "alice:a")
        self.assertEqual(client.get("web:a"), b"1")  # it has closed its connection, and needs no log-in for another

    def test_python_binary_memcached(self):
        import bmemcached
        shop = self.root.issue([pki.uri("spiffe://prod/ns/shop/jobs/1")])
        for credential, login in ((self.web, ()), (shop, ("shop", "shop-password"))):
            with self.subTest(login=login):
                client = bmemcached.Client([f"127.0.0.1:{self.gate.addresses[0][1]}"], *login, socket_timeout=20,
                                           tls_context=credential.tls())
                self.addCleanup(client.disconnect_all)
                self.assertTrue(client.set("web:b", b"1"))
                self.assertEqual(client.get_multi(["alice:a", "web:b", "web:none"]), {"web:b": b"1"})

    def test_what_a_meta_client_asks_that_knows_no_log_in(self):
        # As Dalli 5 begins.
        connection = self.connect(self.web.tls())
        self.assertRegex(connection.ask(b"version\r\n"), b"^VERSION ")
        self.assertRegex(connection.ask(b"ms web:m 1 c T60 MS\r\n1\r\n"), b"^HD c")
        self.assertEqual(connection.ask(b"mg web:m v f\r\n"), b"VA 1 f0")
        self.assertEqual(connection.line(), b"1")


if __name__ == "__main__":
    unittest.main()
