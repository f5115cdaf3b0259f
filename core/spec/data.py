"""Where rows come from: those that are trained on, and those that models are asked."""

import re
from typing import Literal

from pydantic import Field, model_validator

from core.spec.base import Sha256, Spec

RowFormat = Literal["auto", "ultrachat", "xlam", "openai", "sharegpt", "alpaca"]
SuiteFormat = Literal["auto", "bfcl", "ultrachat", "xlam", "openai", "sharegpt", "alpaca"]
FILE_ID = re.compile(r"file-[A-Za-z0-9]+")


class SourceSpec(Spec):
    """Where rows come from: a file below DATA_ROOT, an uploaded file, or a data set of the public hub."""

    source: str = Field(
        min_length=1,
        max_length=500,
        description="path below DATA_ROOT, `file-…` of an uploaded file, or `owner/name` on the hub",
    )
    split: str = Field("train", max_length=100, description="of a hub data set")
    revision: str | None = Field(None, max_length=100, description="commit of a hub data set")
    sha256: Sha256 | None = Field(None, description="what the file must hold: the job is refused when it has changed")
    rows: int | None = Field(None, ge=1, description="use the first so many rows; all when absent")
    on_bad_row: Literal["refuse", "drop"] = Field(
        "refuse", description="refuse: one row that cannot be used refuses the job; drop: it is left out, and counted"
    )

    @model_validator(mode="after")
    def _has_the_pin_of_its_kind(self) -> "SourceSpec":
        if self.is_on_hub and self.sha256 is not None:
            raise ValueError(f"{self.source} is a data set of the hub: pin it by `revision`, sha256 is of a file")
        return self

    @property
    def is_file(self) -> bool:
        """Whether the source names a file; hub names have no suffix."""
        return self.source.endswith((".jsonl", ".json", ".parquet", ".jsonl.gz", ".json.gz"))

    @property
    def file_id(self) -> str | None:
        """The id of the uploaded file that the source names."""
        return self.source if FILE_ID.fullmatch(self.source) else None

    @property
    def is_on_hub(self) -> bool:
        """Whether the rows come from the hub."""
        return not self.is_file and self.file_id is None


class DatasetSpec(SourceSpec):
    """Rows of one data set."""

    format: RowFormat = Field("auto", description="form of a row; detected when `auto`")


class HeldOut(Spec):
    """The last `rows` rows of a data set, of those that are used: no stage trains on them."""

    data: DatasetSpec
    rows: int

    def of(self, data: DatasetSpec) -> int:
        """How many rows at the end of this data set are held out."""
        return self.rows if data == self.data else 0


class SuiteSpec(SourceSpec):
    """Rows that a model is asked, with what it should answer: the last message of each, or accepted values beside."""

    format: SuiteFormat = Field("auto", description="form of a row; detected when `auto`")
    accepted: str | None = Field(
        None,
        min_length=1,
        max_length=500,
        description="of a BFCL file: path below DATA_ROOT of its accepted answers; without, no call is right",
    )

    @model_validator(mode="after")
    def _only_the_leaderboard_has_accepted_answers(self) -> "SuiteSpec":
        if self.accepted is not None and self.format not in ("auto", "bfcl"):
            raise ValueError(f"format is {self.format!r}, whose rows hold their answers themselves: leave out accepted")
        if self.is_on_hub and (self.format == "bfcl" or self.accepted is not None):
            raise ValueError("a BFCL suite is read from a file: put it and its accepted answers below DATA_ROOT")
        return self
