"""TLS clients that pause amid a record: mcgate gives the buffers of who idles back, but not from under a record."""

import socket
import ssl
import time
import unittest

import harness
from harness import PASSWORDS
from wire import text_login

# Time enough to be taken for idle: if the machine is slow and it is not, the test only shows less.
PAUSE = 0.8  # seconds


class Client:
    """A TLS client whose records can be sent in pieces."""

    def __init__(self, address, version):
        context = harness.client_tls()
        context.minimum_version = context.maximum_version = version
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self.socket = socket.create_connection(address, harness.START_TIMEOUT)
        self._complete(self._tls.do_handshake)

    def _complete(self, step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self.socket.sendall(self._outgoing.read())
                self._incoming.write(self.socket.recv(65536))
            finally:
                self.socket.sendall(self._outgoing.read())

    def record(self, plain):
        self._tls.write(plain)
        return self._outgoing.read()

    def read(self, count):
        data = b""
        while len(data) < count:
            data += self._complete(lambda: self._tls.read(count - len(data)))
        return data


@harness.needs_mcgate
class Pauses(unittest.TestCase):
    def test_within_a_record(self):
        _, gate = harness.start(self, [harness.tls_listener()])
        paused = []
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for cut in (1, 4, 5, 6, 20, -1):
                client = Client(gate.addresses[0], version)
                self.addCleanup(client.socket.close)
                client.socket.sendall(client.record(text_login(b"alice", PASSWORDS[b"alice"])))
                self.assertEqual(client.read(8), b"STORED\r\n")
                whole, begun = client.record(b"get alice:none\r\n"), client.record(b"get alice:none\r\n")
                client.socket.sendall(whole + begun[:cut])
                self.assertEqual(client.read(5), b"END\r\n")
                paused.append((version, cut, client, begun[cut:]))
        time.sleep(PAUSE)
        for version, cut, client, rest in paused:
            with self.subTest(version=version, cut=cut):
                client.socket.sendall(rest)
                self.assertEqual(client.read(5), b"END\r\n")
                client.socket.sendall(client.record(b"get alice:none\r\n"))
                self.assertEqual(client.read(5), b"END\r\n")


if __name__ == "__main__":
    unittest.main()
