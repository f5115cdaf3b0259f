"""The questions of a suite, read whole: all its problems are told at once, and the order of its rows is kept."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from core.errors import BadData
from core.rows import BadRows, Problem, RawRow, RowError, convert, parsed, with_form
from core.spec import SuiteSpec
from core.suites.from_row import question_of
from core.suites.leaderboard import KEYS, LeaderboardReader
from core.suites.question import Json, Question

SuiteKind = Literal["held_out", "bfcl", "openai"]
"""Held-out rows of the job's own data, the leaderboard's files, or any other rows that end with what is expected."""


@dataclass(frozen=True)
class ReadSuite:
    """What a suite's rows hold, and whether they are the leaderboard's."""

    questions: list[Question]
    is_leaderboard: bool


def read_suite(suite: SuiteSpec, raw: Iterable[RawRow], source: str, accepted: Path | None) -> ReadSuite:
    """The suite's questions; BadData lists the rows that cannot be used, or are missing in `accepted`.

    Rows that cannot be used are left out where the suite says so; one without any other is refused either way.
    """
    rows: Iterator[RawRow] = islice(raw, suite.rows)
    first = next(rows, None)
    if first is None:
        raise BadData(f"{source} holds no rows; give it at least one", param="source")
    rows = chain([first], rows)
    is_leaderboard = suite.format == "bfcl" or (suite.format == "auto" and _is_leaderboards(first))
    if accepted is not None and not is_leaderboard:
        message = f"{source} is no BFCL file, and its rows hold their answers themselves: leave out `accepted`"
        raise BadData(message, param="accepted")
    if is_leaderboard:
        reader = _leaderboard_reader(accepted)
    else:
        form, rows = with_form(rows, source, suite.format)
        reader = _row_reader(form)
    return ReadSuite(_all_questions(rows, source, reader, drop=suite.on_bad_row == "drop"), is_leaderboard)


def _leaderboard_reader(accepted: Path | None) -> Callable[[Json], Question]:
    leaderboard = LeaderboardReader(accepted)

    def read(row: Json) -> Question:
        if missing := sorted(KEYS - row.keys()):
            raise RowError("row", f"is not in bfcl form: it has no {' and no '.join(missing)}")
        return leaderboard.question(row)

    return read


def _row_reader(form: str) -> Callable[[Json], Question]:
    return lambda row: question_of(convert(row, form))


def _all_questions(
    rows: Iterable[RawRow], source: str, read: Callable[[Json], Question], *, drop: bool
) -> list[Question]:
    questions, bad = [], BadRows()
    for number, raw in rows:
        try:
            question = read(parsed(raw))
        except RowError as error:
            bad.add(1, [Problem(number, error.field, error.message)])
        else:
            bad.add(1, [])
            questions.append(replace(question, origin=f"{source}, row {number}"))
        if bad.is_full and not drop:
            raise bad.refusal(source, is_whole=False)
    if bad.count and (not drop or not questions):
        raise bad.refusal(source)
    return questions


def _is_leaderboards(first: RawRow) -> bool:
    try:
        return parsed(first[1]).keys() >= KEYS
    except RowError:
        return False
