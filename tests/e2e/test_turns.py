"""What a turn of a worker's loop costs: no time is taken, but it is counted how many events the loop is handed; and that a
turn leaves nothing for the next, which may be long in coming.

MCGATE_COUNTING_EVENTS is the library that counts them; without it, there is nothing to test.
"""

import os
import signal
import socket
import unittest

import harness
from upstream_case import stopped

COUNTING_EVENTS = os.environ.get("MCGATE_COUNTING_EVENTS", "")
HERD = 400
# What a connection takes: its bytes are seen, and then it is its turn. The rest is for timers, and whatever else there is.
EVENTS_EACH = 3


@harness.needs_mcgate
@unittest.skipUnless(COUNTING_EVENTS, "MCGATE_COUNTING_EVENTS is not set")
class Turns(unittest.TestCase):
    def setUp(self):
        memcached = harness.Memcached()
        self.addCleanup(memcached.stop)
        with harness.preloaded(COUNTING_EVENTS):
            _, self.gate = harness.start(self, [
                harness.tls_listener(),
                harness.plain_listener(anonymous="alice", proxy_protocol_from=["127.0.0.0/8"]),
            ], memcached, workers=1)
        self.asked = 0

    def events(self):
        """How many there have been so far."""
        self.asked += 1
        self.gate.process.child.send_signal(signal.SIGRTMIN)
        return int(self.gate.process.wait_for("handed [0-9]+ events", self.asked)[-1].split()[1])

    def turn_timers_off(self):
        """From now on a loop that has done all that it knows of is woken by its sockets alone."""
        self.gate.process.child.send_signal(signal.SIGRTMIN + 1)
        self.gate.process.wait_for("timers are off")

    def open(self, listener=0):
        made = socket.create_connection(self.gate.addresses[listener], harness.START_TIMEOUT)
        self.addCleanup(made.close)
        return made

    def test_a_herd_of_handshakes_costs_no_more_than_each_of_them(self):
        """All want a step at once, and few are taken a turn: those who wait are not looked at in each."""
        herd = [self.open() for _ in range(HERD)]
        before = self.events()
        with stopped(self.gate.process.child):
            for each in herd:
                each.sendall(b"GET / HTTP/1.0\r\n")  # no hello: whoever has had its step is closed
        for each in herd:
            while each.recv(100):
                pass
        self.assertLess(self.events() - before, EVENTS_EACH * HERD)

    def test_a_request_that_comes_with_the_end_of_a_handshake_goes_up_at_once(self):
        self.turn_timers_off()
        client = self.open(1)
        client.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.1 4711 11211\r\nget alice:k\r\n")
        self.assertEqual(client.recv(100), b"END\r\n")

    def test_who_fails_in_a_handshake_is_closed_at_once(self):
        self.turn_timers_off()
        client = self.open()
        client.sendall(b"GET / HTTP/1.0\r\n")
        while client.recv(100):
            pass


if __name__ == "__main__":
    unittest.main()
