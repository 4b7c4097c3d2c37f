"""What the tests of memcached behind mcgate share: both of them, and memcached stopped, gone and back again; or a backend
that lies."""

import contextlib
import os
import signal
import time
import unittest

import harness
from fake_backend import FakeBackend, binary_reply
from harness import PASSWORDS

UNAVAILABLE = b"SERVER_ERROR upstream unavailable"
TIMED_OUT = b"SERVER_ERROR upstream timed out"
DENIED = b"CLIENT_ERROR access denied"
WORKERS = 1
LINKS = 2 * WORKERS  # one a dialect


def stop(process):
    process.send_signal(signal.SIGSTOP)
    # Stopped is it when all its threads are: the kernel says so to the parent.
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)


def resident(gate):
    """mcgate's memory in bytes; None where a sanitizer keeps what is freed, and says nothing of mcgate."""
    with open(f"/proc/{gate.process.child.pid}/statm", encoding="ascii") as file:
        size, pages = (int(word) * 4096 for word in file.read().split()[:2])
    return pages if size < 1 << 40 else None


class UpstreamCase(unittest.TestCase):
    def start(self, listeners=None, memcached_options=(), **config):
        self.memcached = harness.Memcached(*memcached_options)
        self.addCleanup(self.memcached.stop)
        _, self.gate = harness.start(self, listeners or [harness.plain_listener()], self.memcached,
                                     **({"workers": WORKERS} | config))

    def connect(self, user=b"alice", binary=False):
        connection = self.gate.connect()
        self.addCleanup(connection.close)
        if binary:
            self.assertEqual(connection.sasl_plain(user, PASSWORDS[user]).status, 0)
        else:
            self.assertEqual(connection.login(user, PASSWORDS[user]), b"STORED")
        return connection

    def logged(self, event):
        """A point in the log: how often that event has been logged so far."""
        return self.gate.process.log().count(f"event={event} ")

    def kill_memcached(self):
        before = self.logged("upstream_down")
        self.memcached.kill()
        self.gate.process.wait_for(r"event=upstream_down ", before + LINKS)

    def restart_memcached(self):
        before = self.logged("upstream_up")
        self.memcached.start()
        began = time.monotonic()
        self.gate.process.wait_for(r"event=upstream_up ", before + LINKS)
        self.assertLess(time.monotonic() - began, 5)

    def pause_memcached(self):
        self.addCleanup(self.resume_memcached)
        stop(self.memcached.process.child)

    def resume_memcached(self):
        if self.memcached.process.child.poll() is None:
            self.memcached.process.child.send_signal(signal.SIGCONT)

    def send_upstream(self, connection, request, refused=b"get bob:x\r\n"):
        """Sends a request, and knows when mcgate has put it on a link: it came with one that is answered at once."""
        connection.send(refused + request)
        self.assertEqual(connection.line(), DENIED)


@contextlib.contextmanager
def stopped(process):
    """What happens meanwhile, the process sees all at once."""
    stop(process)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


class FakeCase(unittest.TestCase):
    """A scripted backend, and an mcgate where everyone may do everything without a log-in."""

    def start(self, reply=None, version=b"1.6.18", **config):
        self.lie = None
        self.backend = FakeBackend(reply or self.answer, version)
        self.addCleanup(self.backend.stop)
        config = {"upstream_options": {}, "limits": {}} | config
        self.gate = harness.Mcgate(
            self.backend.upstream(), [harness.plain_listener(anonymous="all")], workers=WORKERS,
            users=[{"name": "all", "roles": ["all"], "secrets": []}],
            roles={"all": {"allow": [{"commands": ["*", "admin"], "keys": ["*"]}]}},
            **(config | {"limits": {"sessions": 100} | config["limits"]}))
        self.addCleanup(self.gate.stop)

    def answer(self, request):
        """The lie, once; the truth otherwise: nothing is there."""
        lie, self.lie = self.lie, None
        if lie:
            return lie(request)
        return binary_reply(request, status=1, value=b"Not found") if request[0] == 0x80 else b"END\r\n"

    def wait_until_up(self, count, dialect="text"):
        self.gate.process.wait_for(rf"event=upstream_up .*dialect={dialect}", count=count)
