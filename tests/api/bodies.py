"""Request bodies, and the files that they name."""

import json
from pathlib import Path
from typing import Any

RECIPE = {"base_model": "Qwen/Qwen2.5-3B"}
QUESTION = {"role": "user", "content": "What is the weather in Oslo?"}
ANSWER = {"role": "assistant", "content": "It rains."}


def write_base_model(folder: Path, **config: Any) -> Path:
    """The files of a tiny Qwen2 model, without weights worth the name."""
    values = {"architectures": ["Qwen2ForCausalLM"], "max_position_embeddings": 2048, **config}
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(values))
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    return folder


def write_rows(path: Path, count: int = 20, **answer: Any) -> str:
    """A JSONL file of `count` OpenAI chat rows, the answers with further fields; returns its name."""
    row = {"messages": [QUESTION, {**ANSWER, **answer}]}
    path.write_text("".join(json.dumps(row) + "\n" for _ in range(count)))
    return path.name


def job_on(base_model: Path, source: str, **stage: Any) -> dict[str, Any]:
    """A job of one stage over a file below the data root."""
    return {
        "base_model": str(base_model),
        "stages": [{"name": "chat", "data": {"source": source}, "max_seq_length": 512, **stage}],
    }
