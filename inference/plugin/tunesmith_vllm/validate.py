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


def check_own_config(new: Checkpoint) -> None:
    """Raise Refused when the tensors are not of the sizes that the checkpoint's own config names.

    A server started on such a folder would fail after it has taken the place of one that worked.
    """
    config = new.config
    hidden, vocabulary, inner = (config.get(key) for key in ("hidden_size", "vocab_size", "intermediate_size"))
    for name, tensor in new.tensors.items():
        expected: tuple[object, ...] | None = None
        if name.endswith(("embed_tokens.weight", "lm_head.weight")):
            expected = (vocabulary, hidden)
        elif name.endswith(("mlp.gate_proj.weight", "mlp.up_proj.weight")):
            expected = (inner, hidden)
        if expected is not None and None not in expected and tensor.shape != expected:
            raise Refused(
                f"{new.path}: its config.json names sizes {list(expected)} for {name}, which is {list(tensor.shape)}"
            )
    layers = {int(part) for name in new.tensors if (part := _layer(name)).isdigit()}
    named = config.get("num_hidden_layers")
    if layers and isinstance(named, int) and layers != set(range(named)):
        raise Refused(f"{new.path}: its config.json names {named} layers, and there are tensors of {len(layers)}")


def _layer(name: str) -> str:
    """`7` of `model.layers.7.mlp.up_proj.weight`."""
    return name.partition(".layers.")[2].partition(".")[0]


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
