"""What a program keeps of its model's answer to a row of a suite."""

from typing import Any


def answer(row: int, **columns: Any) -> dict[str, Any]:
    """That of one row; `columns` are those that matter to a test."""
    return {
        "suite": "tools", "row": row, "key": f"key-{row}", "kind": "call", "expects_call": True, "name_ok": True,
        "correct": True, "malformed": False, "stopped": True, "question": "Do it.", "tools": ["f"],
        "expected": [{"name": "f", "arguments": {"x": [1]}, "optional": []}],
        "answer": {"calls": [], "content": "", "finish_reason": "stop"}, "fault": None, **columns,
    }  # fmt: skip
