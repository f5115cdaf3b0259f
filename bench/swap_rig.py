"""What every part of `python -m bench.swap` works on."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

from bench.deploying import Deployer
from bench.gateway_process import Gateway
from bench.swap_clients import Clients
from bench.swap_expected import Expected

TWO = ("one", "two")
"""The models that take turns."""


@dataclass(frozen=True)
class Rig:
    """A running gateway with one of TWO live, and so many clients to come."""

    gateway: Gateway
    deployer: Deployer
    expected: Expected
    clients: int

    def streaming(self) -> AbstractContextManager[Clients]:
        """Clients that stream until the end of the block."""
        return Clients(self.gateway.url, self.gateway.key, self.expected.prompts, self.clients).running()

    def other(self) -> str:
        """That of TWO which is not live."""
        live = self.deployer.live()
        return next(model_id for model_id in TWO if model_id != live)
