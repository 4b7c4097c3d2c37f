"""What the tests of log-ins share: an mcgate with a listener of each kind, and what being served or refused looks like."""

import unittest

import harness
import wire
from harness import PASSWORDS
from wire import AUTH_ERROR

ALICE = (b"alice", PASSWORDS[b"alice"])
BOB = (b"bob", PASSWORDS[b"bob"])
FAILURE = b"CLIENT_ERROR authentication failure"
BAD_TOKEN = b"CLIENT_ERROR bad authentication token format"
UNAUTHENTICATED = b"CLIENT_ERROR unauthenticated"


class LoginCase(unittest.TestCase):
    """An mcgate with a plain, a TLS and a Unix listener, and one where those who do not log in are alice."""

    PLAIN, TLS, UNIX, ANONYMOUS, NO_TEXT = range(5)

    @classmethod
    def setUpClass(cls):
        cls.memcached, cls.gate = harness.start(cls, [
            harness.plain_listener(), harness.tls_listener(), harness.unix_listener(),
            harness.plain_listener(anonymous="alice"), harness.plain_listener(text_login=False)])

    def setUp(self):
        self.memcached.flush()

    def connect(self, listener=PLAIN):
        connection = self.gate.connect(listener)
        self.addCleanup(connection.close)
        return connection

    def in_memcached(self, key):
        with self.memcached.connect() as connection:
            return connection.get(key)

    def assert_serves(self, connection, key=b"alice:k"):
        self.assertEqual(connection.set(key, b"v"), b"STORED")
        self.assertEqual(connection.get(key), b"v")

    def assert_serves_binary(self, connection, key=b"alice:k"):
        self.assertEqual(connection.send(wire.storage("set", key, b"v")), None)
        self.assertEqual(connection.packet().status, 0)
        self.assertEqual(connection.call("get", key).value, b"v")

    def assert_auth_failure(self, response):
        self.assertEqual((response.status, response.value), (AUTH_ERROR, b"Auth failure."))
