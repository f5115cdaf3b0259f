"""Ids in OpenAI's form: a prefix that says what the thing is, then 24 random letters and digits."""

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str) -> str:
    """`new_id("ftjob")` -> `ftjob-` and 24 characters, about 143 random bits."""
    rest, letters = secrets.randbelow(len(_ALPHABET) ** 24), []
    for _ in range(24):
        rest, position = divmod(rest, len(_ALPHABET))
        letters.append(_ALPHABET[position])
    return f"{prefix}-{''.join(letters)}"


def model_name(base: str, project: str, suffix: str, job_id: str, stage: str) -> str:
    """The public name of a tuned model: `ft:base:project:suffix:id`, the id ending in the stage.

    Every part is reduced to letters, digits, `.`, `_` and `-`, so the name can be used as a path segment.
    """
    parts = [_last_part(base), project, suffix, f"{job_id.removeprefix('ftjob-')[:8]}-{stage}"]
    return ":".join(["ft", *map(_reduced, parts)])


def base_in(model_id: str) -> str:
    """The base in the public name of a tuned model."""
    return model_id.split(":")[1]


def base_model_id(base: str, digest: str) -> str:
    """The public name of a base model: `base:name:digest`, a path segment too."""
    return f"base:{_reduced(_last_part(base))}:{digest}"


def _last_part(name: str) -> str:
    return name.rstrip("/").rsplit("/", 1)[-1]


def _reduced(part: str) -> str:
    kept = string.ascii_letters + string.digits + "._-"
    return "".join(c if c in kept else "-" for c in part)
