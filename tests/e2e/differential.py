"""mcgate and the memcached behind it beside a second memcached: the same requests to both, and every answer and what is
stored in the end must agree, or the difference be one of DIFFERENCES.

As a program: differential.py [--seed N] [--requests N] [--from CONVERSATION] runs for longer, or again from where a
failure said.
"""

import argparse
import base64
import os
import random
import re
import struct
import sys

import harness
import wire
from generator import KEYS, Generator
from wire import packet

FENCE, FENCE_ANSWER = b"version\r\n", b"VERSION 1.6.18\r\n"
ERROR_LINE = rb"(ERROR|CLIENT_ERROR [^\r\n]*|SERVER_ERROR [^\r\n]*)\r\n"


def refused(gate):
    """mcgate answered with nothing but an error, and goes on or has closed; what it was told is a data block's length may
    have reached into the fence, whose rest is an error then."""
    return re.fullmatch(b"(%s){0,2}(%s)?" % (ERROR_LINE, re.escape(FENCE_ANSWER)), gate) is not None


def refused_binary(gate):
    """mcgate answered the broken packet with one error, or none, and its fence or the connection's end."""
    return len(gate) <= 2 and all(status in (1, 4, 0x20, 0x81) or opcode == 0x0A for opcode, status, *_ in gate)


# What is broken (the generator's tag): whether the answers may differ so, and why mcgate is not memcached here.
DIFFERENCES = {
    "number": (lambda gate, ref: refused(gate), "memcached reads numbers as strtol does: signs, blanks, and cut to 32 bits; "
               "mcgate takes digits within the type's range"),
    "key": (lambda gate, ref: refused(gate), "memcached takes control characters for key bytes and NUL for a line's end; mcgate "
            "has one key rule for all dialects"),
    "arity": (lambda gate, ref: refused(gate), "memcached ignores some surplus tokens and runs the data of a line whose "
              "arguments do not count up; mcgate takes neither"),
    "length": (lambda gate, ref: refused(gate), "memcached cuts lengths to 32 bits and goes on where it can't know how much "
               "data follows; mcgate closes"),
    "large data": (lambda gate, ref: refused(gate) and (gate == ref or ref.startswith(b"SERVER_ERROR object too large")),
             "where a value is too large and ends wrongly too, memcached tells the one and mcgate the other; and memcached "
             "drops the old item"),
    "word": (lambda gate, ref: gate == b"CLIENT_ERROR line too long\r\n", "memcached takes a line longer than its bound if it "
             "comes in one piece; mcgate never does"),
    "line": (lambda gate, ref: refused(gate), "memcached ends a line at NUL, and reads numbers with a blank at their end"),
    "flag": (lambda gate, ref: refused(gate), "mcgate knows which flags a command has and whether they take an argument, "
             "memcached 1.6.18 ignores some that it does not; data is never run"),
    "surplus": (lambda gate, ref: refused_binary(gate), "memcached runs what touch, gat and stat have too much as the next request"),
    "extras": (lambda gate, ref: refused_binary(gate), "lengths within the body are checked against each other, and all at once"),
    "keylen": (lambda gate, ref: refused_binary(gate), "memcached waits for a key that is longer than its body"),
    "opcode": (lambda gate, ref: refused_binary(gate), "memcached skips the body of an unknown opcode twice"),
    "magic": (lambda gate, ref: refused(gate[0]) if isinstance(gate, tuple) else refused_binary(gate),
              "the first byte tells the dialect; in text, mcgate refuses keys of control characters"),
    "binary key": (lambda gate, ref: refused_binary(gate), "memcached takes any byte in a binary key; mcgate has one key rule"),
}


class Side:
    """One of the two servers: a connection, and how the server's own numbers are made comparable."""

    def __init__(self, connect, memcached):
        self.connect, self.memcached = connect, memcached
        self.connection = None
        self.dialect = None
        self.forget()

    def forget(self):
        self.cas, self.ordinals = {}, {}
        if self.connection:
            self.connection.close()
        self.connection = None

    def ordinal(self, cas):
        """A cas unique, as the number of its first appearance."""
        return self.ordinals.setdefault(int(cas), len(self.ordinals)) if int(cas) else -1

    def cas_text(self, key):
        return b"%d" % self.cas.get(key, 1)

    def cas_bytes(self, key):
        return struct.pack(">Q", self.cas.get(key, 1))

    def data(self, request):
        parts = [part if isinstance(part, bytes) else
                 self.cas_text(part[1]) if part[0] == "cas" else self.cas_bytes(part[1]) for part in request.parts]
        return b"".join(parts)

    # --- text

    def _text_line(self, match):
        line = match[0]
        if line.startswith(b"VALUE "):
            words = line.split(b" ")
            if len(words) == 5:
                self.cas[words[1]] = int(words[4])
                words[4] = b"#%d" % self.ordinal(words[4])
            return b" ".join(words)
        line = re.sub(rb" c(\d+)", lambda found: b" c#%d" % self.ordinal(found[1]), line)
        line = re.sub(rb" t\d+", b" t#", line)  # seconds may pass between the two
        # memcached names a key as it was stored, mcgate as it was asked for.
        return re.sub(rb" k(\S+) b\b", lambda found: b" k" + base64.b64decode(found[1]), line)

    def comparable_text(self, answers):
        return re.sub(rb"^(VALUE|HD|VA|EN|NF|NS|EX)\b[^\r]*", self._text_line, answers, flags=re.MULTILINE)

    def text(self, requests):
        self.connection = self.connection or self.connect()
        self.connection.send(b"".join(self.data(request) for request in requests) + FENCE)
        while not self.connection.buffer.endswith(FENCE_ANSWER):
            self.connection._fill()
        answers = bytes(self.connection.buffer)
        self.connection.buffer.clear()
        return self.comparable_text(answers)

    # --- binary

    def comparable_packets(self, answers):
        packets = []
        while len(answers) >= 24:
            header = struct.unpack(">BBHBBHIIQ", answers[:24])
            response = wire.Packet(header, answers[24:24 + header[6]])
            answers = answers[24 + header[6]:]
            if response.key and response.status == 0 and response.cas:
                self.cas[response.key] = response.cas
            packets.append((response.opcode, response.status, response.opaque, self.ordinal(response.cas), response.extras,
                            response.key, response.value))
        return packets + ([answers] if answers else [])

    def binary(self, requests):
        self.connection = self.connection or self.connect()
        fence = packet("noop", opaque=0xFE0CEFE0)
        answer = b"\x81\x0a" + b"\0" * 10 + fence[12:16] + b"\0" * 8
        self.connection.send(b"".join(self.data(request) for request in requests) + fence)
        while not self.connection.buffer.endswith(answer):
            self.connection._fill()
        answers = bytes(self.connection.buffer)
        self.connection.buffer.clear()
        return self.comparable_packets(answers)

    # --- both

    def alone(self, request, dialect):
        """On a connection of its own, and to its end."""
        with self.connect() as connection:
            try:
                connection.send(self.data(request) + (FENCE if dialect == "text" else packet("noop")))
                connection.finish()
            except OSError:
                pass  # closed already: what was said is still there to read
            answers = connection.rest()
        if dialect == "binary" and answers[:1] in (b"", b"\x81"):
            return self.comparable_packets(answers)
        return self.comparable_text(answers) if dialect == "text" else (self.comparable_text(answers),)

    def contents(self):
        """Every key's value, flags, size and whether it ends. No mg: that might take a token to recache."""
        with self.memcached.connect() as direct:
            direct.send(b"get %s\r\n" % b" ".join(KEYS) + b"".join(b"me %s\r\n" % key for key in KEYS) + FENCE)
            while not direct.buffer.endswith(FENCE_ANSWER):
                direct._fill()
            # exp is -1 for never, else how long ago.
            return re.sub(rb"^ME \S+ exp=(-1\b)?\S* .* size=(\d+)", rb"ME \1 \2", bytes(direct.buffer), flags=re.MULTILINE)


def batches(requests):
    """Pipelined together, but for what counts: whether memcached does that in place (and pads) or not depends on whether an
    answer before it has been written."""
    batch = []
    for request in requests:
        if request.counts():
            yield from filter(None, (batch, [request]))
            batch = []
        else:
            batch.append(request)
    if batch:
        yield batch


class Disagreement(AssertionError):
    pass


class Differential:
    def __init__(self, gate, behind, beside, seed):
        self.gate = gate
        self.sides = [Side(gate.connect, behind), Side(beside.connect, beside)]
        self.memcacheds = [behind, beside]
        self.seed = seed
        self.sent = 0
        self.by_design = {}

    def fail(self, number, what, requests, answers):
        lines = [f"seed {self.seed}, conversation {number}: {what}"]
        lines += [f"  sent      {request.tag or 'valid'}: {self.sides[0].data(request)[:300]!r}" for request in requests]
        same = len(os.path.commonprefix(answers)) if isinstance(answers[0], (bytes, list)) else 0
        lines += [f"  {who:9} {'... ' if same else ''}{answer[max(0, same - 100):]!r:.1000}"
                  for who, answer in zip(("mcgate", "memcached"), answers)]
        raise Disagreement("\n".join(lines + ["  mcgate's log:"] + self.gate.process.log().split("\n")[-5:]))

    def renew(self):
        for memcached, side in zip(self.memcacheds, self.sides):
            memcached.flush()
            side.forget()

    def conversation(self, number):
        """A hundred requests or so of one dialect, from an empty cache."""
        numbers = random.Random(f"{self.seed} {number}")
        generator = Generator(numbers)
        dialect = numbers.choice(("text", "text", "binary"))
        valid = generator.text if dialect == "text" else generator.binary
        broken = generator.broken_text if dialect == "text" else generator.broken_binary
        self.renew()
        for _ in range(numbers.randrange(5, 30)):
            if numbers.random() < 0.3:
                if not self.one_broken(number, broken(), dialect):
                    self.renew()
                continue
            for requests in batches([valid() for _ in range(numbers.choice((1, 1, 2, 5, 10, 20)))]):
                self.all_valid(number, requests, dialect)
        contents = [side.contents() for side in self.sides]
        if contents[0] != contents[1]:
            self.fail(number, "another content in the end", [], contents)

    def all_valid(self, number, requests, dialect):
        self.sent += len(requests)
        try:
            answers = [getattr(side, dialect)(requests) for side in self.sides]
        except (wire.Closed, TimeoutError) as error:
            self.fail(number, f"no answer: {error}", requests, [b"", b""])
        if answers[0] != answers[1]:
            self.fail(number, "valid requests answered otherwise", requests, answers)

    def one_broken(self, number, request, dialect):
        """Whether both took it alike, so that they still hold the same."""
        self.sent += 1
        before = [side.contents() for side in self.sides][0]  # asked of both, since a look is a fetch
        answers = [side.alone(request, dialect) for side in self.sides]
        after = [side.contents() for side in self.sides]
        if answers[0] == answers[1] and after[0] == after[1]:
            return True
        row = DIFFERENCES.get("binary key" if dialect == "binary" and request.tag == "key" else request.tag)
        if row is None or not row[0](*answers):
            self.fail(number, "a broken request answered otherwise", [request], answers)
        if after[0] != before:
            self.fail(number, "a refused request changed something", [request], [before, after[0]])
        self.by_design[request.tag] = self.by_design.get(request.tag, 0) + 1
        return False


def run(case, seed, requests, first=0):
    """Differential runs of at least that many requests; case is a TestCase to clean up with."""
    # Small items, so that some are too large; no threads in the background that hold items when they like.
    options = ("-I", "16k", "-o", "slab_chunk_max=8192,no_lru_maintainer,no_lru_crawler")
    behind, beside = harness.Memcached(*options), harness.Memcached(*options)
    case.addCleanup(behind.stop)
    case.addCleanup(beside.stop)
    _, gate = harness.start(case, [harness.unix_listener(anonymous="admin")], behind, workers=1)
    differential = Differential(gate, behind, beside, seed)
    number = first
    while differential.sent < requests:
        differential.conversation(number)
        number += 1
    return differential, number


def main():
    import unittest
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1 << 32))
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--from", dest="first", type=int, default=0)
    given = parser.parse_args()
    case = unittest.TestCase()
    try:
        differential, conversations = run(case, given.seed, given.requests, given.first)
        print(f"seed {given.seed}: {differential.sent} requests in {conversations} conversations agree; "
              f"different by design: {differential.by_design}")
    except Disagreement as disagreement:
        print(disagreement)
        sys.exit(1)
    finally:
        case.doCleanups()


if __name__ == "__main__":
    main()
