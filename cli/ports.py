"""Choosing TCP ports: one set by the user must be free, any other is moved when taken."""

import errno
import socket
from collections.abc import Collection

from core.errors import ConfigurationError


def choose_port(host: str, port: int, variable: str, *, explicit: bool, avoid: Collection[int] = ()) -> int:
    """`port` if it is free; else a free one, or, if the user set it, a ConfigurationError naming the variable."""
    if port not in avoid and is_free(host, port):
        return port
    if explicit:
        raise ConfigurationError(
            f"port {port} of {host} is taken: stop what listens there (`ss -ltnp 'sport = :{port}'` names it), "
            f"or set {variable} to another port, or leave {variable} out and a free one is found"
        )
    return any_free_port(host, avoid)


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(_family(host)) as probe:
        # As servers do: a port whose last connections are only lingering is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror}") from None
        return True


def any_free_port(host: str, avoid: Collection[int] = ()) -> int:
    """A port that the system has free just now."""
    while True:
        with socket.socket(_family(host)) as probe:
            probe.bind((host, 0))
            port = int(probe.getsockname()[1])
        if port not in avoid:
            return port


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
