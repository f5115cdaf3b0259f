"""What the gateway takes from a real vLLM that serves examples/tiny-base: tokens a second, and time to the first one.

vLLM's own port and the gateway take turns under the same 8 streams.  The table that people know, 1 request against 8 at
a time, is measured of both on the way.
"""

import json
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from bench import load
from bench.front import ALIAS
from bench.load import Load
from bench.ports import free_port
from bench.services import HEADERS, KEY, Services
from cli.health import endpoint_state
from cli.migrate import PROJECT
from core import deployments, model_registry
from inference.names import ENGINE_NAME

MODEL = PROJECT / "examples" / "tiny-base"
STREAMS = 8
TOKENS = 128
LIVE_WITHIN_S = 200
FIGURES = ("vllm_throughput_vs_direct", "vllm_first_token_added_ms", "concurrency")
_VLLM_KEY = "bench-vllm-key"
_PROMPT = "The sea is blue, and the sky above it is"


def measure(services: Services, rounds: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Rounds in turns, each the other way round than the last; every figure is the median of its rounds."""
    ways = _ways(services)
    for way in ways.values():
        _send(way, STREAMS, 1)
    shown: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways) if number % 2 == 0 else reversed(ways):
            figures = _figures(ways[name], seconds)
            shown[name].append(figures)
            say(f"vLLM round {number + 1}/{rounds} {name}: " + ", ".join(f"{k} {v:.4g}" for k, v in figures.items()))
    pairs = list(zip(shown["ours"], shown["direct"], strict=True))
    many = f"tokens_per_s_{STREAMS}"
    first = f"first_token_ms_{STREAMS}"
    return {
        "vllm_throughput_vs_direct": round(median(one[many] / base[many] for one, base in pairs), 3),
        "vllm_first_token_added_ms": round(median(one[first] - base[first] for one, base in pairs), 3),
        "concurrency": {name: _medians(rounds_of_it) for name, rounds_of_it in shown.items()},
    }


def _ways(services: Services) -> dict[str, Load]:
    """vLLM and the gateway before it, with the model live on it."""
    port, vllm_port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    env = {
        **services.env,
        "TUNESMITH_INFERENCE_PORT": str(port),
        "TUNESMITH_LOG_DIR": str(services.home / "log"),
        "VLLM_PORT": str(vllm_port),
        "VLLM_API_KEY": _VLLM_KEY,
    }
    services.start_child("inference", ["-m", "inference"], env, lambda: endpoint_state(url, KEY) is not None)
    with Session(create_engine(services.database_url)) as session, session.begin():
        model_registry.register_model(
            session, "tiny-base", stage="base", base_model=str(MODEL), location=str(MODEL), manifest={}
        )
        deployments.request(session, ALIAS, "tiny-base", None)
    until = time.monotonic() + LIVE_WITHIN_S
    while endpoint_state(url, KEY) != "serving tiny-base":
        if time.monotonic() > until:
            raise TimeoutError(f"vLLM does not serve within {LIVE_WITHIN_S} s: {endpoint_state(url, KEY)}")
        time.sleep(0.2)
    direct = {"authorization": f"Bearer {_VLLM_KEY}"}
    return {
        "direct": _load(f"http://127.0.0.1:{vllm_port}", ENGINE_NAME, direct),
        "ours": _load(url, ALIAS, HEADERS),
    }


def _load(url: str, model: str, headers: dict[str, str]) -> Load:
    body = {"model": model, "prompt": _PROMPT, "max_tokens": TOKENS, "ignore_eos": True, "stream": True}
    return Load(url=url, method="POST", paths=["/v1/completions"], headers=headers, body=json.dumps(body))


def _figures(way: Load, seconds: float) -> dict[str, float]:
    found: dict[str, float] = {}
    for streams in (1, STREAMS):
        report = _send(way, streams, seconds)
        assert not report.unexpected(200), report
        found |= {f"tokens_per_s_{streams}": report.per_s * TOKENS, f"first_token_ms_{streams}": report.first_p50_ms}
    return found


def _send(way: Load, streams: int, seconds: float) -> load.Report:
    return load.run(way.model_copy(update={"connections": streams, "seconds": seconds}))


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    medians = {name: round(median(one[name] for one in rounds), 1) for name in rounds[0]}
    return medians | {"gain": round(medians[f"tokens_per_s_{STREAMS}"] / medians["tokens_per_s_1"], 2)}
