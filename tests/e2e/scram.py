"""SCRAM (RFC 5802, RFC 7677): the verifiers that a configuration holds, and a client to prove a password by."""

import base64
import hashlib
import hmac
import os

HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}


def _b64(data):
    return base64.b64encode(data).decode()


def _mac(hash_name, key, message):
    return hmac.new(key, message, hash_name).digest()


def verifier(password, mechanism="SCRAM-SHA-256", iterations=4096, salt=None):
    """As PostgreSQL writes it: SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey."""
    hash_name = HASHES[mechanism]
    salt = os.urandom(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac(hash_name, password, salt, iterations)
    stored = hashlib.new(hash_name, _mac(hash_name, salted, b"Client Key")).digest()
    server = _mac(hash_name, salted, b"Server Key")
    return f"{mechanism}${iterations}:{_b64(salt)}${_b64(stored)}:{_b64(server)}"


class Client:
    """One exchange: send first(), then final() of the answer, then check proves_server() of the next. `binding` is (type,
    data) of the channel; without one, `flag` is y where the client could have had one."""

    def __init__(self, mechanism, user, password, authzid=b"", nonce=None, binding=None, flag=b"n"):
        self.hash_name = HASHES[mechanism.removesuffix("-PLUS")]
        self.password = password
        self.nonce = nonce or base64.b64encode(os.urandom(18))
        kind, self.data = binding or (None, b"")
        self.gs2 = (b"p=" + kind if kind else flag) + b"," + (b"a=" + self._name(authzid) if authzid else b"") + b","
        self.bare = b"n=" + self._name(user) + b",r=" + self.nonce

    @staticmethod
    def _name(name):
        return name.replace(b"=", b"=3D").replace(b",", b"=2C")

    def first(self):
        return self.gs2 + self.bare

    def final(self, server_first):
        attributes = dict(part.split(b"=", 1) for part in server_first.split(b","))
        if not attributes[b"r"].startswith(self.nonce):
            raise AssertionError(f"the server's nonce does not go on ours: {server_first!r}")
        self.iterations = int(attributes[b"i"])
        salted = hashlib.pbkdf2_hmac(self.hash_name, self.password, base64.b64decode(attributes[b"s"]),
                                     self.iterations)
        without_proof = b"c=" + base64.b64encode(self.gs2 + self.data) + b",r=" + attributes[b"r"]
        message = b",".join([self.bare, server_first, without_proof])
        client_key = _mac(self.hash_name, salted, b"Client Key")
        signature = _mac(self.hash_name, hashlib.new(self.hash_name, client_key).digest(), message)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        self.signature = _mac(self.hash_name, _mac(self.hash_name, salted, b"Server Key"), message)
        return without_proof + b",p=" + base64.b64encode(proof)

    def proves_server(self, server_final):
        return server_final == b"v=" + base64.b64encode(self.signature)
