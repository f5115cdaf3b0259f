"""A GPU that training shares with vLLM: a run waits until the gateway has freed it, and says when it is done."""

from core import pauses
from core.errors import UpstreamFailed
from core.settings import get_settings
from worker.lease import LeaseKeeper
from worker.report import Reporter

_HOW = {
    "asleep": "vLLM sleeps while this job trains",
    "stopped": "vLLM is stopped while this job trains, because its sleep would free nothing here",
}


class SharedGpu:
    """Nothing happens unless TUNESMITH_SHARE_GPU says that the GPU is shared."""

    def __init__(self, keeper: LeaseKeeper, reporter: Reporter) -> None:
        self._keeper, self._reporter = keeper, reporter
        self._is_shared = get_settings().share_gpu != "off"

    def take(self) -> None:
        """Wait until vLLM has given its memory back; UpstreamFailed when it does not."""
        if not self._is_shared:
            return
        lease, timeout_s = self._keeper.lease, get_settings().deploy_timeout_s
        self._keeper.write(lambda session: pauses.ask(session, lease))
        if not self._keeper.wait_until(lambda: self._granted() is not None, timeout_s):
            raise UpstreamFailed(
                f"vLLM has not freed the GPU within {timeout_s:g} s: is the inference gateway running, with "
                "TUNESMITH_SHARE_GPU set as for this worker? Its log says more; retry the job once it is"
            )
        how = self._granted() or "stopped"
        self._reporter.event("gpu.taken", _HOW[how], {"how": how})

    def give_back(self) -> None:
        """Let vLLM serve again.  A deployment that the run asks for does so as well, with the new model at once."""
        if self._is_shared:
            self._keeper.write(lambda session: pauses.end(session, self._keeper.lease.job_id))

    def _granted(self) -> str | None:
        return self._keeper.write(lambda session: pauses.granted(session, self._keeper.lease))
