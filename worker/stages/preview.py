"""`preview.json`: some of a stage's prepared rows token by token, for people to look at.

They are taken from `rows.arrow`, so they show exactly what is trained on, and whoever shows them needs no tokenizer.
The choice is the same each time: the first rows, the longest, and some of each kind that there is, spread evenly.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from transformers import PreTrainedTokenizerFast

from core.preview import SAMPLES, TOKENS_SHOWN, PreviewRow
from core.storage import write_json
from worker.stages.render import IGNORED

_LOOKED_AT = 400
_OF_A_KIND = 2
_CALL, _TOOLS = "<tool_call>", "<tools>"  # as the Hermes form has them, which the served parser reads


def write_preview(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write `preview.json` beside the `rows.arrow` of a run directory."""
    rows = preview(folder / "rows.arrow", tokenizer)
    write_json(folder / "preview.json", [row.model_dump(mode="json") for row in rows])


def preview(rows_file: Path, tokenizer: PreTrainedTokenizerFast) -> list[PreviewRow]:
    """The sample rows of a `rows.arrow`, in its order."""
    rows = pa.ipc.open_stream(pa.memory_map(str(rows_file))).read_all()
    chosen: dict[int, list[str]] = {}
    for number, reason in _choice(rows, tokenizer):
        if number in chosen or len(chosen) < SAMPLES:
            chosen.setdefault(number, []).append(reason)
    return [_shown(_row(rows, number), number, reasons, tokenizer) for number, reasons in sorted(chosen.items())]


def _choice(rows: pa.Table, tokenizer: PreTrainedTokenizerFast) -> Iterator[tuple[int, str]]:
    """Rows by number, each with why it is shown; the best reasons come first."""
    lengths: list[int] = rows["length"].to_pylist()
    yield 0, "first row"
    yield max(range(len(lengths)), key=lengths.__getitem__), "longest row"
    if len(lengths) > 1:
        yield len(lengths) - 1, "last row"
    seen: dict[str, int] = {}
    for number in range(0, len(lengths), max(1, len(lengths) // _LOOKED_AT)):
        for kind in _kinds(_row(rows, number), tokenizer):
            if seen.get(kind, 0) < _OF_A_KIND:
                seen[kind] = seen.get(kind, 0) + 1
                yield number, kind
    step = max(1, len(lengths) // SAMPLES)
    yield from ((number, "spread evenly") for number in range(step, len(lengths), step))


def _row(rows: pa.Table, number: int) -> dict[str, Any]:
    row: dict[str, Any] = rows.slice(number, 1).to_pylist()[0]
    return row


def _kinds(row: dict[str, Any], tokenizer: PreTrainedTokenizerFast) -> Iterator[str]:
    """What the row shows besides others."""
    turns = _trained_spans(row["labels"])
    if len(turns) > 1:
        yield "several answers"
    answers = [str(tokenizer.decode(row["input_ids"][start:end])) for start, end in turns]
    prompt = str(tokenizer.decode(row["input_ids"][: turns[0][0]])) if turns else ""
    if any(_CALL in answer for answer in answers):
        yield "parallel calls" if any(answer.count(_CALL) > 1 for answer in answers) else "tool call"
    elif _TOOLS in prompt:
        yield "tools offered, none called"
    else:
        yield "no tools"


def _trained_spans(labels: list[int]) -> list[tuple[int, int]]:
    """Where runs of trained tokens begin and end."""
    flags = [False, *(label != IGNORED for label in labels), False]
    edges = [position for position in range(len(labels) + 1) if flags[position] != flags[position + 1]]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _shown(row: dict[str, Any], number: int, reasons: list[str], tokenizer: PreTrainedTokenizerFast) -> PreviewRow:
    ids, labels = row["input_ids"], row["labels"]
    # From the end, where what is learned stands.
    first = max(0, len(ids) - TOKENS_SHOWN)
    special = set(tokenizer.all_special_ids)
    return PreviewRow(
        number=number + 1,
        shown_as=tuple(reasons),
        tokens=len(ids),
        trained_tokens=sum(label != IGNORED for label in labels),
        hidden_tokens=first,
        ids=tuple(ids[first:]),
        texts=tuple(_texts(ids[first:], tokenizer)),
        trained="".join("0" if label == IGNORED else "1" for label in labels[first:]),
        special="".join("1" if _is_special(token, special, tokenizer) else "0" for token in ids[first:]),
    )


def _is_special(token: int, special: set[int], tokenizer: PreTrainedTokenizerFast) -> bool:
    added = tokenizer.added_tokens_decoder.get(token)
    return token in special or (added is not None and added.special)


def _texts(ids: list[int], tokenizer: PreTrainedTokenizerFast) -> Iterator[str]:
    """The text of each token; bytes of a character that several tokens share stand with the last of them."""
    pending: list[int] = []
    for token in ids:
        pending.append(token)
        text = str(tokenizer.decode(pending, clean_up_tokenization_spaces=False))
        if text.endswith("\ufffd") and len(pending) < 4:
            yield ""
            continue
        pending = []
        yield text
