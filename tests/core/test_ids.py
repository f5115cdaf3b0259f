"""Ids and public names: OpenAI's forms, safe as a path segment."""

import re

import pytest

from core.db import driver_url
from core.ids import base_model_id, model_name, new_id


def test_an_id_is_its_prefix_and_24_random_characters() -> None:
    ids = {new_id("ftjob") for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"ftjob-[A-Za-z0-9]{24}", job_id) for job_id in ids)


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("Qwen/Qwen2.5-3B", "ft:Qwen2.5-3B:default:tuned:abcdefgh-chat"),
        ("./examples/tiny-base/", "ft:tiny-base:default:tuned:abcdefgh-chat"),
        ("/models/my model:1", "ft:my-model-1:default:tuned:abcdefgh-chat"),
    ],
)
def test_a_tuned_model_is_named_by_base_project_suffix_and_job(base: str, name: str) -> None:
    assert model_name(base, "default", "tuned", "ftjob-abcdefghijkl", "chat") == name


@pytest.mark.parametrize("base", ["Qwen/Qwen2.5-3B", "../Qwen2.5-3B/", "/models/Qwen2.5-3B"])
def test_a_base_model_is_named_by_its_own_name_and_a_digest(base: str) -> None:
    assert base_model_id(base, "1f3a9c2e") == "base:Qwen2.5-3B:1f3a9c2e"


@pytest.mark.parametrize("url", ["postgres://h/d", "postgresql://h/d", "postgresql+psycopg://h/d"])
def test_every_usual_spelling_of_a_postgres_url_takes_psycopg(url: str) -> None:
    assert driver_url(url) == "postgresql+psycopg://h/d"
