"""One tree of errors: each has an HTTP status and a stable code, and its message names the thing, the limit, the fix.

`api` and `inference` render them all in one place as `{"error": {"message", "type", "param", "code"}}`.  An error that
stands for several problems lists them, too.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, TypedDict


class Problem(TypedDict):
    """One of several."""

    message: str
    param: str | None
    code: str


class ServiceError(Exception):
    """Base of every error that a user may see."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    retry_after_s: int | None = None
    """When the same request may succeed, where that is known."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.problems: tuple[Problem, ...] = ()
        """Everything that is wrong, where that is more than one thing."""

    @property
    def type(self) -> str:
        """OpenAI's coarse class of the error."""
        if self.status >= 500:
            return "server_error"
        return {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}.get(
            self.status, "invalid_request_error"
        )

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": {**error, "problems": self.problems} if len(self.problems) > 1 else error}

    def problem(self) -> Problem:
        """This error as one of several."""
        return Problem(message=self.message, param=self.param, code=self.code)


class ConfigurationError(ServiceError):
    code = "bad_configuration"


class InvalidRequest(ServiceError):
    status, code = 422, "invalid_request"


class JobRefused(ServiceError):
    """A job whose data was looked into and cannot be trained on; `problems` has everything that is wrong."""

    status, code = 422, "job_refused"


class PreflightTimeout(ServiceError):
    """Looking into a job's data took longer than it may; the job itself may be sound."""

    status, code = 504, "preflight_timeout"


class PreflightLost(ServiceError):
    """The process that looked into a job's data was lost again and again."""

    code = "preflight_lost"


class BadData(ServiceError):
    """A data set that cannot be trained on; the message names file, row and field."""

    status, code = 422, "bad_data"


class DataChanged(ServiceError):
    """Data, or a base model, that is not what a spec pins it to."""

    status, code = 422, "data_changed"


class UnknownBaseModel(ServiceError):
    status, code = 422, "unknown_base_model"


class BodyTooLarge(ServiceError):
    status, code = 413, "body_too_large"


class NotAuthenticated(ServiceError):
    status, code = 401, "invalid_api_key"


class PermissionDenied(ServiceError):
    """A key that is known, but does not open this: its scopes, or its project, do not reach so far."""

    status, code = 403, "permission_denied"


class NotFound(ServiceError):
    status, code = 404, "not_found"


class FileNotThere(NotFound):
    """An uploaded file that never was, or was deleted."""

    code = "file_not_found"


class OutOfSpace(ServiceError):
    """The disk of the storage is full; nothing of what was being written is left."""

    status, code = 507, "disk_full"


class ModelNotFound(NotFound):
    """A name that the endpoint does not serve."""

    code = "model_not_found"


class CheckpointRefused(ServiceError):
    """A model folder that is broken: it was not put in place, and what was served is served still."""

    status, code = 422, "checkpoint_refused"


class ParityMismatch(ServiceError):
    """A server makes something else of a request than training did; the model must not be trained, or served, so."""

    status, code = 422, "parity_mismatch"


class GateFailed(ServiceError):
    """A model does not hold what must hold before it goes live; what was served is served still."""

    status, code = 409, "gate_failed"


class Conflict(ServiceError):
    """A state that forbids the request for good; the client must not retry it unchanged."""

    status, code = 409, "conflict"


class StillStopping(ServiceError):
    """The job has yet to stop as it was asked to; the same request succeeds a moment later."""

    status, code = 409, "still_stopping"


class StillSwapping(ServiceError):
    """The gateway is putting the model in place; the same request succeeds a moment later."""

    status, code = 409, "still_swapping"


class TooManyRequests(ServiceError):
    """The gateway is full; `retry_after_s` is when a place should be free, as fast as answers end now."""

    status, code = 429, "too_many_requests"

    retry_after_s: int

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RateLimited(TooManyRequests):
    """A key, or its project, has used up its requests or tokens of this minute."""

    code = "rate_limit_exceeded"


class QuotaExceeded(ServiceError):
    """A project has as much as it may have; the request succeeds once something of it is gone, or the quota raised."""

    status, code = 403, "quota_exceeded"


class TookTooLong(ServiceError):
    """The time limit of a request, its wait and its answer together."""

    status, code = 504, "time_limit"


class NotServing(ServiceError):
    """No model is live on the endpoint (yet)."""

    status, code = 503, "not_serving"

    def __init__(self, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class EngineFailed(ServiceError):
    """vLLM did not start, or ended by itself."""

    status, code = 503, "engine_failed"


class DatabaseUnavailable(ServiceError):
    status, code = 503, "database_unavailable"


class UpstreamFailed(ServiceError):
    status, code = 502, "upstream_failed"


class LeaseLost(ServiceError):
    """This run no longer owns its job; nothing it writes is accepted."""

    status, code = 409, "lease_lost"


def joined(errors: Sequence[ServiceError]) -> ServiceError:
    """One error for all of them, under the code of the first."""
    first, problems = errors[0], {error.message: error.problem() for error in errors}
    whole = type(first)("; ".join(problems), param=first.param)
    whole.problems = tuple(problems.values())
    return whole
