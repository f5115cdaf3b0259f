"""The bearer keys that open the inference paths: the admin key, and keys that open nothing else."""

import hmac
from collections.abc import Iterable
from hashlib import sha256

from core.errors import NotAuthenticated

_SCHEME = b"bearer "


class Keys:
    """Keeps hashes only: no key can be read out of it, and every comparison is of equal lengths."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._hashes = [sha256(key.encode()).digest() for key in keys]

    def check(self, authorization: bytes) -> None:
        """Raise NotAuthenticated unless the header's value carries one of them; any wrong one takes as long."""
        known = False
        if authorization[: len(_SCHEME)].lower() == _SCHEME:
            given = sha256(authorization[len(_SCHEME) :]).digest()
            for one in self._hashes:
                known |= hmac.compare_digest(given, one)
        if not known:
            raise NotAuthenticated(
                "wrong or missing key: send `Authorization: Bearer KEY` with TUNESMITH_ADMIN_KEY "
                "or one of TUNESMITH_INFERENCE_KEYS"
            )
