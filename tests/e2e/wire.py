"""The memcached protocols from a client's side: a blocking connection (TCP, Unix socket, TLS), lines of the text
protocol and packets of the binary one. Knows nothing of mcgate; the tests talk through it to memcached and mcgate alike.
"""

import socket
import struct

TIMEOUT = 60  # seconds that any single answer may take; generous, since sanitizers and busy machines are slow

OPCODES = {
    name: code
    for code, name in enumerate(
        "get set add replace delete incr decr quit flush getq noop version getk getkq append prepend stat setq addq "
        "replaceq deleteq incrq decrq quitq flushq appendq prependq verbosity touch gat gatq".split()
    )
} | {"sasl_list": 0x20, "sasl_auth": 0x21, "sasl_step": 0x22, "gatk": 0x23, "gatkq": 0x24}
OPCODE_NAMES = {code: name for name, code in OPCODES.items()}

NOT_FOUND, EXISTS, TOO_LARGE, INVALID, NOT_STORED, NON_NUMERIC = 1, 2, 3, 4, 5, 6
AUTH_ERROR, AUTH_CONTINUE, UNKNOWN_COMMAND, OUT_OF_MEMORY, TEMPORARY_FAILURE = 0x20, 0x21, 0x81, 0x82, 0x86


class Packet:
    """A response, or a request taken apart."""

    def __init__(self, header, body):
        self.magic, self.opcode, keylen, extlen, self.datatype, self.status, _, self.opaque, self.cas = header
        self.extras, self.key, self.value = body[:extlen], body[extlen:extlen + keylen], body[extlen + keylen:]

    @property
    def flags(self):
        return struct.unpack(">I", self.extras)[0]

    def __repr__(self):
        name = OPCODE_NAMES.get(self.opcode, hex(self.opcode))
        return (f"{{{name} status={self.status:#x} opaque={self.opaque} cas={self.cas} extras={self.extras.hex()} "
                f"key={self.key!r} value={self.value[:200]!r}}}")


def packet(opcode, key=b"", value=b"", extras=b"", opaque=0, cas=0, magic=0x80, datatype=0, vbucket=0,
           keylen=None, extlen=None, bodylen=None):
    """A request's bytes. The lengths are those of the parts, unless a test wants to lie about them."""
    code = OPCODES[opcode] if isinstance(opcode, str) else opcode
    body = extras + key + value
    return struct.pack(
        ">BBHBBHIIQ", magic, code, len(key) if keylen is None else keylen, len(extras) if extlen is None else extlen,
        datatype, vbucket, len(body) if bodylen is None else bodylen, opaque, cas) + body


def storage(opcode, key, value, flags=0, exptime=0, **more):
    return packet(opcode, key, value, struct.pack(">II", flags, exptime), **more)


def arithmetic(opcode, key, delta, initial=0, exptime=0, **more):
    return packet(opcode, key, b"", struct.pack(">QQI", delta, initial, exptime), **more)


def touching(opcode, key, exptime=0, **more):
    return packet(opcode, key, b"", struct.pack(">I", exptime), **more)


def plain_message(user, password, authzid=b""):
    return authzid + b"\0" + user + b"\0" + password


def text_login(user, password, key=b"login"):
    token = user + b" " + password
    return b"set %s 0 0 %d\r\n%s\r\n" % (key, len(token), token)


class Closed(Exception):
    """The other side closed the connection where an answer was expected."""


class Connection:
    """A client's connection. `address` is (host, port), or the path of a Unix socket; `source` the client's own
    (host, port), if it matters."""

    def __init__(self, address, tls=None, timeout=TIMEOUT, source=None):
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout, source)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            try:
                self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
            except BaseException:
                self.socket.close()
                raise
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def send_slowly(self, data, size=1):
        """In pieces of `size` bytes, each a write of its own (and a TLS record of its own)."""
        for start in range(0, len(data), size):
            self.socket.sendall(data[start:start + size])

    def finish(self):
        """Says that nothing more will be sent, as a shell's pipe does at its end."""
        self.socket.shutdown(socket.SHUT_WR)

    def _fill(self):
        try:
            data = self.socket.recv(262144)
        except ConnectionError as error:
            raise Closed(f"{error}; unread {bytes(self.buffer[:200])!r}") from error
        except OSError as error:
            # An SSL EOF without close_notify is an end too; a time-out is not.
            if isinstance(error, TimeoutError):
                raise
            raise Closed(f"{error}; unread {bytes(self.buffer[:200])!r}") from error
        if not data:
            raise Closed(f"unread {bytes(self.buffer[:200])!r}")
        self.buffer += data

    def read(self, count):
        while len(self.buffer) < count:
            self._fill()
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def line(self):
        """The next line, without its CRLF. A bare LF stays in it: memcached never sends one."""
        searched = 0
        while (end := self.buffer.find(b"\r\n", searched)) < 0:
            searched = max(0, len(self.buffer) - 1)
            self._fill()
        line = bytes(self.buffer[:end])
        del self.buffer[:end + 2]
        return line

    def lines_until(self, last):
        """The lines up to `last`, which is left out."""
        lines = []
        while (line := self.line()) != last:
            lines.append(line)
        return lines

    def packet(self):
        header = struct.unpack(">BBHBBHIIQ", self.read(24))
        if header[0] != 0x81:
            raise AssertionError(f"not a response: {header} {bytes(self.buffer[:200])!r}")
        return Packet(header, self.read(header[6]))

    def rest(self):
        """All that comes until the other side closes."""
        try:
            while True:
                self._fill()
        except Closed:
            data = bytes(self.buffer)
            self.buffer.clear()
            return data

    def ask(self, request):
        """Sends a request whose answer is one line."""
        self.send(request)
        return self.line()

    def call(self, *arguments, **more):
        """Sends a binary request whose answer is one packet; the arguments are packet()'s."""
        self.send(packet(*arguments, **more))
        return self.packet()

    def get(self, key):
        """A value through the text protocol; None for a miss. An error line raises."""
        header = self.ask(b"get %s\r\n" % key)
        if header == b"END":
            return None
        word, got, _, length = header.split(b" ")[:4] if header.count(b" ") >= 3 else (header, b"", b"", b"")
        if word != b"VALUE" or got != key:
            raise AssertionError(f"get {key!r} was answered {header!r}")
        value = self.read(int(length) + 2)[:-2]
        if (end := self.line()) != b"END":
            raise AssertionError(f"after the value came {end!r}")
        return value

    def set(self, key, value, flags=0, exptime=0):
        return self.ask(b"set %s %d %d %d\r\n%s\r\n" % (key, flags, exptime, len(value), value))

    def login(self, user, password):
        """The text log-in; the answer's line."""
        return self.ask(text_login(user, password))

    def sasl_plain(self, user, password, authzid=b"", **more):
        """SASL PLAIN; the answer's packet."""
        return self.call("sasl_auth", b"PLAIN", plain_message(user, password, authzid), **more)
