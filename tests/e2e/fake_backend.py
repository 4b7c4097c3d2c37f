"""A backend that says what a test scripts, for what no real memcached will say: wrong keys, wrong opaques, lines without
end. It answers the probe of a new connection as memcached does and each request after it with the script's next reply.
"""

import os
import socket
import struct
import threading

import harness


class FakeBackend:
    """Listens on a Unix socket. `reply(request bytes) -> bytes` is called once per request, which is whatever arrived in
    one piece: tests send one at a time. `version` is the one it gives itself out for. `closed` counts the connections
    that mcgate has closed."""

    def __init__(self, reply, version=b"1.6.18"):
        self.reply = reply
        self.version = version
        self.path = harness.fresh_path(".fake")
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(self.path)
        self.listening.listen(64)
        self._changed = threading.Condition()
        self.closed = 0
        self._sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def upstream(self):
        return f"unix:{self.path}"

    def stop(self):
        self.listening.close()
        for connection in self._sockets:
            connection.close()
        os.unlink(self.path)

    def wait_closed(self, count):
        """Waits until mcgate has closed that many connections."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.closed >= count, harness.START_TIMEOUT):
                raise AssertionError(f"{self.closed} connections closed, not {count}")

    def _accept(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self._sockets.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            while data := connection.recv(1 << 20):
                connection.sendall(self._answer(data))
        except OSError:
            pass  # mcgate went away: what the tests wait for
        with self._changed:
            self.closed += 1
            self._changed.notify_all()

    def _answer(self, data):
        if data == b"version\r\n":
            return b"VERSION " + self.version + b"\r\n"
        if data[:2] == b"\x80\x0b":
            return struct.pack(">BBHBBHIIQ", 0x81, 0x0b, 0, 0, 0, 0, len(self.version), 0, 0) + self.version
        return self.reply(data)
