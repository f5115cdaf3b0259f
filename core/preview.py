"""Sample rows token by token, as `preview.json` and the preflights keep them and the preview shows them."""

from collections.abc import Iterator
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

SAMPLES = 12
"""Rows shown of a stage, at most."""
TOKENS_SHOWN = 2048
"""Tokens shown of a row, counted from its end."""


class PreviewRow(BaseModel):
    """One row as it is trained on; `trained` and `special` have a `1` or a `0` for each token."""

    model_config = ConfigDict(frozen=True)

    number: int
    """Of the prepared rows, counted from 1."""
    shown_as: tuple[str, ...]
    """Why this row is among the samples."""
    tokens: int
    trained_tokens: int
    hidden_tokens: int
    """So many of the row's first tokens are left out."""
    ids: tuple[int, ...]
    texts: tuple[str, ...]
    trained: str
    special: str

    @model_validator(mode="after")
    def _is_of_one_length(self) -> Self:
        if len({len(self.ids), len(self.texts), len(self.trained), len(self.special)}) != 1:
            raise ValueError("ids, texts, trained and special must be of one length")
        return self

    def pieces(self) -> Iterator["Piece"]:
        """The tokens in order."""
        for token_id, text, trained, special in zip(self.ids, self.texts, self.trained, self.special, strict=True):
            yield Piece(token_id=token_id, text=text, is_trained=trained == "1", is_special=special == "1")


class Piece(BaseModel):
    """One token."""

    model_config = ConfigDict(frozen=True)

    token_id: int
    text: str
    is_trained: bool
    is_special: bool

    @property
    def visible(self) -> str:
        """The text with its white space visible; a line still ends where it ended."""
        shown = self.text.replace(" ", "·").replace("\t", "→").replace("\r", "␍")
        return shown.replace("\n", "↵\n") if shown else "⋯"


class StagePreview(BaseModel):
    """The samples of one stage."""

    model_config = ConfigDict(frozen=True)

    stage: str
    rows: tuple[PreviewRow, ...]
