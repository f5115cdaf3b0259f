"""Following a job in the terminal: its events as they come, and one live line with step, loss, speed and ETA."""

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cli.client import Client
from core.states import FINAL

POLL_S = 1.0


def watch(
    client: Client, job_id: str, console: Console, on_job: Callable[[dict[str, Any]], None] | None = None
) -> dict[str, Any]:
    """Show the job until it ends, and return it; without a terminal, the events only.

    `on_job` is given every state of the job that is seen.
    """
    shown = 0
    columns = (TextColumn("{task.description}"), BarColumn(30), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        line = bar.add_task(job_id, total=None, note="")
        while True:
            job: dict[str, Any] = client.get(f"/jobs/{job_id}")
            for event in client.every(f"/jobs/{job_id}/events", after=shown):
                clock = time.strftime("%H:%M:%S", time.localtime(event["created_at"]))
                console.print(f"[dim]{clock}[/dim]  {escape(event['message'])}", highlight=False)
                shown = event["id"]
            if on_job is not None:
                on_job(job)
            if job["status"] in FINAL:
                return job
            progress = job["progress"] or {}
            bar.update(
                line,
                description=" ".join(filter(None, (job["status"], job["stage"]))),
                completed=progress.get("step", 0),
                total=progress.get("max_steps"),
                note=describe_progress(progress) or describe_wait(job),
            )
            time.sleep(POLL_S)


def describe_progress(progress: dict[str, Any]) -> str:
    """`loss 1.234 · 2,100 tokens/s · 1 min 20 s left`, as far as it is known."""
    parts = []
    if progress.get("loss") is not None:
        parts.append(f"loss {progress['loss']:.3f}")
    if progress.get("tokens_per_s"):
        parts.append(f"{progress['tokens_per_s']:,.0f} tokens/s")
    if progress.get("eta_s") is not None:
        parts.append(f"{describe_duration(progress['eta_s'])} left")
    return " · ".join(parts)


def describe_wait(job: dict[str, Any]) -> str:
    """`place 3 · starts 14:02 to 14:05 · ends 14:20 to 14:31`, as far as it is known."""
    parts = []
    if job["queue_position"] is not None:
        parts.append(f"place {job['queue_position']}")
    if job["waiting_for"]:
        parts.append(f"waiting: {job['waiting_for']}")
    for verb, name in (("starts", "expected_start"), ("ends", "expected_end")):
        if job[name] is not None:
            earliest, latest = (time.strftime("%a %H:%M", time.localtime(at)) for at in job[name])
            parts.append(f"{verb} {earliest}" + (f" to {latest}" if latest != earliest else ""))
    return " · ".join(parts)


def describe_duration(seconds: float) -> str:
    """`42 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
