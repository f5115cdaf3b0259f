"""What is wrong with rows: the problem of one row, and the problems of a whole source in bounded memory."""

from dataclasses import dataclass, field

from core.errors import BadData

LISTED_ROWS = 20
"""So many bad rows an error message lists; the others it counts."""
KEPT_ROWS = 1000
"""So many bad rows a report keeps with their reasons; a source that is refused is not read further than that."""

ROW = "row"
"""The field of a problem that is no single field's: of the row as a whole."""


class RowError(ValueError):
    """What is wrong with a row: the field, and a message with the fix; the reader adds the file and the row number."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field, message)
        self.field = _cut(field, 200)
        self.message = _cut(message, 400)

    def __str__(self) -> str:
        return self.message if self.field == ROW else f"{self.field}: {self.message}"


@dataclass(frozen=True)
class Problem:
    """Why row `row` of a source cannot be used; `field` is the place in the row as the file has it."""

    row: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"row {self.row}: {RowError(self.field, self.message)}"


@dataclass
class BadRows:
    """The bad rows of one source: how many of those read, and the first `KEPT_ROWS` with their reasons."""

    rows_read: int = 0
    count: int = 0
    first: list[Problem] = field(default_factory=list)

    def add(self, rows_read: int, problems: list[Problem]) -> None:
        """Count rows that were read, and those of them that are bad."""
        self.rows_read += rows_read
        self.count += len(problems)
        self.first += problems[: KEPT_ROWS - len(self.first)]

    @property
    def is_full(self) -> bool:
        """Whether further bad rows would only be counted."""
        return self.count >= KEPT_ROWS

    def refusal(self, source: str, *, is_whole: bool = True) -> BadData:
        """The error that lists the first bad rows and counts all, if the whole source was read."""
        if self.count == 1:
            return BadData(f"{source}, {self.first[0]}", param="data.source")
        listed = "; ".join(str(problem) for problem in self.first[:LISTED_ROWS])
        if (further := self.count - LISTED_ROWS) > 0:
            listed += f"; and {further:,} more"
        at_least = "" if is_whole else "at least "
        fix = 'mend them, or leave them out with "on_bad_row": "drop"'
        message = f"{source}: {at_least}{self.count:,} of the {self.rows_read:,} rows read are bad ({fix}): {listed}"
        return BadData(message, param="data.source")


def _cut(text: str, most: int) -> str:
    """What is quoted of a row may be as long as the row."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
