"""What a data file may hold at most.  Reading takes memory for a few rows, however large the file is."""

ROW_BYTES = 16_000_000
"""The longest row, as text; a conversation of a million tokens is about a quarter of that."""

BLOCK_BYTES = 1 << 16
"""So much of a file is read at a time."""

UNPACKED_BYTES = 100_000_000_000
"""The largest text that a compressed file may hold."""

UNPACKED_RATIO = 200
"""How many times its size a compressed file may unpack to; JSON packs to a tenth, a zip bomb to a thousandth."""

UNPACKED_FREE_BYTES = 50_000_000
"""The ratio is not looked at before so much was unpacked: small files of equal rows pack to next to nothing."""
