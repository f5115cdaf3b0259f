"""What `celery -A worker.app` loads: the application, its tasks, and what each worker process does at its edges."""

from typing import Any

from celery.signals import (
    celeryd_after_setup,
    heartbeat_sent,
    worker_process_init,
    worker_shutting_down,
)

from core.processes import die_with_parent
from core.queue import JOBS, celery_app
from worker import presence, tasks
from worker.drain import DRAIN

app = celery_app()
tasks.register(app)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _follow_the_main_process(**_: Any) -> None:
    """A killed main process must not leave a child behind that goes on training."""
    die_with_parent()


@celeryd_after_setup.connect  # type: ignore[untyped-decorator]
def _take_jobs(instance: Any, **_: Any) -> None:
    """Only a worker that answers doorbells shows itself; one for housekeeping alone trains nothing."""
    presence.takes_jobs = JOBS in instance.app.amqp.queues.consume_from


@heartbeat_sent.connect  # type: ignore[untyped-decorator]
def _show(**_: Any) -> None:
    presence.show()


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _drain(**_: Any) -> None:
    """On SIGTERM the running job saves a checkpoint and goes back to the queue."""
    DRAIN.set()
