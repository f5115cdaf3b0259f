"""`make demo`: the whole promise, for real, on this machine: a base model that calls no function, a two-stage job
posted over REST, a scorecard that climbs, and the tuned model answering the OpenAI SDK with a proper tool call.
"""

import json
import time
from typing import Any

from openai import OpenAI
from rich.console import Console

from cli.client import Client
from cli.example_data import make_example_data
from cli.migrate import PROJECT
from cli.scorecard import fractions, print_prompts, print_scorecard
from cli.streaming import StreamingClient
from cli.up import Say, System, running_system
from cli.watch import describe_duration, watch
from core.errors import ServiceError
from core.scorecard.card import Scorecard
from core.settings import Settings
from core.states import OPEN, DeploymentStatus, JobStatus

SPEC = PROJECT / "examples" / "jobs" / "demo.json"
TOOLS = PROJECT / "worker" / "suites" / "seven_tools.json"
QUESTION = "What is the weather in Paris?"


class DemoFailed(ServiceError):
    code = "demo_failed"


def run_demo(settings: Settings, say: Say) -> int:
    """Run everything, print the tables, and one JSON line last; nothing is left running.  Returns the exit code."""
    began, console = time.monotonic(), Console()
    console.rule("[bold]1. Starting everything")
    with running_system(settings, say) as system, Client(system.settings) as client:
        result = _main_job(system, client, console)
    print(json.dumps({**result, "total_s": round(time.monotonic() - began, 1)}), flush=True)
    return 0


def _main_job(system: System, client: Client, console: Console) -> dict[str, Any]:
    console.rule("[bold]2. POST /jobs")
    counts = make_example_data(system.settings.data_root)
    console.print("Example rows: " + ", ".join(f"{name} {count:,}" for name, count in counts.items()), highlight=False)
    _start_from_the_base(client, console)
    job = client.post("/jobs", SPEC.read_bytes())
    steps = ", then ".join(f"{s['steps']} steps of {s['name']}" for s in job["plan"]["stages"])
    console.print(f"{job['id']}: {steps}", highlight=False)
    with StreamingClient(system.inference_url, system.admin_key, system.settings.vllm_model_name) as stream:
        ended = watch(client, job["id"], console, lambda seen: stream.follow(seen["status"]))
    if ended["status"] != JobStatus.SUCCEEDED:
        error = ended["error"] or {"code": "no error", "message": "it was stopped", "remedy": "see the events above"}
        raise DemoFailed(
            f"job {job['id']} {ended['status']}: {error['code']}: {error['message']}; what to do: {error['remedy']}; "
            f"logs are in {system.settings.home / 'log'}"
        )

    console.rule("[bold]3. Before and after, measured on the live endpoint")
    card = Scorecard.model_validate(client.get(f"/jobs/{job['id']}/scorecard"))
    print_scorecard(card, console)
    print_prompts(card, console)
    trained = [stage["name"] for stage in job["spec"]["stages"]]
    measured = [stage.name for stage in card.stages]
    if measured != ["base", *trained]:
        raise DemoFailed(
            f"measured were {', '.join(measured)} and not base, {', '.join(trained)}: see the events above"
        )
    console.rule("[bold]4. Talking to the model")
    _talk(system, console)
    if stream.failed or not stream.requests:
        raise DemoFailed(f"of {stream.requests} streamed requests {stream.failed} failed: {stream.errors[:3]}")
    metrics = (m for name in trained for m in client.every(f"/jobs/{job['id']}/metrics", stage=name))
    train_s = sum(metric["step_s"] for metric in metrics)
    console.print(
        f"\nTrained in {describe_duration(train_s)}. While two models were swapped in, a client streamed "
        f"{stream.requests} answers: {stream.failed} failed.",
        highlight=False,
    )
    console.print("`make up` serves this model again.")
    return {
        **{name: fractions(card, name) for name in measured},
        "streamed_requests": stream.requests,
        "failed_requests": stream.failed,
        "train_s": round(train_s, 1),
    }


def _start_from_the_base(client: Client, console: Console) -> None:
    """After an earlier demo its tuned model is live; put the base back, so that it is measured first again."""
    live = [d for d in client.every("/deployments", limit=20) if d["status"] == DeploymentStatus.LIVE]
    wanted_base = json.loads(SPEC.read_bytes())["base_model"]
    bases = (m["id"] for m in client.every("/models") if m["stage"] == "base" and m["base_model"] == wanted_base)
    base = next(bases, None)
    if not live or base is None or live[0]["model"] == base:
        return
    console.print(f"Putting {base} back in place of {live[0]['model']}", highlight=False)
    wanted = client.post("/deployments", json.dumps({"model": base}).encode())
    while wanted["status"] in OPEN:
        time.sleep(0.5)
        wanted = client.get(f"/deployments/{wanted['id']}")
    if wanted["status"] != DeploymentStatus.LIVE:
        raise DemoFailed(f"{base} could not be deployed: {wanted['error'] or 'somebody withdrew it'}")


def _talk(system: System, console: Console) -> None:
    """One question with a tool, one without, through the api with the OpenAI SDK."""
    openai = OpenAI(base_url=f"{system.api_url}/v1", api_key=system.admin_key)
    model = system.settings.vllm_model_name
    weather = next(t for t in json.loads(TOOLS.read_bytes())["tools"] if t["function"]["name"] == "get_weather")
    called = openai.chat.completions.create(
        model=model, messages=[{"role": "user", "content": QUESTION}], tools=[weather], temperature=0
    )
    plain = openai.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello!"}], temperature=0)
    console.print(f"> {QUESTION}   (offering get_weather)", markup=False, highlight=False)
    for call in called.choices[0].message.tool_calls or []:
        console.print(f"tool_calls: {call.model_dump_json()}", markup=False, highlight=False)
    console.print("> Hello!", markup=False, highlight=False)
    console.print(plain.choices[0].message.content, markup=False, highlight=False)
