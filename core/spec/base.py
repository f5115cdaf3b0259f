"""What every part of a spec has in common, and the names in it."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, field_validator

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
SUFFIX_LENGTH = 64
Suffix = Annotated[str, StringConstraints(pattern=rf"^[A-Za-z0-9][A-Za-z0-9_.-]{{0,{SUFFIX_LENGTH - 1}}}$")]
MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]
MetadataValue = Annotated[str, StringConstraints(max_length=512)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def is_path(base_model: str) -> bool:
    """Whether a base model is a folder of this machine rather than a name on the hub."""
    return base_model.startswith(("/", "./", "../"))


class Spec(BaseModel):
    """Frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _text_can_be_stored(cls, value: Any) -> Any:
        """Postgres' text and file names cannot hold the NUL character."""
        texts = [*value, *value.values()] if isinstance(value, dict) else [value]
        if any(isinstance(text, str) and "\0" in text for text in texts):
            raise ValueError("holds a NUL character (\\u0000), which cannot be stored: remove it")
        return value
