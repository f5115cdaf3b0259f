"""The api as the commands see it: JSON in, JSON out, every error a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Self

import httpx

from cli.up import running_api_url
from core.errors import ConfigurationError, NotFound, ServiceError
from core.settings import Settings


class ApiRefused(ServiceError):
    """The api answered with an error; the message is its own."""

    code = "api_refused"


class Client:
    """Talks to the api of TUNESMITH_API_URL, or to the system that runs in the home."""

    def __init__(self, settings: Settings) -> None:
        self.url = (settings.api_url or running_api_url(settings.home) or "http://127.0.0.1:8000").rstrip("/")
        key_file = settings.home / "admin-key"
        if settings.admin_key is not None:
            key = settings.admin_key.get_secret_value()
        elif key_file.exists():
            key = key_file.read_text().strip()
        else:
            raise ConfigurationError(
                f"no key: set TUNESMITH_ADMIN_KEY, or run where `tunesmith up` keeps {key_file}, or set TUNESMITH_HOME"
            )
        self._http = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **parameters: str | int) -> Any:
        """The JSON answer; NotFound, ApiRefused or ConfigurationError otherwise."""
        return self._send("GET", path, params=parameters, headers={"Accept": "application/json"})

    def text(self, path: str, **parameters: str | int) -> str:
        """The answer as it came, where it is not JSON."""
        with self._explained():
            response = self._http.get(path, params=parameters)
        self._check(response)
        return response.text

    def post(self, path: str, body: bytes | None = None) -> Any:
        """Send JSON text as it is, so that the api is the one to judge it."""
        return self._send("POST", path, content=body, headers={"Content-Type": "application/json"} if body else {})

    def delete(self, path: str) -> Any:
        """The JSON answer."""
        return self._send("DELETE", path)

    def upload(self, path: str, filename: str, file: IO[bytes], **fields: str) -> Any:
        """Send a form with one file, read as it is sent; the api may take its time over the whole of it."""
        patient = httpx.Timeout(30, read=None)
        return self._send("POST", path, files={"file": (filename, file)}, data=fields, timeout=patient)

    @contextmanager
    def download(self, path: str) -> Iterator[httpx.Response]:
        """The answer, whose body is still to be read."""
        with self._explained(), self._http.stream("GET", path) as response:
            if not response.is_success:
                response.read()
            self._check(response)
            yield response

    def every(
        self, path: str, *, limit: int | None = None, after: str | int | None = None, **filters: str
    ) -> Iterator[dict[str, Any]]:
        """The entries of a list behind `after`, `limit` at most, over as many pages as that takes."""
        remaining = limit
        while remaining is None or remaining > 0:
            size = 100 if remaining is None else min(remaining, 100)
            page = self.get(path, limit=size, **filters, **({} if after is None else {"after": after}))
            yield from page["data"]
            if not page["has_more"]:
                return
            after = page["last_id"]
            remaining = None if remaining is None else remaining - len(page["data"])

    def _send(self, method: str, path: str, **options: Any) -> Any:
        with self._explained():
            response = self._http.request(method, path, **options)
        self._check(response)
        return response.json()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise ConfigurationError(
                f"{self.url} does not answer ({error}): is `tunesmith up` running? TUNESMITH_API_URL names another api"
            ) from None

    def _check(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        try:
            message = response.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            message = response.text[:500]
        refusal = NotFound if response.status_code == 404 else ApiRefused
        raise refusal(f"{message} (HTTP {response.status_code})")
