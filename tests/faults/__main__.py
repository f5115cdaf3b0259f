"""`python -m tests.faults`: the directed cases and the mass run against a real system; one JSON object last.

`make faults` is this command.  It exits with 1 unless all jobs were posted, nothing was lost, nothing succeeded twice,
every result was the undisturbed one, and every case passed or could not be run here.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from tests.faults import mass
from tests.faults.cases import CASES, Skipped
from tests.faults.system import FaultySystem
from tests.faults.verdict import recoveries, summary_s
from tests.faults.world import World

SERVING = ("gateway_killed_while_deploying", "vllm_killed")


def main() -> None:
    """Parse, run, print."""
    options = _options()
    if options.list:
        for name, case in CASES.items():
            print(f"{name:36} {(case.__doc__ or '').splitlines()[0]}")
        return
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)

    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(f"stopped by signal {number}"))
    cases = _chosen_cases(options)
    jobs = 0 if options.case else options.jobs
    with tempfile.TemporaryDirectory(prefix="tunesmith-faults-", ignore_cleanup_errors=True) as temporary:
        system = FaultySystem(Path(options.home or temporary), options.workers)
        try:
            system.start()
            say(f"started with {options.workers} workers in {system.home}")
            report = _run(World(system, say), cases, jobs, options)
        finally:
            system.stop()
    report["minutes"] = round((time.monotonic() - began) / 60, 1)
    print(json.dumps(report), flush=True)
    sys.exit(0 if _is_good(report) else 1)


def _run(world: World, cases: list[str], jobs: int, options: argparse.Namespace) -> dict[str, Any]:
    """The mass run first, then the cases, of which the serving ones leave a vLLM behind."""
    report: dict[str, Any] = {
        "jobs": 0,
        "jobs_wanted": jobs,
        "seed": options.seed,
        "faults": 0,
        "lost": 0,
        "duplicate_success": 0,
        "wrong_result": 0,
        "redone_steps_pct": None,
        "recovery_s": summary_s([]),
        "cases": {},
    }
    if jobs:
        try:
            report.update(_mass(world, jobs, options))
        except Exception as error:  # noqa: BLE001  the process edge: hours of cases should still be reported
            traceback.print_exc()
            report["error"] = f"the mass run broke off: {type(error).__name__}: {error}"[:500]
            world.start_afresh()
    hits_of_mass = len(world.hits)
    if cases:
        report["cases"] = {name: _case(world, name) for name in cases}
        if hits_of_mass == 0:
            report["recovery_s"] = summary_s(world.system.rows(lambda session: recoveries(session, world.hits)))
    return report


def _mass(world: World, jobs: int, options: argparse.Namespace) -> dict[str, Any]:
    result = mass.run(world, jobs, options.seed, options.minutes, options.every_s)
    verdict = result.verdict
    for reason in verdict.reasons():
        world.say(f"BROKEN {reason}")
    done = len(result.promises)
    if done < jobs:
        world.say(f"PARTIAL: {done} of {jobs} jobs were posted within {options.minutes:g} minutes")
    return {
        "jobs": done,
        "faults": sum(result.faults.values()),
        "faults_by_kind": dict(sorted(result.faults.items())),
        "lost": len(verdict.lost),
        "duplicate_success": len(verdict.duplicate_success),
        "wrong_result": len(verdict.wrong_result),
        "redone_steps_pct": verdict.redone_steps_pct,
        "recovery_s": summary_s(result.recovered_s),
        "longest_overlap_s": round(result.longest_overlap_s, 1),
        "mass_minutes": round(result.minutes, 1),
    }


def _case(world: World, name: str) -> str:
    """Run one case; `passed`, `skipped: why` or `failed: why`."""
    began = time.monotonic()
    try:
        CASES[name](world)
    except Skipped as reason:
        outcome = f"skipped: {reason}"
    except Exception as error:  # noqa: BLE001  the process edge: the other cases still run
        traceback.print_exc()
        outcome = f"failed: {type(error).__name__}: {error}"[:500]
    else:
        outcome = "passed"
    world.say(f"case {name}: {outcome} ({time.monotonic() - began:.1f} s)")
    if outcome.startswith("failed"):
        world.start_afresh()
    return outcome


def _is_good(report: dict[str, Any]) -> bool:
    broken = any(report.get(key) for key in ("lost", "duplicate_success", "wrong_result", "error"))
    return (
        not broken
        and report["jobs"] >= report["jobs_wanted"]
        and all(not outcome.startswith("failed") for outcome in report["cases"].values())
    )


def _chosen_cases(options: argparse.Namespace) -> list[str]:
    if options.case:
        return list(options.case)
    if options.no_cases:
        return []
    last = () if options.no_serving else SERVING  # they leave a vLLM behind, which slows down what follows
    return [*(name for name in CASES if name not in SERVING), *last]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--jobs", type=int, default=200, help="of the mass run; 0 leaves it out")
    parser.add_argument("--seed", type=int, default=1, help="of the faults and of the jobs")
    parser.add_argument("--minutes", type=float, default=120, help="of the mass run, after which it only settles")
    parser.add_argument("--every-s", type=float, default=15, help="mean time between two faults")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--case", action="append", choices=CASES, metavar="NAME", help="only this case; repeatable")
    parser.add_argument("--no-cases", action="store_true", help="the mass run alone")
    parser.add_argument("--no-serving", action="store_true", help="without the cases that start vLLM")
    parser.add_argument("--list", action="store_true", help="name the cases")
    parser.add_argument("--home", help="keep rows, files and logs in this folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
