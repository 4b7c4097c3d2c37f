"""Every conversation of transcripts/*.txt, with memcached itself and through mcgate: what an allowed command is answered
must be the same, however its bytes arrive, and what is refused must not reach memcached.
"""

import glob
import os
import unittest

import harness
import transcript

FILES = sorted(glob.glob(os.path.join(os.path.dirname(__file__), "transcripts", "*.txt")))


class Transcripts:
    """The conversations of all files as sub-tests; the classes below say with whom and how."""

    side = "memcached"
    how = "in turn"

    def test_conversations(self):
        played = 0
        for path in FILES:
            for conversation in transcript.load(path):
                if conversation.only not in (None, self.side) or (self.how == "pipelined" and conversation.must_be_in_turn()):
                    continue
                with self.subTest(file=os.path.basename(path), conversation=conversation.name):
                    self.play(conversation)
                    played += 1
        self.assertGreater(played, 100)

    def play(self, conversation):
        with self.memcached.connect() as direct:
            self.assertEqual(direct.ask(b"flush_all\r\n"), b"OK")
            # Else memcached may move an item to another queue while it dumps them, which shows it twice.
            self.assertEqual(direct.ask(b"lru mode flat\r\n"), b"OK")
            for key, flags, value in conversation.items:
                self.assertEqual(direct.set(key, value, flags), b"STORED")
            with self.connect(conversation) as connection:
                transcript.Player(conversation, connection, self.side, self.how).play()
            for key, value in conversation.left:
                self.assertEqual(direct.get(key), value, f"{conversation.place}: what is left of {key!r}")

    def connect(self, conversation):
        del conversation
        return self.memcached.connect()


class MemcachedInTurn(Transcripts, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.memcached = harness.Memcached()
        cls.addClassCleanup(cls.memcached.stop)


class MemcachedPipelined(MemcachedInTurn):
    how = "pipelined"


class ThroughMcgate(Transcripts):
    side = "mcgate"
    listener = staticmethod(harness.plain_listener)

    @classmethod
    def setUpClass(cls):
        # The same are listed on every listener, and so none that only TLS has.
        cls.memcached, cls.gate = harness.start(
            cls, [cls.listener()], login={"mechanisms": ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]})

    def connect(self, conversation):
        connection = self.gate.connect()
        user = conversation.user.encode()
        password = harness.PASSWORDS[user]
        if conversation.dialect == "binary":
            self.assertEqual(connection.sasl_plain(user, password).status, 0)
        else:
            self.assertEqual(connection.login(user, password), b"STORED")
        return connection


@harness.needs_mcgate
class McgateInTurn(ThroughMcgate, unittest.TestCase):
    pass


@harness.needs_mcgate
class McgatePipelinedOverTls(ThroughMcgate, unittest.TestCase):
    how = "pipelined"
    listener = staticmethod(harness.tls_listener)


@harness.needs_mcgate
class McgateSlowlyOverUnixSocket(ThroughMcgate, unittest.TestCase):
    how = "slowly"
    listener = staticmethod(harness.unix_listener)


if __name__ == "__main__":
    unittest.main()
