"""What was streamed becomes tokens a second of all clients, and the times that one of them feels."""

from itertools import islice

from transformers import PreTrainedTokenizerFast

from worker.stages.speed import PROMPT_TOKENS, Prompts, Streamed, summarise_phase


def test_tokens_a_second_are_those_of_all_clients_together() -> None:
    streamed = [Streamed(first_s=0.1, rest_s=0.63, tokens=64), Streamed(first_s=0.3, rest_s=1.26, tokens=64)]
    phase = summarise_phase([*streamed, Streamed(first_s=0.2, rest_s=6.3, tokens=64)], took_s=2)
    assert phase == {"requests": 3, "tokens_per_s": 96.0, "first_token_ms": 200.0, "token_ms": 20.0}


def test_an_answer_of_one_token_has_no_time_between_tokens() -> None:
    assert summarise_phase([Streamed(first_s=0.1, rest_s=0, tokens=1)], took_s=1)["token_ms"] is None


def test_prompts_are_text_of_one_length_and_never_begin_alike(tokenizer: PreTrainedTokenizerFast) -> None:
    prompts = list(islice(Prompts.of(tokenizer).all(), 50))
    assert {len(prompt) for prompt in prompts} == {PROMPT_TOKENS}
    assert len({tuple(prompt[:8]) for prompt in prompts}) == 50
    assert not {token for prompt in prompts for token in prompt} & set(tokenizer.all_special_ids)
