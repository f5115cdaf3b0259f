"""What the reconciler and the traffic share while there is one vLLM: its gate, and the model that it holds."""

from inference.engine import Engine
from inference.gate import Gate
from inference.names import ENGINE_NAME, Served
from inference.routes import Routes, Table, Target


class Endpoint:
    """The one backend; setting `served` leads the names to it."""

    def __init__(self, gate: Gate, engine: Engine, routes: Routes) -> None:
        self.gate = gate
        self.engine = engine
        self.base_url = engine.base_url
        self.api_key = engine.api_key
        self._routes = routes
        self._served: Served | None = None

    @property
    def served(self) -> Served | None:
        """The model that answers."""
        return self._served

    @served.setter
    def served(self, served: Served | None) -> None:
        self._served = served
        if served is None:
            self._routes.set(Table())
            return
        target = Target(served.model_id, self, ENGINE_NAME, served.since_s)
        self._routes.set(Table(dict.fromkeys(served.aliases, target), {served.model_id: target}))
