"""Each trap of memcached's protocols as an attack on somebody else's data through mcgate.

The attacker is alice, with rights on alice:* only. `victim` holds a value that nothing here may read, change or end: every
attack ends with a look at it from memcached's own side, and that alice's next session is served.
"""

import base64
import struct
import unittest

import harness
import wire
from wire import packet

VICTIM = b"bob:victim"
SECRET = b"canary-7b1e"
DENIED = b"CLIENT_ERROR access denied"
# What an attacker would like to run: as a line of text, and as a packet.
EVIL_LINES = b"flush_all\r\nset %s 0 0 1\r\nx\r\ndelete %s\r\nget %s\r\n" % (VICTIM, VICTIM, VICTIM)
EVIL_PACKETS = packet("flush") + packet("delete", VICTIM) + wire.storage("set", VICTIM, b"x") + packet("get", VICTIM)


class Attack(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.memcached, cls.gate = harness.start(cls, [harness.plain_listener(), harness.tls_listener()])

    def setUp(self):
        with self.memcached.connect() as direct:
            self.assertEqual(direct.set(VICTIM, SECRET), b"STORED")

    def tearDown(self):
        self.assert_unharmed()

    def assert_unharmed(self):
        with self.memcached.connect() as direct:
            self.assertEqual(direct.get(VICTIM), SECRET)
        with self.gate.connect() as connection:
            self.assertEqual(connection.login(b"alice", harness.PASSWORDS[b"alice"]), b"STORED")
            self.assertEqual(connection.get(b"alice:nothing"), None)

    def text(self):
        connection = self.gate.connect()
        self.addCleanup(connection.close)
        self.assertEqual(connection.login(b"alice", harness.PASSWORDS[b"alice"]), b"STORED")
        return connection

    def binary(self):
        connection = self.gate.connect()
        self.addCleanup(connection.close)
        self.assertEqual(connection.sasl_plain(b"alice", harness.PASSWORDS[b"alice"]).status, 0)
        return connection

    def attack(self, connection, data):
        """Sends it all and nothing more; what is answered until the end. Nothing secret may be in it."""
        try:
            connection.send(data)
            connection.finish()
        except OSError:
            pass  # closed on us already, which is an answer too
        answers = connection.rest()
        connection.close()
        self.assertNotIn(SECRET, answers)
        with self.memcached.connect() as direct:
            self.assertEqual(direct.get(VICTIM), SECRET)
        return answers


@harness.needs_mcgate
class TextAttacks(Attack):
    def test_data_behind_a_bad_storage_line_is_never_run(self):
        length = len(EVIL_LINES)
        lines = [b"set alice:a x 0 %d", b"set alice:a 0 x %d", b"set alice:a -1 0 %d", b"set alice:a 4294967296 0 %d",
                 b"set alice:a 0 4294967296 %d", b"set alice:a 0 -99999999999 %d", b"set " + b"a" * 251 + b" 0 0 %d",
                 b"set alice:\x7f 0 0 %d", b"set alice:\ta 0 0 %d", b"set alice:\r 0 0 %d", b"set alice:a\0 0 0 %d",
                 b"set bob:victim 0 0 %d", b"set bob:victim 0 0 %d noreply", b"set alice:a 0 0 %d NOREPLY",
                 b"set alice:a 0 0 %d noreply x", b"cas alice:a 0 0 %d", b"cas alice:a 0 0 %d x",
                 b"cas alice:a 0 0 %d 99999999999999999999", b"cas bob:victim 0 0 %d 1 noreply", b"ms alice:a %d y",
                 b"ms alice:a %d FF", b"ms bob:victim %d", b"ms bob:victim %d q", b"ms alice:a %d q q",
                 b"ms alice:a %d MX", b"ms %s %%d b" % base64.b64encode(VICTIM), b"ms !!! %d b",
                 b"ms alice:a %d" + b" v" * 30, b"append bob:victim 0 0 %d", b"add bob:victim 0 0 %d",
                 b"  set bob:victim 0 0 %d"]
        for line in lines:
            with self.subTest(line=line[:60]):
                answers = self.attack(self.text(), line % length + b"\r\n" + EVIL_LINES + b"\r\n")
                self.assertLessEqual(answers.count(b"\r\n"), 1, answers)

    def test_where_the_data_ends_is_unknown_nothing_more_is_run(self):
        # With any of these as the true length the lines behind would be data: they must not run as commands.
        for length in (b"-1", b"-2", b"+5", b"0x10", b"99999999999999999999", b"4294967299", b"18446744073709551615",
                       b"-4294967293", b"", b"1 1", b"3\t", b"\x0b3", b"3.0", b"9223372036854775807", b"1e3"):
            for line in (b"set alice:a 0 0 %s", b"set alice:a 0 0 %s noreply", b"ms alice:a %s", b"cas alice:a 0 0 %s 1"):
                with self.subTest(line=line, length=length):
                    answers = self.attack(self.text(), line % length + b"\r\nversion\r\nget alice:x\r\n")
                    self.assertNotIn(b"VERSION", answers)

    def test_a_key_of_two_words_does_not_shift_the_length(self):
        # "alice:a 0" as a key: then 0 is not flags and 5 not the length, and the data would run.
        answers = self.attack(self.text(), b"set alice:a 0 0 0 %d\r\n%s\r\n" % (len(EVIL_LINES), EVIL_LINES))
        self.assertNotIn(b"OK", answers)

    def test_bad_data_end_then_commands(self):
        # The data ends elsewhere: what follows is commands, judged like all others.
        answers = self.attack(self.text(), b"set alice:a 0 0 1\r\nxyz" + EVIL_LINES)
        self.assertNotIn(b"\r\nOK\r\n", answers)

    def test_every_byte_in_a_key(self):
        for byte in range(256):
            key = b"alice:" + bytes([byte]) + b"x"
            if byte in (0x20, 0x0A):
                continue  # they end a token and a line
            good = byte > 0x20 and byte != 0x7F
            connection = self.text()
            with self.subTest(byte=byte):
                for request, answer in ((b"get %s\r\n", b"END"), (b"delete %s\r\n", b"NOT_FOUND"),
                                        (b"set %s 0 -1 1\r\nx\r\n", b"STORED"), (b"touch %s 1\r\n", b"NOT_FOUND"),
                                        (b"mg %s\r\n", b"EN"), (b"md %s\r\n", b"NF"), (b"incr %s 1\r\n", b"NOT_FOUND")):
                    said = connection.ask(request % key)
                    self.assertEqual(said, answer) if good else self.assertTrue(said.startswith(b"CLIENT_ERROR"), said)
            connection.close()

    def test_nul_does_not_end_a_line(self):
        for line in (b"get alice:a\0 bob:victim", b"get alice:a\0", b"delete alice:a\0 0", b"get\0 alice:a",
                     b"gets bob:victim\0alice:a"):
            with self.subTest(line=line):
                self.assertNotIn(b"VALUE", self.attack(self.text(), line + b"\r\n"))

    def test_numbers_out_of_range(self):
        connection = self.text()
        self.assertEqual(connection.set(b"alice:n", b"1"), b"STORED")
        for line in (b"incr alice:n -1", b"incr alice:n +1", b"incr alice:n 18446744073709551616",
                     b"incr alice:n -18446744073709551615", b"decr alice:n 1x", b"incr alice:n \t1",
                     b"incr alice:n 99999999999999999999999", b"touch alice:n 2147483648", b"touch alice:n 4294967296",
                     b"touch alice:n -2147483649", b"touch alice:n 1.5", b"touch alice:n 0x1", b"gat 4294967296 alice:n",
                     b"gat x alice:n", b"gats +1 alice:n", b"mg alice:n T4294967296", b"ma alice:n D-1",
                     b"ma alice:n J18446744073709551616", b"ma alice:n N4294967297", b"md alice:n C-1",
                     b"incr alice:n " + b"0" * 1000 + b"1"):
            with self.subTest(line=line[:50]):
                self.assertTrue(connection.ask(line + b"\r\n").startswith(b"CLIENT_ERROR"))
        self.assertEqual(connection.get(b"alice:n"), b"1")

    def test_base64_is_judged_as_what_it_says(self):
        victim = base64.b64encode(VICTIM)
        own = base64.b64encode(b"alice:xy")  # of 8 bytes: padded
        keys = [victim, victim.rstrip(b"="), victim + b"=", own + victim, b"!" + victim, victim[:4] + b"-" + victim[4:],
                victim.replace(b"=", b"!"), own.replace(b"=", victim), b"====" + victim, victim + b"\0",
                base64.urlsafe_b64encode(VICTIM + b"\xff\xfe"), base64.b64encode(b"alice:a b"),
                base64.b64encode(b"alice:a\r\nget " + VICTIM), base64.b64encode(b"alice:\0"), b"=", b"", b"A", b"AA", b"AAA"]
        for key in keys:
            for line in (b"mg %s b v", b"mg %s v b k O1", b"md %s b", b"ma %s b v", b"mg %s b v q", b"mg %s q b v N30"):
                with self.subTest(key=key, line=line):
                    answers = self.attack(self.text(), line % key + b"\r\nmn\r\n")
                    self.assertNotIn(b"VA", answers)
                    self.assertNotIn(b"HD", answers)
                    self.assertTrue(answers.endswith(b"MN\r\n"), answers)

    def test_endless_lines(self):
        for start in (b"", b"get ", b"gets ", b"set ", b"mg ", b"gat 0 ", b"   get ", b" " * 200, b"get alice:a " * 2):
            with self.subTest(start=start[:20]):
                connection = self.text()
                try:
                    for _ in range(160):  # 10 MB
                        connection.send(start + b"x" * 65536)
                except OSError:
                    pass
                self.assertNotIn(b"VALUE", self.attack(connection, b"\r\n"))

    def test_endless_lines_before_login(self):
        connection = self.gate.connect()
        self.addCleanup(connection.close)
        try:
            for _ in range(160):
                connection.send(b"x" * 65536)
        except OSError:
            pass
        connection.rest()

    def test_very_many_keys(self):
        connection = self.text()
        connection.send(b"get" + b" alice:a" * 9_999 + b"\r\n")
        self.assertEqual(connection.line(), b"END")
        connection.send(b"get" + b" alice:a" * 9_999 + b" bob:victim\r\n")
        self.assertEqual(connection.line(), DENIED)
        answers = self.attack(connection, b"get" + b" alice:a" * 100_000 + b"\r\n")
        self.assertNotIn(b"END", answers)

    def test_one_key_very_often_is_bounded(self):
        connection = self.text()
        self.assertEqual(connection.set(b"alice:big", b"x" * 100), b"STORED")
        connection.send(b"get" + b" alice:big" * 5000 + b"\r\n")
        for _ in range(5000):
            self.assertEqual(connection.line(), b"VALUE alice:big 0 100")
            self.assertEqual(connection.line(), b"x" * 100)
        self.assertEqual(connection.line(), b"END")

    def test_huge_announced_values(self):
        for length in (1_048_577, 50_000_000, 2_147_483_647, 4_294_967_295, 1 << 40):
            for line in (b"set alice:a 0 0 %d", b"set alice:a 0 0 %d noreply", b"ms alice:a %d", b"set bob:victim 0 0 %d"):
                with self.subTest(line=line, length=length):
                    self.attack(self.text(), line % length + b"\r\n" + EVIL_LINES * 10)

    def test_spaces_after_get(self):
        for spaces in (1, 2000, 300_000):
            with self.subTest(spaces=spaces):
                self.attack(self.text(), b"get" + b" " * spaces + b"\r\nget bob:victim\n")

    def test_commands_with_every_arity(self):
        names = (b"get gets gat gats set add replace append prepend cas incr decr touch delete mg ms md ma mn me stats "
                 b"flush_all verbosity cache_memlimit slabs lru lru_crawler extstore watch shutdown refresh_certs version "
                 b"misbehave debugtime debugitem proxy bget quit FLUSH_ALL flush_al flush_allx").split()
        for name in names:
            for words in range(24):
                self.attack(self.text(), b" ".join([name] + [b"1"] * words) + b"\r\n" +
                            b" ".join([name] + [b"all"] * words) + b"\r\n" +
                            b" ".join([name] + [VICTIM] * words) + b"\r\n")

    def test_admin_in_disguise(self):
        for line in (b"  flush_all", b"flush_all 0", b"flush_all -1", b"flush_all noreply", b"flush_all 0 noreply",
                     b"stats reset", b"stats  reset", b"stats cachedump 1 100", b"lru_crawler metadump all",
                     b"lru_crawler mgdump all", b"slabs reassign 1 1", b"shutdown", b"shutdown graceful", b"watch",
                     b"watch fetchers mutations", b"me bob:victim", b"me %s b" % base64.b64encode(VICTIM),
                     b"cache_memlimit 1", b"verbosity 9", b"refresh_certs"):
            with self.subTest(line=line):
                answers = self.attack(self.text(), line + b"\r\n")
                self.assertIn(answers, (DENIED + b"\r\n", b"", b"ERROR\r\n", b"CLIENT_ERROR bad command line format\r\n"))

    def test_http(self):
        for request in (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(EVIL_LINES) + EVIL_LINES,
                        b"GET /flush_all HTTP/1.0\r\n\r\n" + EVIL_LINES, b"get / HTTP/1.1\r\n" + EVIL_LINES):
            with self.subTest(request=request[:20]):
                with self.gate.connect() as connection:  # nobody, as a browser would be
                    answers = self.attack(connection, request)
                    self.assertNotIn(b"OK", answers)

    def test_change_of_dialect(self):
        for switch in (packet("noop"), packet("get", VICTIM), EVIL_PACKETS):
            answers = self.attack(self.text(), switch + b"\r\nget bob:victim\r\n")
            self.assertNotIn(b"\x81", answers)
        for connection, switch in ((self.text(), packet("noop")), (self.binary(), b"version\r\n")):
            connection.send(switch)
            self.assertEqual(connection.rest(), b"")  # closed, without our having ended anything
        connection = self.binary()
        self.assertEqual(self.attack(connection, b"get alice:a\r\nversion\r\nflush_all\r\n"), b"")


@harness.needs_mcgate
class BinaryAttacks(Attack):
    def test_surplus_bytes_never_run(self):
        for name in wire.OPCODES:
            for extras in (0, 4, 8, 20):
                for key in (b"", b"alice:a", b"reset"):
                    data = packet(name, key, EVIL_PACKETS, b"\0" * extras)
                    self.attack(self.binary(), data)

    def test_unknown_opcodes_eat_nothing_but_their_own(self):
        known = set(wire.OPCODES.values()) - {0x1B}
        connection = self.binary()
        for opcode in sorted(set(range(256)) - known):
            with self.subTest(opcode=opcode):
                connection.send(packet(opcode, b"alice:a", EVIL_PACKETS, b"\0" * 4, opaque=1) + packet("noop", opaque=2))
                response = connection.packet()
                self.assertEqual((response.status, response.opaque), (wire.UNKNOWN_COMMAND, 1))
                self.assertEqual(connection.packet().opaque, 2)

    def test_body_lengths_to_the_limit(self):
        for opcode in list(wire.OPCODES.values()) + [0x30, 0x80, 0xFF]:
            for bodylen in (0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFE8, 0xFFFFFFFE, 0xFFFFFFFF):
                for keylen, extlen in ((0, 0), (7, 0), (7, 8), (7, 20), (0xFFFF, 0xFF)):
                    data = packet(opcode, b"alice:a", EVIL_PACKETS, b"\0" * extlen, keylen=keylen, extlen=extlen,
                                  bodylen=bodylen)
                    self.attack(self.binary(), data)

    def test_body_lengths_to_the_limit_before_login(self):
        for opcode in wire.OPCODES.values():
            for bodylen in (0x7FFFFFFF, 0x80000000, 0xFFFFFFE8, 0xFFFFFFFF):
                with self.gate.connect() as connection:
                    self.attack(connection, packet(opcode, b"PLAIN", EVIL_PACKETS, bodylen=bodylen))

    def test_key_and_extras_that_do_not_fit_the_body(self):
        for extlen in range(0, 256, 5):
            for keylen in (0, 1, 7, 250, 251, 0xFFFF):
                self.attack(self.binary(), packet("get", b"alice:a", keylen=keylen, extlen=extlen))
        for name in wire.OPCODES:
            self.attack(self.binary(), packet(name, b"alice:a", keylen=0xFFFF, extlen=255, bodylen=7) + EVIL_PACKETS)

    def test_every_byte_in_a_key(self):
        connection = self.binary()
        for byte in range(256):
            key = b"alice:" + bytes([byte]) + b"x"
            good = byte > 0x20 and byte != 0x7F
            with self.subTest(byte=byte):
                connection.send(wire.storage("set", key, b"v", exptime=1) + packet("get", key) + packet("getkq", key) +
                                packet("delete", key) + packet("noop", opaque=byte))
                statuses = []
                while (response := connection.packet()).opcode != wire.OPCODES["noop"]:
                    statuses.append(response.status)
                self.assertEqual(statuses, [0, 0, 0, 0] if good else [4, 4, 4])
                self.assertEqual(response.opaque, byte)

    def test_stat_names(self):
        for name in (b"resetX", b"reset ", b"reset\0", b"settings", b"items 1", b"detail on", b"detail dump",
                     b"cachedump 1 0", b"sizes_enable", b"conns", b"proxy", b"slabs", b"\r\nflush_all\r\n", b"x" * 250):
            with self.subTest(name=name):
                connection = self.binary()
                self.assertIn(connection.call("stat", name).status, (wire.NOT_FOUND, wire.AUTH_ERROR))

    def test_refused_by_key_whatever_the_opcode(self):
        for name in wire.OPCODES:
            if name.startswith("sasl") or name in ("noop", "version", "quit", "quitq", "stat", "flush", "flushq"):
                continue
            for extras in (b"", b"\0" * 4, b"\0" * 8, b"\0" * 20):
                for value in (b"", b"x"):
                    answers = self.attack(self.binary(), packet(name, VICTIM, value, extras))
                    if answers:
                        self.assertIn(struct.unpack(">H", answers[6:8])[0], (4, 0x20, 0x81))

    def test_sasl_messages(self):
        for size in (0, 1, 255, 4096, 4097, 65535, 1_000_000):
            for key in (b"PLAIN", b"SCRAM-SHA-256", b""):
                for fill in (b"\0", b"a", b"=", b",", b"n,,n=alice,r="):
                    with self.gate.connect() as connection:
                        data = packet("sasl_auth", key, (fill * size)[:size])
                        answers = self.attack(connection, data + packet("sasl_step", key, (fill * size)[:size]) + EVIL_PACKETS)
                        self.assertNotIn(b"Authenticated", answers)


@harness.needs_mcgate
class TlsAttacks(Attack):
    def test_bytes_before_the_client_hello(self):
        for early in (wire.text_login(b"alice", b"open sesame"), EVIL_LINES, EVIL_PACKETS, b"\0" * 100, b"\x16"):
            with wire.Connection(self.gate.addresses[1]) as connection:
                connection.send(early)
                try:
                    connection.socket = harness.client_tls().wrap_socket(connection.socket, server_hostname="localhost")
                except OSError:
                    continue
                self.fail("a handshake succeeded behind bytes in the clear")

    def test_bytes_in_the_clear_never_count(self):
        with wire.Connection(self.gate.addresses[1]) as connection:
            answers = self.attack(connection, EVIL_LINES)
            self.assertNotIn(b"CLIENT_ERROR", answers)

    def test_old_versions(self):
        import ssl
        context = harness.client_tls()
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with self.assertRaises(OSError):
            wire.Connection(self.gate.addresses[1], context)


if __name__ == "__main__":
    unittest.main()
