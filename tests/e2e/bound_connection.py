"""A TLS connection that knows what a log-in on it can be bound to, which Python's own ssl does not. Its own arithmetic, by the
RFCs; TLS is pyOpenSSL's."""

import socket
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

import harness
import wire

VERSIONS = (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION)
NO_EXTENDED_MASTER_SECRET = 1  # SSL_OP_NO_EXTENDED_MASTER_SECRET
EXPORTER, END_POINT = b"tls-exporter", b"tls-server-end-point"


class _Socket:
    """What wire.Connection takes for a socket."""

    def __init__(self, tls):
        self.tls = tls

    def sendall(self, data):
        self.tls.sendall(data)

    def recv(self, size):
        try:
            return self.tls.recv(size)
        except SSL.ZeroReturnError:
            return b""
        except SSL.SysCallError as error:
            raise ConnectionError(str(error)) from error
        except SSL.WantReadError:
            raise TimeoutError from None

    def close(self):
        self.tls.close()


class BoundConnection(wire.Connection):
    def __init__(self, address, version=SSL.TLS1_3_VERSION, options=0, session=None, ca=None):
        # pylint: disable=super-init-not-called
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
        context.set_options(options)
        context.load_verify_locations(ca or harness.certificates()[0])
        context.set_verify(SSL.VERIFY_PEER, lambda *arguments: bool(arguments[-1]))
        plain = socket.create_connection(address)
        # A time-out of Python's would make it one that does not block, which pyOpenSSL cannot wait on.
        plain.setblocking(True)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", wire.TIMEOUT, 0))
        self.tls = SSL.Connection(context, plain)
        if session:
            self.tls.set_session(session)
        self.tls.set_connect_state()
        self.tls.do_handshake()
        self.socket = _Socket(self.tls)
        self.buffer = bytearray()

    def binding(self, kind, signed_with=None):
        """(kind, data); `signed_with` is the hash of the certificate's signature, where that does not say."""
        if kind == EXPORTER:  # RFC 9266: a context, of no length
            return kind, self.tls.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
        certificate = self.tls.get_peer_certificate().to_cryptography()
        digest = hashes.Hash(signed_with or certificate.signature_hash_algorithm)
        digest.update(certificate.public_bytes(Encoding.DER))
        return kind, digest.finalize()
