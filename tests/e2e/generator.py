"""Requests of all three dialects, drawn from a grammar: valid ones, on which mcgate and memcached must agree to the byte,
and broken ones, each tagged with what is broken about it.

The same seed gives the same requests. What depends on the server's own numbers is left open: a cas unique is written as
the last that the server at hand told of that key.
"""

import base64
import struct
from dataclasses import dataclass, field

import wire

KEYS = [b"k%d" % number for number in range(12)] + [b"n%d" % number for number in range(4)] + [b"\xc3\xa9" * 3, b"L" * 250]
EXPTIMES = (b"0",) * 6 + (b"100", b"2592000", b"2000000000", b"-1")
# Sizes on both sides of what the memcached under test holds (-I 16k).
SIZES = (0, 1, 2, 10, 100, 1000, 5000) * 3 + (15_000, 17_000, 100_000)
LARGE = 16_000  # from here on memcached refuses the values made of them


@dataclass
class Request:
    parts: list = field(default_factory=list)  # bytes, or ("cas", key)
    tag: str = ""  # what is broken; empty for a valid request

    def counts(self):
        """Whether it adds or subtracts: memcached does so in place, padded, or in a new item, as it happens to be."""
        return self.parts[0][:1] != b"\x80" and self.parts[0] in (b"incr", b"decr", b"ma") or (
            self.parts[0][:1] == b"\x80" and self.parts[0][1] in (5, 6, 0x15, 0x16))

    def data(self, cas_of):
        return b"".join(part if isinstance(part, bytes) else cas_of(part[1]) for part in self.parts)


class Generator:
    def __init__(self, random_numbers):
        self.random = random_numbers

    def key(self):
        return self.random.choice(KEYS)

    def value(self):
        if self.random.random() < 0.4:
            return b"%d" % self.random.choice((0, 1, 9, 10, 99, 12345, (1 << 64) - 1, 1 << 64, self.random.randrange(1 << 40)))
        # Run as a command, which must not happen, this would be answered with ERROR and change nothing.
        return (b"zv%d" % self.random.randrange(1000)) * (self.random.choice(SIZES) // 4)

    def number(self):
        return b"%d" % self.random.choice((0, 1, 1, 2, 10, 255, (1 << 32) - 1, 1 << 32, (1 << 64) - 1))

    def noreply(self):
        return [b"noreply"] if self.random.random() < 0.25 else []

    # --- text

    def text_lines(self):
        """The tokens of a valid line, and its data block or None."""
        kind = self.random.choice(("read",) * 6 + ("store",) * 6 + ("cas", "cas", "count", "count", "touch", "delete", "delete"))
        key = self.key()
        if kind == "read":
            keys = [self.key() for _ in range(self.random.choice((1, 1, 1, 2, 5, 30)))]
            verb = self.random.choice((b"get", b"get", b"gets", b"gets", b"gat", b"gats"))
            if verb.startswith(b"gat"):  # a line of at most 1024 bytes, get's and gets' excepted
                return [verb, self.random.choice(EXPTIMES)] + keys[:3], None
            return [verb] + keys, None
        if kind in ("store", "cas"):
            verb = b"cas" if kind == "cas" else self.random.choice((b"set", b"set", b"add", b"replace", b"append", b"prepend"))
            value = self.value()
            flags = b"%d" % self.random.choice((0, 1, 65536, (1 << 32) - 1))
            tokens = [verb, key, flags, self.random.choice(EXPTIMES), b"%d" % len(value)]
            if kind == "cas":
                tokens.append(self.random.choice((("cas", key), ("cas", key), self.number())))
            return tokens + self.noreply(), value
        if kind == "count":
            key = self.random.choice((key, b"n1", b"n2"))
            return [self.random.choice((b"incr", b"decr")), key, self.number()] + self.noreply(), None
        if kind == "touch":
            return [b"touch", key, self.random.choice(EXPTIMES)] + self.noreply(), None
        return [b"delete", key] + self.random.choice(([], [], [b"0"])) + self.noreply(), None

    def meta_flags(self, choices, key):
        """Some of the flags, each letter once."""
        flags = []
        for letter in self.random.sample(choices, self.random.randrange(min(len(choices), 6) + 1)):
            argument = {
                "T": lambda: self.random.choice((b"0", b"100", b"-1", b"2000000000")), "N": lambda: b"100",
                "R": lambda: self.random.choice((b"30", b"2000")), "O": lambda: b"%d" % self.random.randrange(10**9),
                "F": lambda: b"%d" % self.random.choice((0, 7, (1 << 32) - 1)), "D": self.number, "J": self.number,
                "C": lambda: self.random.choice((("cas", key), b"1")), "P": lambda: b"x", "L": lambda: b"y",
            }.get(letter, lambda: b"")()
            flags.append([letter.encode(), argument])
        return flags

    @staticmethod
    def loud_if_it_creates(tokens):
        """Before 1.6.40 a quiet ma that creates is answered all the same; through mcgate it is quiet always."""
        creates = any(token[0][:1] == b"N" for token in tokens if isinstance(token[0], bytes))
        return [token for token in tokens if not (creates and token[0] == b"q")]

    def meta_line(self):
        key, data = self.key(), None
        # memcached's own limit is on the encoded form; mcgate's on the key.
        encoded = self.random.random() < 0.15 and len(key) < 180
        verb = self.random.choice(("mg", "mg", "mg", "ms", "ms", "md", "ma", "ma", "mn"))
        if verb == "mn":
            return [[b"mn"]], None
        # Not h: an incr while an answer with the item waits to be written makes a new item, never fetched yet.
        choices = {"mg": "qOkstfvucTNRPL", "ms": "qOkcTFIC", "md": "qOkTIC", "ma": "qOkvtcTNJDC"}[verb]
        flags = self.meta_flags(list(choices), key)
        if verb == "ma":
            flags = self.loud_if_it_creates(flags)
        if verb in ("ms", "ma") and self.random.random() < 0.4:
            mode = self.random.choice("EAPRSeaprs" if verb == "ms" else "I+D-id").encode()
            flags.append([b"M", mode.upper() if mode.isalpha() else mode])
        if encoded:
            flags.insert(self.random.randrange(len(flags) + 1), [b"b"])
        tokens = [[verb.encode()], [base64.b64encode(key) if encoded else key]]
        if verb == "ms":
            data = self.value()
            tokens.append([b"%d" % len(data)])
        return tokens + flags, data

    @staticmethod
    def assemble(tokens, data, space=b" ", end=b"\r\n", data_end=b"\r\n", tag=""):
        """A request of tokens, each bytes, a cas to come, or a list of those."""
        parts = []
        for number, token in enumerate(tokens):
            parts += ([space] if number else []) + (token if isinstance(token, list) else [token])
        parts.append(end)
        return Request(parts + ([data, data_end] if data is not None else []), tag)

    def text(self):
        tokens, data = self.meta_line() if self.random.random() < 0.4 else self.text_lines()
        if self.random.random() < 0.1:  # spaces and a bare LF are as good
            return self.assemble(tokens, data, self.random.choice((b" ", b"  ")), self.random.choice((b"\r\n", b"\n", b" \r\n")))
        return self.assemble(tokens, data)

    def broken_text(self):
        """A valid line with one thing wrong."""
        tokens, data = self.meta_line() if self.random.random() < 0.4 else self.text_lines()
        # No cas of the server's own: broken, it may be read as a key, and named back.
        tokens = [[part if isinstance(part, bytes) else b"18446744073709551615"
                   for part in (token if isinstance(token, list) else [token])] for token in tokens]
        kind = self.random.choice(("number", "number", "key", "arity", "arity", "word", "length", "data", "line", "flag"))
        place = self.random.randrange(len(tokens))
        if kind == "number":
            nasty = (b"-1", b"+1", b"01", b"1x", b"x", b"4294967296", b"-4294967295", b"18446744073709551616", b"0x1", b"1.0",
                     b"\t1", b"1\t", b"99999999999999999999999", b"-", b"2147483648", b"-2147483649")
            numbers = [n for n, token in enumerate(tokens) if n > 1 and isinstance(token[0], bytes) and token[0].lstrip(b"-").isdigit()]
            place = self.random.choice(numbers) if numbers else place
            tokens[place] = [self.random.choice(nasty)]
        elif kind == "key":
            tokens[min(1, len(tokens) - 1)] = [self.random.choice((b"", b"a" * 251, b"a\0b", b"a\tb", b"a\rb", b"\x7f", b"\x01", b"a" * 2000))]
        elif kind == "arity":
            if self.random.random() < 0.5:
                del tokens[place]
            else:
                tokens.insert(place, self.random.choice(([b"x"], tokens[place], [b"noreply"], [b"0"])))
        elif kind == "word":
            data = data and data[:500]  # a command too, then: no longer than a line may be
            tokens[0] = [self.random.choice((b"GET", b"gett", b"se", b"", b"mgx", b"x" * 100, b"\0", b"get\0", b"\xff", b"FLUSH_ALL"))]
        elif kind == "length" and data is not None:
            where = 2 if tokens[0] == [b"ms"] else 4
            tokens[where] = [self.random.choice((b"-1", b"x", b"", b"4294967299", b"2147483648", b"99999999999999999999", b"-4294967293"))]
        elif kind == "data" and data is not None:
            return self.assemble(tokens, data, data_end=self.random.choice((b"", b"\n", b"x\r\n", b"\r\r\n", b"zz\r\n")),
                                 tag="data" if len(data) < LARGE else "large data")
        elif kind == "line":
            return self.assemble(tokens, data and data[:500], self.random.choice((b" ", b"\t", b"\0")),
                                 self.random.choice((b"\r\r\n", b"\0\r\n", b"\t\r\n", b"\r\n")), tag="line")
        elif kind == "flag":
            tokens.append([self.random.choice((b"y", b"v", b"T", b"Tx", b"b", b"M", b"MM", b"O" + b"o" * 40, b"q", b"E5", b"s", b"noreply", b"\xff"))])
            tokens = self.loud_if_it_creates(tokens) if tokens[0] == [b"ma"] else tokens
        return self.assemble(tokens, data, tag=kind)

    # --- binary

    def binary(self):
        key, opaque, quiet = self.key(), self.random.randrange(1 << 32), self.random.choice(("", "", "q"))
        kind = self.random.choice(("get", "getk", "get", "store", "store", "store", "concat", "count", "delete", "touch", "gat",
                                   "gatk", "noop", "version"))
        if kind in ("noop", "version"):
            return Request([wire.packet(kind, opaque=opaque)])
        if kind in ("get", "getk"):
            return Request([wire.packet(kind + quiet, key, opaque=opaque)])
        if kind in ("touch", "gat", "gatk"):
            name = kind if kind == "touch" else kind + quiet
            return Request([wire.touching(name, key, self.random.choice((0, 100, 2000000000)), opaque=opaque)])
        if kind == "count":
            exptime = self.random.choice((0, 0xFFFFFFFF, 100))
            data = wire.arithmetic(self.random.choice(("incr", "decr")) + quiet, key, int(self.number()), int(self.number()),
                                   exptime, opaque=opaque)
        elif kind == "delete":
            data = wire.packet("delete" + quiet, key, opaque=opaque)
        elif kind == "concat":
            data = wire.packet(self.random.choice(("append", "prepend")) + quiet, key, self.value(), opaque=opaque)
        else:
            data = wire.storage(self.random.choice(("set", "set", "add", "replace")) + quiet, key, self.value(),
                                self.random.choice((0, 1, (1 << 32) - 1)), self.random.choice((0, 100, 2000000000)), opaque=opaque)
        if self.random.random() < 0.15:
            return Request([data[:16], ("cas64", key), data[24:]])
        return Request([data])

    def broken_binary(self):
        data = bytearray(b"".join(part if isinstance(part, bytes) else b"\0" * 8 for part in self.binary().parts))
        kind = self.random.choice(("surplus", "extras", "keylen", "opcode", "magic", "key", "datatype"))
        body = len(data) - 24
        if kind == "surplus":
            data += b"z" * self.random.choice((1, 4, 24))
            struct.pack_into(">I", data, 8, len(data) - 24)
        elif kind == "extras":
            data[4] = self.random.choice((0, 1, 4, 8, 20, 255))
        elif kind == "keylen":
            struct.pack_into(">H", data, 2, self.random.choice((0, 1, 251, min(body, 0xFFFE), min(body, 0xFFFE) + 1, 0xFFFF)))
        elif kind == "opcode":
            data[1] = self.random.choice((0x1B, 0x1F, 0x25, 0x30, 0x3C, 0x40, 0x7F, 0xFF))
        elif kind == "magic":
            data[0] = self.random.choice((0x81, 0x7F, 0x00, 0x67))
        elif kind == "key":
            data = bytearray(wire.packet("get", self.random.choice((b"a b", b"\0", b"a\r\n", b"x" * 251, b"\x7f"))))
        else:  # ignored by memcached, which does not know of any
            data[5] = self.random.choice((1, 2, 255))
        return Request([bytes(data)], kind)
