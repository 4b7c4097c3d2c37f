"""Rights where commands overlap: what one of them may not do, no other form of it does."""

import unittest

import harness
import scram

DENIED = b"CLIENT_ERROR access denied"
ROLES = {
    "all": {"allow": [{"commands": ["*", "admin"], "keys": ["*"]}]},
    "reads": {"allow": [{"commands": ["read", "stats"], "keys": ["*"]}]},
    "some": {"allow": [{"commands": ["read", "write"], "keys": ["*"]}],
             "deny": [{"commands": ["set", "append", "decr"], "keys": ["*"]}]},
    "never": {"allow": [{"commands": ["read", "write"], "keys": ["*"]}],
              "deny": [{"commands": ["get", "incr", "delete", "prepend", "replace", "cas"], "keys": ["*"]}]},
}


@harness.needs_mcgate
class Rights(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        users = [{"name": name, "roles": [name], "secrets": [scram.verifier(b"pw")]} for name in ROLES]
        cls.memcached, cls.gate = harness.start(cls, [harness.plain_listener()], users=users, roles=ROLES)

    def setUp(self):
        self.memcached.flush()

    def connect(self, user):
        connection = self.gate.connect()
        self.addCleanup(connection.close)
        self.assertEqual(connection.login(user, b"pw"), b"STORED")
        return connection

    def flags(self, connection, request):
        """The flags of a VA answer, as a set."""
        word, size, *flags = connection.ask(request).split(b" ")
        self.assertEqual(word, b"VA")
        connection.read(int(size) + 2)
        return set(flags)

    def test_a_reader_is_not_asked_to_recache(self):
        writer, reader = self.connect(b"all"), self.connect(b"reads")
        self.assertEqual(writer.ask(b"ms st 1 c\r\na\r\n").split(b" ")[0], b"HD")
        self.assertEqual(writer.ask(b"md st I T30\r\n"), b"HD")
        for _ in range(2):
            flags = self.flags(reader, b"mg st v c\r\n")
            self.assertEqual([flag[:1] for flag in flags], [b"c"])
        # A writer is, of an item of its own: who comes first wins, whoever comes next knows that another has.
        self.assertEqual(writer.ask(b"ms other 1\r\na\r\n"), b"HD")
        self.assertEqual(writer.ask(b"md other I T30\r\n"), b"HD")
        self.assertEqual(self.flags(writer, b"mg other v\r\n"), {b"W", b"X"})
        self.assertEqual(self.flags(writer, b"mg other v\r\n"), {b"Z", b"X"})

    def test_a_denied_command_is_denied_in_its_meta_form(self):
        rows = [
            (b"some", b"set k 0 0 1\r\na\r\n", DENIED), (b"some", b"ms k 1\r\na\r\n", DENIED),
            (b"some", b"ms k 1 MS\r\na\r\n", DENIED), (b"some", b"ms k 1 T30 MA\r\na\r\n", DENIED),
            (b"some", b"ms k 1 Ma\r\na\r\n", None), (b"some", b"ma k MD\r\n", DENIED),
            (b"some", b"ma k Md\r\n", None), (b"some", b"ma k M-\r\n", DENIED), (b"some", b"decr k 1\r\n", DENIED),
            (b"some", b"ms k 1 MAE\r\na\r\n", None), (b"some", b"ms k 1 ME MA\r\na\r\n", None),
            (b"some", b"ms k 1 ME\r\n1\r\n", b"HD"), (b"some", b"ma k\r\n", b"HD"), (b"some", b"ma k MI\r\n", b"HD"),
            (b"some", b"ms k 1 MR\r\n5\r\n", b"HD"), (b"some", b"ms k 1 MP\r\n1\r\n", b"HD"),
            (b"some", b"get k\r\n", b"VALUE k 0 2"),
            (b"never", b"get k\r\n", DENIED), (b"never", b"mg k v\r\n", DENIED), (b"never", b"md k\r\n", DENIED),
            (b"never", b"ma k\r\n", DENIED), (b"never", b"ma k N0 J1\r\n", DENIED), (b"never", b"ma k M+\r\n", DENIED),
            (b"never", b"ms k 1 MP\r\na\r\n", DENIED), (b"never", b"ms k 1 MR\r\na\r\n", DENIED),
            (b"never", b"ms k 1 C1\r\na\r\n", DENIED), (b"never", b"ms k 2\r\n15\r\n", b"HD"),
            (b"never", b"ma k MD\r\n", b"HD"), (b"never", b"ms k 1 MA\r\n0\r\n", b"HD"),
        ]
        for user, request, answer in rows:
            with self.subTest(user=user, request=request):
                connection = self.connect(user)
                said = connection.ask(request)
                if answer is None:  # whether it is a mode at all is another question: it is never done
                    self.assertFalse(said.startswith((b"HD", b"NS")), said)
                else:
                    self.assertEqual(said, answer)


if __name__ == "__main__":
    unittest.main()
