"""Write the example data: `python -m examples.data.make OUT_DIR --seed 0`.

    chat.train.jsonl   chat.heldout.jsonl    UltraChat's row form
    tools.train.jsonl  tools.heldout.jsonl   xlam's row form; rows that call nothing carry a `reply`
    tools.invented.jsonl                     the harder set: every name and word of the values is made up

Held-out rows are made first; a session of training rows that holds one of their values is thrown away.
"""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from examples.data.rows import ChatRow, ToolRow, argument_values, chat_row, sample_tool_row
from examples.data.sampling import Values
from examples.data.sessions import session

HELD_OUT_MIX = {
    "single": 120,
    "new_wording": 60,
    "two_calls": 60,
    "no_call_tool_like": 140,
    "no_call_chat": 100,
    "no_tools": 40,
}
INVENTED_MIX = {"single": 80, "two_calls": 40}


@dataclass(frozen=True)
class Sizes:
    """Rows per file."""

    chat_train: int = 1000
    chat_held_out: int = 200
    tools_train: int = 9200


def of_mix(mix: Mapping[str, int], values: Values) -> list[ToolRow]:
    kinds = [kind for kind, count in mix.items() for _ in range(count)]
    return [sample_tool_row(row_id, kind, values) for row_id, kind in enumerate(kinds)]


def holds_any(texts: set[str]) -> re.Pattern[str]:
    """Finds any of the texts as whole words."""
    longest_first = sorted(texts, key=lambda text: (-len(text), text))
    return re.compile(r"(?<![\w.])(?:" + "|".join(map(re.escape, longest_first)) + r")(?!\w|\.\w)")


def train_rows(count: int, values: Values, forbidden: re.Pattern[str], asked: set[str]) -> list[ToolRow]:
    """Rows in sessions that offer the same tools, none with a held-out value in it or a question that is `asked`."""
    rows: list[ToolRow] = []
    while len(rows) < count:
        made = session(len(rows), values)
        if not any(row["query"] in asked or forbidden.search(row["query"]) for row in made):
            rows += made
    for row in rows:
        del row["kind"]
    return rows[:count]


def chat_rows(count: int, rng: Random, forbidden: re.Pattern[str]) -> list[ChatRow]:
    """Conversations without a held-out value in them, each once."""
    rows: list[ChatRow] = []
    seen: set[tuple[str, ...]] = set()
    while len(rows) < count:
        row = chat_row(rng, held_out=False)
        said = tuple(message["content"] for message in row["messages"])
        if said not in seen and not any(map(forbidden.search, said)):
            seen.add(said)
            rows.append(row)
    return rows


def write_jsonl(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def make(out_dir: Path, seed: int = 0, sizes: Sizes = Sizes()) -> None:
    """Write all five files; the same seed and sizes give the same bytes."""
    out_dir.mkdir(parents=True, exist_ok=True)
    held_out = of_mix(HELD_OUT_MIX, Values(Random(f"{seed}/held-out"), held_out=True, invented=0.0))
    invented = of_mix(INVENTED_MIX, Values(Random(f"{seed}/invented"), held_out=True, invented=1.0))
    values = {value for row in (*held_out, *invented) for value in argument_values(row)}
    asked = {row["query"] for row in (*held_out, *invented)}
    train = train_rows(sizes.tools_train, Values(Random(f"{seed}/train")), holds_any(values), asked)
    write_jsonl(out_dir / "tools.train.jsonl", train)
    write_jsonl(out_dir / "tools.heldout.jsonl", held_out)
    write_jsonl(out_dir / "tools.invented.jsonl", invented)
    chats = Random(f"{seed}/chat")
    # A chat row may name a capital that is also a held-out city; a longer value may not stand there.
    longer = holds_any({value for value in values if not value.isalpha()})
    write_jsonl(out_dir / "chat.train.jsonl", chat_rows(sizes.chat_train, chats, longer))
    write_jsonl(out_dir / "chat.heldout.jsonl", [chat_row(chats, held_out=True) for _ in range(sizes.chat_held_out)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chat-train", type=int, default=Sizes.chat_train)
    parser.add_argument("--chat-held-out", type=int, default=Sizes.chat_held_out)
    parser.add_argument("--tools-train", type=int, default=Sizes.tools_train)
    given = parser.parse_args()
    make(given.out_dir, given.seed, Sizes(given.chat_train, given.chat_held_out, given.tools_train))


if __name__ == "__main__":
    main()
