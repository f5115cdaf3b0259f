"""The rows in Postgres: the truth about projects, keys, jobs, files, models, deployments and how well models do."""

from core.models.audit import AuditEntry
from core.models.base import Base
from core.models.evaluation import Evaluation, EvaluationAnswer
from core.models.files import File, JobInput
from core.models.jobs import Event, Job, Metric, Pause, Phase, Run
from core.models.keys import Key
from core.models.preflights import Preflight
from core.models.projects import Project, Worker
from core.models.serving import AliasOwner, Deployment, DeploymentKey, Model, ModelUse

__all__ = [
    "AliasOwner",
    "AuditEntry",
    "Base",
    "Deployment",
    "DeploymentKey",
    "Evaluation",
    "EvaluationAnswer",
    "Event",
    "File",
    "Job",
    "JobInput",
    "Key",
    "Metric",
    "Model",
    "ModelUse",
    "Pause",
    "Phase",
    "Preflight",
    "Project",
    "Run",
    "Worker",
]
