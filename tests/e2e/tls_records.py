"""TLS 1.2 by hand, for what no TLS library will send: after a handshake by Python's own, records of a test's choice."""

import hashlib
import hmac
import socket
import ssl
import struct

import harness

try:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:  # Debian's python3-cryptography
    AESGCM = None

HANDSHAKE = 22
CLIENT_HELLO_OF_NOTHING = b"\x01\0\0\0"


def _expand(secret, label, seed, count):
    """The PRF of RFC 5246, section 5."""
    seed = a = label + seed
    out = b""
    while len(out) < count:
        a = hmac.new(secret, a, hashlib.sha256).digest()
        out += hmac.new(secret, a + seed, hashlib.sha256).digest()
    return out[:count]


class Client:
    """A connection after its handshake. What the server says from then on stays unread."""

    def __init__(self, address):
        keys = harness.fresh_path(".keys")
        context = harness.client_tls()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        context.keylog_filename = keys
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        self.socket = socket.socket(socket.AF_INET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.socket.settimeout(harness.START_TIMEOUT)
        self.socket.connect(address)
        said = b""
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.socket.sendall(outgoing.read())
                data = self.socket.recv(65536)
                said += data
                incoming.write(data)
        self.socket.sendall(outgoing.read())
        with open(keys, encoding="ascii") as file:
            _, client_random, master = next(line for line in file if line.startswith("CLIENT_RANDOM")).split()
        # The server's random stands in its hello, the first message of the first record.
        block = _expand(bytes.fromhex(master), b"key expansion", said[11:43] + bytes.fromhex(client_random), 40)
        self._cipher, self._salt, self._sequence = AESGCM(block[:16]), block[32:36], 1

    def record(self, kind, plain):
        sequence = struct.pack(">Q", self._sequence)
        self._sequence += 1
        sealed = self._cipher.encrypt(self._salt + sequence, plain,
                                      sequence + struct.pack(">BHH", kind, 0x0303, len(plain)))
        return struct.pack(">BHH", kind, 0x0303, len(sequence + sealed)) + sequence + sealed
