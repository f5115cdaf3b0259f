"""A client that never stops streaming answers, to see whether a change of models costs it anything."""

import threading
from types import TracebackType
from typing import Self

from openai import APIError, APIStatusError, OpenAI

from core.states import JobStatus

_IDLE_S = 4.0
"""Between two answers while no model is being changed: training needs the cores too."""
_NOT_SERVING, _NOT_YET_S = 503, 0.5


class StreamingClient:
    """Streams one short answer after another from the endpoint, in a thread, without any retry.

    It counts from the first answer on: before that, no model has been deployed.
    """

    def __init__(self, base_url: str, api_key: str, model: str) -> None:
        self.requests = self.failed = 0
        self._busy, self._wake = False, threading.Event()
        self.errors: list[str] = []
        self._model = model
        self._client = OpenAI(base_url=f"{base_url}/v1", api_key=api_key, max_retries=0, timeout=300)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="streaming-client", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout=60)

    def follow(self, job_status: str) -> None:
        """Stream without a pause while the job's model is being swapped in."""
        self._busy = job_status in (JobStatus.MERGING, JobStatus.DEPLOYING)
        if self._busy:
            self._wake.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            if not self._busy:
                self._wake.wait(_IDLE_S)
            try:
                finished = self._stream_once()
            except APIError as error:
                if not self.requests and isinstance(error, APIStatusError) and error.status_code == _NOT_SERVING:
                    self._stop.wait(_NOT_YET_S)
                    continue
                finished = False
                self.errors.append(str(error))
            self.requests += 1
            self.failed += not finished

    def _stream_once(self) -> bool:
        """Whether the whole answer came, with its finish reason."""
        stream = self._client.chat.completions.create(
            model=self._model,
            messages=[{"role": "user", "content": "Hello!"}],
            max_tokens=32,
            temperature=0,
            stream=True,
        )
        reasons = [choice.finish_reason for chunk in stream for choice in chunk.choices if choice.finish_reason]
        return len(reasons) == 1
