"""The files of [listener.tls]: where a link leads to one, and where there is none that can be read to its end."""

import os
import re
import shutil
import signal
import ssl
import subprocess
import unittest

import harness
import pki
from test_certificates import WEB, CertificateCase, listener

NO_FILE = "it is no regular file"


@harness.needs_mcgate
class TlsFiles(CertificateCase):
    """In a directory of their own, as Kubernetes mounts them: each a link to a file in a directory that is one."""

    def setUp(self):
        self.directory = harness.fresh_path(".d")
        real = os.path.join(self.directory, "..real")
        os.makedirs(real)
        os.symlink("..real", os.path.join(self.directory, "..data"))
        sources = harness.server_tls() | {"client_ca": self.root.file, "client_crl": self.root.revoke()}
        self.files = {}
        for name, source in sources.items():
            shutil.copy(source, os.path.join(real, name))
            self.files[name] = os.path.join(self.directory, name)
            os.symlink(f"..data/{name}", self.files[name])
        self.start(listener(self.root, "optional", **self.files | {"client_crl": [self.files["client_crl"]]}),
                   harness.plain_listener())

    def run_mcgate(self, command):
        done = subprocess.run([harness.MCGATE, command, "-c", self.gate.config], capture_output=True, text=True,
                              check=False, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def refused_reload(self):
        seen = self.gate.process.log().count("event=reload_refused")
        self.gate.process.child.send_signal(signal.SIGHUP)
        return self.gate.process.wait_for("event=reload_refused", count=seen + 1)[-1]

    def test_links_are_followed(self):
        self.assert_is_web(self.connect(self.web.tls()))
        self.assertEqual(self.run_mcgate("check")[0], 0)
        other = pki.Authority("Another root")
        changed = os.path.join(self.directory, "..changed")
        shutil.copytree(os.path.join(self.directory, "..real"), changed)
        shutil.copy(other.file, os.path.join(changed, "client_ca"))
        shutil.copy(other.revoke(), os.path.join(changed, "client_crl"))
        os.symlink("..changed", os.path.join(self.directory, "..data.new"))
        os.rename(os.path.join(self.directory, "..data.new"), os.path.join(self.directory, "..data"))
        self.reload()
        self.assert_is_web(self.connect(other.issue([pki.uri(WEB)]).tls()))

    def test_a_pipe_that_nobody_writes_to_holds_nobody_up(self):
        for name, file in self.files.items():
            with self.subTest(name):
                os.rename(file, file + ".kept")
                os.mkfifo(file)
                line = self.refused_reload()
                self.assertRegex(line, f"{name} {re.escape(file)}: {NO_FILE}")
                self.assert_is_web(self.connect(self.web.tls()))
                for command, status in (("check", 1), ("serve", 78)):  # EX_CONFIG
                    code, output = self.run_mcgate(command)
                    self.assertEqual(code, status, output)
                    self.assertIn(f"{file}: {NO_FILE}", output)
                os.unlink(file)
                os.rename(file + ".kept", file)
                self.reload()

    def test_what_is_too_long_is_not_read_in_part(self):
        for name, file in self.files.items():
            with self.subTest(name):
                with open(file, "rb") as kept:
                    text = kept.read()
                with open(file, "ab") as longer:
                    longer.write(b"\n" * (16 * 1024 * 1024 + 1 - len(text)))
                line = self.refused_reload()
                self.assertRegex(line, f"{name} {re.escape(file)}: it has more than 16777216 bytes")
                with open(file, "wb") as again:
                    again.write(text)
                self.reload()

    def test_what_holds_nothing_of_its_kind(self):
        for name, holds in (("certificate", "it holds none"), ("key", ".*"), ("client_ca", "holds no root"),
                            ("client_crl", "holds no revocation list")):
            with self.subTest(name):
                file = self.files[name]
                with open(file, "rb") as kept:
                    text = kept.read()
                with open(file, "wb"):
                    pass
                line = self.refused_reload()
                self.assertRegex(line, f"the {name} {re.escape(file)}:? {holds}")
                with open(file, "wb") as again:
                    again.write(text)
                self.reload()


@harness.needs_mcgate
class ServedChain(CertificateCase):
    def test_intermediates_are_served(self):
        """To a client that trusts the root alone."""
        server = pki.Authority("Intermediate", pki.Authority("Between", self.root)).issue(
            [pki.dns("localhost")], usage=[pki.SERVER])
        self.start(harness.tls_listener(tls={"certificate": server.chain_file, "key": server.key_file}))
        for version in pki.VERSIONS:
            with self.subTest(version):
                trusting = ssl.create_default_context(cafile=self.root.file)
                trusting.minimum_version = trusting.maximum_version = version
                self.assertEqual(self.connect(trusting).login(b"alice", harness.PASSWORDS[b"alice"]), b"STORED")


if __name__ == "__main__":
    unittest.main()
