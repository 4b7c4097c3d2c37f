"""Every command of the table, in each protocol that has it, asked by a stranger, by a user who may do all else, by one who
may do it alone, and by those who need not log in: allowed or refused. A command without a request here fails the test."""

import re
import subprocess
import unittest

import harness
import scram
import wire

PASSWORD = b"pw"
REFUSALS = (b"CLIENT_ERROR unauthenticated", b"CLIENT_ERROR access denied",
            b"CLIENT_ERROR bad authentication token format")  # a stranger's set is a log-in, if a bad one

# What a request of the command needs beside it: its counterpart of the older protocol, or what it does as well.
ALSO = {"gat": ["touch"], "gats": ["touch"], "cas": ["add"], "mg": ["get"], "ms": ["set"], "md": ["delete"], "ma": ["incr"]}

TEXT = {
    "get": b"get k", "gets": b"gets k", "gat": b"gat 0 k", "gats": b"gats 0 k",
    "set": b"set k 0 0 1\r\na", "add": b"add k 0 0 1\r\na", "replace": b"replace k 0 0 1\r\na",
    "append": b"append k 0 0 1\r\na", "prepend": b"prepend k 0 0 1\r\na", "cas": b"cas k 0 0 1 7\r\na",
    "incr": b"incr k 1", "decr": b"decr k 1", "touch": b"touch k 0", "delete": b"delete k",
    "mg": b"mg k v", "ms": b"ms k 1\r\na", "md": b"md k", "ma": b"ma k", "me": b"me k",
    "stats": b"stats", "flush_all": b"flush_all", "verbosity": b"verbosity 0", "cache_memlimit": b"cache_memlimit 64",
    "slabs": b"slabs reassign 1 2", "lru": b"lru temp_ttl -1", "lru_crawler": b"lru_crawler sleep 100",
    "lru_crawler metadump": b"lru_crawler metadump all", "extstore": b"extstore item_size 512", "watch": b"watch fetchers",
    "shutdown": b"shutdown", "refresh_certs": b"refresh_certs",
    "stats items": b"stats items", "stats slabs": b"stats slabs", "stats sizes": b"stats sizes",
    "stats conns": b"stats conns", "stats settings": b"stats settings", "stats reset": b"stats reset",
    "stats detail": b"stats detail off", "stats cachedump": b"stats cachedump 1 1", "stats extstore": b"stats extstore",
    "version": b"version", "noop": b"mn", "quit": b"quit",
}
BINARY = {
    "get": wire.packet("get", b"k"), "gat": wire.touching("gat", b"k"), "set": wire.storage("set", b"k", b"a"),
    "add": wire.storage("add", b"k", b"a"), "replace": wire.storage("replace", b"k", b"a"),
    "append": wire.packet("append", b"k", b"a"), "prepend": wire.packet("prepend", b"k", b"a"),
    "cas": wire.storage("add", b"k", b"a", cas=7),  # memcached takes it for one; there is no opcode of that name
    "incr": wire.arithmetic("incr", b"k", 1, exptime=0xffffffff),
    "decr": wire.arithmetic("decr", b"k", 1, exptime=0xffffffff), "touch": wire.touching("touch", b"k"),
    "delete": wire.packet("delete", b"k"), "stats": wire.packet("stat"), "flush_all": wire.packet("flush"),
    "stats items": wire.packet("stat", b"items"), "stats slabs": wire.packet("stat", b"slabs"),
    "stats sizes": wire.packet("stat", b"sizes"), "stats conns": wire.packet("stat", b"conns"),
    "stats settings": wire.packet("stat", b"settings"), "stats reset": wire.packet("stat", b"reset"),
    "stats detail": wire.packet("stat", b"detail off"), "stats extstore": wire.packet("stat", b"extstore"),
    "version": wire.packet("version"), "noop": wire.packet("noop"), "quit": wire.packet("quit"),
    "sasl_list": wire.packet("sasl_list"), "sasl_auth": wire.packet("sasl_auth", b"PLAIN", b"\0all\0" + PASSWORD),
    "sasl_step": wire.packet("sasl_step", b"PLAIN", b"\0all\0" + PASSWORD),
}
# Of those that name a key, what may be said beside it, and left unsaid.
MORE_TEXT = [
    b"get other k", b"gets k other", b"set k 0 0 1 noreply\r\na", b"cas k 0 0 1 7 noreply\r\na", b"incr k 1 noreply",
    b"delete k noreply", b"mg k", b"mg k s t f c h l k O1 v", b"mg k v q", b"mg k v N30 T30 R20", b"mg aw== b k v",
    b"ms k 1 q k O1\r\na", b"ms k 1 ME T30\r\na", b"ms k 1 C7\r\na", b"md k q", b"md k I T30 k", b"ma k N30 J5 v t c", b"ma k q",
]
# A step of a log-in that was not begun proves nothing, whoever asks for it.
ALWAYS_REFUSED = {"sasl_step"}
# Where nobody need log in there is nothing to list; to clients that means that the server knows no log-in.
UNKNOWN_TO_ANONYMOUS = {"sasl_list"}
# What a stranger may ask for: how to log in, and to leave; binary clients ask for the version first.
OPEN_TO_STRANGERS = {("text", "quit"), ("binary", "quit"), ("binary", "version"), ("binary", "sasl_list"),
                     ("binary", "sasl_auth")}


def command_table():
    """(name, category, dialects) of every command that mcgate has."""
    listed = subprocess.run([harness.MCGATE, "commands"], check=True, capture_output=True, text=True).stdout
    for line in listed.splitlines()[1:]:
        name, category, keys, text, binary = re.split(r"\s{2,}", line)
        dialects = [dialect for dialect, since in (("text", text), ("binary", binary)) if since != "-"]
        yield name, category, keys, dialects


def grant(commands, keyless):
    return {"commands": commands} | ({} if keyless else {"keys": ["*"]})


def policies():
    """Users and roles: of each command one that may do it alone, and one that may do all else."""
    roles = {"all": {"allow": [grant(["*", "admin"], False)]}, "none": {}, "hides": {"on_denied_read": "miss"}}
    for name, category, keys, _ in command_table():
        if category == "session":
            continue
        keyless = keys == "none"
        role = name.replace(" ", "-")
        roles[f"only-{role}"] = {"allow": [grant([name, *ALSO.get(name, [])], keyless)]}
        roles[f"but-{role}"] = {"allow": [grant(["*", "admin"], False)], "deny": [grant([name], keyless)]}
    secret = scram.verifier(PASSWORD)
    users = [{"name": name, "roles": [name], "secrets": [secret]} for name in roles]
    return {"users": users, "roles": roles}


def keyed_requests():
    """(command, dialect, request) of every command that names a key, quiet or not."""
    for name, _, keys, dialects in command_table():
        if keys == "none":
            continue
        if "text" in dialects:
            for request in (TEXT[name], *(more for more in MORE_TEXT if more.split(b" ")[0] == name.encode())):
                yield name, "text", request + b"\r\n"
        if "binary" in dialects:
            opcode = wire.OPCODE_NAMES[BINARY[name][1]]
            for form in {opcode, opcode + "q", opcode + "k", opcode + "kq"} & wire.OPCODES.keys():
                yield name, "binary", BINARY[name][:1] + bytes([wire.OPCODES[form]]) + BINARY[name][2:]


@harness.needs_mcgate
class EveryCommand(unittest.TestCase):
    CLOSED, OPEN, OPEN_FOR_NOTHING = range(3)

    @classmethod
    def setUpClass(cls):
        cls.memcached, cls.gate = harness.start(
            cls, [harness.plain_listener(), harness.plain_listener(anonymous="all"),
                  harness.plain_listener(anonymous="none")], **policies())

    def connect(self, dialect, listener=CLOSED, user=None):
        connection = self.gate.connect(listener)
        self.addCleanup(connection.close)
        if user and dialect == "text":
            self.assertEqual(connection.login(user.encode(), PASSWORD), b"STORED")
        elif user:
            self.assertEqual(connection.sasl_plain(user.encode(), PASSWORD).status, 0)
        return connection

    def ask(self, dialect, name, connection):
        """True if it was done, whatever came of it; False if it was refused, as it is to be."""
        if dialect == "binary":
            connection.send(BINARY[name])
            return connection.packet().status not in (wire.AUTH_ERROR, wire.UNKNOWN_COMMAND)
        connection.send(TEXT[name] + b"\r\n")
        if name == "quit":
            return connection.rest() == b""
        said = connection.line()
        self.assertNotEqual(said, b"ERROR")
        return said not in REFUSALS

    def rows(self):
        for name, category, _, dialects in command_table():
            for dialect in dialects:
                table = {"text": TEXT, "binary": BINARY}[dialect]
                self.assertIn(name, table, f"{name} ({dialect}) has no request in this test")
                yield name, category, dialect

    def test_every_command_in_every_phase(self):
        seen = 0
        for name, category, dialect in self.rows():
            session = category == "session"
            role = name.replace(" ", "-")
            usual, listed = name not in ALWAYS_REFUSED, name not in UNKNOWN_TO_ANONYMOUS
            phases = [
                ("a stranger", self.CLOSED, None, (dialect, name) in OPEN_TO_STRANGERS),
                ("whoever may do all else", self.CLOSED, "none" if session else f"but-{role}", session and usual),
                ("whoever may do that alone", self.CLOSED, "none" if session else f"only-{role}", usual),
                ("anonymous, with every right", self.OPEN, None, usual and listed),
                ("anonymous, with none", self.OPEN_FOR_NOTHING, None, session and usual and listed),
            ]
            for phase, listener, user, allowed in phases:
                with self.subTest(command=name, dialect=dialect, phase=phase):
                    connection = self.connect(dialect, listener, user)
                    self.assertEqual(self.ask(dialect, name, connection), allowed)
                    connection.close()
                    seen += 1
        self.assertGreater(seen, 300)

    def refusals(self, user):
        """{(command, dialect, request): all that is answered to it and a fence}, of what that user is refused."""
        said = {}
        for name, dialect, request in keyed_requests():
            asks = user or f"but-{name}"
            connection = self.connect(dialect, user=asks)
            fence = b"mn\r\nquit\r\n" if dialect == "text" else wire.packet("noop") + wire.packet("quit")
            connection.send(request + fence)
            said[name, dialect, request] = connection.rest()
            connection.close()
        return said

    def test_a_refusal_does_not_tell_whether_the_key_exists(self):
        with self.connect("text", user="all") as other:
            for user in (None, "none", "hides"):
                other.ask(b"delete k\r\n")
                absent = self.refusals(user)
                self.assertGreater(len(absent), 60)
                self.assertIsNone(other.get(b"k"))
                for value in (b"some text", b"7"):
                    self.assertEqual(other.set(b"k", value, flags=3, exptime=1000), b"STORED")
                    for request, said in self.refusals(user).items():
                        with self.subTest(user=user, value=value, request=request):
                            self.assertEqual(said, absent[request])
                    self.assertEqual(other.get(b"k"), value)

    def test_no_request_here_is_of_a_command_that_is_not(self):
        there = {(dialect, name) for name, _, _, dialects in command_table() for dialect in dialects}
        for dialect, table in (("text", TEXT), ("binary", BINARY)):
            for name in table:
                self.assertIn((dialect, name), there)


if __name__ == "__main__":
    unittest.main()
