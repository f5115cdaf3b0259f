"""Asks for models to be served, as the api does, and follows what becomes of it."""

from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.orm import sessionmaker

from bench.waiting import wait_until
from core import deployments, model_registry
from core.db import new_engine
from core.models import Deployment
from core.states import DeploymentStatus

ALIAS = "tunesmith"
ENDED = (DeploymentStatus.LIVE, DeploymentStatus.FAILED, DeploymentStatus.SUPERSEDED)


class Deployer:
    """Deployments of ALIAS in one database."""

    def __init__(self, database_url: str) -> None:
        self._begin = sessionmaker(new_engine(database_url), expire_on_commit=False).begin

    def register(self, model_id: str, folder: Path) -> None:
        """Make a model folder known."""
        place = str(folder)
        with self._begin() as session:
            model_registry.register_model(
                session, model_id, stage="base", base_model=place, location=place, manifest={}
            )

    def ask(self, model_id: str) -> str:
        """Ask for the model to be live; the deployment's id."""
        with self._begin() as session:
            return deployments.request(session, ALIAS, model_id).id

    def ended(self, deployment_id: str, within_s: float) -> Deployment:
        """Wait for the deployment to be live, or never to be so."""
        found = wait_until(lambda: self._if_ended(deployment_id), within_s)
        assert found is not None
        return found

    def live(self) -> str | None:
        """The model that the rows call live."""
        with self._begin() as session:
            query = select(Deployment.model_id).where(Deployment.status == DeploymentStatus.LIVE)
            return session.scalar(query.where(Deployment.alias == ALIAS))

    def forget(self) -> None:
        """As if nothing had ever been asked for; no gateway may be running."""
        with self._begin() as session:
            session.execute(text("TRUNCATE deployments CASCADE"))

    def _if_ended(self, deployment_id: str) -> Deployment | None:
        with self._begin() as session:
            found = deployments.get(session, deployment_id)
            return found if found.status in ENDED else None
