"""`python -m bench.plain_map FILE TOKENIZER MAX_LENGTH`: rows formatted and tokenised in one process, as tutorials do.

One `datasets.map` makes each row one text by the chat template, tools parsed from their JSON strings; the next one
tokenises the text.  Prints the seconds of both, without imports and without loading the tokenizer or the file.
"""

import json
import sys
import tempfile
import time
from typing import Any

from datasets import disable_progress_bars, load_dataset
from transformers import AutoTokenizer


def main() -> None:
    """Measure, and print the seconds and the rows as JSON."""
    path, folder, max_length = sys.argv[1], sys.argv[2], int(sys.argv[3])
    disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def text_of(row: dict[str, Any]) -> dict[str, str]:
        tools: list[Any] | None = None
        messages = row.get("messages")
        if messages is None:
            calls = [{"type": "function", "function": call} for call in json.loads(row["answers"])]
            tools = [{"type": "function", "function": tool} for tool in json.loads(row["tools"])]
            answer = {"role": "assistant", "content": "", "tool_calls": calls}
            messages = [{"role": "user", "content": row["query"]}, answer]
        return {"text": str(tokenizer.apply_chat_template(messages, tools=tools, tokenize=False))}

    def ids_of(row: dict[str, Any]) -> dict[str, list[int]]:
        ids: list[int] = tokenizer(row["text"], truncation=True, max_length=max_length)["input_ids"]
        return {"input_ids": ids}

    with tempfile.TemporaryDirectory() as cache:
        rows = load_dataset("json", data_files=path, split="train", cache_dir=cache)
        began = time.monotonic()
        texts = rows.map(text_of, remove_columns=rows.column_names)
        texts.map(ids_of, remove_columns=["text"])
        print(json.dumps({"seconds": time.monotonic() - began, "rows": len(rows)}))


if __name__ == "__main__":
    main()
