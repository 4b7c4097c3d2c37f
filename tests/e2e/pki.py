"""Certificate authorities of the tests' own: roots, intermediates, clients' certificates of every kind, revocation lists.
Each certificate is a Credential, whose files the tests hand to clients.
"""

import datetime
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import harness

CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
HOUR = datetime.timedelta(hours=1)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def _write(suffix, data):
    path = harness.fresh_path(suffix)
    with open(path, "wb") as file:
        file.write(data)
    return path


def _pem(thing):
    return thing.public_bytes(serialization.Encoding.PEM)


def common_name(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def client_tls(version=None):
    """harness.client_tls(), of one version of TLS where it is given."""
    context = harness.client_tls()
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class Credential:
    """A certificate with its chain, and its key, as files and for Python's ssl."""

    def __init__(self, certificate, key, chain):
        self.certificate = certificate
        self.chain_file = _write(".pem", b"".join(map(_pem, [certificate, *chain])))
        self.key_file = _write(".key", key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))

    def tls(self, version=None):
        context = client_tls(version)
        context.load_cert_chain(self.chain_file, self.key_file)
        return context


class Authority:
    """A root, or an intermediate of `parent`."""

    def __init__(self, name, parent=None, end=48 * HOUR):
        self.parent = parent
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = common_name(name)
        issuer = parent or self
        self.certificate = (
            x509.CertificateBuilder().subject_name(self.name).issuer_name(issuer.name).public_key(self.key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now() - HOUR).not_valid_after(now() + end)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
            .sign(issuer.key, hashes.SHA256()))
        self.file = _write(".ca.pem", _pem(self.certificate))

    def _intermediates(self):
        return [self.certificate, *self.parent._intermediates()] if self.parent else []

    def issue(self, names=(), subject=common_name("client"), usage=(CLIENT,), start=-HOUR, end=24 * HOUR, key=None):
        """`names` are general names; `usage` None is a certificate for any; `start` and `end` count from now."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now() + start).not_valid_after(now() + end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        return Credential(builder.sign(self.key, hashes.SHA256()), key, self._intermediates())

    def revoke(self, *certificates, file=None, start=-HOUR, end=24 * HOUR):
        """The path of a list of what is revoked: certificates, or credentials'. `file` is replaced, where given."""
        builder = (x509.CertificateRevocationListBuilder().issuer_name(self.name)
                   .last_update(now() + start).next_update(now() + end)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False))
        for each in certificates:
            serial = getattr(each, "certificate", each).serial_number
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now() - HOUR).build())
        data = _pem(builder.sign(self.key, hashes.SHA256()))
        if file is None:
            return _write(".crl", data)
        with open(file, "wb") as out:
            out.write(data)
        return file


def uri(name):
    return x509.UniformResourceIdentifier(name)


def dns(name):
    return x509.DNSName(name)


VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
