"""Every setting of every process, read from the environment once; the defaults boot on one machine.

This is the only module that reads the environment.  `tunesmith up` sets the variables for the processes it
starts; a production deployment sets the same ones by hand.
"""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlparse

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import ConfigurationError


class Settings(BaseSettings):
    """One field per variable; the variable's name is the alias, else `TUNESMITH_` + the field's name."""

    model_config = SettingsConfigDict(env_prefix="TUNESMITH_", populate_by_name=True, extra="ignore", frozen=True)

    home: Path = Field(Path("var"), description="what `tunesmith up` keeps: servers' data, logs, the admin key")

    # Where the truth, the doorbells and the artefacts live.
    database_url: str = Field("postgresql+psycopg://postgres@localhost/tunesmith", validation_alias="DATABASE_URL")
    redis_url: str = Field("redis://localhost:6379/0", validation_alias="REDIS_URL")
    storage_url: str = Field(
        default_factory=lambda fields: (fields["home"].absolute() / "storage").as_uri(), validation_alias="STORAGE_URL"
    )
    data_root: Path = Field(
        default_factory=lambda fields: fields["home"].absolute() / "data",
        validation_alias="DATA_ROOT",
        description="local data sets live below",
    )

    log_dir: Path = Field(
        default_factory=lambda fields: fields["home"].absolute() / "log",
        description="where processes that we start write their logs",
    )

    # Who may call, and where the HTTP servers listen.
    admin_key: SecretStr | None = Field(None, description="bearer key of the api and the gateway; required by both")
    api_host: str = "127.0.0.1"
    api_port: int = 8000
    api_url: str | None = Field(None, description="the api, as the command line reaches it; default: the running one")
    inference_url: str = Field("http://127.0.0.1:8001", description="the gateway, as the api and workers reach it")
    inference_keys: SecretStr = Field(
        SecretStr(""),
        description="further bearer keys, comma-separated, for the inference paths of project `default` only",
    )
    base_models: str = Field(
        "",
        description="base models under further names, as `gpt-4o-mini=Qwen/Qwen2.5-3B`, comma-separated: what clients "
        "of OpenAI's API may name as `model`",
    )
    max_body_bytes: int = Field(1_000_000, description="largest JSON body the api and the gateway accept")

    max_file_bytes: int = Field(1_000_000_000, ge=1, description="largest file that POST /files accepts")

    # The lease of a running job (design, section 7).
    lease_s: float = Field(60, gt=1)
    heartbeat_s: float = Field(10, gt=0.1, description="a worker renews its lease this often")
    watch_s: float = Field(0.5, gt=0.05, description="a worker looks this often whether its job should stop")
    reap_every_s: float = Field(10, gt=0.1)
    row_cache_gb: float = Field(
        20, ge=0, description="GiB of tokenised rows that are kept for jobs with the same data; 0: none are"
    )
    retain_every_s: float = Field(3600, gt=0.1, description="what jobs no longer keep is removed this often")
    doorbell_every_s: float = Field(60, gt=0.1, description="a queued job's doorbell is rung again after this")
    max_failures: int = Field(
        5, ge=1, description="runs in a row that may be lost or break off, without a new checkpoint, before a job fails"
    )
    stalled_after_s: float = Field(
        300, gt=1, description="a running job without progress for so long is called stalled"
    )
    deploy_timeout_s: float = Field(
        900, gt=0, description="longest a job waits for its model to be live, besides its drain and its trial"
    )
    worker_name: str | None = Field(None, description="defaults to host:pid")
    visible_gpus: str = Field("", validation_alias="CUDA_VISIBLE_DEVICES", description="a worker trains on the first")
    worker_memory_gb: float | None = Field(
        None, gt=0, description="GiB that a training may fill here; default: the GPU's memory, or the machine's"
    )

    # Preflights, and what a GPU costs.
    preflight_timeout_s: float = Field(900, gt=1, description="longest that looking into one job's data may take")
    preflight_memory_gb: float = Field(4, gt=0.5, description="GiB that looking into one job's data may take")
    preflight_keep_days: float = Field(7, gt=0, description="a preflight that no job made is forgotten after this")
    gpu_hour_price: float | None = Field(None, ge=0, description="of one GPU for one hour, for estimates of cost")
    currency: str = Field("USD", description="of `gpu_hour_price`, as it is shown")

    # The judge of chat answers, which a job may ask for.
    judge_url: str | None = Field(None, description="OpenAI-compatible base URL of the judge, where a job names none")
    judge_api_key: SecretStr | None = Field(None, description="bearer key for `judge_url`; never sent anywhere else")
    judge_private: bool = Field(False, description="a job may name a judge at an address that is not public")

    # The gateway and its vLLM.  The names vLLM users know are kept.
    inference_host: str = "127.0.0.1"
    inference_port: int = 8001
    drain_timeout_s: float = Field(120, gt=0, description="longest wait for running answers before a swap fails")
    gate_timeout_s: float = Field(180, gt=0, description="longest a request waits behind the gate")
    share_gpu: Literal["off", "hold", "reject"] = Field(
        "off",
        description="hold or reject: vLLM gives its memory to each training on the same GPU, and requests meanwhile "
        "wait at the gate, or are answered 503 with the time left; to be set for the gateway and that worker",
    )
    max_adapters: int = Field(4, ge=1, le=64, description="LoRA adapters that one batch of vLLM may mix")
    second_vllm: Literal["auto", "never"] = Field(
        "auto", description="never: no second vLLM beside the first, whatever memory is free"
    )
    max_requests: int = Field(512, ge=1, description="requests in the gateway at a time, waiting ones too")
    max_answer_tokens: int | None = Field(None, ge=1, description="most `max_tokens` that a request may ask for")
    max_choices: int | None = Field(None, ge=1, description="most answers (`n`) that a request may ask for")
    request_timeout_s: float = Field(600, gt=0, description="longest a request may take, waiting and answering")
    shutdown_timeout_s: int = Field(10, ge=0, description="a stopping gateway lets running answers go on for so long")
    vllm_python: Path = Field(Path(".venv-vllm/bin/python"), description="the interpreter that has vLLM")
    vllm_start_timeout_s: float = 300
    vllm_args: str = Field("", description="further arguments of the vLLM server, as on a command line")
    vllm_model_name: str = Field("tunesmith", validation_alias="VLLM_MODEL_NAME", description="the default alias")
    vllm_host: str = Field("127.0.0.1", validation_alias="VLLM_HOST")
    vllm_port: int = Field(8002, validation_alias="VLLM_PORT")
    vllm_api_key: SecretStr | None = Field(None, validation_alias="VLLM_API_KEY")
    vllm_cpu_kvcache_gb: int = Field(
        1, ge=1, validation_alias="VLLM_CPU_KVCACHE_SPACE", description="GiB of vLLM's cache where there is no GPU"
    )
    vllm_gpu_util: float = Field(0.9, gt=0, le=1, validation_alias="VLLM_GPU_UTIL")
    vllm_max_model_len: int | None = Field(None, validation_alias="VLLM_MAX_MODEL_LEN")

    @model_validator(mode="after")
    def _heartbeats_fit_the_lease(self) -> "Settings":
        if self.heartbeat_s * 2 > self.lease_s:
            raise ValueError(
                f"TUNESMITH_HEARTBEAT_S is {self.heartbeat_s:g} and TUNESMITH_LEASE_S is {self.lease_s:g}: "
                "the lease must hold at least two heartbeats"
            )
        return self

    @property
    def storage_path(self) -> Path:
        """The storage folder; artefact locations in rows are relative to it."""
        url = urlparse(self.storage_url)
        if url.scheme != "file":
            raise ConfigurationError(f"STORAGE_URL is {self.storage_url!r}: only file:// URLs are supported so far")
        return Path(unquote(url.netloc + url.path)).absolute()

    def environment(self) -> dict[str, str]:
        """For a child process: this process's environment with every setting that is not a default."""
        variables = dict(os.environ)
        for name in self.model_fields_set:
            value = getattr(self, name)
            if value is not None:
                alias = type(self).model_fields[name].validation_alias
                plain = value.get_secret_value() if isinstance(value, SecretStr) else value
                variables[alias if isinstance(alias, str) else f"TUNESMITH_{name.upper()}"] = str(plain)
        return variables

    def named_base_models(self) -> dict[str, str]:
        """The names of `base_models`, and what each stands for; ConfigurationError when one stands for nothing."""
        pairs = [pair.partition("=") for pair in self.base_models.split(",") if pair.strip()]
        named = {name.strip(): base_model.strip() for name, _, base_model in pairs}
        if not all(named) or not all(named.values()):
            raise ConfigurationError(
                f"TUNESMITH_BASE_MODELS is {self.base_models!r}: give `name=base model` for each, comma-separated"
            )
        return named

    def require_admin_key(self) -> str:
        """The bearer key, or a ConfigurationError that says how to set one."""
        if self.admin_key is None or not self.admin_key.get_secret_value():
            raise ConfigurationError(
                "TUNESMITH_ADMIN_KEY is not set: the server will not start open to everyone. "
                "Set it to a long random string (`tunesmith up` makes one by itself)."
            )
        return self.admin_key.get_secret_value()

    def further_inference_keys(self) -> list[str]:
        """The keys of `inference_keys`, one by one."""
        return [key.strip() for key in self.inference_keys.get_secret_value().split(",") if key.strip()]


@lru_cache
def get_settings() -> Settings:
    """The settings of this process, read from the environment on first use."""
    return Settings()


def vllm_environment(forced: Mapping[str, str], defaults: Mapping[str, str]) -> dict[str, str]:
    """The environment of a vLLM process: ours, with `defaults` below it and `forced` above it.

    Our own settings stay out: vLLM has no use for the database's password, and gives VLLM_PORT another meaning
    (the first port of its internal sockets, which would then be the one its server listens on).
    """
    ours = {str(field.validation_alias) for field in Settings.model_fields.values() if field.validation_alias}
    ours.remove("CUDA_VISIBLE_DEVICES")
    kept = {k: v for k, v in os.environ.items() if k not in ours and not k.startswith("TUNESMITH_")}
    return {**defaults, **kept, **forced}
