"""One tree of errors: each has an HTTP status and a stable code, and its message names the thing, the limit, the fix.

`api` and `inference` render them all in one place as `{"error": {"message", "type", "param", "code"}}`.
"""

from typing import Any, ClassVar


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
        return {"error": error}


class ConfigurationError(ServiceError):
    code = "bad_configuration"


class InvalidRequest(ServiceError):
    status, code = 422, "invalid_request"


class BadData(ServiceError):
    """A data set that cannot be trained on; the message names file, row and field."""

    status, code = 422, "bad_data"


class UnknownBaseModel(ServiceError):
    status, code = 422, "unknown_base_model"


class BodyTooLarge(ServiceError):
    status, code = 413, "body_too_large"


class NotAuthenticated(ServiceError):
    status, code = 401, "invalid_api_key"


class NotFound(ServiceError):
    status, code = 404, "not_found"


class ModelNotFound(NotFound):
    """A name that the endpoint does not serve."""

    code = "model_not_found"


class CheckpointRefused(ServiceError):
    """A model folder that is broken: it was not put in place, and what was served is served still."""

    status, code = 422, "checkpoint_refused"


class ParityMismatch(ServiceError):
    """A server makes something else of a request than training did; the model must not be trained, or served, so."""

    status, code = 422, "parity_mismatch"


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
