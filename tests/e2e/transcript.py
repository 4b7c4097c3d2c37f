"""Transcripts: conversations with memcached as readable text files, and how one is played.

    --- a conversation's name, up to the next
    @ user alice              as whom (admin if not said); memcached itself is talked to without a log-in
    @ dialect binary          text if not said; also set for the whole file before its first conversation
    @ only mcgate: why        memcached itself has nothing like it
    @ in turn: why            never pipelined
    @ stream: why             nothing can be asked behind it, so that it has no end but the connection's
    @ item foo 0 bar          stored in memcached beforehand: key, flags, value
    @ left foo bar            what memcached must hold afterwards; `@ left foo` means nothing
    >>> get foo               a line sent, its CRLF added; >>>| sends exactly what stands there
    <<< VALUE foo 0 3         a line expected, exactly
    <<<~ VERSION \\S+          a line expected, as a regular expression; (?P<name>...) makes $name for later lines
    <<<+ STAT .*              one line or more as it, or one packet or more
    # differs: why            mcgate answers otherwise by design; must stand before the next two
    <<<mcgate END             expected of mcgate only
    <<<memcached ERROR        expected of memcached only
    <<< (closed)              the connection ends here

Lines may hold \\r \\n \\t \\0 \\\\ \\xHH, and ${a*1000} for a thousand times a. Binary packets are written
{set key=foo value="two words" flags=1 exptime=0 opaque=7 cas=0}; a request may lie with keylen=, extlen=, bodylen=, extras=
(hex) and have its opcode as 0x1b. In a response status, opaque, cas and the texts are 0 or empty where not said; cas=* is
any but 0, cas=$c any but 0 the first time and the same afterwards, value=* anything, number=N eight bytes.
"""

import re
import struct

import wire

_ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\", '"': b'"'}


def unescape(text):
    def one(match):
        if match["times"]:
            return unescape(match["what"]) * int(match["times"])
        return bytes.fromhex(match["hex"]) if match["hex"] else _ESCAPES[match["letter"]]
    out, end = b"", 0
    for match in re.finditer(r'\\(?:x(?P<hex>[0-9a-f]{2})|(?P<letter>[rnt0\\"]))|\$\{(?P<what>[^}]+)\*(?P<times>\d+)\}', text):
        out += text[end:match.start()].encode() + one(match)
        end = match.end()
    return out + text[end:].encode()


def fields(text):
    """("get", {"key": "foo", ...}) of "{get key=foo ...}"."""
    match = re.fullmatch(r'\{(\w+)((?: \w+=(?:"(?:[^"\\]|\\.)*"|\S+))*)\}', text)
    if not match:
        raise ValueError(f"not a packet: {text}")
    pairs = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', match[2])
    return match[1], {name: value[1:-1] if value.startswith('"') else value for name, value in pairs}


def _extras(opcode, given):
    def number(name):
        return int(given.pop(name, "0"), 0)
    loud = opcode if opcode in ("get", "getk", "gat", "gatk") else opcode.removesuffix("q")
    if "extras" in given:
        return bytes.fromhex(given.pop("extras"))
    if loud in ("set", "add", "replace"):
        return struct.pack(">II", number("flags"), number("exptime"))
    if loud in ("incr", "decr"):
        return struct.pack(">QQI", number("delta"), number("initial"), number("exptime"))
    if loud in ("touch", "gat", "gatk") or (loud == "flush" and "exptime" in given):
        return struct.pack(">I", number("exptime"))
    return b""


def request_bytes(text):
    opcode, given = fields(text)
    extras = _extras(opcode, given)
    key, value = (unescape(given.pop(name, "")) for name in ("key", "value"))
    numbers = {name: int(value, 0) for name, value in given.items()}
    return wire.packet(int(opcode, 0) if opcode.startswith("0x") else opcode, key, value, extras, **numbers)


class Failure(AssertionError):
    pass


def check_response(text, got, variables):
    opcode, want = fields(text)
    code = int(opcode, 0) if opcode.startswith("0x") else wire.OPCODES[opcode]
    extras = struct.pack(">I", int(want["flags"], 0)) if "flags" in want else bytes.fromhex(want.get("extras", ""))
    value = struct.pack(">Q", int(want["number"])) if "number" in want else unescape(want.get("value", ""))
    cas = want.get("cas", "0")
    if cas.startswith("$"):
        cas = variables.setdefault(cas[1:], str(got.cas)) if got.cas else "not zero"
    same = (got.opcode == code and got.status == int(want.get("status", "0"), 0)
            and got.opaque == int(want.get("opaque", "0"), 0) and got.extras == extras
            and (want.get("key") == "*" and got.key or got.key == unescape(want.get("key", ""))) and (want.get("value") == "*" or got.value == value)
            and (got.cas != 0 if cas == "*" else str(got.cas) == cas))
    if not same:
        raise Failure(f"expected {text}, got {got}")


class Conversation:
    def __init__(self, place, name, dialect):
        self.place, self.name, self.dialect = place, name, dialect
        self.user, self.only, self.in_turn, self.stream = "admin", None, None, False
        self.items, self.left = [], []
        self.steps = []  # (line number, ">>>", bytes-template) or (line number, "<<<" and its kind, text)

    def must_be_in_turn(self):
        """Whether it says so, or something sent depends on something received."""
        return bool(self.in_turn) or any(kind.startswith(">") and re.search(r"\$[a-z]", text)
                                         for _, kind, text in self.steps)

    def has_no_fence(self):
        return self.stream or any(text == "(closed)" for _, _, text in self.steps)

    def directive(self, text):
        word, _, rest = text.partition(" ")
        if word in ("user", "dialect"):
            setattr(self, word, rest)
        elif word == "only" and rest.startswith("mcgate: "):
            self.only = "mcgate"
        elif word == "in" and rest.startswith("turn: "):
            self.in_turn = rest
        elif word == "stream:":
            self.stream = True
        elif word == "item":
            key, flags, value = rest.split(" ", 2)
            self.items.append((unescape(key), int(flags), unescape(value)))
        elif word == "left":
            key, _, value = rest.partition(" ")
            self.left.append((unescape(key), unescape(value) if value else None))
        else:
            raise ValueError(f"unknown directive: {text}")


def load(path):
    """The conversations of a file."""
    conversations, dialect, explained = [], "text", False
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            place = f"{path}:{number}"
            match = re.match(r">>>\|? ?|<<<(?:[~+]|mcgate~?|memcached~?)? ?", line)
            if line.startswith("--- "):
                conversations.append(Conversation(place, line[4:], dialect))
                explained = False
            elif line.startswith("@ dialect ") and not conversations:
                dialect = line[len("@ dialect "):]
            elif line.startswith("@ "):
                conversations[-1].directive(line[2:])
            elif match:
                kind = match[0].strip()
                if "mc" in kind or "memcached" in kind:
                    if not explained:
                        raise ValueError(f"{place}: a difference without its reason")
                conversations[-1].steps.append((number, kind, line[match.end():]))
            elif line.startswith("# differs: "):
                explained = True
            elif line and not line.startswith("#"):
                raise ValueError(f"{place}: what is that? {line}")
    return conversations


class Player:
    """Plays a conversation on a connection that is logged in. `how`: "in turn", "pipelined" or "slowly"."""

    def __init__(self, conversation, connection, side, how):
        self.conversation, self.connection, self.side, self.how = conversation, connection, side, how
        self.variables = {}

    def _template(self, text):
        return re.sub(r"\$([a-z]\w*)", lambda match: self.variables[match[1]], text)

    def _bytes(self, kind, text):
        text = self._template(text)
        if text.startswith("{") and self.conversation.dialect == "binary":
            return request_bytes(text)
        return unescape(text) + (b"" if kind == ">>>|" else b"\r\n")

    def _send(self, data):
        if self.how == "slowly":
            self.connection.send_slowly(data, max(1, len(data) // 1000))
        else:
            self.connection.send(data)

    def _expect(self, kind, text):
        if text == "(closed)":
            if (rest := self.connection.rest()):
                raise Failure(f"expected the connection's end, got {rest[:200]!r}")
            return
        try:
            if kind.endswith("+"):
                self._expect_some(text)
                return
            if text.startswith("{") and self.conversation.dialect == "binary":
                check_response(text, self.connection.packet(), self.variables)
                return
            line = self.connection.line()
        except (wire.Closed, TimeoutError) as error:
            raise Failure(f"expected {text!r}, got {error!r}") from error
        if kind.endswith("~"):
            match = re.fullmatch(text.encode(), line)
            if match:
                self.variables |= {name: value.decode() for name, value in match.groupdict().items()}
        else:
            match = line == unescape(self._template(text))
        if not match:
            raise Failure(f"expected {text!r}, got {line[:300]!r}")

    def _expect_some(self, text):
        """One line or packet or more as the text has it; the first that is not is left for what is expected next."""
        found = 0
        while True:
            if self.conversation.dialect == "binary":
                header = struct.unpack(">BBHBBHIIQ", self.connection.read(24))
                body = self.connection.read(header[6])
                raw = struct.pack(">BBHBBHIIQ", *header) + body
                try:
                    check_response(text, wire.Packet(header, body), self.variables)
                    same = True
                except Failure:
                    same = False
            else:
                line = self.connection.line()
                raw, same = line + b"\r\n", re.fullmatch(text.encode(), line)
            if not same:
                self.connection.buffer[:0] = raw
                if not found:
                    raise Failure(f"expected {text!r}, got {raw[:300]!r}")
                return
            found += 1

    def play(self):
        other = "memcached" if self.side == "mcgate" else "mcgate"
        steps = [step for step in self.conversation.steps if other not in step[1]]
        if self.how == "pipelined":
            self._send(b"".join(self._bytes(kind, text) for _, kind, text in steps if kind.startswith(">")))
        number = 0
        try:
            for number, kind, text in steps:
                if kind.startswith("<"):
                    self._expect(kind, text)
                elif self.how != "pipelined":
                    self._send(self._bytes(kind, text))
            number = f"{number}, then the fence"
            if not self.conversation.has_no_fence():
                self._fence()
        except (Failure, OSError) as error:
            raise Failure(f"{self.conversation.place} ({self.conversation.name}), line {number}, {self.side}, "
                          f"{self.how}: {error}") from error

    def _fence(self):
        """Nothing may have been answered beyond what was expected."""
        if self.conversation.dialect == "binary":
            self.connection.send(wire.packet("noop", opaque=0xFE0CE))
            check_response(f"{{noop opaque={0xFE0CE}}}", self.connection.packet(), {})
        else:
            line = self.connection.ask(b"version\r\n")
            if not line.startswith(b"VERSION "):
                raise Failure(f"one answer too many: {line[:200]!r}")
