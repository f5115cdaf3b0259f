"""The job that a user asks for.  Every default is the recipe; unknown keys are refused.

`JobSpec(base_model="Qwen/Qwen2.5-3B")` is the whole recipe: stage `chat` on 50,000 rows of UltraChat, then stage
`tools` on 60,000 rows of xlam, as QLoRA with r=16 over a 4-bit base.
"""

from core.spec.base import SUFFIX_LENGTH, MetadataKey, MetadataValue, Name, Sha256, Spec, Suffix, is_path
from core.spec.data import FILE_ID, DatasetSpec, HeldOut, RowFormat, SourceSpec, SuiteFormat, SuiteSpec
from core.spec.deploy import ConditionsSpec, DeploySpec, DrainSpec, FloorSpec, GateSpec, ServeAs, SplitSpec, SuiteMetric
from core.spec.evaluation import HELD_OUT, EvaluationSpec, JudgeSpec
from core.spec.job import JobSpec, KeepSpec
from core.spec.stage import LORA_TARGETS, LoraSpec, StageSpec, TooLong, ToolPrompt

__all__ = [
    "FILE_ID",
    "HELD_OUT",
    "LORA_TARGETS",
    "SUFFIX_LENGTH",
    "ConditionsSpec",
    "DatasetSpec",
    "DeploySpec",
    "DrainSpec",
    "EvaluationSpec",
    "FloorSpec",
    "GateSpec",
    "HeldOut",
    "JobSpec",
    "JudgeSpec",
    "KeepSpec",
    "LoraSpec",
    "MetadataKey",
    "MetadataValue",
    "Name",
    "RowFormat",
    "ServeAs",
    "Sha256",
    "SourceSpec",
    "Spec",
    "SplitSpec",
    "StageSpec",
    "Suffix",
    "SuiteFormat",
    "SuiteMetric",
    "SuiteSpec",
    "TooLong",
    "ToolPrompt",
    "is_path",
]
