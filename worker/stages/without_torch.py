"""Imported first by programs that only tokenise: transformers and datasets then do without torch.

Loading it, and all that transformers loads along with it, is 8 of the 12 seconds of computing that such a program
would take to start.  Where torch is loaded already, as in a test, it stays.
"""

import sys

sys.modules.setdefault("torch", None)  # type: ignore[arg-type]  # None makes Python say that there is no such module
