"""Chat and speed of a served model, by a real vLLM: figures, a comparison with the model before, a judge."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.successors import Tensors
from core.chat_regression import ChatRegression
from core.spec import DatasetSpec, JudgeSpec
from core.storage import read_json
from tests.conftest import Services
from tests.inference import checkpoints
from tests.inference.conftest import gateway, gateway_env, models  # noqa: F401  the fixtures of a gateway with a vLLM
from tests.inference.gateway import Gateway, deploy
from tests.worker.conftest import TINY_BASE
from tests.worker.training import events, run_to_end
from worker.stages.chat_quality import kept
from worker.stages.evaluate_run import EarlierModel, EvaluationRun
from worker.stages.speed import ANSWER_TOKENS, PROMPT_TOKENS

BASE, OTHER = "tiny-base", "forgetful"
ROWS = 12


@pytest.fixture(scope="module")
def keys(services: Services, gateway: Gateway) -> Iterator[None]:  # noqa: F811
    """What the programs find in their environment; the judge is the served model itself."""
    patch = pytest.MonkeyPatch()
    patch.setenv("OPENAI_API_KEY", services.admin_key)
    patch.setenv("TUNESMITH_JUDGE_URL", f"{gateway.url}/v1")
    patch.setenv("TUNESMITH_JUDGE_API_KEY", services.admin_key)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Conversations that the base has not been trained on."""
    folder = tmp_path_factory.mktemp("data")
    facts = ("Snow is white.", "Grass is green.", "A dog is an animal.", "Rome is a city in Italy.")
    rows = [
        [{"role": "user", "content": f"Tell me something about {n}."}, {"role": "assistant", "content": facts[n % 4]}]
        for n in range(ROWS)
    ]
    (folder / "chat.jsonl").write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
    return folder


def forget(tensors: Tensors) -> None:
    """Attention brings nothing any more."""
    for name, value in tensors.items():
        if "o_proj" in name:
            tensors[name] = value * 0


def evaluate(folder: Path, running: Gateway, data_root: Path, model: str, **changes: Any) -> dict[str, Any]:
    """The scores of the model; the speed is left out unless the changes say otherwise."""
    folder.mkdir(parents=True)
    fields = {"suites": {}, "max_tokens": 32, "concurrency": 8, "speed": False, **changes}
    run = EvaluationRun(
        base_url=f"{running.url}/v1",
        model=model,
        tokenizer=str(TINY_BASE),
        data_root=str(data_root),
        files_root=str(data_root / "files"),
        chat=DatasetSpec(source="chat.jsonl"),
        **fields,
    )
    (folder / "evaluation.json").write_text(run.model_dump_json())
    code = run_to_end("evaluate", folder)
    assert code == 0, (folder.parent / "evaluate.log").read_text()[-2000:]
    found: dict[str, Any] = read_json(folder / "evaluate.json")
    return found


@pytest.fixture(scope="module")
def of_base(gateway: Gateway, data_root: Path, tmp_path_factory: pytest.TempPathFactory, keys: None) -> Path:  # noqa: F811
    """The run directory of an evaluation of the base, speed included."""
    run = tmp_path_factory.mktemp("base") / "run"
    evaluate(run, gateway, data_root, BASE, speed=True)
    return run


def test_every_row_is_measured_and_kept(of_base: Path) -> None:
    chat = read_json(of_base / "evaluate.json")["chat"]
    rows = [answer.row for answer in kept(of_base)]
    assert chat["rows"] == len(rows) == ROWS
    assert len({row.key for row in rows}) == ROWS
    assert chat["loss"]["tokens"] == sum(row.tokens for row in rows)
    assert chat["loss"]["value"] == pytest.approx(sum(row.nats for row in rows) / chat["loss"]["tokens"], abs=1e-4)
    assert 1 < chat["loss"]["value"] < 10
    assert all(chat[share]["n"] == ROWS for share in ("stop_rate", "empty_rate", "repetition_rate"))
    assert chat["regression"] is chat["judge"] is None


def test_the_speed_is_that_of_requests_of_one_size(of_base: Path) -> None:
    speed = read_json(of_base / "evaluate.json")["speed"]
    assert (speed["prompt_tokens"], speed["answer_tokens"]) == (PROMPT_TOKENS, ANSWER_TOKENS)
    assert (speed["1"]["requests"], speed["8"]["requests"]) == (4, 16)
    for clients in ("1", "8"):
        assert 0 < speed[clients]["token_ms"] < speed[clients]["first_token_ms"]
    assert speed["gain"] == pytest.approx(speed["8"]["tokens_per_s"] / speed["1"]["tokens_per_s"], abs=0.01)


def test_the_same_model_measured_twice_has_forgotten_nothing(
    gateway: Gateway, of_base: Path, data_root: Path, tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    before = EarlierModel(stage="base", folder=str(of_base))
    scores = evaluate(tmp_path / "run", gateway, data_root, BASE, before=before)
    found = ChatRegression.model_validate(scores["chat"]["regression"])
    assert (found.before, found.rows) == ("base", ROWS)
    assert found.loss is not None
    assert abs(found.loss.value) < 0.01
    assert found.findings() == []
    assert scores["speed"] is None


def test_a_model_that_forgot_is_found_and_judged_in_both_orders(
    gateway: Gateway, models: Path, of_base: Path, data_root: Path, tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    assert deploy(OTHER, checkpoints.edited(models / OTHER, forget)).status == "live"
    run, before = tmp_path / "run", EarlierModel(stage="base", folder=str(of_base))
    judge = JudgeSpec(model=OTHER, rows=5)
    chat = evaluate(run, gateway, data_root, OTHER, before=before, judge=judge)["chat"]
    found = ChatRegression.model_validate(chat["regression"])
    assert found.loss is not None
    assert found.loss.low > 0.05
    assert "the held-out chat loss" in found.findings()[0]
    verdict = chat["judge"]
    assert (verdict["model"], verdict["against"], verdict["rows"]) == (OTHER, "base", 5)
    assert verdict["wins"] + verdict["ties"] + verdict["losses"] + verdict["unreadable"] == 5
    answers = [json.loads(line)["answer"] for line in (run / "asked.jsonl").read_bytes().splitlines()]
    assert len([answer for answer in answers if "reply" in answer]) == 2 * (5 - verdict["identical"])


def test_a_judge_that_is_gone_fails_nothing(
    gateway: Gateway, of_base: Path, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    monkeypatch.setenv("TUNESMITH_JUDGE_API_KEY", "no-key-of-the-gateway")
    run, before = tmp_path / "run", EarlierModel(stage="base", folder=str(of_base))
    chat = evaluate(run, gateway, data_root, OTHER, before=before, judge=JudgeSpec(model=OTHER))["chat"]
    assert chat["judge"] is None
    assert chat["regression"]["rows"] == ROWS
    [failed] = events(run, "judge.failed")
    assert "it answered 401" in failed["why"]
    assert "no-key" not in str(events(run))
