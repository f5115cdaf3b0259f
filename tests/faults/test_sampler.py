"""Noticing that one job is trained twice at once."""

from tests.faults.sampler import THAW_GRACE_S, Sampler


def test_two_programs_of_one_job_for_longer_than_the_grace_are_an_overlap() -> None:
    sampler = Sampler()
    for now_s in (0.0, 1.0, THAW_GRACE_S + 0.5):
        sampler.take({1: ("a", "sft"), 2: ("a", "sft")}, now_s)
    assert list(sampler.overlaps) == ["a"]


def test_programs_of_different_jobs_are_none() -> None:
    sampler = Sampler()
    for now_s in (0.0, 10.0):
        sampler.take({1: ("a", "sft"), 2: ("b", "sft")}, now_s)
    assert sampler.overlaps == {}


def test_a_thawed_program_that_ends_in_time_is_none() -> None:
    sampler = Sampler()
    for now_s in (0.0, 5.0, 10.0):
        sampler.take({1: ("a", "sft"), 2: ("a", "sft")}, now_s)
        sampler.take({2: ("a", "sft")}, now_s + 0.5)
    assert sampler.overlaps == {}
