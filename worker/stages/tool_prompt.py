"""The older style of offering tools: as JSON text in the system prompt, for models that will be prompted so.

The chat template is then given no tools; calls stay in the template's own form, which the endpoint's parser reads.
"""

import json
from dataclasses import replace
from typing import Any

from core.rows import Row
from core.spec import ToolPrompt

_INTRODUCTION = "You may call these tools, given as JSON:\n"


def as_prompted(row: Row, style: ToolPrompt) -> Row:
    """The row as its prompt is to be rendered: itself, or with its tools moved into the system message."""
    if style == "template" or not row.tools:
        return row
    text = _INTRODUCTION + json.dumps(row.tools, ensure_ascii=False)
    messages: list[dict[str, Any]] = row.messages
    if messages[0]["role"] in ("system", "developer"):
        first, messages = messages[0], messages[1:]
        return replace(row, tools=None, messages=[{**first, "content": f"{first['content']}\n\n{text}"}, *messages])
    return replace(row, tools=None, messages=[{"role": "system", "content": text}, *messages])
