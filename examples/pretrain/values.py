"""Values that fill the requests and forms of the pre-training text: places, people, dates, sums, phrases."""

import string
from collections.abc import Callable
from random import Random

from examples.pretrain.words import capitalised, invented_word, lexicon, listed

COMMON = listed(
    """the a my our your this that we they you she he it and but or so not very new old big small good best cheap
    easy fast slow warm cold red green blue black white early late next last first open closed free full quiet local
    home house garden river road street school office shop market station train bus car plane boat bike water coffee
    tea bread cake soup pizza pasta rice apple fruit dinner lunch breakfast meeting report project plan list note
    letter message email phone camera laptop computer book story song music movie game team party holiday trip ticket
    room table chair door window key money price bill bank letter paper photo picture map weather rain sun snow wind
    day week month year morning evening night monday tuesday wednesday thursday friday saturday sunday time hour
    friend sister brother mother father boss doctor teacher client customer neighbour child dog cat bird horse fish
    is are was will can has have needs wants likes sent found lost made read saw moved start started arrive arrives
    late ready done at in on to from with for of by near after before about today tomorrow tonight please thank hello
    news tips recipes reviews history events prices rules tools ideas facts lessons jobs hotels trails museums repair
    how what where when why who does did make buy learn visit find help work play"""
)
LETTERS = string.ascii_letters + string.digits
NOISE = LETTERS + " -_.,:;/()'+*#%&"
COLOURS = listed("red green blue black white yellow brown grey pink")
DOMAINS = ("com", "org", "net", "io", "edu", "co", "example", "info")


def word(rng: Random) -> str:
    """One lower-case word: common, from the lexicon, or invented."""
    z = rng.random()
    if z < 0.45:
        return rng.choice(COMMON)
    return rng.choice(lexicon()).lower() if z < 0.85 else invented_word(rng)


def proper(rng: Random) -> str:
    """One capitalised word."""
    return capitalised(rng.choice(lexicon()) if rng.random() < 0.6 else invented_word(rng))


def words(rng: Random, fewest: int, most: int) -> str:
    """Several words, mostly lower case."""
    chosen = (proper(rng) if rng.random() < 0.08 else word(rng) for _ in range(rng.randint(fewest, most)))
    return " ".join(chosen)


def place(rng: Random) -> str:
    return proper(rng) + (" " + proper(rng) if rng.random() < 0.25 else "")


def person(rng: Random) -> str:
    return proper(rng) + (" " + proper(rng) if rng.random() < 0.4 else "")


def mail(rng: Random) -> str:
    local = word(rng)
    if rng.random() < 0.35:
        local += rng.choice("._-") + word(rng)
    if rng.random() < 0.25:
        local += str(rng.randint(1, 999))
    return f"{local}@{word(rng)}.{rng.choice(DOMAINS)}"


def ticker(rng: Random) -> str:
    if rng.random() < 0.3:
        return rng.choice(lexicon()).upper()[: rng.randint(2, 5)]
    return "".join(rng.choice(string.ascii_uppercase) for _ in range(rng.randint(1, 5)))


def date(rng: Random) -> str:
    return f"{rng.randint(1900, 2099)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"


def clock(rng: Random) -> str:
    return f"{rng.randint(0, 23)}:{rng.randint(0, 59):02d}"


def number(rng: Random) -> str:
    return str(rng.randint(0, rng.choice((9, 99, 999, 9999))))


def price(rng: Random) -> str:
    return f"{rng.randint(1, 999)}.{rng.randint(0, 99):02d}"


def formula(rng: Random) -> str:
    def term() -> str:
        return number(rng) if rng.random() < 0.9 else f"{rng.randint(1, 99)}.{rng.randint(1, 9)}"

    a, b, c = term(), term(), term()
    p, q = rng.choice("+-*/"), rng.choice("+-*/")
    shapes = (f"{a} {p} {b}", f"{a} {p} {b} {q} {c}", f"({a} {p} {b}) {q} {c}", f"{a} {p} ({b} {q} {c})")
    return rng.choice(shapes) if rng.random() < 0.9 else rng.choice(shapes).replace(" ", "")


def topic(rng: Random) -> str:
    text = words(rng, 1, 4)
    return f"{text} in {place(rng)}" if rng.random() < 0.15 else text


def title(rng: Random) -> str:
    return capitalised(words(rng, 1, 3))


def sentence(rng: Random) -> str:
    text = words(rng, 2, 7)
    return capitalised(text) if rng.random() < 0.6 else text


def language(rng: Random) -> str:
    if rng.random() < 0.5:
        return capitalised(invented_word(rng, 1, 2)) + rng.choice(("ish", "ian", "ese", "an", "ic", ""))
    return proper(rng)


def code(rng: Random) -> str:
    return "".join(rng.choice(LETTERS) for _ in range(rng.randint(2, 8)))


def noise(rng: Random) -> str:
    return "".join(rng.choice(NOISE) for _ in range(rng.randint(3, 14))).strip() or "x"


def colour(rng: Random) -> str:
    return rng.choice(COLOURS)


def scale(rng: Random) -> str:
    return rng.choice(("celsius", "fahrenheit", "kelvin"))


Sampler = Callable[[Random], str]
ANY: tuple[Sampler, ...] = (
    *(place, person, mail, ticker, date, clock, number, price, formula, topic, title),
    *(sentence, language, code, noise, word, sentence, topic, mail, formula),
)


def anything(rng: Random) -> str:
    """A value of any kind."""
    return rng.choice(ANY)(rng)
