"""What to do about a job that failed, by the code of its error; docs/failures.md says the same, by test.

An error's message says what happened and names the thing; this says what its reader does next.
"""

REMEDIES = {
    "bad_data": "mend the row or the setting that is named, post a new job",
    "invalid_request": "name a path below `DATA_ROOT`",
    "hub_unreachable": "check the machine's way to the hub, or give a local path; retry",
    "hub_refused": "check the name; for a private or gated one set `HF_TOKEN` in the worker's environment; retry",
    "out_of_memory": "lower `max_seq_length`, or retry on a worker with more memory",
    "diverged": "post a job with a lower `learning_rate` or more `warmup_steps`",
    "disk_full": "free space, then retry",
    "stage_failed": "read the program's log in the run directory; report a bug",
    "stage_crashed": "look for a kernel short of memory, or a driver's fault; retry",
    "stopped": "look for who ends the trainer; retry",
    "unsupported_adapter": "train with the settings that a job has",
    "adapter_mismatch": "take `target_modules` that the base model has",
    "broken_model": "post a job with a lower `learning_rate`",
    "endpoint_failed": "look at the gateway's log; retry",
    "upstream_failed": "start the gateway, or raise `TUNESMITH_DEPLOY_TIMEOUT_S`; retry",
    "parity_mismatch": "mend what the message names (docs/parity.md), then retry; post a new job if rows are to change",
    "gate_failed": "post a job that trains better, or deploy the model by hand with `force`; a retry fails again",
    "deployment_failed": "mend what the message names, then retry",
    "worker_lost": "look for what kills or freezes workers, as a kernel short of memory; retry",
    "bad_configuration": "set it as the message says, restart the worker, retry",
    "conflict": "retry; report a bug if it stays",
    "not_found": "post a new job",
    "internal_error": "read the worker's log; report a bug",
}


def remedy(code: str) -> str:
    """What to do; a code of an older version, which is not known any more, sends its reader to the page."""
    return REMEDIES.get(code, "see docs/failures.md")
