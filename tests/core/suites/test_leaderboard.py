"""The leaderboard's files are read as they are, and what is missing in them is told row by row."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadData
from core.rows import raw_rows
from core.spec import SuiteSpec
from core.suites import Question, read_suite

LEADERBOARD = Path(__file__).parents[4] / "shared" / "data" / "bfcl"
FUNCTION = {
    "name": "math.power",
    "description": "Raise a number.",
    "parameters": {
        "type": "dict",
        "properties": {
            "base": {"type": "float"},
            "exponents": {"type": "array", "items": {"type": "integer"}},
            "point": {"type": "tuple", "items": {"type": "float"}},
            "label": {"type": "any", "description": "whatever"},
        },
        "required": ["base"],
    },
}


def row(id_: str = "simple_python_0", **members: Any) -> dict[str, Any]:
    question = [[{"role": "user", "content": "What is 2 to the 3?"}]]
    return {"id": id_, "question": question, "function": [FUNCTION], **members}


def answer(id_: str = "simple_python_0", **arguments: list[Any]) -> dict[str, Any]:
    return {"id": id_, "ground_truth": [{"math.power": arguments}]}


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return path


def read(folder: Path, rows: list[dict[str, Any]], answers: list[dict[str, Any]] | None, **spec: Any) -> list[Question]:
    accepted = None if answers is None else written(folder / "accepted.jsonl", *answers)
    raw = raw_rows(written(folder / "suite.jsonl", *rows))
    return read_suite(SuiteSpec(source="suite.jsonl", **spec), raw, "suite.jsonl", accepted).questions


def test_a_row_becomes_a_request_and_the_calls_that_are_right(tmp_path: Path) -> None:
    [question] = read(tmp_path, [row()], [answer(base=[2, 2.0], label=["", "x"])])
    assert question.kind == "simple_python"
    assert question.messages == [{"role": "user", "content": "What is 2 to the 3?"}]
    [call] = question.expected
    assert call.shown() == {
        "name": "math.power",
        "arguments": {"base": [2, 2.0], "label": ["x"]},
        "optional": ["label"],
    }
    assert question.tools is not None
    assert question.tools[0]["function"]["parameters"] == {
        "type": "object",
        "properties": {
            "base": {"type": "number"},
            "exponents": {"type": "array", "items": {"type": "integer"}},
            "point": {"type": "array", "items": {"type": "number"}},
            "label": {"description": "whatever"},
        },
        "required": ["base"],
    }


def test_a_file_without_accepted_answers_asks_what_no_function_fits(tmp_path: Path) -> None:
    [question] = read(tmp_path, [row("irrelevance_7")], None)
    assert (question.kind, question.expected) == ("irrelevance", ())


@pytest.mark.parametrize("id_", ["simple_python_1", "live_multiple_3-2-0", "parallel_9", "live_relevance_0"])
def test_a_category_that_expects_calls_needs_its_accepted_answers(tmp_path: Path, id_: str) -> None:
    with pytest.raises(BadData, match=rf"'{id_}' is of a category that expects calls: name the file of accepted"):
        read(tmp_path, [row(id_)], None)


def test_every_row_without_an_accepted_answer_is_named(tmp_path: Path) -> None:
    rows = [row("simple_python_0"), row("simple_python_1"), row("simple_python_2")]
    with pytest.raises(BadData) as refused:
        read(tmp_path, rows, [answer("simple_python_1", base=[2])])
    assert "row 1: id: 'simple_python_0' has no accepted answer in accepted.jsonl" in refused.value.message
    assert "row 3: id: 'simple_python_2' has no accepted answer" in refused.value.message
    assert "row 2" not in refused.value.message


def test_rows_that_cannot_be_judged_can_be_left_out(tmp_path: Path) -> None:
    rows = [row("simple_python_0"), row("simple_python_1")]
    answers = [answer("simple_python_1", base=[2])]
    [question] = read(tmp_path, rows, answers, on_bad_row="drop")
    assert question.origin == "suite.jsonl, row 2"


def with_type(type_: str, **more: Any) -> dict[str, Any]:
    parameters = {"type": "dict", "properties": {"x": {"type": type_, **more}}, "required": []}
    return row(function=[{**FUNCTION, "parameters": parameters}])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row(question=[[{"role": "user", "content": "a"}], [{"role": "user", "content": "b"}]]), "has 2 turns"),
        (row(question=[[{"role": "assistant", "content": "a"}]]), "must end with what the user says"),
        (row(question=[[{"role": "robot", "content": "a"}]]), "must be one of system, user, assistant, not 'robot'"),
        (row(question="Hi"), "question: must be a list"),
        (row(id_=""), "id: is missing"),
        (with_type("HashMap"), "is 'HashMap', which is no type"),
        (with_type("List[int]"), "has the type 'List\\[int\\]'"),
        (with_type("array"), "items: must have one of the types"),
        (row(function=[{"name": "f", "parameters": {"type": "dict"}}]), "must be an object with properties"),
        (row(function=[{**FUNCTION, "name": "other"}]), "lacks 'math.power', which the accepted answer"),
        ({"id": "simple_python_0", "question": []}, "is not in bfcl form: it has no function"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_the_field(tmp_path: Path, bad: dict[str, Any], message: str) -> None:
    with pytest.raises(BadData, match=message):
        read(tmp_path, [bad], [answer(base=[2])], format="bfcl")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"id": "a"}, "must have an id and a ground_truth"),
        ({"id": "a", "ground_truth": [{}]}, "ground_truth\\[0\\]: must be"),
        ({"id": "a", "ground_truth": [{"f": 1}]}, "must give a list of accepted values for each argument"),
        ({"id": "a", "ground_truth": [{"f": {"x": 1}}]}, "x: must be a list of accepted values, not a number"),
        ({"id": "a", "ground_truth": [{"f": {"x": [{"y": 1}]}}]}, "for each member of an object"),
        ({"id": "a", "ground_truth": [{"f": {"x": [[{"y": 1}]]}}]}, "for each member of an object"),
    ],
)
def test_accepted_answers_in_another_form_are_refused(tmp_path: Path, bad: dict[str, Any], message: str) -> None:
    with pytest.raises(BadData, match=message):
        read(tmp_path, [row()], [bad])


def test_an_id_that_stands_twice_among_the_accepted_answers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"accepted\.jsonl, row 2: id: 'simple_python_0' stands in an earlier row too"):
        read(tmp_path, [row()], [answer(base=[1]), answer(base=[2])])


@pytest.mark.skipif(not LEADERBOARD.exists(), reason="the leaderboard's files are not here")
@pytest.mark.parametrize(
    ("name", "count", "calls"), [("simple_python", 400, 400), ("multiple", 200, 200), ("irrelevance", 240, 0)]
)
def test_the_published_files_can_be_read_whole(name: str, count: int, calls: int) -> None:
    accepted = LEADERBOARD / "possible_answer" / f"{name}.jsonl"
    raw = raw_rows(LEADERBOARD / f"{name}.jsonl")
    suite = read_suite(SuiteSpec(source=f"{name}.jsonl"), raw, name, accepted if calls else None)
    assert suite.is_leaderboard
    assert len(suite.questions) == count
    assert sum(len(question.expected) for question in suite.questions) == calls
    assert {question.kind for question in suite.questions} == {name}
    assert len({question.key for question in suite.questions}) > 0.95 * count
