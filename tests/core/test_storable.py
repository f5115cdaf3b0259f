"""Whatever a model writes can be stored."""

import json
import math

from sqlalchemy import cast, func, select
from sqlalchemy.dialects.postgresql import JSONB

from core.db import transaction
from core.storable import storable
from tests.conftest import Services


def test_what_postgres_refuses_is_replaced_by_what_can_be_seen() -> None:
    value = {"a\0": ["x\0y", "half \ud800 pair", math.inf, -math.inf, 1.5, True, None], "b": ("t",)}
    assert storable(value) == {"a\u2400": ["x\u2400y", "half \ufffd pair", "inf", "-inf", 1.5, True, None], "b": ["t"]}


def test_not_a_number_is_its_name() -> None:
    assert storable(math.nan) == "nan"


def test_postgres_takes_it(database: Services) -> None:
    value = {"a\0": ["\0", "\ud800\udc00", "\udfff", math.nan, 10**400, "ß \U0001f600"]}
    with transaction() as session:
        stored = session.scalar(select(func.jsonb_array_length(cast(storable(value), JSONB)["a\u2400"])))
    assert stored == 6
    assert json.loads(json.dumps(storable(value)))["a\u2400"][5] == "ß \U0001f600"
