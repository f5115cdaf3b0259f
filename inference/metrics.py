"""What the gateway counts, for Prometheus.

The label `model` is the version that answered; it is empty where a request got to none.  What an evaluation asks is
counted apart, and in nothing else: it is no user's, and would hide how fast the endpoint is to them.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from inference.exchange import Exchange
from inference.tallies import Spread, Tally

CONTENT_TYPE = CONTENT_TYPE_LATEST
_WAIT_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180)
_TOKEN_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1)
_REQUEST_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600)
_DEPLOYMENT_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320)


class Metrics:
    """All of them, in a registry of their own: a process may hold several gateways, as tests do."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = self._counter("requests", "Requests by answer", "model", "path", "status")
        self._evaluated = self._counter("evaluation_requests", "Requests of evaluations", "model", "path", "status")
        self._evaluated_tokens = self._counter("evaluation_tokens", "Tokens of evaluations", "model", "kind")
        self._refused = self._counter("refused", "Errors that the gateway itself answered, by their code", "code")
        self._tokens = self._counter("tokens", "Tokens, as far as answers tell their usage", "model", "kind")
        self._first = self._histogram("first_token_seconds", "Request to first event of a stream", _WAIT_S, "model")
        self._each = self._histogram("token_seconds", "Time from token to token of a stream", _TOKEN_S, "model")
        self._seconds = self._histogram("request_seconds", "Request to end of answer", _REQUEST_S, "model")
        self._deployments = self._counter("deployments", "Changes of what is served", "strategy", "outcome")
        self._deploying = self._histogram("deployment_seconds", "Length of a change", _DEPLOYMENT_S, "strategy")

    def watch(self, held: Callable[[], int], inside: Callable[[], int]) -> None:
        """Show how many requests the gateway holds, and how many of them vLLM is at work on: the others wait."""
        for name, text, value in (
            ("inside", "Requests that vLLM is at work on", inside),
            ("waiting", "Requests that wait behind a gate", lambda: held() - inside()),
        ):
            Gauge(f"tunesmith_requests_{name}", text, registry=self._registry).set_function(value)

    def count(self, exchange: Exchange, now_s: float) -> None:
        """A request has ended."""
        model = exchange.model_id
        requests, tokens = (
            (self._evaluated, self._evaluated_tokens) if exchange.is_evaluation else (self._requests, self._tokens)
        )
        requests.of[model, exchange.call.path.decode(), str(exchange.status)] += 1
        if exchange.tokens is not None and model:
            tokens.of[model, "prompt"] += exchange.tokens.prompt
            tokens.of[model, "completion"] += exchange.tokens.completion
        if exchange.is_evaluation:
            return
        if exchange.error is not None:
            self._refused.of[exchange.error.code,] += 1
        if not model:
            return
        self._seconds.observe((model,), now_s - exchange.began_s)
        if (first_s := exchange.first_token_s) is not None:
            self._first.observe((model,), first_s)
        if (each_s := exchange.token_s) is not None:
            self._each.observe((model,), each_s)

    def deployment(self, strategy: str | None, outcome: str, seconds: float) -> None:
        """What is served was to change: `outcome` is live or failed."""
        self._deployments.of[strategy or "none", outcome] += 1
        self._deploying.observe((strategy or "none",), seconds)

    def page(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Tally:
        return Tally(self._registry, f"tunesmith_{name}", text, labels)

    def _histogram(self, name: str, text: str, bounds: tuple[float, ...], *labels: str) -> Spread:
        return Spread(self._registry, f"tunesmith_{name}", text, labels, bounds)
