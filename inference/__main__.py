"""`python -m inference`: the gateway on TUNESMITH_INFERENCE_HOST and TUNESMITH_INFERENCE_PORT."""

import logging
import socket
import sys

import uvicorn
from starlette.applications import Starlette

from core.errors import ConfigurationError
from core.settings import get_settings
from inference.app import create_app

FINISH_REQUESTS_S = 10


class Server(uvicorn.Server):
    """uvicorn, which on a signal also turns away the requests that wait for a model: it would wait for them."""

    def __init__(self, config: uvicorn.Config, app: Starlette) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what is running, then end vLLM."""
        if (endpoint := getattr(self._app.state, "endpoint", None)) is not None:
            endpoint.routes.shut_down()
        await super().shutdown(sockets)


def main() -> int:
    """Serve until a signal; 2 when the settings do not allow it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = get_settings()
    try:
        app = create_app(settings)
    except ConfigurationError as error:
        print(error.message, file=sys.stderr)
        return 2
    config = uvicorn.Config(
        app,
        host=settings.inference_host,
        port=settings.inference_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=FINISH_REQUESTS_S,
    )
    Server(config, app).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
