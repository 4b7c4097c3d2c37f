"""A backend that says what a test scripts, for what no real memcached will say: wrong keys, wrong opaques, lines without
end. It answers the probe of a new connection as memcached does and each request after it with the script's next reply.
"""

import array
import fcntl
import os
import re
import socket
import struct
import termios
import threading
import time

import harness


def opaque_of(request):
    """The sequence number that mcgate gave a meta request."""
    return re.search(rb" O(\d+)", request).group(1)


def binary_reply(request, opcode=None, opaque=None, status=0, extras=b"", key=b"", value=b"", extlen=None, bodylen=None,
                 magic=0x81):
    """The packet that answers a binary request, or lies where told to."""
    sent = struct.unpack(">BBHBBHIIQ", request[:24])
    return struct.pack(">BBHBBHIIQ", magic, sent[1] if opcode is None else opcode, len(key),
                       len(extras) if extlen is None else extlen, 0, status,
                       len(extras + key + value) if bodylen is None else bodylen,
                       sent[7] if opaque is None else opaque, 0) + extras + key + value


END = b"END\r\n"


def block(key, value, cas=b""):
    return b"VALUE %s 0 %d%s\r\n%s\r\n" % (key, len(value), cas, value)


def honest(keys):
    """The answer to a get where each key is its own value."""
    return b"".join(block(key, key) for key in keys) + END


class Cut(bytes):
    """A reply after which the backend closes the connection."""


class Drip(bytes):
    """A reply that comes byte by byte, each when the one before has been taken."""


class Endless(bytes):
    """A part of a reply that comes again and again, as long as it is read."""


def send(connection, answer):
    while isinstance(answer, Endless):
        connection.sendall(answer)
    if not isinstance(answer, Drip):
        connection.sendall(answer)
        return
    unread = array.array("i", [0])
    for byte in answer:
        connection.sendall(bytes([byte]))
        while True:
            fcntl.ioctl(connection, termios.TIOCOUTQ, unread)
            if unread[0] == 0:
                break
            time.sleep(0.001)  # no event tells that the other side has read


class FakeBackend:
    """Listens on a Unix socket. `reply(request bytes) -> bytes` is called once per request, which is whatever arrived in
    one piece: tests send one at a time. `version` is the one it gives itself out for, None closes instead of answering;
    `binary_version` is the same for binary connections; `probe(bytes) -> bytes` answers the probe instead of them, if set.
    `closed` counts the connections that have ended, `accepted` has the times at which they began."""

    def __init__(self, reply, version=b"1.6.18"):
        self.reply = reply
        self.version = self.binary_version = version
        self.probe = None
        self.path = harness.fresh_path(".fake")
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(self.path)
        self.listening.listen(64)
        self._changed = threading.Condition()
        self.closed = 0
        self.accepted = []
        self._sockets = {}  # those open: to whether they are binary
        threading.Thread(target=self._accept, daemon=True).start()

    def upstream(self):
        return f"unix:{self.path}"

    def stop(self):
        self.listening.close()
        self.disconnect()
        os.unlink(self.path)

    def disconnect(self):
        """Every connection, as a backend does that ends."""
        for connection in list(self._sockets):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # gone by itself

    def say(self, data, binary=False):
        """Something that nobody has asked for, on every connection of that dialect."""
        for connection, speaks_binary in list(self._sockets.items()):
            if speaks_binary == binary:
                connection.sendall(data)

    def wait_closed(self, count):
        """Waits until that many connections have ended."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.closed >= count, harness.START_TIMEOUT):
                raise AssertionError(f"{self.closed} connections closed, not {count}")

    def wait_accepted(self, count):
        """Waits until that many connections have begun."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.accepted) >= count, harness.START_TIMEOUT):
                raise AssertionError(f"{len(self.accepted)} connections begun, not {count}")

    def _accept(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            with self._changed:
                self.accepted.append(time.monotonic())
                self._changed.notify_all()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                while data := connection.recv(1 << 20):
                    self._sockets[connection] = data[0] == 0x80
                    answer = self._answer(data)
                    send(connection, answer)
                    if isinstance(answer, Cut):
                        break
            except OSError:
                pass  # mcgate went away: what the tests wait for
            self._sockets.pop(connection, None)
        with self._changed:
            self.closed += 1
            self._changed.notify_all()

    def _answer(self, data):
        is_probe = data == b"version\r\n" or data[:2] == b"\x80\x0b"
        if is_probe and self.probe:
            return self.probe(data)
        if data == b"version\r\n":
            return Cut() if self.version is None else b"VERSION " + self.version + b"\r\n"
        if data[:2] == b"\x80\x0b":
            if self.binary_version is None:
                return Cut()
            return struct.pack(">BBHBBHIIQ", 0x81, 0x0b, 0, 0, 0, 0, len(self.binary_version), 0, 0) + self.binary_version
        return self.reply(data)
