"""Where a job's judge may be: a public address, or the endpoint that the operator has named.

A job's author names the URL and a worker calls it, which must not become a way to reach what only the worker can reach.
So every address that its host has must be public, when the job is posted and again at each connection (a name may
have changed meanwhile, `worker.stages.public_transport`).  TUNESMITH_JUDGE_URL is the operator's own word, and
TUNESMITH_JUDGE_API_KEY is sent nowhere else.
"""

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from core.errors import InvalidRequest
from core.settings import Settings, get_settings
from core.spec import JudgeSpec

_PARAM = "evaluation.judge.base_url"
_LOOK_UP_TIMEOUT_S = 10
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotPublic(InvalidRequest):
    """An address that a job's author may not send a worker to."""

    code = "judge_not_public"


@dataclass(frozen=True)
class JudgeEndpoint:
    """Where the judge is asked; `api_key` is the operator's, for the operator's URL only."""

    base_url: str
    api_key: str | None
    must_be_public: bool


def endpoint_of(judge: JudgeSpec, settings: Settings) -> JudgeEndpoint:
    """The endpoint that the spec names, else the operator's; InvalidRequest without either."""
    ours = settings.judge_url.rstrip("/") if settings.judge_url else None
    wanted = judge.base_url.rstrip("/") if judge.base_url else ours
    if wanted is None:
        raise InvalidRequest(
            f"{_PARAM} is absent and this installation has no judge of its own: name an OpenAI-compatible endpoint, "
            "or set TUNESMITH_JUDGE_URL",
            param=_PARAM,
        )
    if wanted == ours:
        key = settings.judge_api_key.get_secret_value() if settings.judge_api_key else None
        return JudgeEndpoint(wanted, key, must_be_public=False)
    return JudgeEndpoint(wanted, None, must_be_public=not settings.judge_private)


async def check_judge(judge: JudgeSpec) -> None:
    """InvalidRequest for a judge that a worker could not, or must not, ask."""
    endpoint = endpoint_of(judge, get_settings())
    if endpoint.must_be_public:
        url = urlsplit(endpoint.base_url)
        await public_addresses(url.hostname or "", url.port or (443 if url.scheme == "https" else 80))


async def public_addresses(host: str, port: int) -> list[str]:
    """The addresses of the host; NotPublic when one of them is not public, and when it has none.

    The message does not tell which address a name has: that would let anybody look up names of the inner network.
    """
    try:
        async with asyncio.timeout(_LOOK_UP_TIMEOUT_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotPublic(f"{_PARAM}: the host {host!r} has no address; mend the URL", param=_PARAM) from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not all(is_public(address) for address in addresses):
        raise NotPublic(
            f"{_PARAM}: the host {host!r} is not at a public address, and a job may not send a worker to others; "
            "name a public endpoint, or have the operator set TUNESMITH_JUDGE_URL to this one, or "
            "TUNESMITH_JUDGE_PRIVATE",
            param=_PARAM,
        )
    return addresses


def is_public(address: str) -> bool:
    """Whether the address is one of the open internet, also where a v6 address stands for a v4 one."""
    ip: Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        ip = inner or ip
    return ip.is_global and not ip.is_multicast
