"""Stage program: download the base model from the hub, once; its result names the local folder."""

from core.storage import read_json
from worker.stages.hub import fetch_model
from worker.stages.run_dir import RunDir, run_program


def main(run: RunDir) -> None:
    """Read `fetch.spec.json` ({"name", "revision"}) and write `fetch.json` ({"path"})."""
    wanted = read_json(run.path / "fetch.spec.json")
    run.finish("fetch", {"path": fetch_model(wanted["name"], wanted["revision"])})


if __name__ == "__main__":
    run_program(main)
