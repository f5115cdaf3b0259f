"""Ports for the servers of a measurement or a test."""

import contextlib
import random
import socket


def free_port() -> int:
    """A port that nobody listens on now, and that the kernel gives to no outgoing connection before it is used."""
    while True:
        port = random.randrange(15_000, 30_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
