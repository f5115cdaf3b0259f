"""The real vLLM renders and reads rows as they are trained, and a model of which that is not true never goes live."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from cli.migrate import PROJECT
from core import model_registry
from core.db import transaction
from core.models import Deployment
from core.parity import KindCount, ParityRecord, Question
from core.rows import Row, joined, read_rows
from examples.data.make import Sizes, make
from tests.inference import checkpoints
from tests.inference.gateway import ALIAS, Gateway, deploy, register
from tests.inference.questions import ASKS, SCHEMA, STAGE, TOOL, call, calling, stage_of, trained_on
from worker.stages.parity import sample
from worker.stages.render import load_tokenizer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
Json = dict[str, Any]
TURN_END = 2
"""`<|im_end|>` of the tiny model."""
GLAIVE = PROJECT.parent / "shared" / "data" / "glaive_toolcall_300.json"
SAYS: Json = {"role": "assistant", "content": "It is  1."}


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return load_tokenizer(str(checkpoints.BASE))


@pytest.fixture(scope="module")
def example_rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """Rows of the example job; the second half is joined to conversations of up to three exchanges."""
    folder = tmp_path_factory.mktemp("rows")
    make(folder, 0, Sizes(tools_train=2000))
    rows = list(read_rows(folder / "tools.train.jsonl", "auto", None))
    middle = len(rows) // 2
    return [*rows[:middle], *joined(rows[middle:], 3)]


def check(gateway: Gateway, questions: Iterable[Question]) -> ParityRecord:
    """What the served base makes of them, as a worker asks before it trains."""
    answer = gateway.post("/parity", {"model": "tiny-base", "job_id": stage_of(questions), "stage": STAGE})
    assert answer.status_code == 200, answer.text
    return ParityRecord.model_validate_json(answer.content)


def difference(gateway: Gateway, tokenizer: PreTrainedTokenizerFast, row: Row) -> tuple[str, str] | None:
    """What differs in the row's only answer, and how."""
    found = check(gateway, sample(tokenizer, [row], 512)).mismatch
    return None if found is None else (found.what, found.message)


def deploy_made(model_id: str, folder: Path, job_id: str) -> Deployment:
    """Deploy a model that the job has made, and wait for what becomes of it."""
    register(model_id, folder, made_by=(job_id, STAGE))
    return deploy(model_id, folder)


def record_of(model_id: str) -> ParityRecord:
    with transaction() as session:
        found = model_registry.parity_of(session, model_id)
    assert found is not None
    return found


def live(gateway: Gateway) -> str:
    """The model that answers."""
    body = {"model": ALIAS, "messages": [ASKS], "max_tokens": 1}
    answer = gateway.post("/v1/chat/completions", body)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-tunesmith-model-version"]


def tuned(folder: Path) -> Path:
    """A model as a merge leaves it: other weights, and it stops at the end of a turn."""
    checkpoints.successor(folder, seed=5)
    checkpoints.set_json(folder / "generation_config.json", eos_token_id=[TURN_END, 0])
    return folder


# ------------------------------------------------------------------ equal


def test_200_answers_of_every_kind_are_rendered_and_read_as_trained(
    gateway: Gateway, tokenizer: PreTrainedTokenizerFast, example_rows: list[Row]
) -> None:
    record = check(gateway, sample(tokenizer, example_rows, 1024, per_kind=50))
    equal = KindCount(rows=50, equal=50)
    assert record.mismatch is None
    assert {"single": equal, "parallel": equal, "multi_turn": equal, "none": equal}.items() <= record.kinds.items()
    assert record.rows == record.equal >= 200
    assert (record.served, record.end_ids, record.too_long) == ("tiny-base", [TURN_END], 0)
    assert (record.vllm, record.parser) == ("0.32.0", "Hermes2ProToolParser")
    assert set(record.tokenizer) >= {"tokenizer.json", "chat_template.jinja", "tokenizer_config.json"}


@pytest.mark.skipif(not GLAIVE.exists(), reason=f"{GLAIVE} is not there")
def test_real_conversations_of_many_turns_are_too(gateway: Gateway, tokenizer: PreTrainedTokenizerFast) -> None:
    record = check(gateway, sample(tokenizer, read_rows(GLAIVE, "auto", None), 2048, per_kind=60))
    assert record.mismatch is None
    assert record.rows == record.equal == 240
    assert record.kinds["multi_turn"].equal == 60


@pytest.mark.parametrize(
    "row",
    [
        Row([ASKS, call(x="1")], [{"type": "function", "function": {"name": "f"}}]),
        Row([ASKS, call(x="1")], [{"function": {"parameters": SCHEMA, "x-owner": "me", "name": "f"}}]),
        Row([ASKS, call(x="1")], [{"type": "function", "function": {**TOOL["function"], "strict": True}}]),
        Row([ASKS, call(a=1.0, b=True, c=None, d=[1, {"e": 'ß\n"\\ \u2028 😀'}], f=1e100, g=10**25)], [TOOL]),
        Row([ASKS, call(x="<tool_call> & <b>")], [TOOL]),
        calling(x="a composed \u00e9, and one in two parts: e\u0301"),
        Row([ASKS, call(name="g", arguments={"name": "h"})], [TOOL]),
        Row([ASKS, {**call(x="1"), "content": "Let me see."}], [TOOL]),
        Row([{"role": "developer", "content": "Be brief."}, ASKS, call()], [TOOL]),
        Row(
            [ASKS, call(x="1"), {"role": "tool", "content": '{"r": 1}'}, {"role": "assistant", "content": "1"}], [TOOL]
        ),
        Row([{"role": "user", "content": "  two  \n", "name": "bob"}, SAYS], None),
    ],
    ids=["bare", "order", "strict", "values", "tags", "accents", "names", "text", "developer", "result", "chat"],
)
def test_unusual_rows_are_rendered_and_read_as_trained(
    gateway: Gateway, tokenizer: PreTrainedTokenizerFast, row: Row
) -> None:
    assert difference(gateway, tokenizer, row) is None


TAGS = re.compile(r"</tool_call>|<\|")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(lambda text: not TAGS.search(text))
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    texts | numbers | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
arguments = st.dictionaries(texts, values, max_size=4)


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=st.lists(st.tuples(texts, st.lists(arguments, min_size=1, max_size=3)), min_size=15, max_size=15))
def test_arguments_of_any_kind_are_read_back(
    gateway: Gateway, tokenizer: PreTrainedTokenizerFast, made: list[tuple[str, list[Json]]]
) -> None:
    """But for strings that hold the tags themselves."""
    rows = []
    for asked, several in made:
        calls = [{"function": {"name": "f", "arguments": each}} for each in several]
        answer = {"role": "assistant", "content": "", "tool_calls": calls}
        rows.append(Row([{"role": "user", "content": asked}, answer], [TOOL]))
    record = check(gateway, sample(tokenizer, rows, 4096))
    assert record.mismatch is None
    assert record.rows == record.equal == len(rows)


# ------------------------------------------------------------------ different


def test_another_template_shows_where_the_prompts_part(gateway: Gateway) -> None:
    one_space = load_tokenizer(str(checkpoints.BASE))
    assert isinstance(one_space.chat_template, str)
    one_space.chat_template = one_space.chat_template.replace("'<|im_start|>assistant", "'<|im_start|> assistant")
    what, message = difference(gateway, one_space, calling(x="1")) or ("", "")
    assert what == "prompt"
    assert "training has" in message
    assert "<|im_start|> assistant" in message.split("vLLM")[0]
    assert "<|im_start|>assistant" in message.split("vLLM")[1]


def test_another_tokenizer_is_noticed(gateway: Gateway, tmp_path: Path) -> None:
    folder = checkpoints.copy_of_base(tmp_path / "model")
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["merges"] = content["model"]["merges"][:100]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    rows = [Row([{"role": "user", "content": "reservation appointment temperature"}, call(x="1")], [TOOL])]
    record = check(gateway, sample(load_tokenizer(str(folder)), rows, 512))
    assert record.mismatch is not None
    assert record.mismatch.what == "prompt"


def test_calls_that_the_parser_cannot_read_are_shown(gateway: Gateway, tokenizer: PreTrainedTokenizerFast) -> None:
    what, message = difference(gateway, tokenizer, calling(x="</tool_call>")) or ("", "")
    assert what == "calls"
    assert message == (
        "vLLM's parser reads the calls [] in the trained answer, which makes "
        '[{"name": "f", "arguments": {"x": "</tool_call>"}}]'
    )


def test_an_answer_that_holds_its_own_end_is_shown(gateway: Gateway, tokenizer: PreTrainedTokenizerFast) -> None:
    row = Row([ASKS, {"role": "assistant", "content": "A turn ends with <|im_end|> there."}], None)
    assert difference(gateway, tokenizer, row) == (
        "stop",
        "the trained answer holds '<|im_end|>' (token 2) before its end, where vLLM would stop",
    )


def test_a_value_of_another_type_is_another_call(gateway: Gateway, tokenizer: PreTrainedTokenizerFast) -> None:
    [question] = sample(tokenizer, [calling(x=1)], 512)
    record = check(gateway, [question.model_copy(update={"calls": [{"name": "f", "arguments": {"x": True}}]})])
    assert record.mismatch is not None
    assert (record.mismatch.what, record.rows, record.equal) == ("calls", 1, 0)


def test_what_vllm_refuses_is_a_mismatch_but_not_what_it_is_too_small_for(
    gateway: Gateway, tokenizer: PreTrainedTokenizerFast
) -> None:
    [question] = sample(tokenizer, [calling()], 512)
    refused = check(gateway, [question.model_copy(update={"messages": [{"role": "user", "content": 5}]})]).mismatch
    assert refused is not None
    assert refused.message.startswith("vLLM refuses the request that training has a prompt for: ValidationError")
    long = Row([{"role": "user", "content": "word " * 3000}, call()], [TOOL])
    record = check(gateway, sample(tokenizer, [long], 10_000))
    assert (record.rows, record.too_long, record.mismatch) == (0, 1, None)


# ------------------------------------------------------------------ asking


def test_only_the_admin_may_ask_and_only_about_a_stage_that_there_is(gateway: Gateway) -> None:
    body = {"model": "tiny-base", "job_id": "ftjob-1", "stage": STAGE}
    assert httpx.post(f"{gateway.url}/parity", json=body).status_code == 401
    assert error_code(gateway.post("/parity", body), 404) == "not_found"
    assert error_code(gateway.post("/parity", {**body, "stage": "../chat"}), 422) == "invalid_request"
    known = {**body, "job_id": stage_of(()), "model": "other"}
    assert error_code(gateway.post("/parity", known), 404) == "not_found"


def error_code(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"]["code"])


# ------------------------------------------------------------------ deploying


def test_a_model_that_is_served_as_it_was_trained_goes_live_with_its_record(
    gateway: Gateway, tokenizer: PreTrainedTokenizerFast, models: Path
) -> None:
    job_id = trained_on(calling(x="1"))
    deployment = deploy_made("ft:good", tuned(models / "good"), job_id)
    assert (deployment.status, deployment.strategy) == ("live", "swap"), deployment.error
    assert "parity_s" in (deployment.timings or {})
    record = record_of("ft:good")
    assert (record.checked, record.served, record.rows, record.equal) == (True, "ft:good", 1, 1)
    assert (record.end_ids, record.stop_ids) == ([TURN_END], [TURN_END, 0])
    assert live(gateway) == "ft:good"


def test_a_model_that_would_never_stop_is_put_back(
    gateway: Gateway, tokenizer: PreTrainedTokenizerFast, models: Path
) -> None:
    before = live(gateway)
    folder = tuned(models / "endless")
    checkpoints.set_json(folder / "generation_config.json", eos_token_id=[0])
    job_id = trained_on(calling(x="1"))
    deployment = deploy_made("ft:endless", folder, job_id)
    assert (deployment.status, deployment.strategy) == ("failed", "swap")
    assert "every row: the trained answers end with '<|im_end|>' (token 2)" in (deployment.error or "")
    assert "stops at [0] only: the model would never stop" in (deployment.error or "")
    assert record_of("ft:endless").failure() == deployment.error
    assert live(gateway) == before


def test_a_model_whose_calls_cannot_be_read_is_refused_before_anything_changes(
    gateway: Gateway, tokenizer: PreTrainedTokenizerFast, models: Path
) -> None:
    before = live(gateway)
    rows = [Row([ASKS, call(x="</tool_call>")], [TOOL], origin="calls.jsonl, row 7"), calling(x="1")]
    deployment = deploy_made("ft:unread", tuned(models / "unread"), trained_on(*rows))
    assert (deployment.status, deployment.strategy) == ("failed", "swap")
    assert (deployment.error or "").startswith(
        "1 of 2 sampled answers are served as they were trained; calls.jsonl, row 7, messages[1]: vLLM's parser reads"
    )
    assert "gated_s" not in (deployment.timings or {})
    assert live(gateway) == before


def test_a_model_with_another_template_than_it_was_trained_with_is_not_served(
    gateway: Gateway, tokenizer: PreTrainedTokenizerFast, models: Path
) -> None:
    before = live(gateway)
    folder = tuned(models / "spaced")
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("'<|im_start|>assistant\\n' }}", "'<|im_start|> assistant\\n' }}"))
    job_id = trained_on(calling(x="1"))
    deployment = deploy_made("ft:spaced", folder, job_id)
    assert deployment.status == "failed"
    assert deployment.strategy in ("blue_green", "restart")
    assert "the prompts differ from token" in (deployment.error or "")
    assert "<|im_start|> assistant" in (deployment.error or "").split("vLLM")[1]
    record = record_of("ft:spaced")
    assert record.mismatch is not None
    assert record.mismatch.what == "prompt"
    assert live(gateway) == before


def test_a_model_whose_job_kept_nothing_to_ask_about_says_so(gateway: Gateway, models: Path) -> None:
    deployment = deploy_made("ft:old", tuned(models / "old"), stage_of(()))
    assert deployment.status == "live", deployment.error
    record = record_of("ft:old")
    assert (record.checked, record.why) == (False, "its job kept nothing to ask about")
