"""What earlier jobs took is found by an index, however many jobs there are."""

from core.durations import history
from tests.conftest import Services
from tests.core.plans import filled, plan_of


def test_the_latest_jobs_on_a_base_are_found_by_their_index(database: Services) -> None:
    with filled(database):
        for base_model in ("Qwen/Qwen2.5-3B", "owner/never-trained"):
            plan = plan_of(lambda session, name=base_model: history(session, name))  # type: ignore[misc]
            assert "ix_jobs_history" in plan, (base_model, plan)
            assert "Seq Scan on jobs" not in plan, (base_model, plan)
