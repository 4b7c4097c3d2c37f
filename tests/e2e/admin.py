"""A client of the admin endpoint."""

import re
import time

import harness
import wire


def listener():
    """An [admin] table on a Unix socket of its own."""
    return {"address": f"unix:{harness.fresh_path('.admin')}"}


class Admin:
    """`address` is what [admin] has."""

    def __init__(self, address):
        self.address = address
        if address.startswith("unix:"):
            self.address = address[len("unix:"):]

    def connect(self):
        return wire.Connection(self.address)

    def ask(self, request):
        """(status, {header: value}, body) of a whole request; the connection ends with the answer."""
        with self.connect() as connection:
            connection.send(request)
            head, _, body = connection.rest().partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = {name.lower(): text for name, text in (line.split(": ", 1) for line in lines)}
        return int(status.split(" ")[1]), headers, body.decode()

    def get(self, path):
        status, _, body = self.ask(f"GET {path} HTTP/1.1\r\nHost: mcgate\r\n\r\n".encode())
        return status, body

    def metrics(self):
        """{'mcgate_sessions': 3, 'mcgate_reloads_total{outcome="adopted"}': 0}"""
        status, body = self.get("/metrics")
        if status != 200:
            raise AssertionError(f"/metrics was answered {status}")
        return {name: int(value) for name, value in re.findall(r"^(mcgate_\S+) (\d+)$", body, re.MULTILINE)}

    def wait_for(self, condition, what):
        """The metrics, once `condition` holds of them."""
        deadline = time.monotonic() + harness.START_TIMEOUT
        while not condition(metrics := self.metrics()):
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} did not come to hold: {metrics}")
            time.sleep(0.02)
        return metrics
