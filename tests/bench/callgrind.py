"""mcgate under callgrind: how many instructions a request costs it, and how often it asks for memory."""

import contextlib
import dataclasses
import re
import subprocess

from harness import certificates, config_text, fresh_path
import servers

ALLOCATORS = {"malloc", "calloc", "realloc", "aligned_alloc", "posix_memalign"}
TICK = "mcgate::proxy::Worker::on_tick()"  # by the clock, not by the requests
KEYS = ["--keys", "1000"]
GRANT = {"commands": ["read", "write"], "keys": ["bench:*"]}


@dataclasses.dataclass
class Count:
    instructions: int = 0  # without the ticks'
    allocations: int = 0
    ticks: int = 0
    tick_instructions: int = 0


class Counted(servers.Server):
    """mcgate for all who come: the log-in is no part of a request. `grants` and `users` are beside the one that counts."""

    def __init__(self, mcgate, upstream, grants=(), users=(), workers=1, sessions=100):
        self.out = fresh_path(".callgrind")
        _, chain, key = certificates()
        plain, tls = f"unix:{fresh_path('.gate')}", f"127.0.0.1:{servers.free_port()}"
        # A role has no more than 10,000.
        roles = {f"more{at}": {"allow": grants[at:at + 10_000]} for at in range(0, len(grants), 10_000)}
        config = servers.fresh_file(".toml", config_text(
            upstream,
            [{"address": plain, "anonymous": "bench"},
             {"address": tls, "anonymous": "bench", "tls": {"certificate": chain, "key": key}}],
            users=[{"name": "bench", "roles": ["bench", *roles]}, *users],
            roles={"bench": {"allow": [GRANT]}} | roles, workers=workers, limits={"sessions": sessions}))
        super().__init__(["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.out}", mcgate, "serve", "-c",
                          config], {"plain": plain, "tls": tls}, pinned=False)

    def _wait_for(self, address):
        """By the log: a connection to see whether it serves, over TLS above all, would now and then be counted too."""
        self.process.wait_for("event=ready ", timeout=servers.START_TIMEOUT * 10)

    def count(self):
        """What its whole life came to, which this ends."""
        self.process.child.terminate()
        if status := self.process.wait():
            raise RuntimeError(f"mcgate ended with {status}:\n{self.process.log()}")
        with open(self.out, encoding="utf-8", errors="replace") as file:
            return read(file)


def read(file):
    """A callgrind.out file. The line behind a `calls=` is the place and the cost of those calls, what they call included."""
    count, names, called, calls = Count(), {}, None, 0
    for line in file:
        if calls:
            count.ticks += calls
            count.tick_instructions += int(line.split()[1])
            calls = 0
        elif found := re.match(r"(c?fn)=\((\d+)\)(?: (.*))?", line):
            if found[3]:
                names[found[2]] = found[3]
            called = names[found[2]] if found[1] == "cfn" else called
        elif found := re.match(r"calls=(\d+)", line):
            if called in ALLOCATORS:
                count.allocations += int(found[1])
            calls = int(found[1]) if called == TICK else 0
        elif found := re.match(r"(?:summary|totals): (\d+)", line):
            count.instructions = int(found[1])
    if not count.allocations:
        raise RuntimeError("no allocation counted in a whole life: callgrind names the allocators otherwise")
    count.instructions -= count.tick_instructions
    return count


def load(loadgen, address, *options):
    done = subprocess.run([loadgen, address, *KEYS, "--verify", *options], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise RuntimeError(f"the load generator met faults: {done.stdout}{done.stderr}")


def count(mcgate, loadgen, options, requests, tls=False, beside=None, **settings):
    """The Count of a life of mcgate with so many requests. `beside(counted)` is a context in which they are made."""
    memcached = servers.start_memcached(unix=True)
    try:
        load(loadgen, memcached.addresses["plain"], "--mode", "fill")
        counted = Counted(mcgate, memcached.addresses["plain"], **settings)
        try:
            to_tls = ["--tls", "--ca", certificates()[0]] if tls else []
            kind = "tls" if tls else "plain"
            with beside(counted) if beside else contextlib.nullcontext():
                load(loadgen, counted.addresses[kind], "--requests", str(requests), *to_tls, *options)
            return counted.count()
        finally:
            counted.stop()
    finally:
        memcached.stop()
