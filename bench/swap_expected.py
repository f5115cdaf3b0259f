"""What each model's own fresh vLLM answers, greedily, to prompts with a long beginning in common.

A prompt whose answers are not all the same there, alone and under load, would show nothing later: it is left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.deploying import Deployer
from bench.gateway_process import Gateway
from bench.swap_clients import Answer, Clients

LIVE_WITHIN_S = 300
_SHARED = (
    "In a small town by the sea there is a market every morning. Anna sells bread, Tom sells fish, and Mia sells "
    "flowers. The baker opens at six, the post office at nine, and the library at ten. "
) * 4
_THINGS = ("book", "cup", "lamp", "key", "boat", "door", "coat", "bell")
_ENDINGS = ("What is the {} for?", "Where is the {}?")
PROMPTS = [f"{_SHARED}\n{ending.format(thing)}\n" for ending in _ENDINGS for thing in _THINGS]
ROUNDS_UNDER_LOAD = 3


@dataclass(frozen=True)
class Expected:
    """By model and prompt, the one answer; each of `prompts` tells the models apart."""

    texts: dict[str, dict[str, str]]
    prompts: list[str]

    def same_as(self, model_id: str, other: str) -> None:
        """A further model answers as `other` does."""
        self.texts[model_id] = self.texts[other]

    def is_mixed(self, answer: Answer) -> bool:
        """Whether a complete answer is not, byte for byte, that of the model that its header names."""
        return answer.failure is None and self.texts.get(answer.version or "", {}).get(answer.prompt) != answer.text


def expect(
    gateway: Gateway, deployer: Deployer, models: Sequence[str], clients: int, say: Callable[[str], None]
) -> Expected:
    """Start a fresh vLLM on each of the models in turn, and ask it; the last one is left running."""
    texts: dict[str, dict[str, str]] = {}
    steady = set(PROMPTS)
    for model_id in models:
        _start_fresh(gateway, deployer, model_id)
        found = _answers(gateway, 1, 2)
        for prompt, under_load in _answers(gateway, clients, ROUNDS_UNDER_LOAD).items():
            found[prompt] |= under_load
        texts[model_id] = {prompt: min(answers) for prompt, answers in found.items()}
        steady &= {prompt for prompt, answers in found.items() if len(answers) == 1}
        say(f"{model_id}: a fresh vLLM has answered; {len(steady)} of {len(PROMPTS)} prompts are steady so far")
    told_apart = [p for p in PROMPTS if p in steady and len({texts[m][p] for m in models}) == len(models)]
    if len(told_apart) < clients:
        raise RuntimeError(f"only {len(told_apart)} prompts have one answer of each model")
    return Expected(texts, told_apart)


def _start_fresh(gateway: Gateway, deployer: Deployer, model_id: str) -> None:
    gateway.stop()
    deployer.forget()
    deployment_id = deployer.ask(model_id)
    gateway.start()
    deployment = deployer.ended(deployment_id, LIVE_WITHIN_S)
    if (deployment.status, deployment.strategy) != ("live", "start"):
        raise RuntimeError(f"{model_id} is {deployment.status} by {deployment.strategy}: {deployment.error}")


def _answers(gateway: Gateway, clients: int, times: int) -> dict[str, set[str]]:
    with Clients(gateway.url, gateway.key, PROMPTS, clients).running() as streaming:
        streaming.wait_for_each(times)
    if failures := [answer.failure for answer in streaming.answers if answer.failure]:
        raise RuntimeError(f"a fresh server failed {len(failures)} requests: {failures[0]}")
    return {prompt: {a.text for a in streaming.answers if a.prompt == prompt} for prompt in PROMPTS}
