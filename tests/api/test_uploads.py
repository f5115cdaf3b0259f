"""Uploads that are broken, too large, cut off or killed: a clear answer where there is one to give, nothing left."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import httpx
import psutil
import pytest
from sqlalchemy import func, select

from api import uploads
from core import file_store, file_sweep
from core.db import transaction
from core.file_store import files_root, incoming_root
from core.models import File
from tests.api.bodies import RECIPE
from tests.api.conftest import client_of, running_api
from tests.api.uploading import empty_file_store, post, rows_of, stored, uploaded
from tests.conftest import Services
from tests.waiting import until, wait_until

MIB = 2**20
LIMIT = 3 * MIB
Send = Callable[[httpx.Client, bytes], httpx.Response]


@pytest.fixture(autouse=True)
def _nothing_is_left(database: Services) -> Iterator[None]:
    empty_file_store()
    yield
    try:
        assert stored() == []
        with transaction() as session:
            assert session.scalar(select(func.count()).select_from(File)) == 0
    finally:
        empty_file_store()


@pytest.fixture(scope="module")
def limited_url(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An api that takes files of up to 3 MiB."""
    log = tmp_path_factory.mktemp("limited") / "api.log"
    with running_api(services, log, TUNESMITH_MAX_FILE_BYTES=str(LIMIT)) as url:
        yield url


@pytest.fixture
def limited(services: Services, limited_url: str) -> Iterator[httpx.Client]:
    with client_of(services, limited_url) as client:
        yield client


def refused(answer: httpx.Response, status: int) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return dict(error)


def process_of(url: str) -> psutil.Process:
    """The api that answers there."""
    port = str(urlparse(url).port)
    [api] = [each for each in psutil.Process().children() if each.environ().get("TUNESMITH_API_PORT") == port]
    return api


def form_of(content: bytes, filename: str = "train.jsonl", purpose: str = "fine-tune") -> tuple[bytes, str]:
    """The body of an upload, and its content type."""
    request = httpx.Request("POST", "http://x", files={"file": (filename, content)}, data={"purpose": purpose})
    return request.read(), request.headers["content-type"]


def send_in_chunks(client: httpx.Client, content: bytes) -> httpx.Response:
    """An upload whose length nobody knows before its end."""
    body, content_type = form_of(content)
    chunks = (body[start : start + 65536] for start in range(0, len(body), 65536))
    return client.post("/files", content=chunks, headers={"content-type": content_type})


@contextmanager
def half_sent(url: str, key: str, content: bytes) -> Iterator[socket.socket]:
    """A connection on which all of an upload but its last bytes was sent, and arrived."""
    body, content_type = form_of(content)
    address = urlparse(url)
    head = f"POST /files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: {content_type}\r\n"
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body[:-100])
        wait_until(lambda: sum(path.stat().st_size for path in stored() if path.is_file()) > MIB)
        yield connection


# ------------------------------------------------------------------ what is in the file


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "d.jsonl holds no rows"),
        (b"\n\n", "d.jsonl holds no rows"),
        (b"name,age\nada,36\n", "d.jsonl"),
        (rows_of(2) + b"{not json}\n", "d.jsonl, row 3: is not valid JSON"),
        (rows_of(2) + b"\xff\xfe\n", "d.jsonl, row 3"),
        (b'{"a": 1}\n', "d.jsonl, row 1: "),
        (b'{"messages": [{"role": "boss", "content": "x"}]}\n', "d.jsonl, row 1: messages[0].role"),
        (rows_of(4, weight=0), "none of its 4 rows has an assistant message"),
    ],
)
def test_a_broken_file_is_refused_by_its_name_row_and_field(client: httpx.Client, content: bytes, says: str) -> None:
    error = refused(post(client, content, "d.jsonl"), 422)
    assert (error["code"], error["param"]) == ("bad_data", "file")
    assert says in error["message"]


# ------------------------------------------------------------------ how it is sent


@pytest.mark.parametrize(
    ("form", "status", "says"),
    [
        ({"data": {"purpose": "fine-tune"}, "files": {"x": ("a", b"1")}}, 422, "x is no file that is known here"),
        ({"files": {"purpose": (None, "fine-tune")}}, 422, "file is missing"),
        ({"files": {"file": (None, "text"), "purpose": (None, "evals")}}, 422, "file is not a known field"),
        ({"files": {"file": ("a.jsonl", rows_of())}}, 422, "purpose is missing: it is one of fine-tune, evals"),
        (
            {"data": {"purpose": "vision"}, "files": {"file": ("a", rows_of())}},
            422,
            "purpose is 'vision': it is one of",
        ),
        ({"data": {"purpose": "x" * 9000}, "files": {"file": ("a", rows_of())}}, 422, "purpose is longer than 4096"),
        (
            {"data": {"purpose": "evals", "ttl": "1"}, "files": {"file": ("a", rows_of())}},
            422,
            "ttl is not a known field",
        ),
        ({"files": [("file", ("a", rows_of())), ("file", ("b", rows_of()))]}, 422, "the form has two files"),
        ({"json": {"purpose": "fine-tune"}}, 400, "must come as a form"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "with a boundary"),
        ({"content": b"junk", "headers": {"content-type": "multipart/form-data; boundary=b"}}, 400, "cannot be parsed"),
        ({"content": b"", "headers": {"content-type": "multipart/form-data; boundary=b"}}, 400, "breaks off"),
        ({"content": b"--b\r\n", "headers": {"content-type": "multipart/form-data; boundary=b"}}, 400, "breaks off"),
        (
            {"content": form_of(rows_of())[0][:-9], "headers": {"content-type": form_of(b"")[1]}},
            400,
            "cannot be parsed",
        ),
    ],
)
def test_a_form_that_is_none_says_what_to_send(
    client: httpx.Client, form: dict[str, Any], status: int, says: str
) -> None:
    assert says in refused(client.post("/files", **form), status)["message"]


def test_a_form_that_breaks_off_in_its_file_is_refused(client: httpx.Client) -> None:
    body, content_type = form_of(rows_of())
    answer = client.post("/files", content=body[:-60], headers={"content-type": content_type})
    assert "breaks off" in refused(answer, 400)["message"]


# ------------------------------------------------------------------ how large it is


@pytest.mark.parametrize("send", [post, send_in_chunks])
@pytest.mark.parametrize("size_bytes", [LIMIT + 1, LIMIT + 300_000, 12 * LIMIT])
def test_a_file_over_the_limit_is_refused(limited: httpx.Client, send: Send, size_bytes: int) -> None:
    error = refused(send(limited, b"x" * size_bytes), 413)
    assert (error["code"], error["param"]) == ("body_too_large", "file")
    assert "3,145,728 bytes (TUNESMITH_MAX_FILE_BYTES)" in error["message"]


def test_a_form_that_never_ends_is_refused(limited: httpx.Client) -> None:
    body, content_type = form_of(rows_of())
    chunks = (b"\r\n" * 30_000 if number else body for number in range(100))
    answer = limited.post("/files", content=chunks, headers={"content-type": content_type})
    assert refused(answer, 413)["code"] == "body_too_large"


def test_a_file_at_the_limit_is_taken_and_other_bodies_keep_theirs(limited: httpx.Client) -> None:
    content = rows_of(10, length=100_000)
    file = uploaded(limited, content + b"\n" * (LIMIT - len(content)))
    assert file["bytes"] == LIMIT
    body = {**RECIPE, "metadata": {"note": "x" * 1_100_000}}
    assert "1,000,000 bytes" in refused(limited.post("/jobs", json=body), 413)["message"]
    forget(file["id"])


def test_a_refusal_reaches_a_client_that_is_still_sending(client: httpx.Client) -> None:
    files: list[Any] = [("purpose", (None, "vision")), ("file", ("a.jsonl", b"x" * 12 * MIB))]
    assert "purpose is 'vision'" in refused(client.post("/files", files=files), 422)["message"]
    unknown = client.post("/files", files=files, headers={"authorization": "Bearer wrong"})
    assert refused(unknown, 401)["code"] == "invalid_api_key"


def forget(file_id: str) -> None:
    """Have the file end as if it had never been."""
    with transaction() as session:
        session.delete(session.get_one(File, file_id))
    shutil.rmtree(files_root() / file_id)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_said_and_left_as_it_was(database: Services, small_disk: Path, tmp_path: Path) -> None:
    def left() -> list[Path]:
        return [path for path in small_disk.rglob("*") if path.is_file()]

    with (
        running_api(database, tmp_path / "api.log", STORAGE_URL=small_disk.as_uri()) as url,
        client_of(database, url) as client,
    ):
        announced = refused(post(client, rows_of(80, length=100_000)), 507)
        assert (announced["code"], announced["type"]) == ("disk_full", "server_error")
        assert "does not fit on the disk of the storage" in announced["message"]
        chunked = refused(send_in_chunks(client, rows_of(80, length=100_000)), 507)
        assert "free some space, then upload it again" in chunked["message"]
        assert left() == []
        fitting = uploaded(client, rows_of(20, length=100_000))
        assert [path.parent.name for path in left()] == [fitting["id"]]
    with transaction() as session:
        session.delete(session.get_one(File, fitting["id"]))


# ------------------------------------------------------------------ what cuts it off


def test_a_sender_that_goes_away_leaves_nothing(client: httpx.Client, api_url: str, services: Services) -> None:
    with half_sent(api_url, services.admin_key, rows_of(40, length=100_000)):
        assert stored()
    wait_until(lambda: not stored())
    assert client.get("/health").status_code == 200


def test_an_upload_under_way_is_no_leftover_and_one_of_a_killed_api_is(database: Services, tmp_path: Path) -> None:
    with running_api(database, tmp_path / "api.log") as url:
        api = process_of(url)
        with half_sent(url, database.admin_key, rows_of(40, length=100_000)):
            make_old(incoming_root())
            file_sweep.sweep()
            assert stored(), "it is being worked on, however old it is"
            api.kill()
            api.wait()
        assert stored()
        file_sweep.sweep()
    assert stored() == []


def test_what_was_made_a_moment_ago_is_not_swept(database: Services) -> None:
    (incoming_root() / "file-new").mkdir(parents=True)
    file_sweep.sweep()
    assert [path.name for path in stored()] == ["file-new"]
    make_old(incoming_root())
    file_sweep.sweep()


def make_old(root: Path) -> None:
    before = time.time() - 2 * file_store.UNLOCKED_S
    for folder in root.iterdir():
        os.utime(folder, (before, before))


async def test_a_silent_sender_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silence() -> AsyncGenerator[bytes, None]:
        await until(lambda: False)
        yield b""

    monkeypatch.setattr(uploads, "IDLE_S", 0.01)
    with pytest.raises(uploads.UploadStalled, match=r"nothing came for 0\.01 s"):
        await uploads._next(silence())


# ------------------------------------------------------------------ what it costs


def test_a_large_upload_is_never_held_in_memory(client: httpx.Client, api_url: str, tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    row = rows_of(1, length=200_000)
    with path.open("wb") as file:
        for _ in range(1000):
            file.write(row)
    api = process_of(api_url)
    uploaded(client, row)  # what the first upload loads is not what a large one costs
    before = most = api.memory_info().rss
    whole, content_type = form_of(b"@")
    head, tail = whole.split(b"@")

    def body() -> Iterator[bytes]:
        nonlocal most
        yield head
        with path.open("rb") as file:
            while chunk := file.read(256 * 1024):
                most = max(most, api.memory_info().rss)
                yield chunk
        yield tail

    answer = client.post("/files", content=body(), headers={"content-type": content_type}, timeout=100)
    assert answer.status_code == 201, answer.text
    assert answer.json()["bytes"] == path.stat().st_size > 190 * MIB
    assert max(most, api.memory_info().rss) - before < 24 * MIB
    for file in client.get("/files").json()["data"]:
        forget(file["id"])
