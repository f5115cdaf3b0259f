"""A limit on the memory that a stage program may take on the host, so that a job too large harms only itself.

The kernel's limit counts what a process may write (RLIMIT_DATA), of which torch reserves a gigabyte that it never
touches: so the limit is set above what is reserved now by as much as may still be filled.  RLIMIT_AS would count
the mapped files of models too, which the kernel can drop at any time.
"""

import re
import resource
from pathlib import Path

_KIB = 1024


def limit_memory(limit_bytes: int) -> None:
    """Let allocations fail once this process holds `limit_bytes`; MemoryError if it does already."""
    status = Path("/proc/self/status").read_text()
    reserved, held = (int(re.findall(rf"{key}:\s+(\d+) kB", status)[0]) * _KIB for key in ("VmData", "VmRSS"))
    if held >= limit_bytes:
        raise MemoryError(f"the limit is {limit_bytes:,} bytes and the program alone takes {held:,}")
    limit = reserved + limit_bytes - held
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
