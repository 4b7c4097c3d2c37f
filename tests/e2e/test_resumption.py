"""TLS sessions that are resumed: nobody is by a ticket who would not be by a handshake. The client is openssl, which can
come back with a ticket and without the certificate that it was made for.
"""

import datetime
import subprocess
import unittest

import harness
import pki
import wire
from login_case import UNAUTHENTICATED
from test_certificates import WEB, CertificateCase, listener

VERSIONS = ("-tls1_2", "-tls1_3")


@harness.needs_mcgate
class Resumption(CertificateCase):
    def ask(self, *options, listener_number=0):
        """(whether the session was resumed, what get was answered) by a client with these options of s_client."""
        host, port = self.gate.addresses[listener_number]
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"{host}:{port}", "-CAfile", harness.certificates()[0], "-ign_eof", *options],
            input=b"get web:k\r\nquit\r\n", capture_output=True, timeout=60, check=False)
        answers = [line for line in (b"END", UNAUTHENTICATED) if line + b"\r\n" in done.stdout]
        self.assertIn((b"\nReused," in done.stdout, b"\nNew," in done.stdout), ((True, False), (False, True)), done)
        return b"\nReused," in done.stdout, answers[0] if answers else None

    def ticket(self, version, credential=None):
        credential = credential or self.web
        file = harness.fresh_path(".sess")
        reused, answer = self.ask(version, "-cert", credential.chain_file, "-cert_chain", credential.chain_file,
                                  "-key", credential.key_file, "-sess_out", file)
        self.assertEqual((reused, answer), (False, b"END"))
        return file

    def assert_resumes(self, version, file, **options):
        self.assertEqual(self.ask(version, "-sess_in", file, **options), (True, b"END"))

    def assert_is_nobody(self, version, file, **options):
        self.assertEqual(self.ask(version, "-sess_in", file, **options), (False, UNAUTHENTICATED))

    def test_at_the_listener_that_gave_the_ticket_and_at_no_other(self):
        self.start(listener(self.root, "optional"), listener(self.root, "optional"))
        for version in VERSIONS:
            with self.subTest(version=version):
                file = self.ticket(version)
                self.assert_is_nobody(version, file, listener_number=1)
                self.assert_resumes(version, file)

    def test_a_ticket_got_by_a_ticket(self):
        self.start(listener(self.root, "optional"), listener(self.root, "optional"))
        first, second = self.ticket("-tls1_3"), harness.fresh_path(".sess")  # 1.2 goes on with the ticket it has
        self.assertEqual(self.ask("-tls1_3", "-sess_in", first, "-sess_out", second), (True, b"END"))
        self.assert_resumes("-tls1_3", second)
        self.assert_is_nobody("-tls1_3", second, listener_number=1)

    def test_nobody_resumes_as_nobody(self):
        self.start(listener(self.root, "optional"))
        for version in VERSIONS:
            with self.subTest(version=version):
                file = harness.fresh_path(".sess")
                self.assertEqual(self.ask(version, "-sess_out", file), (False, UNAUTHENTICATED))
                self.assertEqual(self.ask(version, "-sess_in", file), (True, UNAUTHENTICATED))

    def test_after_a_revocation(self):
        lists = self.root.revoke()
        self.start(listener(self.root, "optional", client_crl=[lists]))
        credential = self.root.issue([pki.uri(WEB)])
        files = {version: self.ticket(version, credential) for version in VERSIONS}
        for version, file in files.items():
            self.assert_resumes(version, file)
        self.root.revoke(credential, file=lists)
        self.reload()
        for version, file in files.items():
            self.assert_is_nobody(version, file)

    def test_after_another_authority(self):
        self.start(listener(self.root, "optional"))
        files = {version: self.ticket(version) for version in VERSIONS}
        self.rewrite(lambda config: config.replace(self.root.file, pki.Authority("Another root").file))
        self.reload()
        for version, file in files.items():
            self.assert_is_nobody(version, file)

    def test_after_the_mapping_is_gone(self):
        self.start(listener(self.root, "optional"))
        files = {version: self.ticket(version) for version in VERSIONS}
        self.rewrite(lambda config: config.replace(f'"{WEB}", ', ""))
        self.reload()
        for version, file in files.items():
            self.assertEqual(self.ask(version, "-sess_in", file)[1], UNAUTHENTICATED)

    def test_past_the_expiry_of_any_part_of_the_chain(self):
        self.start(listener(self.root, "optional"))
        for said, issue in {
            "its own": lambda end: self.root.issue([pki.uri(WEB)], end=end),
            "its authority's": lambda end: pki.Authority("Brief", self.root, end=end).issue([pki.uri(WEB)]),
        }.items():
            with self.subTest(said):
                credential = issue(datetime.timedelta(seconds=6))
                files = {version: self.ticket(version, credential) for version in VERSIONS}
                connection = self.connect(credential.tls())
                self.assert_is_web(connection)
                self.assert_closed(connection)  # at the expiry
                for version, file in files.items():
                    self.assert_is_nobody(version, file)

    def test_past_the_time_of_a_list(self):
        self.start(listener(self.root, "optional", client_crl=[self.root.revoke(end=datetime.timedelta(seconds=6))]))
        files = {version: self.ticket(version) for version in VERSIONS}
        until = pki.now() + datetime.timedelta(seconds=60)
        while not self.refusals() and pki.now() < until:
            try:
                with wire.Connection(self.gate.addresses[0], self.web.tls()) as connection:
                    connection.ask(b"get web:k\r\n")
            except (wire.Closed, OSError):
                pass
        self.assertIn("CRL has expired", self.refusals()[-1])
        for version, file in files.items():
            self.assert_is_nobody(version, file)


if __name__ == "__main__":
    unittest.main()
