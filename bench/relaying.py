"""What passing a request on costs: direct, nginx, ours and LiteLLM before an upstream that answers at once."""

import json
from collections.abc import Callable
from statistics import median
from typing import Any

from bench import load
from bench.front import ALIAS
from bench.load import Load, Report
from bench.proxies import Proxies, Proxy, cpu_s, memory_mb
from bench.services import supervised

CONNECTIONS = 8
CHAT = {
    "model": ALIAS,
    "messages": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "What colour is the sea, and what colour is the sky above it?"},
    ],
    "max_tokens": 64,
    "temperature": 0.7,
}
FIGURES = ("added_p50_ms", "added_p99_ms", "rps_vs_direct", "stream_vs_direct", "rps_vs_litellm", "cpu_us", "memory_mb")


def measure(rounds: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Rounds in turns; every figure is the median of its rounds, and all of those of each proxy are in `proxies`."""
    with supervised() as (home, _, supervisor):
        proxies = Proxies(home, supervisor)
        stub = proxies.stub()
        running = [stub]
        for start in (proxies.nginx, proxies.ours, proxies.litellm):
            if proxy := start(stub.url):
                running.append(proxy)
            else:
                say(f"{start.__name__} is not installed: left out")
        for proxy in running:
            _round(proxy, 0.3)
        shown: dict[str, list[dict[str, float]]] = {proxy.name: [] for proxy in running}
        for number in range(rounds):
            for proxy in running:
                figures = _round(proxy, seconds)
                shown[proxy.name].append(figures)
                told = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
                say(f"round {number + 1}/{rounds} {proxy.name}: {told}")
    return _summary(shown)


def _round(proxy: Proxy, seconds: float) -> dict[str, float]:
    one = _send(proxy, 1, seconds)
    began_s = cpu_s(proxy.pid)
    eight = _send(proxy, CONNECTIONS, seconds)
    eight_cpu_s = cpu_s(proxy.pid) - began_s
    memory = memory_mb(proxy.pid)
    streams = _send(proxy, CONNECTIONS, seconds, stream=True)
    return {
        "per_s_1": one.per_s,
        "per_s": eight.per_s,
        "streams_per_s": streams.per_s,
        "p50_ms": one.p50_ms,
        "p99_ms": one.p99_ms,
        "first_event_p50_ms": streams.first_p50_ms,
        "unexpected": sum(report.unexpected(200) for report in (one, eight, streams)),
        "generator_busy": max(report.busy for report in (one, eight, streams)),
        "cpu_us": eight_cpu_s / sum(eight.statuses.values()) * 1e6,
        "memory_mb": memory,
    }


def _send(proxy: Proxy, connections: int, seconds: float, *, stream: bool = False) -> Report:
    return load.run(
        Load(
            url=proxy.url,
            method="POST",
            paths=["/v1/chat/completions"],
            headers={"authorization": f"Bearer {proxy.key}"},
            body=json.dumps({**CHAT, "stream": True} if stream else CHAT),
            connections=connections,
            seconds=seconds,
        )
    )


def _summary(shown: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    def ratio(name: str, other: str, figure: str) -> float | None:
        if name not in shown or other not in shown:
            return None
        pairs = zip(shown[name], shown[other], strict=True)
        return round(median(one[figure] / base[figure] for one, base in pairs), 3)

    def added(name: str, figure: str) -> float:
        pairs = zip(shown[name], shown["direct"], strict=True)
        return round(median(one[figure] - base[figure] for one, base in pairs), 3)

    medians = {
        name: {figure: round(median(one[figure] for one in rounds), 3) for figure in rounds[0]}
        for name, rounds in shown.items()
    }
    for name in medians.keys() - {"direct"}:
        medians[name] |= {f"added_{figure}": added(name, figure) for figure in ("p50_ms", "p99_ms")}
        medians[name] |= {"rps_vs_direct": ratio(name, "direct", "per_s") or 0}
        medians[name] |= {"stream_vs_direct": ratio(name, "direct", "streams_per_s") or 0}
    ours = medians["ours"] | {"rps_vs_litellm": ratio("ours", "litellm", "per_s")}
    return {figure: ours[figure] for figure in FIGURES} | {
        "unexpected": sum(one["unexpected"] for one in medians.values()),
        "proxies": medians,
    }
