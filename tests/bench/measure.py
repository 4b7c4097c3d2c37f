"""Runs the load generator against one contestant, and says what that cost its processes."""

import dataclasses
import json
import subprocess
import time

from harness import certificates
from servers import LOAD_CPU, PASSWORD, USER, Server

VERIFIED_REQUESTS = 2_000
# Some give memory back only to those who wait: mcgate looks every five seconds what handshakes have left.
SECONDS_TO_REST = 7


@dataclasses.dataclass
class Contestant:
    """What stands between the client and the cache, if anything does, and the memcached that holds the values."""
    memcached: Server
    middle: Server | None = None
    logs_in: bool = False

    @property
    def front(self):
        return self.middle or self.memcached

    def stop(self):
        if self.middle:
            self.middle.stop()
        self.memcached.stop()


class Load:
    """The load generator, set up and waiting for the word; a context manager. Its connections stay until its end."""

    def __init__(self, loadgen, contestant, scenario, *more):
        # Plain memcached stands among those with TLS for comparison.
        kind = "tls" if scenario.tls and "tls" in contestant.front.addresses else "plain"
        command = ["taskset", "-c", str(LOAD_CPU), loadgen, contestant.front.addresses[kind], "--hold",
                   *scenario.options(), *more]
        if kind == "tls":
            command += ["--tls", "--ca", certificates()[0]]
        if contestant.logs_in:
            login = "sasl" if scenario.dialect == "binary" else "text"
            command += ["--login", login, "--user", USER, "--password", PASSWORD]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.child.stdout.readline() != "ready\n":
            self.__exit__()
            raise RuntimeError("the load generator did not get ready: " + " ".join(command))

    def run(self):
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        report = json.loads(self.child.stdout.readline())
        if report["errors"] or report["misses"] or report["wrong"]:
            raise RuntimeError(f"the load generator met faults: {report}")
        return report

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()


def fill(loadgen, contestant, scenario):
    """Stores all values of the scenario, past the middle."""
    direct = Contestant(contestant.memcached, logs_in=contestant.logs_in and not contestant.middle)
    filling = dataclasses.replace(scenario, mode="fill", dialect="text", pipeline=1, resume=False, connections=1,
                                  tls=True)
    with Load(loadgen, direct, filling) as load:
        load.run()


def verify(loadgen, contestant, scenario):
    """That each value is right, whoever delivers it. Warms all up, too."""
    requests = min(VERIFIED_REQUESTS, scenario.requests)
    with Load(loadgen, contestant, scenario, "--verify", "--requests", str(requests)) as load:
        report = load.run()
    if scenario.resume and report["resumed"] < requests:
        raise RuntimeError(f"only {report['resumed']} of {requests} handshakes were resumed")
    return report["tls"]


def measure(loadgen, contestant, scenario, requests):
    """{"mid", "total"}: us of processor time per request; {"p50", "p99"}: us."""
    with Load(loadgen, contestant, scenario, "--requests", str(requests)) as load:
        processes = [contestant.memcached] + [contestant.middle] * (contestant.middle is not None)
        before = [process.cpu_ns() for process in processes]
        report = load.run()
        spent = [(process.cpu_ns() - start) / 1000 / requests for process, start in zip(processes, before)]
    figures = {"total": sum(spent), "p50": report["p50_us"], "p99": report["p99_us"],
               "requests_per_second": requests / report["seconds"]}
    if contestant.middle:
        figures["mid"] = spent[1]
    return figures


def measure_memory(loadgen, contestant, scenario, connections):
    """{"memory"}: KB of the front's own memory per connection that has logged in, got one value, and is idle."""
    before = contestant.front.memory()
    with Load(loadgen, contestant, dataclasses.replace(scenario, connections=connections), "--requests", "0"):
        time.sleep(SECONDS_TO_REST)
        return {"memory": (contestant.front.memory() - before) / connections / 1024}
