"""What is measured, and what it is held to."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Target:
    """mcgate's `figure` is to be at most `must` (and better: `aim`) times `peer`'s `peer_figure`; with no peer, at most
    `must` itself."""
    figure: str  # "mid", "total": us of processor time per request; "p50": us; "memory": KB per connection
    peer: str
    peer_figure: str
    must: float
    aim: float | None = None


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    peers: tuple
    targets: tuple
    requests: int
    tls: bool = True
    connections: int = 50
    pipeline: int = 1
    keys_per_get: int = 1
    set_share: float = 0
    value_size: int = 100
    keys: int = 10_000
    dialect: str = "text"
    mode: str = "requests"  # also "handshakes", and "idle" for memory
    resume: bool = False
    memcached: tuple = ()  # more options of every memcached in it

    def options(self):
        """The load generator's."""
        made = ["--connections", self.connections, "--pipeline", self.pipeline, "--keys-per-get", self.keys_per_get,
                "--set-share", self.set_share, "--value-size", self.value_size, "--keys", self.keys,
                "--dialect", self.dialect, "--mode", "requests" if self.mode == "idle" else self.mode]
        return [str(option) for option in made] + ["--resume"] * self.resume


def mid(peer, must, aim=None):
    return Target("mid", peer, "mid", must, aim)


def total(peer, must, aim=None):
    return Target("total", peer, "total", must, aim)


def total_haproxy(must):
    """Of haproxy on a Unix socket, as all are; and on TCP, as the targets of the deep pipelines were set."""
    return total("haproxy", must), total("haproxy-tcp", must)


TLS_PEERS = ("haproxy", "memcached-tls", "stunnel")
PLAIN_PEERS = ("haproxy", "haproxy-tcp", "memcached", "twemproxy")
DEEP_PEERS = ("haproxy", "haproxy-tcp", "memcached-tls")
LONG_TURNS = ("-R", "320")

SCENARIOS = (
    Scenario("tls_get", "TLS get 100 B, 50 connections, one at a time", TLS_PEERS,
             (mid("haproxy", 0.58), total("memcached-tls", 1.15, 1.0)), 40_000),
    Scenario("tls_get_16", "TLS get 100 B, 50 connections, 16 pipelined", (*TLS_PEERS, "memcached"),
             (total("memcached-tls", 0.25, 0.2), total("memcached", 0.4)), 160_000, pipeline=16),
    Scenario("tls_multiget", "TLS multiget 50 x 100 B, 20 connections", TLS_PEERS,
             (total("haproxy", 1.0, 0.9),), 20_000, connections=20, keys_per_get=50),
    Scenario("tls_mix", "TLS 10% set, 90% get, 1 KB, 50 connections", TLS_PEERS,
             (total("haproxy", 0.52), total("memcached-tls", 1.2, 1.0)), 40_000, set_share=0.1, value_size=1024),
    Scenario("tls_64k", "TLS get 64 KB, 16 connections", TLS_PEERS,
             (mid("haproxy", 0.75), total("haproxy", 0.78)), 8_000, connections=16, value_size=65_536, keys=1_000),
    Scenario("plain_get", "Plain get 100 B, 50 connections, one at a time", PLAIN_PEERS,
             (*total_haproxy(0.48), total("twemproxy", 1.0)), 40_000, tls=False),
    Scenario("plain_get_16", "Plain get 100 B, 50 connections, 16 pipelined", PLAIN_PEERS,
             (*total_haproxy(0.25), total("twemproxy", 1.0)), 160_000, tls=False, pipeline=16),
    Scenario("tls_binary", "TLS binary get 100 B, 50 connections, one at a time", ("haproxy", "memcached-tls"),
             (total("haproxy", 0.55),), 40_000, dialect="binary"),
    Scenario("tls_binary_16", "TLS binary get 100 B, 50 connections, 16 pipelined", DEEP_PEERS,
             total_haproxy(0.75), 160_000, dialect="binary", pipeline=16),
    Scenario("tls_meta_16", "TLS meta get 100 B, 50 connections, 16 pipelined", DEEP_PEERS,
             total_haproxy(0.75), 160_000, dialect="meta", pipeline=16),
    Scenario("tls_binary_16_r", "TLS binary get 100 B, 50 connections, 16 pipelined, memcached -R 320", DEEP_PEERS,
             total_haproxy(0.75), 160_000, dialect="binary", pipeline=16, memcached=LONG_TURNS),
    Scenario("tls_meta_16_r", "TLS meta get 100 B, 50 connections, 16 pipelined, memcached -R 320", DEEP_PEERS,
             total_haproxy(0.75), 160_000, dialect="meta", pipeline=16, memcached=LONG_TURNS),
    Scenario("handshake", "Full TLS handshake, log-in and one get", ("haproxy", "memcached-login"),
             (mid("haproxy", 0.9, 0.87),), 2_000, connections=10, mode="handshakes"),
    Scenario("resumed", "Resumed TLS handshake, log-in and one get", ("haproxy", "memcached-login"),
             (mid("haproxy", 0.85, 0.8),), 2_000, connections=10, mode="handshakes", resume=True),
    Scenario("latency", "TLS get 100 B, one connection, one at a time", TLS_PEERS,
             (Target("p50", "haproxy", "p50", 1.0),), 10_000, connections=1),
    Scenario("idle", "Memory per idle TLS connection", ("haproxy", "memcached-tls", "memcached-login"),
             (Target("memory", "", "", 15.0),), 0, connections=2_000, mode="idle"),
)
