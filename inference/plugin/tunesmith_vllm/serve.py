"""`python -m tunesmith_vllm.serve PARENT_PID …`: vLLM's own server, which ends when the process PARENT_PID does.

vLLM's spawned processes import this file as `__mp_main__` before anything else, and are tied to their parent then.
"""

import os
import runpy
import sys

from tunesmith_vllm.lifetime import die_with_parent

SERVER = "vllm.entrypoints.launchers.api_server.entry"


def main() -> None:
    """Tie this process to its parent, then become vLLM's server with the remaining arguments."""
    die_with_parent()
    if os.getppid() != int(sys.argv.pop(1)):
        sys.exit("the process that started this vLLM is gone")
    runpy.run_module(SERVER, run_name="__main__")


if __name__ == "__mp_main__":
    die_with_parent()
if __name__ == "__main__":
    main()
