"""Whether the suites of a job can be read, before it exists: a suite that fails after hours of training is no use."""

from collections.abc import Iterator, Mapping
from itertools import islice

from api.data_files import local_file, path_of
from core.errors import BadData, ServiceError
from core.models import File
from core.rows import last, raw_rows
from core.spec import HELD_OUT, EvaluationSpec, HeldOut, SuiteSpec
from core.suites import read_suite


def suite_problems(spec: EvaluationSpec, uploaded: Mapping[str, File]) -> Iterator[ServiceError]:
    """What is wrong with each suite, by its place in the spec."""
    for name, suite in spec.named_suites().items():
        yield from _problems(suite, f"evaluation.{name}" if name == HELD_OUT else f"evaluation.suites.{name}", uploaded)


def held_out_problems(held_out: HeldOut, uploaded: Mapping[str, File]) -> Iterator[ServiceError]:
    """What is wrong with rows at the end of a stage's data; what keeps that from being read is told of the stage."""
    place = "evaluation.hold_out_rows"
    try:
        path = path_of(held_out.data, place, uploaded)
    except ServiceError:
        return
    if path is None:
        return
    try:
        rows = last(islice(raw_rows(path), held_out.data.rows), held_out.rows + 1)
        if len(rows) <= held_out.rows:
            message = (
                f"{place} is {held_out.rows}, and {path.name} has {len(rows)} rows: none would be left to train on"
            )
            yield BadData(message, param=place)
        else:
            read_suite(SuiteSpec.model_validate(held_out.data.model_dump()), rows[1:], path.name, None)
    except BadData as error:
        yield BadData(f"{place}: {error.message}", param=place)
    except OSError:  # told of the stage
        return


def _problems(suite: SuiteSpec, place: str, uploaded: Mapping[str, File]) -> Iterator[ServiceError]:
    path = accepted = None
    is_there = True
    try:
        path = path_of(suite, f"{place}.source", uploaded)
    except ServiceError as error:
        is_there = False
        yield error
    try:
        accepted = None if suite.accepted is None else local_file(suite.accepted, f"{place}.accepted")
    except ServiceError as error:
        is_there = False
        yield error
    if not is_there or path is None:  # one of the hub is read when the job is prepared, before it trains
        return
    try:
        read_suite(suite, raw_rows(path), path.name, accepted)
    except BadData as error:
        param = f"{place}.{'accepted' if error.param == 'accepted' else 'source'}"
        yield BadData(f"{param}: {error.message}", param=param)
    except OSError as error:
        message = f"{place}: {error.filename or suite.source!r} cannot be read: {error.strerror}"
        yield BadData(message, param=f"{place}.source")
