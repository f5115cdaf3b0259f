"""Keys: what is asked for, and what is told of them."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, StringConstraints

from api.schemas.times import unix_seconds
from core.access import Scope
from core.models import Key
from core.spec import Name

PerMinute = Annotated[int | None, Field(ge=1, le=2**31 - 1)]


class KeyRequest(BaseModel, extra="forbid"):
    """The body of `POST /keys`."""

    name: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]{1,100}$")] = Field(description="whose it is")
    scopes: list[Scope] = Field(
        [Scope.TRAIN, Scope.INFER],
        min_length=1,
        max_length=len(Scope),
        description="infer: the inference paths; train: files, jobs, models and deployments; admin: both, and the "
        "project's keys, limits, storage and audit log",
    )
    project: Name | None = Field(
        None, description="whose key it is; that of the request when absent, and made if it is not there"
    )
    all_projects: bool = Field(False, description="a key of all projects; only such a key can make one")
    requests_per_minute: PerMinute = Field(None, description="of the api, and of the gateway; no limit when absent")
    tokens_per_minute: PerMinute = Field(None, description="of prompts and answers together, at the gateway")
    expires_at: int | None = Field(None, ge=0, le=2**33, description="Unix seconds; it does not expire when absent")


class KeyView(BaseModel):
    """A key, of whose secret only the beginning is known."""

    id: str
    object: Literal["key"] = "key"
    name: str
    project: str | None = Field(description="null: it is a key of all projects")
    scopes: list[Scope]
    prefix: str = Field(description="how its secret begins")
    requests_per_minute: int | None
    tokens_per_minute: int | None
    created_at: int
    expires_at: int | None
    last_used_at: int | None = Field(description="to the minute")
    revoked_at: int | None

    @classmethod
    def of(cls, key: Key) -> Self:
        return cls.model_validate(_fields(key))


class NewKeyView(KeyView):
    """A key that was just made."""

    secret: str = Field(description="what to send as `Authorization: Bearer …`; it is shown this once")

    @classmethod
    def with_secret(cls, key: Key, secret: str) -> Self:
        return cls.model_validate({**_fields(key), "secret": secret})


def _fields(key: Key) -> dict[str, object]:
    times = {name: unix_seconds(getattr(key, name)) for name in ("expires_at", "last_used_at", "revoked_at")}
    return {
        "id": key.id,
        "name": key.name,
        "project": key.project,
        "scopes": key.scopes,
        "prefix": key.prefix,
        "requests_per_minute": key.requests_per_minute,
        "tokens_per_minute": key.tokens_per_minute,
        "created_at": unix_seconds(key.created_at),
        **times,
    }
