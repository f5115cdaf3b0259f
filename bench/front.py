"""`python -m bench.front UPSTREAM`: the gateway as it is, with everything on, but for a stub where vLLM would be."""

import sys

from core.key_ring import KeyRing
from core.projects import DEFAULT
from core.settings import get_settings
from inference.__main__ import Server, configure
from inference.app import Gateway
from inference.gate import Gate
from inference.metrics import Metrics
from inference.routes import Routes, Table, Target

ALIAS = "tunesmith"


class _Stub:
    def __init__(self, base_url: str) -> None:
        self.gate = Gate(5)
        self.base_url = base_url
        self.api_key = "stub"


def main() -> None:
    """Serve until a signal."""
    settings, routes = get_settings(), Routes(5)
    target = Target("ft:base:default:bench:1", _Stub(sys.argv[1]), "engine")
    routes.set(Table({ALIAS: target}, {target.model_id: target}, {ALIAS: {DEFAULT}, target.model_id: {DEFAULT}}))
    gateway = Gateway(settings, routes, Metrics(), KeyRing(settings))
    Server(configure(gateway, settings), gateway).run()


if __name__ == "__main__":
    main()
