"""One request and what has been answered to it so far: all that is said about it goes through here."""

import asyncio
import re
from random import getrandbits

from core.errors import ServiceError
from core.evaluation_traffic import EVALUATION_HEADER
from core.http_client import Headers
from core.passthrough import error_event
from inference.connection import Call
from inference.errors import rendered
from inference.routes import Passage
from inference.usage import Tokens

MODEL_HEADER = b"x-tunesmith-model-version"
REQUEST_ID_HEADER = b"x-request-id"
PROJECT_HEADER = b"openai-project"
_EVALUATION_HEADER = EVALUATION_HEADER.encode()
LAST_WORD_S = 1.0
OK = 200
BYTES_PER_TOKEN = 4
CLIENT_LEFT = 499
_OF_OUR_ANSWER = frozenset({REQUEST_ID_HEADER, MODEL_HEADER, b"content-length"})
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


def request_id_of(given: bytes) -> bytes:
    """The client's own request id when it is a sane one, else a new one."""
    return given if _REQUEST_ID.fullmatch(given) else b"req-%024x" % getrandbits(96)


class Exchange:
    """From the moment that the request's head is there.  Times are of the event loop's clock."""

    def __init__(self, call: Call) -> None:
        self.began_s = asyncio.get_running_loop().time()
        self.call = call
        by_name = dict(call.headers)
        self.authorization = by_name.get(b"authorization", b"")
        self.project = by_name.get(PROJECT_HEADER, b"").decode("latin-1") or None
        """The one that the request says it is about."""
        self.declared_length = by_name.get(b"content-length", b"")
        self.request_id = request_id_of(by_name.get(REQUEST_ID_HEADER, b""))
        self.is_marked = _EVALUATION_HEADER in by_name
        """Whether it says that it is an evaluation's; anybody can say so."""
        self.is_evaluation = False
        """Whether it is one, and no user's: the mark came with the admin key."""
        self.rate_headers: Headers = []
        """What is left of the limits of its key and project, if they have any."""
        self.passage: Passage | None = None
        """The way it went, once it was let through the gate."""
        self.status = 0
        """Of the answer; 0 until its head is sent, 499 when the client did not wait for its end."""
        self.error: ServiceError | None = None
        """What the gateway itself had to say instead of, or at the end of, vLLM's answer."""
        self.is_stream = False
        self.tokens: Tokens | None = None
        self.events = 0
        self.first_event_s: float | None = None
        self.last_event_s = 0.0

    @property
    def model_id(self) -> str:
        """The version that it went to, or nothing."""
        return self.passage.target.model_id if self.passage else ""

    @property
    def first_token_s(self) -> float | None:
        """From the request to the first event of a stream."""
        return None if self.first_event_s is None else self.first_event_s - self.began_s

    @property
    def token_s(self) -> float | None:
        """From token to token of a stream; where it does not tell its tokens, every event but [DONE] counts as one."""
        tokens = self.tokens.completion if self.tokens else self.events - 1
        if self.first_event_s is None or tokens < 2:
            return None
        return (self.last_event_s - self.first_event_s) / (tokens - 1)

    @property
    def tokens_used(self) -> int:
        """Of prompt and answer, as the answer tells them.  A stream that does not tell counts an event as a token, and
        four bytes of its request; what vLLM was not asked costs nothing.
        """
        if self.tokens is not None:
            return self.tokens.prompt + self.tokens.completion
        if self.passage is None or not (self.is_stream or self.status == OK):
            return 0
        return max(0, self.events - 1) + self.call.body_bytes // BYTES_PER_TOKEN

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer, with our headers on it."""
        self.status = status
        await self.call.answer(status, self._with_ours(headers), body)

    async def begin_stream(self, status: int, headers: Headers) -> None:
        """Send the head of a stream of events, with our headers on it."""
        self.status, self.is_stream = status, True
        await self.call.begin(status, self._with_ours(headers))

    async def fail(self, error: ServiceError) -> None:
        """Tell the client; within a stream that is its last event, which SDKs raise."""
        self.error = error
        try:
            # A client that no longer reads must not hold its place.
            async with asyncio.timeout(LAST_WORD_S):
                if not self.status:
                    await self.answer(*rendered(error))
                elif self.is_stream and not self.call.response_complete:
                    await self.call.write(error_event(error), more=False)
        except TimeoutError:
            return

    def _with_ours(self, headers: Headers) -> Headers:
        headers = [header for header in headers if header[0] not in _OF_OUR_ANSWER]
        headers.append((REQUEST_ID_HEADER, self.request_id))
        headers += self.rate_headers
        if self.passage:
            headers.append((MODEL_HEADER, self.model_id.encode()))
        return headers
