"""Broken data files, as people bring them: each is refused with file, row and field, and leaves nothing behind."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from core.queue import JOBS
from tests.api.bodies import job_on
from tests.api.refusal import Refusal
from tests.conftest import Services
from tests.waiting import wait_until

USER = {"role": "user", "content": "Weather in Oslo?"}
ANSWER = {"role": "assistant", "content": "It rains."}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
GOOD = {"messages": [USER, ANSWER]}


def call(id_: str = "c1", name: str = "get_weather", arguments: Any = "{}") -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": id_, "type": "function", "function": function}]}


def result(id_: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": "rain"}


def chat(*messages: Any, tools: Any = (TOOL,)) -> dict[str, Any]:
    return {"messages": list(messages), "tools": list(tools) if isinstance(tools, tuple) else tools}


def with_parameters(parameters: Any) -> dict[str, Any]:
    return chat(USER, ANSWER, tools=({"type": "function", "function": {"name": "f", "parameters": parameters}},))


def xlam(answers: str = "[]", tools: str = "[]") -> dict[str, Any]:
    return {"query": "Weather?", "answers": answers, "tools": tools, "reply": "It rains."}


def sharegpt(*turns: tuple[str, str], tools: str = "[]") -> dict[str, Any]:
    return {"conversations": [{"from": speaker, "value": value} for speaker, value in turns], "tools": tools}


ROWS: dict[str, tuple[Any, str]] = {
    "a list": ([1], "a list, not an object"),
    "of no known form": ({"text": "a"}, "is not in openai form: it has no messages; its keys are text"),
    "of another form": (
        {"instruction": "a", "output": "b"},
        "it is in alpaca form: put rows of one form into one file",
    ),
    "no messages": (chat(), "messages: must be a list with at least one entry"),
    "a message that is text": (chat("Hi"), "messages[0]: must be a message"),
    "no role": (chat({"content": "a"}), "messages[0].role: must be one of system, developer, user, assistant"),
    "a wrong role": (chat(USER, {"role": "bot", "content": "a"}), "messages[1].role: must be one of"),
    "a number as content": (chat({"role": "user", "content": 5}), "messages[0].content: must be text, not a number"),
    "an image": (
        chat({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}),
        "messages[0].content[0]: must be",
    ),
    "no user": (chat({"role": "system", "content": "a"}), "messages: hold no user message"),
    "assistant first": (chat(ANSWER, USER), "messages[0]: the assistant speaks first"),
    "an empty answer": (chat(USER, {"role": "assistant", "content": " \n"}), "messages[1]: the assistant says nothing"),
    "two system messages": (
        chat({"role": "system", "content": "a"}, {"role": "developer", "content": "b"}, USER, ANSWER),
        "messages[1]: the system message is a second one: join them",
    ),
    "system in the middle": (
        chat(USER, ANSWER, {"role": "system", "content": "a"}),
        "messages[2]: the system message must stand first",
    ),
    "a weight of a half": (chat(USER, {**ANSWER, "weight": 0.5}), "messages[1].weight: is 0.5: it must be 0"),
    "a weight that is text": (chat(USER, {**ANSWER, "weight": "1"}), "messages[1].weight: is '1': it must be 0"),
    "a question to learn": (chat({**USER, "weight": 1}, ANSWER), "messages[0].weight: is 1 on a user message"),
    "reasoning apart": (chat(USER, {**ANSWER, "reasoning_content": "hm"}), "messages[1].reasoning_content: cannot"),
    "an undeclared tool": (
        chat(USER, call(name="send_mail")),
        "messages[1]: calls 'send_mail', which is no tool of this row: it offers get_weather",
    ),
    "a call without tools": (chat(USER, call(), tools=()), "messages[1]: calls 'get_weather', which is no tool"),
    "a call by the user": (chat({**call(), "role": "user"}), "messages[0].tool_calls: stand in a user message"),
    "a call without a name": (chat(USER, call(name="")), "messages[1].tool_calls[0].function.name: is missing"),
    "arguments that are a list": (
        chat(USER, call(arguments="[1]")),
        "messages[1].tool_calls[0].function.arguments: must be an object, not a list",
    ),
    "unbalanced arguments": (
        chat(USER, call(arguments='{"city": "Oslo"')),
        "messages[1].tool_calls[0].function.arguments: is not valid JSON: EOF while parsing an object (column 15)",
    ),
    "a result first": (chat(USER, result("c1")), "messages[1]: is a tool result, and no call stands before it"),
    "a result of another call": (chat(USER, call(), result("c2")), "messages[2].tool_call_id: 'c2' is the id of none"),
    "two results of a call": (chat(USER, call(), result("c1"), result("c1")), "messages[3].tool_call_id: 'c1' has a"),
    "a result too many": (
        chat(USER, call(), result("c1"), {"role": "tool", "content": "sun"}),
        "messages[3]: is one tool result too many",
    ),
    "a result after an answer": (
        chat(USER, call(), ANSWER, result("c1")),
        "messages[3]: is a tool result, and no call",
    ),
    "a result of another tool": (
        chat(USER, call(), {**result("c1"), "name": "send_mail"}),
        "messages[2].name: is 'send_mail', and the call that it answers is to 'get_weather'",
    ),
    "a tool that is text": (chat(USER, ANSWER, tools=("f",)), "tools[0]: must be a tool, an object with a name"),
    "tools that are no list": (chat(USER, ANSWER, tools={"a": 1}), "tools: must be a list, not an object"),
    "a tool without a name": (chat(USER, ANSWER, tools=({"description": "a"},)), "tools[0].name: is missing"),
    "a name with quotes": (chat(USER, ANSWER, tools=({"name": 'a"b'},)), "tools[0].name: is 'a\"b': quotation marks"),
    "two tools of one name": (
        chat(USER, ANSWER, tools=({"name": "f"}, {"name": "f", "description": "g"})),
        "tools[1].name: 'f' is the name of another tool too",
    ),
    "parameters as a list": (with_parameters(["city"]), "tools[0].function.parameters: must be a JSON Schema object"),
    "parameters of a string": (with_parameters({"type": "string"}), "parameters: must be a JSON Schema object: {"),
    "flat parameters": (with_parameters({"city": {"type": "str"}}), "parameters: must be a JSON Schema object: {"),
    "a type of no schema": (
        with_parameters({"type": "object", "properties": {"day": {"type": "Datum"}}}),
        "tools[0].function.parameters.properties.day.type: is 'Datum', which is no type of JSON Schema",
    ),
    "required as a flag": (
        with_parameters({"type": "object", "properties": {"day": {"type": "string", "required": True}}}),
        "tools[0].function.parameters.properties.day.required: must be a list of parameter names",
    ),
    "NUL in a text": (
        chat(USER, {"role": "assistant", "content": "a\0"}),
        "messages[1].content: holds a NUL character",
    ),
}
"""A JSONL row that follows a good one of OpenAI's form, and what is said of it."""

XLAM_ROWS: dict[str, tuple[Any, str]] = {
    "unbalanced answers": (xlam('[{"name": "f"'), "answers: is not valid JSON: EOF while parsing an object"),
    "unbalanced tools": (xlam(tools='[{"name": "f}]'), "tools: is not valid JSON: EOF while parsing a string"),
    "nothing to learn": ({**xlam(), "reply": ""}, "answers: is empty and there is no `reply`"),
    "answers that are no list": (xlam("7"), "answers: must be a list, not a number"),
    "an undeclared tool": (xlam('[{"name": "f", "arguments": {}}]'), "answers: calls 'f', which is no tool"),
    "a parameter that is text": (
        xlam(tools='[{"name": "f", "parameters": {"city": "str"}}]'),
        "tools[0].parameters.city: must be an object with a type, not a string",
    ),
}
SHAREGPT_ROWS: dict[str, tuple[Any, str]] = {
    "an unknown speaker": (sharegpt(("human", "a"), ("bard", "b")), "conversations[1].from: must be one of human"),
    "gpt first": (sharegpt(("gpt", "a"), ("human", "b")), "conversations[0]: the assistant speaks first"),
    "a call cut off": (
        sharegpt(("human", "a"), ("function_call", '{"name": "f", "arguments": {"a": ')),
        "conversations[1].value: is not valid JSON: EOF while parsing a value",
    ),
    "an undeclared tool": (
        sharegpt(("human", "a"), ("function_call", '{"name": "f", "arguments": {}}')),
        "conversations[1]: calls 'f', which is no tool of this row: it offers none",
    ),
    "an observation of nothing": (
        sharegpt(("human", "a"), ("observation", "b")),
        "conversations[1]: is a tool result, and no call stands before it",
    ),
}
LINES: dict[str, tuple[bytes, str]] = {
    "two objects": (b'{"messages": []} {"messages": []}', "is not valid JSON: trailing characters (column 18)"),
    "a row over two lines": (b'{"messages":\n[]}', "is not valid JSON: EOF while parsing a value (column 12)"),
    "Python's quotes": (b"{'messages': []}", "is not valid JSON: key must be a string"),
    "NaN": (b'{"messages": NaN}', "is not valid JSON: a value is missing, or is none of JSON's (NaN,"),
    "a key twice": (b'{"messages": [], "messages": []}', 'is not valid JSON: Detected duplicate key "messages"'),
    "a lone surrogate": (b'{"messages": "\\ud800"}', "holds half of a surrogate pair"),
    "Latin-1": ('{"messages": "é"}'.encode("latin-1"), "is not UTF-8 text: convert the file first"),
    "a control character": (b'{"messages": "\x01"}', "is not valid JSON: control character"),
    "300 levels": (b'{"messages": ' + b"[" * 300 + b"]" * 300 + b"}", "is nested deeper than 200 levels"),
    "100 MB": (b'{"messages": "' + b"x" * 100_000_000 + b'"}', "is longer than 16,000,000 bytes"),
    "a number beyond all": (
        json.dumps(chat(USER, call(arguments='{"days": 1e999}'))).encode(),
        "messages[1].tool_calls[0].function.arguments.days: is NaN, or a number that is too large",
    ),
}
"""The bytes of a second row, and what is said of it."""


def parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(pa.Table.from_pylist(rows), sink)
    return bytes(sink.getvalue())


BOMB = gzip.compress((json.dumps({"instruction": "x" * 1_000_000, "output": "y"}).encode() + b"\n") * 60, mtime=0)
FILES: dict[str, tuple[str, bytes, str]] = {
    "no rows": ("data.jsonl", b"\n", "data.jsonl holds no rows"),
    "CSV": ("data.jsonl", b"instruction,output\na,b\n", "data.jsonl is no JSON but looks like CSV (row 1 begins"),
    "UTF-16": ("data.jsonl", json.dumps(GOOD).encode("utf-16"), "data.jsonl is text in UTF-16: convert it to UTF-8"),
    "a zip archive": ("data.json", b"PK\x03\x04...", "data.json is a zip archive: unpack it"),
    "a zip bomb": ("data.jsonl.gz", BOMB, "data.jsonl.gz unpacks to more than 50,000,000 bytes"),
    "gzip cut off": ("data.json.gz", gzip.compress(b"[{}, {}]", mtime=0)[:-9], "data.json.gz is a broken gzip file"),
    "Parquet cut off": ("data.parquet", parquet([GOOD])[:-9], "data.parquet is a broken Parquet file"),
    "a list cut off": ("data.json", b'[{"messages": [', "data.json is not valid JSON: the file ends within row 1"),
    "unknown form": ("data.jsonl", b'{"text": "a"}', "data.jsonl, row 1: has the keys text, which fit no known form"),
    "bytes in Parquet": (
        "data.parquet",
        parquet([{"instruction": "a", "output": b"b"}]),
        "data.parquet, row 1: output: is a bytes, which JSON does not have",
    ),
}


def refuse(refusal: Refusal, services: Services, base_model: Path, name: str, content: bytes) -> str:
    """The message with which a job over such a file is refused; the file is all that stays, as it was."""
    path = services.data_root / name
    path.write_bytes(content)
    before = sorted(services.data_root.iterdir())
    error = refusal.of(job_on(base_model, name))
    assert (error["code"], error["param"]) == ("bad_data", "stages[0].data.source")
    assert sorted(services.data_root.iterdir()) == before
    assert path.read_bytes() == content
    path.unlink()
    return str(error["message"])


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_is(refusal: Refusal, services: Services, base_model: Path, name: str) -> None:
    row, problem = ROWS[name]
    content = f"{json.dumps(GOOD)}\n{json.dumps(row)}\n".encode()
    message = refuse(refusal, services, base_model, "data.jsonl", content)
    assert "data.jsonl, row 2: " in message
    assert problem in message


@pytest.mark.parametrize("name", LINES)
def test_a_line_that_is(refusal: Refusal, services: Services, base_model: Path, name: str) -> None:
    line, problem = LINES[name]
    content = json.dumps(GOOD).encode() + b"\n" + line
    message = refuse(refusal, services, base_model, "data.jsonl", content)
    assert "row 2: " in message
    assert problem in message


@pytest.mark.parametrize("row", [*XLAM_ROWS.values(), *SHAREGPT_ROWS.values()], ids=[*XLAM_ROWS, *SHAREGPT_ROWS])
def test_a_row_of_another_form_that_is(
    refusal: Refusal, services: Services, base_model: Path, row: tuple[Any, str]
) -> None:
    value, problem = row
    message = refuse(refusal, services, base_model, "data.json", json.dumps([value]).encode())
    assert f"data.json, row 1: {problem}" in message


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is(refusal: Refusal, services: Services, base_model: Path, kind: str) -> None:
    name, content, problem = FILES[kind]
    assert problem in refuse(refusal, services, base_model, name, content)


def test_all_bad_rows_are_told_at_once(refusal: Refusal, services: Services, base_model: Path) -> None:
    rows = [GOOD if number % 2 else {"messages": [ANSWER]} for number in range(1, 61)]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    message = refuse(refusal, services, base_model, "data.jsonl", content)
    assert "data.jsonl: 30 of the 60 rows read are bad" in message
    assert message.count("the assistant speaks first") == 20
    assert "row 40: messages[0]: the assistant speaks first" in message
    assert message.endswith("and 10 more")


def test_bad_rows_are_left_out_where_the_job_says_so(refusal: Refusal, services: Services, base_model: Path) -> None:
    rows = [GOOD, {"messages": [ANSWER]}, GOOD, {}]
    (services.data_root / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    body = job_on(base_model, "data.jsonl")
    body["stages"][0]["data"]["on_bad_row"] = "drop"
    answer = refusal.client.post("/jobs", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["plan"]["stages"][0]["rows"] == 2
    # Its doorbell, which rings a little later, shall not be taken for one of the test that follows.
    wait_until(lambda: refusal.broker.llen(JOBS) == 1, deadline_s=30)


def test_a_file_of_bad_rows_only_is_refused_even_so(refusal: Refusal, services: Services, base_model: Path) -> None:
    (services.data_root / "data.jsonl").write_text('{"messages": []}\n' * 3)
    body = job_on(base_model, "data.jsonl")
    body["stages"][0]["data"]["on_bad_row"] = "drop"
    assert "data.jsonl: 3 of the 3 rows read are bad" in refusal.of(body)["message"]
