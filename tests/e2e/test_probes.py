"""What mcgate itself asks of memcached moves no more of its counters than a client's `version` does."""

import unittest

import harness


def statistics(connection):
    connection.send(b"stats\r\n")
    return dict(line.split(b" ")[1:] for line in connection.lines_until(b"END"))


@harness.needs_mcgate
class Probes(unittest.TestCase):
    def moved(self, action):
        """The names of what an action moves in memcached's statistics."""
        memcached = harness.Memcached("-o", "no_lru_maintainer,no_lru_crawler")  # no threads that move things by themselves
        self.addCleanup(memcached.stop)
        with memcached.connect() as watcher:
            watcher.set(b"a", b"1")
            before = statistics(watcher)
            action(memcached)
            after = statistics(watcher)
        self.assertEqual(before.keys(), after.keys())
        return {name for name in before if before[name] != after[name]}

    @staticmethod
    def ask_versions(memcached):
        """As a client would, and more often than mcgate."""
        open_connections = []
        for _ in range(20):
            for ask in (lambda c: c.ask(b"version\r\n"), lambda c: c.call("version")):
                connection = memcached.connect()
                ask(connection)
                open_connections.append(connection)
        for connection in open_connections:
            connection.close()

    def start_and_stop(self, memcached):
        for _ in range(2):
            _, gate = harness.start(self, [harness.plain_listener()], memcached, workers=2, upstream_options={"links": 2})
            gate.stop()

    def test_no_counter_of_commands_moves(self):
        by_itself = {b"uptime", b"time", b"rusage_user", b"rusage_system", b"curr_connections", b"read_buf_count", b"read_buf_bytes",
                     b"read_buf_bytes_free", b"response_obj_count", b"response_obj_bytes"}  # clocks, and memory in use
        moved = self.moved(self.start_and_stop)
        self.assertIn(b"total_connections", moved)
        self.assertLessEqual(moved, self.moved(self.ask_versions) | by_itself)
        self.assertFalse([name for name in moved if name.startswith((b"cmd_", b"get_", b"auth_")) or name.endswith(b"misses")])


if __name__ == "__main__":
    unittest.main()
