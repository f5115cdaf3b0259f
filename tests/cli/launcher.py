"""A program for the tests: starts both embedded servers in a home, prints where they are, and waits to be stopped."""

import json
import signal
import sys
import threading
from pathlib import Path

from cli.embedded import EmbeddedServices
from cli.home import HomeLock
from cli.supervisor import Supervisor
from core.errors import ServiceError


def main(home: Path) -> None:
    # A shell that is not interactive lets what it starts with `&` ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    lock = HomeLock(home)
    try:
        lock.acquire()
    except ServiceError as error:
        sys.exit(error.message)
    supervisor = Supervisor(lock.inherited, say=lambda name, message: None)
    embedded = EmbeddedServices(home, lock, supervisor)
    try:
        embedded.start_postgres()
        embedded.start_valkey()
        supervisor.watch()
        pids = {name: supervisor.pid(name) for name in ("postgres", "valkey")}
        urls = {"database_url": embedded.database_url, "redis_url": embedded.redis_url}
        print(json.dumps({**urls, "pids": pids}), flush=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        supervisor.stop_all()
        embedded.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
