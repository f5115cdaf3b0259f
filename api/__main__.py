"""`python -m api`: serve on TUNESMITH_API_HOST and TUNESMITH_API_PORT until SIGTERM or Ctrl-C."""

import logging

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from core.settings import get_settings

SHUTDOWN_TIMEOUT_S = 10
"""How long running requests may take to end once a stop was asked for; streams of events end by themselves."""


def serve(app: FastAPI) -> None:
    """Serve the application until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = get_settings()
    settings.require_admin_key()
    config = uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
    )
    server = uvicorn.Server(config)
    app.state.is_stopping = lambda: server.should_exit
    server.run()


if __name__ == "__main__":
    serve(create_app())
