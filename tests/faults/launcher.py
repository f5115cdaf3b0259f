"""A program: `tunesmith up` with further GPU workers, so that faults can hit one worker while another takes over.

`python -m tests.faults.launcher WORKERS` starts everything that `tunesmith up` starts, through the same code.
"""

import signal
import sys
from dataclasses import replace

from cli.children import service_children
from cli.health import CeleryNode
from cli.supervisor import Child
from cli.up import running_system
from core.settings import Settings, get_settings


def more_workers(settings: Settings, workers: int) -> list[Child]:
    """The GPU worker again, under other names, until there are so many."""
    first = next(child for child in service_children(settings) if child.name == "worker")
    return [_renamed(first, f"gpu{number}", settings) for number in range(2, workers + 1)]


def _renamed(worker: Child, node: str, settings: Settings) -> Child:
    argv = [f"{node}@%h" if part == "gpu@%h" else part for part in worker.argv]
    assert argv != list(worker.argv), "the worker's node name is not where it was"
    answers = CeleryNode(node, settings.redis_url).answers
    return replace(worker, name=node, argv=argv, log=worker.log.with_name(f"{node}.log"), healthy=answers)


def say(name: str, text: str) -> None:
    """One line for each step."""
    print(f"{name}: {text}", flush=True)


def main(workers: int) -> None:
    """Run until SIGINT."""
    try:
        with running_system(get_settings(), say) as system:
            system.supervisor.start(*more_workers(system.settings, workers))
            say("launcher", "ready")
            while True:
                signal.pause()
    except KeyboardInterrupt:
        say("launcher", "stopped")


if __name__ == "__main__":
    main(int(sys.argv[1]))
