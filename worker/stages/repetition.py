"""Whether a text repeats itself as degenerate text does: it ends in a loop, or most of it has been said before.

Both are what greedy answers of a broken or untrained model look like.  Loops at the end: Holtzman et al. 2020, "The
Curious Case of Neural Text Degeneration", whose program counts a phrase of 3 tokens or more that comes twice; a list
may end so, hence the stricter numbers here.  Repeated 4-grams: seq-rep-4 of Welleck et al. 2020, "Neural Text
Generation with Unlikelihood Training", where it is 0.44 for greedy text of a language model and 0.005 for people's.
Of 1,745 answers of two public data sets (Alpaca, Glaive) 5 count as repetitive, all of them tables or code, and no end
as a loop, though the tiny base's tokenizer makes many short tokens of them.
"""

from collections.abc import Sequence

LOOPS, LOOP_TOKENS = 3, 16
"""The end is a loop when the same phrase comes three times in a row or more, over so many tokens in all."""
LONGEST_PHRASE = 90
"""Tokens, as in the program of Holtzman et al."""
NGRAM, BOUND = 4, 0.5
"""More than half of the 4-grams are repetitions."""


def is_repetitive(tokens: Sequence[int]) -> bool:
    """Whether the text does either; one of less than 16 tokens does not."""
    return len(tokens) >= LOOP_TOKENS and (ends_in_a_loop(tokens) or repeated_ngrams(tokens) > BOUND)


def ends_in_a_loop(tokens: Sequence[int]) -> bool:
    """Whether the text ends with one phrase again and again; the last time round may be cut off."""
    for length in range(1, min(LONGEST_PHRASE, len(tokens) // LOOPS) + 1):
        run = next((i for i in range(len(tokens) - length) if tokens[-1 - i] != tokens[-1 - i - length]), None)
        covered = length + (len(tokens) - length if run is None else run)
        if covered >= max(LOOPS * length, LOOP_TOKENS):
            return True
    return False


def repeated_ngrams(tokens: Sequence[int]) -> float:
    """seq-rep-4: the share of 4-grams that are not the first of their kind."""
    ngrams = [tuple(tokens[i : i + NGRAM]) for i in range(len(tokens) - NGRAM + 1)]
    return 1 - len(set(ngrams)) / len(ngrams) if ngrams else 0.0
