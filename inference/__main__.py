"""`python -m inference`: the gateway on TUNESMITH_INFERENCE_HOST and TUNESMITH_INFERENCE_PORT."""

import gc
import logging
import socket
import sys
from functools import partial
from typing import Any

import uvicorn

from core.errors import ConfigurationError
from core.settings import Settings, get_settings
from inference.app import Gateway, create_app
from inference.connection import Connection


class Server(uvicorn.Server):
    """uvicorn, which on a signal also turns away the requests that wait for a model: it would wait for them."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        super().__init__(config)
        self._gateway = gateway

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start; what was made up to here stays, so no collection of garbage looks at it again."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish the answers that run, up to TUNESMITH_SHUTDOWN_TIMEOUT_S, then end vLLM."""
        self._gateway.routes.shut_down()
        await super().shutdown(sockets)


def configure(gateway: Gateway, settings: Settings) -> uvicorn.Config:
    """How the gateway is served."""
    connection: Any = partial(Connection, gateway.ways)  # uvicorn calls it as it would the class
    return uvicorn.Config(
        gateway,
        http=connection,
        host=settings.inference_host,
        port=settings.inference_port,
        ws="none",
        proxy_headers=False,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
    )


def main() -> int:
    """The exit code: 2 when the settings do not allow to start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = get_settings()
    try:
        gateway = create_app(settings)
    except ConfigurationError as error:
        print(error.message, file=sys.stderr)
        return 2
    Server(configure(gateway, settings), gateway).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
