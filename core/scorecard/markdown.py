"""The scorecard as Markdown.

Questions, answers and names were written by anybody: they stand as code, fenced by more backticks than they hold, or
with every sign escaped that Markdown or HTML reads.
"""

import re
from collections.abc import Iterable, Iterator

from core.scorecard.calls import written_calls, written_expected
from core.scorecard.card import Comparison, Example, ModelAnswer, Scorecard
from core.scorecard.further_tables import further_tables
from core.scorecard.sentences import differences, gates, headlines, older_name, trainings
from core.scorecard.tables import Table, suite_table

_SIGNS = re.compile(r"([\\`*_\[\]<>#|~&])")


def markdown(card: Scorecard) -> str:
    """The whole card."""
    return "\n\n".join(_blocks(card)) + "\n"


def markdown_table(table: Table) -> str:
    """With its title as a heading."""
    rows = [row for group in table.groups for row in group]
    lines = [_line("", *table.columns), _line("---", *("---:" for _ in table.columns))]
    lines += [_line(escape(row.title), *(escape(cell.replace("\n", ", ")) for cell in row.cells)) for row in rows]
    return f"### {escape(table.title)}\n\n" + "\n".join(lines)


def escape(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _SIGNS.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """One line of code, fenced by more backticks than it holds."""
    line = " ".join(text.split())
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    return f"{fence} {line} {fence}" if "`" in line else f"{fence}{line}{fence}"


def _listed(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {escape(sentence)}" for sentence in sentences)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _blocks(card: Scorecard) -> Iterator[str]:
    yield f"# Scorecard of {escape(card.job_id)}"
    yield f"Base model {escape(card.base_model)}; the job is {card.status}. Shares have their 95% Wilson intervals."
    if sentences := list(headlines(card)):
        yield _listed(sentences)
    for suite in card.suites:
        yield markdown_table(suite_table(card, suite))
    if card.comparisons:
        yield "### Row by row"
        yield _listed(differences(card))
    for table in further_tables(card):
        yield markdown_table(table)
        if table.remarks:
            yield _listed(table.remarks)
    if found := list(gates(card)):
        yield "### Gates"
        yield _listed(found)
    if card.health:
        yield "### Training"
        yield _listed(trainings(card))
    for comparison in card.comparisons:
        yield from _examples(comparison)


def _examples(comparison: Comparison) -> Iterator[str]:
    for suite, paired in comparison.suites.items():
        for verb, found in (("won", paired.examples_won), ("lost", paired.examples_lost)):
            total = paired.won if verb == "won" else paired.lost
            if found:
                names = f"{escape(comparison.newer.name)} against {escape(older_name(comparison))}"
                yield f"### {verb.capitalize()}: {names}, {escape(suite)} ({len(found)} of {total})"
                yield from (_example(example, comparison) for example in found)


def _example(example: Example, comparison: Comparison) -> str:
    lines = [
        f"- “{escape(example.question)}”",
        f"  - offered: {escape(', '.join(example.tools) or 'nothing')}",
        f"  - right: {code(written_expected(example.expected) or 'no call')}",
        f"  - {escape(comparison.older.name)}: {_answer(example.older)}",
        f"  - {escape(comparison.newer.name)}: {_answer(example.newer)}",
    ]
    return "\n".join(lines)


def _answer(answer: ModelAnswer) -> str:
    fault = f" – {escape(answer.fault)}" if answer.fault else ""
    return code(written_calls(answer.calls) or answer.content.strip() or "(nothing)") + fault
