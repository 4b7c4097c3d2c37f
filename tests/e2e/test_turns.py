"""What a turn of a worker's loop costs: no time is taken, but it is counted how many events the loop is handed.

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
            _, self.gate = harness.start(self, [harness.tls_listener()], memcached, workers=1)
        self.asked = 0

    def events(self):
        """How many there have been so far."""
        self.asked += 1
        self.gate.process.child.send_signal(signal.SIGRTMIN)
        return int(self.gate.process.wait_for("handed [0-9]+ events", self.asked)[-1].split()[1])

    def open(self):
        made = socket.create_connection(self.gate.addresses[0], harness.START_TIMEOUT)
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


if __name__ == "__main__":
    unittest.main()
