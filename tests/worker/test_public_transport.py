"""A request goes to the address that was checked, under the name that was asked for."""

import httpx2
import pytest

from core.judge_url import NotPublic
from tests.worker.judge_server import Json, Response, judge_server
from worker.stages.public_transport import PublicTransport

ASKED: Json = {"messages": [{"content": "{}"}]}


async def test_the_name_is_looked_up_once_and_stays_the_host() -> None:
    looked_up = []

    async def addresses(host: str, port: int) -> list[str]:
        looked_up.append((host, port))
        return ["127.0.0.1"]

    with judge_server(lambda compared: Response("A")) as server:
        port = httpx2.URL(server.url).port
        async with httpx2.AsyncClient(transport=PublicTransport(addresses)) as client:
            response = await client.post(f"http://judge.example:{port}/v1", json=ASKED)
    assert response.status_code == 200
    assert looked_up == [("judge.example", port)]
    assert server.hosts == [f"judge.example:{port}"]
    assert response.request.extensions["sni_hostname"] == "judge.example"


async def test_loopback_is_refused() -> None:
    async with httpx2.AsyncClient(transport=PublicTransport()) as client:
        with pytest.raises(NotPublic):
            await client.get("http://localhost:1/")
