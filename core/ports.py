"""TCP ports of this machine, claimed before anything listens on them.

A system chooses its ports seconds before its servers listen there, and vLLM's perhaps hours before: meanwhile another
system of the machine would find the same ones free.  A claim is an abstract Unix socket named after the port.  One
process of the network namespace can have it, whoever its user is, and it is free again when that process ends,
whatever way it ends.
"""

import errno
import socket
import weakref

from core.errors import ConfigurationError

HIGHEST_PORT = 65_535


class PortClaim:
    """A port that nobody else who claims ports gets, until `release` or for as long as this object lives."""

    def __init__(self, port: int, holder: socket.socket) -> None:
        self.port = port
        self._end = weakref.finalize(self, holder.close)

    def release(self) -> None:
        """Let others have it."""
        self._end()


def claim_port(host: str, port: int) -> PortClaim | None:
    """Claim the port; None where somebody has claimed it or listens there."""
    # Not inherited: a child that outlives its launcher holds what it listens on, and nothing more.
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        holder.bind(f"\0{claim_name(port)}")
    except OSError as error:
        holder.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    claim = PortClaim(port, holder)
    if not is_free(host, port):
        claim.release()
        return None
    return claim


def claim_next_port(host: str, port: int) -> PortClaim:
    """Claim the first port above `port` that can be had.

    Near the default, so that people recognise it, and below those that the kernel lends to outgoing connections: one
    of these could have it by the time that a server wants to listen.
    """
    for candidate in range(port + 1, HIGHEST_PORT + 1):
        if (claim := claim_port(host, candidate)) is not None:
            return claim
    raise ConfigurationError(
        f"no port of {host} above {port} is free: stop something that listens, or set a lower port"
    )


def claim_name(port: int) -> str:
    """What the claim on a port is called; `ss -xap` shows it behind an @."""
    return f"tunesmith-port-{port}"


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


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
