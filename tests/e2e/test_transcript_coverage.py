"""Counts the transcripts against the command table: each command has, in each dialect that knows it, a conversation where
it is done, one for each of its failures, for its noreply, q or quiet form, for its refusal, and one that is played
pipelined. A command without a row here, or a row whose transcript is missing, fails.
"""

import glob
import os
import re
import subprocess
import unittest

import harness
import transcript
from wire import OPCODES

DONE, DENIED, SILENT, SILENTLY_DENIED = "done", "denied", "silent", "silently denied"

FORMAT = "CLIENT_ERROR bad command line format"
EXPTIME = "CLIENT_ERROR invalid exptime argument"
DELTA = "CLIENT_ERROR invalid numeric delta argument"
NOT_NUMERIC = "CLIENT_ERROR cannot increment or decrement non-numeric value"
CHUNK = "CLIENT_ERROR bad data chunk"
LARGE = "SERVER_ERROR object too large for cache"
OPEN = {DONE}  # needs no right
GUARDED = {DONE, DENIED}
QUIET = GUARDED | {SILENT, SILENTLY_DENIED}
STORING = QUIET | {"ERROR", FORMAT, CHUNK, LARGE}
COUNTING = QUIET | {"NOT_FOUND", "ERROR", FORMAT, DELTA, NOT_NUMERIC}

TEXT = {
    "get": GUARDED | {"END", "ERROR", FORMAT},
    "gets": GUARDED | {"END", "ERROR", FORMAT},
    "gat": GUARDED | {"END", "ERROR", FORMAT, EXPTIME},
    "gats": GUARDED | {"END", "ERROR", FORMAT, EXPTIME},
    "set": STORING,
    "add": STORING | {"NOT_STORED"},
    "replace": STORING | {"NOT_STORED"},
    "append": STORING | {"NOT_STORED"},
    "prepend": STORING | {"NOT_STORED"},
    "cas": STORING | {"EXISTS", "NOT_FOUND"},
    "incr": COUNTING,
    "decr": COUNTING,
    "touch": QUIET | {"NOT_FOUND", "ERROR", FORMAT, EXPTIME},
    "delete": QUIET | {"NOT_FOUND", "ERROR", FORMAT, FORMAT + ".  Usage: delete <key> [noreply]"},
    "mg": GUARDED | {"EN", SILENT, "ERROR", FORMAT, "CLIENT_ERROR invalid flag", "CLIENT_ERROR duplicate flag",
                     "CLIENT_ERROR bad token in command line format", "CLIENT_ERROR opaque token too long",
                     "CLIENT_ERROR error decoding key"},
    "ms": GUARDED | {"NS", "EX", "NF", SILENT, "ERROR", FORMAT, CHUNK, LARGE, "CLIENT_ERROR duplicate flag",
                     "CLIENT_ERROR bad token in command line format", "CLIENT_ERROR error decoding key",
                     "CLIENT_ERROR invalid mode for ms M token"},
    "md": GUARDED | {"NF", "EX", SILENT, "ERROR", FORMAT},
    "ma": GUARDED | {"NF", "EX", SILENT, "ERROR", FORMAT, NOT_NUMERIC, "CLIENT_ERROR invalid mode for ma M token"},
    "stats": GUARDED | {"ERROR"},
    "flush_all": QUIET | {"ERROR", EXPTIME},
    "verbosity": QUIET | {"ERROR", FORMAT},
    "cache_memlimit": QUIET | {"ERROR", "MEMLIMIT_TOO_SMALL"},
    "slabs": QUIET | {"ERROR", FORMAT, "NOSPARE", "SAME", "BADCLASS"},
    "lru": QUIET | {"ERROR"},
    "lru_crawler": GUARDED | {"ERROR", "BADCLASS", "CLIENT_ERROR sleep must be one second or less"},
    "lru_crawler metadump": GUARDED | {"ERROR", "BADCLASS"},
    "extstore": QUIET | {"ERROR"},
    "me": GUARDED | {"EN", FORMAT},
    "watch": GUARDED | {"ERROR"},
    "shutdown": {DENIED, "ERROR"},  # memcached's own refusal; what ends it cannot be shown beside others
    "refresh_certs": {DENIED, "ERROR"},
    "stats items": GUARDED, "stats slabs": GUARDED, "stats sizes": GUARDED, "stats conns": GUARDED,
    "stats settings": GUARDED, "stats reset": GUARDED,
    "stats detail": GUARDED | {"CLIENT_ERROR usage: stats detail on|off|dump"},
    "stats cachedump": {DENIED, "END", FORMAT, "CLIENT_ERROR bad command line", "CLIENT_ERROR Illegal slab id"},
    "stats extstore": {DENIED, "END"},
    "version": OPEN, "noop": OPEN, "quit": OPEN,
}

# By opcode, the loud ones: a quiet one has the same failures, is silent otherwise, and quiet reads when denied. Numbers
# are statuses.
BINARY = {
    "get": {DONE, DENIED, 1, 4}, "getk": {DONE, DENIED, 1, 4}, "gat": {DONE, DENIED, 1, 4}, "gatk": {DONE, DENIED, 1, 4},
    "set": {DONE, DENIED, 1, 2, 3, 4}, "add": {DONE, DENIED, 2, 3, 4}, "replace": {DONE, DENIED, 1, 2, 3, 4},
    "append": {DONE, DENIED, 3, 4, 5}, "prepend": {DONE, DENIED, 3, 4, 5},
    "incr": {DONE, DENIED, 1, 4, 6}, "decr": {DONE, DENIED, 1, 4, 6}, "touch": {DONE, DENIED, 1, 4},
    "delete": {DONE, DENIED, 1, 2, 4}, "flush": {DONE, DENIED}, "noop": {DONE, 4}, "version": {DONE, 4}, "quit": {DONE},
    "sasl_list": {DONE}, "sasl_auth": {DONE, DENIED, 4, 0x21}, "sasl_step": {DONE, DENIED},
}
QUIET_READS = {"getq", "getkq", "gatq", "gatkq"}
OPCODES_OF = {"get": ("get", "getk"), "gat": ("gat", "gatk"), "flush_all": ("flush",)}  # of others: its name
STATS = {"stats": GUARDED | {1}, "stats extstore": {DENIED, 1}, "stats conns": {DENIED, 1}}  # of others: GUARDED

FILES = sorted(glob.glob(os.path.join(os.path.dirname(__file__), "transcripts", "*.txt")))


def command_table():
    """{dialect: names of the commands it has}, as mcgate itself lists them."""
    listed = subprocess.run([harness.MCGATE, "commands"], check=True, capture_output=True, text=True).stdout
    table = {"text": set(), "binary": set()}
    for line in listed.splitlines()[1:]:
        name, _, _, text, binary = re.split(r"\s{2,}", line)
        table["text"] |= {name} if text != "-" else set()
        table["binary"] |= {name} if binary != "-" else set()
    return table


def text_outcome(line):
    """What the first line of an answer says has come of its request."""
    if line == "CLIENT_ERROR access denied":
        return DENIED
    if line.startswith(("CLIENT_ERROR ", "SERVER_ERROR ")):
        return line
    word = line.split(" ")[0].rstrip(":").upper()
    failures = {"ERROR", "END", "EN", "NF", "NS", "EX", "NOT_FOUND", "NOT_STORED", "EXISTS", "MEMLIMIT_TOO_SMALL",
                "NOSPARE", "SAME", "BADCLASS"}
    return word if word in failures else DONE


def text_command(line, known):
    words = line.split() or [""]
    for name in (" ".join(words[:2]), {"bget": "get", "mn": "noop"}.get(words[0], words[0])):
        if name in known:
            return name
    return None


def data_bytes(line):
    """How much data follows a line."""
    words = line.split()
    place = 2 if words[:1] == ["ms"] else 4 if words[:1] and words[0] in ("set", "add", "replace", "append", "prepend", "cas") else None
    length = words[place] if place and len(words) > place else ""
    return int(length) + 2 if length.isdigit() else 0


def text_requests(conversation, known):
    """(command, what came of it) of each request, as mcgate answers it."""
    name, came, missing = None, None, 0
    silence = SILENTLY_DENIED if conversation.name.startswith("refused") else SILENT
    for _, kind, text in conversation.steps:
        if kind.startswith("<"):
            if name and came is None and "memcached" not in kind:
                came = text_outcome(text)
            continue
        if missing > 0:
            missing -= len(transcript.unescape(text)) + 2
            continue
        if name:
            yield name, came or silence
        line = text.split(r"\r\n")[0]
        name, came = text_command(line, known), None
        missing = 0 if kind == ">>>|" else data_bytes(line)
    if name:
        yield name, came or silence


def binary_requests(conversation):
    """(opcode's name, the key, the fields, what came of it) of each request, as mcgate answers it."""
    sent, answered = [], {}
    for _, kind, text in conversation.steps:
        if "memcached" in kind or not text.startswith("{") or text.startswith("{0x"):
            continue
        name, fields = transcript.fields(text)
        place = name, fields.get("opaque", "0")
        if kind.startswith(">"):
            sent.append((place, fields))
        else:
            answered.setdefault(place, []).append(int(fields.get("status", "0"), 0))
    silence = SILENTLY_DENIED if conversation.name.startswith("refused") else SILENT
    for place, fields in sent:
        statuses = answered.get(place, [])
        status = statuses.pop(0) if statuses else None
        came = {None: silence, 0: DONE, 0x20: DENIED}.get(status, status)
        yield place[0], fields.get("key", ""), fields, came


@harness.needs_mcgate
class EveryCommandHasTranscripts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.table = command_table()
        cls.text, cls.opcodes, cls.stats, cls.cas, cls.pipelined = {}, {}, {}, set(), set()
        for path in FILES:
            for conversation in transcript.load(path):
                cls.count(conversation)

    @classmethod
    def count(cls, conversation):
        seen = set()
        if conversation.dialect == "text":
            for name, came in text_requests(conversation, cls.table["text"]):
                cls.text.setdefault(name, set()).add(came)
                seen.add(("text", name))
        else:
            for opcode, key, fields, came in binary_requests(conversation):
                if opcode == "stat":
                    name = " ".join(["stats", *transcript.unescape(key).decode(errors="replace").split()[:1]])
                    name = name if name in cls.table["binary"] else "stats"
                    cls.stats.setdefault(name, set()).add(came)
                    seen.add(("binary", name))
                else:
                    cls.opcodes.setdefault(opcode, set()).add(came)
                    seen.add(("binary", opcode))
                if "cas" in fields:
                    cls.cas.add(came)
                    seen.add(("binary", "cas"))
        if not conversation.must_be_in_turn():
            cls.pipelined |= seen

    def check(self, dialect, name, wanted, found):
        with self.subTest(dialect=dialect, command=name):
            self.assertEqual(wanted - found, set(), f"{name}: no transcript shows this")
            self.assertIn((dialect, name), self.pipelined, "never played pipelined")

    def test_text_and_meta(self):
        self.assertEqual(set(TEXT), self.table["text"], "the rows here and the command table")
        for name, wanted in TEXT.items():
            self.check("text", name, wanted, self.text.get(name, set()))

    def opcodes_of(self, name):
        """The opcodes of a command, loud and quiet."""
        for loud in OPCODES_OF.get(name, (name,)):
            self.assertIn(loud, BINARY, f"{name}: no row here")
            yield loud, BINARY[loud]
            if (quiet := loud + "q") in OPCODES:
                silent = {SILENT, SILENTLY_DENIED} - (set() if quiet in QUIET_READS else {SILENTLY_DENIED})
                if quiet in QUIET_READS:  # a miss, a key that cannot be, and a denial are all silent; a hit is not
                    yield quiet, {DONE} | silent
                else:
                    yield quiet, BINARY[loud] - {DONE} | silent

    def test_binary(self):
        for name in self.table["binary"]:
            if name.startswith("stats"):
                self.check("binary", name, STATS.get(name, GUARDED), self.stats.get(name, set()))
            elif name == "cas":  # whatever has one in its header
                self.check("binary", name, {DONE, DENIED, SILENT, 1, 2}, self.cas)
            else:
                for opcode, wanted in self.opcodes_of(name):
                    self.check("binary", opcode, wanted, self.opcodes.get(opcode, set()))


if __name__ == "__main__":
    unittest.main()
