"""Everything a job can get wrong is refused with a clear error, and leaves nothing behind."""

import contextlib
import json
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.api.bodies import RECIPE, job_on, write_base_model, write_rows
from tests.api.refusal import Refusal
from tests.conftest import Services

Json = dict[str, Any]


@pytest.fixture
def rows(services: Services) -> str:
    return write_rows(services.data_root / "rows.jsonl")


def test_an_unknown_key_is_named_with_its_nearest_neighbour(refusal: Refusal) -> None:
    error = refusal.of({**RECIPE, "sufix": "x"})
    assert error["param"] == "sufix"
    assert "sufix is not a known key: did you mean suffix?" in error["message"]


def test_an_unknown_nested_key_lists_the_keys_known_there(refusal: Refusal, base_model: Path, rows: str) -> None:
    error = refusal.of(job_on(base_model, rows, lora={"rank": 8}))
    assert error["param"] == "stages[0].lora.rank"
    assert "known here are r, alpha, dropout, target_modules" in error["message"]


def test_an_unknown_base_model_path(refusal: Refusal) -> None:
    error = refusal.of({"base_model": "/nowhere/model"})
    assert (error["code"], error["param"]) == ("unknown_base_model", "base_model")
    assert "/nowhere/model" in error["message"]


@pytest.mark.parametrize("name", ["qwen", "a/b/c", "../model", "owner/", "-x/y", "Qwen/Qwen 3B"])
def test_a_base_model_that_is_neither_a_path_nor_a_hub_name(refusal: Refusal, name: str) -> None:
    assert refusal.of({"base_model": name})["code"] == "unknown_base_model"


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "holds no *.safetensors"),
        ("tokenizer.json", "has no tokenizer.json"),
        ("chat_template.jinja", "has no chat template"),
    ],
)
def test_a_base_model_with_a_part_missing(refusal: Refusal, tmp_path: Path, missing: str, message: str) -> None:
    folder = write_base_model(tmp_path / "model")
    (folder / missing).unlink()
    assert message in refusal.of({"base_model": str(folder)})["message"]


def test_a_base_model_of_an_unsupported_architecture(refusal: Refusal, tmp_path: Path) -> None:
    folder = write_base_model(tmp_path / "model", architectures=["BertModel"])
    assert "BertModel" in refusal.of({"base_model": str(folder)})["message"]


def test_an_empty_data_set(refusal: Refusal, services: Services, base_model: Path) -> None:
    (services.data_root / "empty.jsonl").write_text("")
    error = refusal.of(job_on(base_model, "empty.jsonl"))
    assert (error["code"], error["param"]) == ("bad_data", "stages[0].data.source")
    assert "empty.jsonl holds no rows" in error["message"]


def test_a_data_set_whose_rows_are_all_masked(refusal: Refusal, services: Services, base_model: Path) -> None:
    source = write_rows(services.data_root / "masked.jsonl", count=7, weight=0)
    error = refusal.of(job_on(base_model, source))
    assert error["code"] == "bad_data"
    assert "none of its 7 rows has an assistant message to train on" in error["message"]


def test_a_data_set_with_a_broken_row_names_the_row(refusal: Refusal, services: Services, base_model: Path) -> None:
    write_rows(services.data_root / "broken.jsonl", count=2)
    with (services.data_root / "broken.jsonl").open("a") as file:
        file.write("{not json\n")
    assert "broken.jsonl, row 3" in refusal.of(job_on(base_model, "broken.jsonl"))["message"]


@pytest.mark.parametrize("source", ["absent.jsonl", "x" * 300 + ".jsonl", "rows", "rows.csv", "folder.jsonl"])
def test_a_data_set_that_is_not_there(refusal: Refusal, services: Services, base_model: Path, source: str) -> None:
    (services.data_root / "folder.jsonl").mkdir(exist_ok=True)
    assert refusal.of(job_on(base_model, source))["param"] == "stages[0].data.source"


def judged_by(base_model: Path, rows: str, chat: str, **judge: Any) -> Json:
    evaluation = {"chat": {"source": chat}, "judge": {"model": "large", **judge}}
    return {**job_on(base_model, rows), "evaluation": evaluation}


def test_a_judge_within_the_network_is_refused_with_all_other_problems(
    refusal: Refusal, base_model: Path, rows: str
) -> None:
    error = refusal.of(judged_by(base_model, rows, "absent.jsonl", base_url="http://localhost:8002/v1"))
    assert (error["code"], error["param"]) == ("judge_not_public", "evaluation.judge.base_url")
    assert "TUNESMITH_JUDGE_PRIVATE" in error["message"]
    assert [problem["param"] for problem in error["problems"]] == [error["param"], "evaluation.chat.source"]


def test_a_judge_that_nobody_has_named(refusal: Refusal, base_model: Path, rows: str) -> None:
    assert "set TUNESMITH_JUDGE_URL" in refusal.of(judged_by(base_model, rows, rows))["message"]


def test_a_further_evaluation_set_that_is_not_there(refusal: Refusal, base_model: Path, rows: str) -> None:
    body = {**job_on(base_model, rows), "evaluation": {"suites": {"hard": {"source": "absent.jsonl"}}}}
    assert refusal.of(body)["param"] == "evaluation.suites.hard.source"


@pytest.mark.parametrize(
    ("suite", "param", "problem"),
    [
        ({"source": "suite.jsonl", "accepted": "absent.jsonl"}, "accepted", "'absent.jsonl' does not exist"),
        ({"source": "suite.jsonl", "accepted": "../x.jsonl"}, "accepted", "lies outside of"),
        ({"source": "suite.jsonl", "accepted": "answers.jsonl"}, "source", "'simple_1' has no accepted answer"),
        ({"source": "suite.jsonl"}, "source", "'simple_1' is of a category that expects calls"),
        ({"source": "rows.jsonl", "accepted": "answers.jsonl"}, "accepted", "is no BFCL file"),
        ({"source": "suite.jsonl", "format": "openai"}, "source", "is not in openai form"),
    ],
)
def test_a_suite_that_cannot_be_judged(
    refusal: Refusal, services: Services, base_model: Path, rows: str, suite: Json, param: str, problem: str
) -> None:
    function = {"name": "f", "parameters": {"type": "dict", "properties": {}}}
    question = {"id": "simple_1", "question": [[{"role": "user", "content": "Do it."}]], "function": [function]}
    (services.data_root / "suite.jsonl").write_text(json.dumps(question) + "\n")
    (services.data_root / "answers.jsonl").write_text(json.dumps({"id": "other", "ground_truth": []}) + "\n")
    write_rows(services.data_root / "rows.jsonl", count=2)
    refused = refusal.of({**job_on(base_model, rows), "evaluation": {"suites": {"hard": suite}}})
    assert refused["param"] == f"evaluation.suites.hard.{param}"
    assert problem in refused["message"]


def test_every_suite_that_cannot_be_used_is_named(refusal: Refusal, base_model: Path, rows: str) -> None:
    suites = {"one": {"source": "absent1.jsonl"}, "two": {"source": "absent2.jsonl", "accepted": "absent3.jsonl"}}
    body = {**job_on(base_model, rows), "evaluation": {"tools": {"source": "absent4.jsonl"}, "suites": suites}}
    message = refusal.of(body)["message"]
    assert all(f"'absent{number}.jsonl'" in message for number in (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("suites", "problem"),
    [
        ({"tools": {"source": "a.jsonl"}}, "a suite cannot be called 'tools'"),
        ({"x": {"source": "a.jsonl", "format": "xlam", "accepted": "b.jsonl"}}, "leave out accepted"),
        ({"x": {"source": "owner/set", "format": "bfcl"}}, "a BFCL suite is read from a file"),
    ],
)
def test_a_suite_that_contradicts_itself(
    refusal: Refusal, base_model: Path, rows: str, suites: Json, problem: str
) -> None:
    assert problem in refusal.of({**job_on(base_model, rows), "evaluation": {"suites": suites}})["message"]


@pytest.mark.parametrize("hold_out_rows", [20, 21, 9_999])
def test_holding_out_every_row(refusal: Refusal, base_model: Path, rows: str, hold_out_rows: int) -> None:
    error = refusal.of({**job_on(base_model, rows), "evaluation": {"hold_out_rows": hold_out_rows}})
    assert error["param"] == "evaluation.hold_out_rows"
    assert f"is {hold_out_rows}, and rows.jsonl has 20 rows: none would be left to train on" in error["message"]


def test_held_out_rows_beside_a_held_out_file(refusal: Refusal, base_model: Path, rows: str) -> None:
    evaluation = {"hold_out_rows": 5, "tools": {"source": rows}}
    message = refusal.of({**job_on(base_model, rows), "evaluation": evaluation})["message"]
    assert "tools and hold_out_rows both name the held-out rows" in message


@pytest.mark.parametrize("source", ["../outside.jsonl", "/etc/hosts.json", "link.jsonl"])
def test_a_data_set_outside_of_the_data_root(
    refusal: Refusal, services: Services, base_model: Path, source: str
) -> None:
    write_rows(services.data_root.parent / "outside.jsonl")
    link = services.data_root / "link.jsonl"
    link.unlink(missing_ok=True)
    link.symlink_to("../outside.jsonl")
    assert "lies outside of" in refusal.of(job_on(base_model, source))["message"]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("a/../../outside.jsonl", "lies outside of"),
        ("..\\outside.jsonl", "does not exist"),
        ("/dev/zero.jsonl", "lies outside of"),
        ("zero.jsonl", "lies outside of"),
        ("loop.jsonl", "cannot be opened"),
        ("dangling.jsonl", "does not exist"),
        ("device.jsonl", "is no regular file"),
        ("socket.jsonl", "is no regular file"),
        ("pipe.jsonl", "is no regular file"),
        ("rows\0.jsonl", "NUL"),
        ("~/rows.jsonl", "does not exist"),
        ("%2e%2e/outside.jsonl", "does not exist"),
    ],
)
def test_a_data_set_that_is_no_plain_file_is_refused_at_once(
    refusal: Refusal, services: Services, base_model: Path, source: str, says: str
) -> None:
    root, made = services.data_root, []
    write_rows(root.parent / "outside.jsonl")
    links = {"zero.jsonl": "/dev/zero", "loop.jsonl": "loop.jsonl", "dangling.jsonl": "absent.jsonl"}
    for name, target in links.items():
        (root / name).symlink_to(target)
        made.append(root / name)
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(root):
        listener.bind("socket.jsonl")
        os.mkfifo("pipe.jsonl")
        made += [root / "socket.jsonl", root / "pipe.jsonl"]
        try:
            if source == "device.jsonl":
                os.mknod(root / source, stat.S_IFCHR | 0o600, os.makedev(1, 5))
                made.append(root / source)
            assert says in refusal.of(job_on(base_model, source))["message"]
        except PermissionError:
            pytest.skip("only root makes device files")
        finally:
            for path in made:
                path.unlink()


@pytest.mark.parametrize(
    ("stage", "param", "message"),
    [
        ({"lora": {"r": 0}}, "stages[0].lora.r", "greater than or equal to 1"),
        ({"learning_rate": -0.1}, "stages[0].learning_rate", "greater than 0"),
        ({"batch_size": "four"}, "stages[0].batch_size", "valid integer"),
        ({"max_seq_length": 4096}, "stages[0].max_seq_length", "at most 2048 tokens"),
    ],
)
def test_a_value_beyond_its_limit_names_field_value_and_limit(
    refusal: Refusal, base_model: Path, rows: str, stage: dict[str, Any], param: str, message: str
) -> None:
    error = refusal.of(job_on(base_model, rows, **stage))
    assert error["param"] == param
    assert error["message"].startswith(param)
    assert message in error["message"]
    assert "stages is" not in error["message"]


def test_every_problem_is_told_at_once(refusal: Refusal) -> None:
    body = job_on(Path("/nowhere/model"), "absent.jsonl")
    error = refusal.of(body)
    assert "/nowhere/model" in error["message"]
    assert "absent.jsonl" in error["message"]
    assert [(one["param"], one["code"]) for one in error["problems"]] == [
        ("base_model", "unknown_base_model"),
        ("stages[0].data.source", "bad_data"),
    ]


def test_every_problem_of_the_schema_is_listed(refusal: Refusal, base_model: Path, rows: str) -> None:
    error = refusal.of(job_on(base_model, rows, learning_rate=-1, lora={"r": 0}))
    assert {one["param"] for one in error["problems"]} == {"stages[0].learning_rate", "stages[0].lora.r"}


def test_a_value_that_the_database_cannot_hold(refusal: Refusal) -> None:
    assert "NUL" in refusal.of({**RECIPE, "metadata": {"note": "a\0b"}})["message"]


def test_a_spec_of_10_mb(refusal: Refusal) -> None:
    error = refusal.of({**RECIPE, "metadata": {"note": "x" * 10_000_000}}, status=413)
    assert error["code"] == "body_too_large"
    assert "1,000,000 bytes" in error["message"]
