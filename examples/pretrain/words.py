"""The lexicon: tens of thousands of different words, so that copying is the only way to predict them.

Debian's `wamerican` list is used where present; without it, the same number of words is composed from syllables.
"""

from functools import cache
from pathlib import Path
from random import Random

SYSTEM_LIST = Path("/usr/share/dict/words")
LEXICON_SIZE = 30_000


def listed(text: str) -> tuple[str, ...]:
    """The words of the text."""
    return tuple(text.split())


def table(text: str) -> dict[str, str]:
    """Pairs written as `key:value,key:value`."""
    return dict(pair.split(":") for pair in text.split(","))


ONSETS = listed("b c d f g h j k l m n p r s t v w z br cr dr fl gr kl pl pr sh sk sl st th tr qu")
VOWELS = listed("a e i o u a e i o u ai ea ee oo ou io")
CODAS = ("", "", "", "", "n", "r", "l", "s", "t", "m", "d", "k", "x", "nd", "rt", "sh", "ck", "ng", "st")


def invented_word(rng: Random, fewest: int = 1, most: int = 3) -> str:
    """A lower-case word that no list holds, of `fewest` to `most` syllables."""
    syllables = rng.randint(fewest, most)
    return "".join(rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS) for _ in range(syllables))


def capitalised(text: str) -> str:
    """The text with its first letter in upper case and the rest untouched."""
    return text[:1].upper() + text[1:]


def read_word_list(path: Path) -> list[str]:
    """The plain ASCII words of 2 to 10 letters of a one-word-per-line file."""
    lines = path.read_text(encoding="utf-8", errors="ignore").split()
    return [word for word in lines if word.isascii() and word.isalpha() and 2 <= len(word) <= 10]


@cache
def lexicon(path: Path = SYSTEM_LIST, size: int = LEXICON_SIZE) -> tuple[str, ...]:
    """`size` different words in a fixed order: from the list at `path`, topped up with invented ones."""
    rng = Random(5)
    words = sorted(set(read_word_list(path))) if path.exists() else []
    rng.shuffle(words)
    chosen = dict.fromkeys(words[:size])
    while len(chosen) < size:
        chosen[invented_word(rng, 1, 4)] = None
    return tuple(chosen)
