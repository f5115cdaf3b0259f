"""Sampling of argument values for the seven tools."""

import re
import string
from dataclasses import dataclass
from random import Random

from examples.data import pools
from examples.data.pools import Pool
from examples.pretrain import words
from examples.pretrain.words import capitalised

RUDE = re.compile("fuck|shit|cunt|cock|dick|tit|slut|rap|nig|fag|piss|cum|ass|porn|sex|nazi|kil")


def invented_word(rng: Random, fewest: int = 1, most: int = 3) -> str:
    """A word that no list holds, and that offends nobody."""
    while RUDE.search(word := words.invented_word(rng, fewest, most)):
        pass
    return word


@dataclass(frozen=True)
class Values:
    """Samples values; `held_out` says from which half of the pools, `invented` how often a word is made up instead."""

    rng: Random
    held_out: bool = False
    invented: float = 0.25

    def pick(self, choices: Pool) -> str:
        return self.rng.choice(choices.of(self.held_out))

    def makes_up(self, share: float = 1.0) -> bool:
        return self.rng.random() < self.invented * share

    def city(self) -> str:
        if not self.makes_up():
            return self.pick(pools.CITIES)
        name = capitalised(invented_word(self.rng, 2, 3))
        return name if self.rng.random() < 0.8 else f"{name} {capitalised(invented_word(self.rng, 1, 2))}"

    def language(self) -> str:
        return capitalised(invented_word(self.rng, 1, 2)) + "ish" if self.makes_up(0.6) else self.pick(pools.LANGUAGES)

    def address(self) -> str:
        local = invented_word(self.rng, 1, 2) if self.makes_up() else self.pick(pools.NAMES)
        if self.rng.random() < 0.25:
            local += self.rng.choice("._") + self.pick(pools.NAMES)
        if self.rng.random() < 0.2:
            local += str(self.rng.randint(1, 99))
        return f"{local}@" + (f"{invented_word(self.rng, 1, 2)}.com" if self.makes_up() else self.pick(pools.HOSTS))

    def symbol(self) -> str:
        if self.makes_up(1.4):
            return "".join(self.rng.choice(string.ascii_uppercase) for _ in range(self.rng.randint(3, 4)))
        return self.pick(pools.SYMBOLS)

    def topic(self) -> str:
        """Two to five words; at least one of them from this side's pools alone."""
        quality, thing, matter = self.pick(pools.QUALITIES), self.pick(pools.THINGS), self.pick(pools.MATTERS)
        if self.makes_up():
            thing = invented_word(self.rng, 2, 3)
        shapes = (
            f"{quality} {thing} {matter}",
            f"{thing} {matter}",
            f"{quality} {thing}",
            f"{thing} {matter} in {self.city()}",
            f"{quality} {matter} for {thing}",
        )
        return self.rng.choice(shapes)

    def subject(self) -> str:
        return (
            capitalised(invented_word(self.rng, 2, 3)) + self.rng.choice((" news", " plan", ""))
            if self.makes_up()
            else self.pick(pools.SUBJECTS)
        )

    def body(self) -> str:
        actor = capitalised(invented_word(self.rng, 2, 2)) if self.makes_up() else self.pick(pools.ACTORS)
        text = f"{actor} {self.pick(pools.DEEDS)} {self.pick(pools.TIMES)}"
        return capitalised(text) if self.rng.random() < 0.6 else text

    def phrase(self) -> str:
        if self.rng.random() < 0.6 and not self.makes_up():
            return self.pick(pools.PHRASES)
        thing = invented_word(self.rng, 2, 3) if self.makes_up() else self.pick(pools.THINGS)
        quality = self.pick(pools.QUALITIES)
        return self.rng.choice(
            (
                f"the {thing} is {quality}",
                f"I like {thing} and {self.pick(pools.THINGS)}",
                self.body(),
                f"a {quality} {thing}",
            )
        )

    def expression(self) -> str:
        def term() -> str:
            if self.rng.random() < 0.08:
                return f"{self.rng.randint(1, 99)}.{self.rng.randint(1, 9)}"
            return str(self.rng.randint(2, self.rng.choice((20, 99, 999))))

        a, b, c = term(), term(), term()
        p, q = self.rng.choice("+-*/"), self.rng.choice("+-*/")
        return self.rng.choice(
            (f"{a} {p} {b}", f"{a} {p} {b} {q} {c}", f"({a} {p} {b}) {q} {c}", f"{a} {p} ({b} {q} {c})")
        )

    def date(self) -> str:
        return f"{self.pick(pools.YEARS)}-{self.rng.randint(1, 12):02d}-{self.rng.randint(1, 28):02d}"
