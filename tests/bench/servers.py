"""The servers that are compared: each is started afresh, pinned to the server's CPU, and knows its processor time."""

import functools
import os
import re
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import Process, certificates, config_text, fresh_path  # noqa: E402
from scram import verifier  # noqa: E402

SERVER_CPU, LOAD_CPU = 0, 1
USER, PASSWORD = "bench", "correct-horse"  # memcached's own log-in takes no spaces
START_TIMEOUT = 30  # seconds
MOST_CONNECTIONS = 4_000


@functools.cache
def program(name):
    """Its path, or None."""
    return shutil.which(name, path="/usr/bin:/usr/sbin")


@functools.cache
def memcached_has_tls():
    said = subprocess.run([program("memcached"), "-h"], capture_output=True, text=True, check=False).stdout
    return "--enable-ssl" in said


def version(name):
    flag = {"memcached": "-V", "haproxy": "-v", "stunnel4": "-version", "nutcracker": "-V"}[name]
    done = subprocess.run([program(name), flag], capture_output=True, text=True, check=False)
    return re.search(r"\d+\.\d[\w.+-]*", done.stdout + done.stderr)[0]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fresh_file(suffix, text):
    path = fresh_path(suffix)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


class Server:
    """A process that serves on `addresses`: "tls" and "plain" to what the load generator connects to."""

    def __init__(self, command, addresses, pinned=True):
        self.addresses = addresses
        self.process = Process(["taskset", "-c", str(SERVER_CPU), *command] if pinned else command)
        try:
            for address in addresses.values():
                self._wait_for(address)
        except BaseException:
            self.stop()
            raise

    def _wait_for(self, address):
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            family, to = (socket.AF_UNIX, address[5:]) if address.startswith("unix:") else (
                socket.AF_INET, ("127.0.0.1", int(address.rsplit(":", 1)[1])))
            with socket.socket(family) as probe:
                if probe.connect_ex(to) == 0:
                    return
            if self.process.child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(self.process.child.args)} does not serve:\n{self.process.log()}")
            time.sleep(0.02)

    def cpu_ns(self):
        """Processor time of all its threads, those that have ended included: its process's CPU clock."""
        return time.clock_gettime_ns((~self.process.child.pid << 3) | 2)

    def memory(self):
        """Bytes of memory of its own (no files, nothing shared)."""
        with open(f"/proc/{self.process.child.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))

    def stop(self):
        self.process.kill()


def start_memcached(*options, tls=False, unix=False):
    address = f"unix:{fresh_path('.mc')}" if unix else f"127.0.0.1:{free_port()}"
    listen = ["-s", address[5:]] if unix else ["-l", address]
    user = ["-u", "root"] if os.geteuid() == 0 else []
    if tls:
        _, chain, key = certificates()
        options = ["-Z", "-o", f"ssl_chain_cert={chain},ssl_key={key},ssl_session_cache", *options]
    return Server([program("memcached"), "-U", "0", "-t", "1", "-m", "1024", "-I", "2m", "-c", str(MOST_CONNECTIONS),
                   *user, *listen, *options], {"tls" if tls else "plain": address})


def start_memcached_with_login(*options):
    return start_memcached("-Y", fresh_file(".auth", f"{USER}:{PASSWORD}\n"), *options, tls=True)


def start_mcgate(mcgate, upstream):
    _, chain, key = certificates()
    addresses = {"tls": f"127.0.0.1:{free_port()}", "plain": f"127.0.0.1:{free_port()}"}
    config = fresh_file(".toml", config_text(
        upstream,
        [{"address": addresses["tls"], "tls": {"certificate": chain, "key": key}}, {"address": addresses["plain"]}],
        users=[{"name": USER, "roles": ["bench"], "secrets": [verifier(PASSWORD.encode(), "SCRAM-SHA-256")]}],
        roles={"bench": {"allow": [{"commands": ["read", "write"], "keys": ["bench:*"]}]}},
        workers=1, limits={"sessions": MOST_CONNECTIONS}))
    return Server([*mcgate, "serve", "-c", config], addresses)


def start_haproxy(upstream):
    _, chain, key = certificates()
    with open(chain, encoding="ascii") as first, open(key, encoding="ascii") as second:
        both = fresh_file(".pem", first.read() + second.read())
    addresses = {"tls": f"127.0.0.1:{free_port()}", "plain": f"127.0.0.1:{free_port()}"}
    config = fresh_file(".cfg", f"""
global
    nbthread 1
    maxconn {MOST_CONNECTIONS}
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    default_backend memcached
frontend tls
    bind {addresses["tls"]} ssl crt {both}
frontend plain
    bind {addresses["plain"]}
backend memcached
    server memcached {upstream.replace("unix:", "unix@")}
""")
    return Server([program("haproxy"), "-db", "-f", config], addresses)


def start_stunnel(upstream):
    _, chain, key = certificates()
    address = f"127.0.0.1:{free_port()}"
    config = fresh_file(".conf", f"""foreground = yes
pid =
debug = err
socket = l:TCP_NODELAY=1
[memcached]
accept = {address}
connect = {upstream.removeprefix("unix:")}
cert = {chain}
key = {key}
""")
    return Server([program("stunnel4"), config], {"tls": address})


def start_twemproxy(upstream):
    address = f"127.0.0.1:{free_port()}"
    config = fresh_file(".yml", f"""bench:
  listen: {address}
  hash: fnv1a_64
  distribution: ketama
  preconnect: true
  servers:
   - {upstream.removeprefix("unix:")}:1
""")
    return Server([program("nutcracker"), "-v", "1", "-c", config, "-s", str(free_port()), "-a", "127.0.0.1"],
                  {"plain": address})
