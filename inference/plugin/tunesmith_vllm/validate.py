"""Decides whether a checkpoint can replace the served one in place."""

from tunesmith_vllm.checkpoint import Checkpoint, Incompatible, Refused

SHOWN = 3


def differences(served: Checkpoint, new: Checkpoint) -> list[str]:
    """What a running server cannot change: keys of the config, files of the tokenizer and the chat template."""
    keys = sorted(k for k in served.config.keys() | new.config.keys() if served.config.get(k) != new.config.get(k))
    files = sorted(
        name
        for name in served.tokenizer.keys() | new.tokenizer.keys()
        if served.tokenizer.get(name) != new.tokenizer.get(name)
    )
    return [f"config.json: {key}" for key in keys] + files


def check_compatible(served: Checkpoint, new: Checkpoint) -> None:
    """Raise Incompatible when the server must be started anew for this checkpoint."""
    found = differences(served, new)
    if found:
        raise Incompatible(f"differs from the served model in {_some(found)}")


def check_tensors(served: Checkpoint, new: Checkpoint) -> None:
    """Raise Refused unless both hold the same tensors with the same shapes and dtypes.

    Called for checkpoints of the same config, so a difference means a broken checkpoint, not another model.
    """
    missing, extra = served.tensors.keys() - new.tensors.keys(), new.tensors.keys() - served.tensors.keys()
    if missing:
        raise Refused(f"{new.path} lacks {len(missing)} of {len(served.tensors)} tensors: {_some(sorted(missing))}")
    if extra:
        raise Refused(f"{new.path} has {len(extra)} tensors too many: {_some(sorted(extra))}")
    wrong = [
        f"{name} is {theirs.dtype}{list(theirs.shape)}, not {ours.dtype}{list(ours.shape)}"
        for name, ours in served.tensors.items()
        if ((theirs := new.tensors[name]).shape, theirs.dtype) != (ours.shape, ours.dtype)
    ]
    if wrong:
        raise Refused(f"{new.path}: {len(wrong)} tensors do not fit its config: {_some(wrong)}")


def _some(found: list[str]) -> str:
    more = len(found) - SHOWN
    return ", ".join(found[:SHOWN]) + (f" and {more} more" if more > 0 else "")
