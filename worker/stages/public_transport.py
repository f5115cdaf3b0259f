"""HTTP to public addresses only: each request goes to an address that was checked, not to whatever its name has next.

Looking a name up once for the check and once more for the connection would let its owner answer differently.
"""

from collections.abc import Awaitable, Callable

import httpx2

from core.judge_url import public_addresses


class PublicTransport(httpx2.AsyncBaseTransport):
    """Connects to the first address of the host, when all are public; certificates are checked against its name."""

    def __init__(self, addresses_of: Callable[[str, int], Awaitable[list[str]]] = public_addresses) -> None:
        self._addresses_of = addresses_of
        self._inner = httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """`NotPublic` for any other host; the Host header is that of the name already."""
        host = request.url.raw_host.decode("ascii")
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        [address, *_] = await self._addresses_of(host, port)
        request.url = request.url.copy_with(host=address)
        request.extensions = {**request.extensions, "sni_hostname": host}
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()
