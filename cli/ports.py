"""Choosing a server's port: one set by the user must be free, any other is moved when taken."""

from core.errors import ConfigurationError
from core.ports import PortClaim, claim_name, claim_next_port, claim_port, is_free


def choose_port(host: str, port: int, variable: str, *, explicit: bool) -> PortClaim:
    """Claim `port`, or the next one that is free; if the user set it, ConfigurationError names what to do instead."""
    if (claim := claim_port(host, port)) is not None:
        return claim
    if not explicit:
        return claim_next_port(host, port)
    if is_free(host, port):
        problem = f"is kept by a running Tunesmith: stop that one (`ss -xap | grep {claim_name(port)}` names it)"
    else:
        problem = f"is taken: stop what listens there (`ss -ltnp 'sport = :{port}'` names it)"
    raise ConfigurationError(
        f"port {port} of {host} {problem}, or set {variable} to another port, or leave {variable} out and a free one "
        "is found"
    )
