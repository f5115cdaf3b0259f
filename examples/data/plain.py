"""Conversations in plain words: facts, small talk, echoes, greetings by name.

Facts are split between train and held-out rows.
"""

import json
from collections.abc import Callable
from random import Random

from examples.data.sampling import Values, invented_word
from examples.data.wordings import Wordings, wordings
from examples.pretrain.prose import CAPITALS, COLOURS, KINDS, OPPOSITES, article, remark
from examples.pretrain.words import capitalised

HELD_OUT_EVERY = 4  # every fourth fact of a table

CAPITAL_ASKS = wordings(
    "What is the capital of {}?\nWhich city is the capital of {}?\nName the capital of {}.\nDo you know the "
    "capital of {}?\nTell me the capital of {}.",
    "What is the capital city of {}?",
)
COLOUR_ASKS = wordings(
    "What color is {}?\nWhich color is {}?\nTell me the color of {}.\nDo you know the color of {}?",
    "What is the color of {}?",
)
OPPOSITE_ASKS = wordings(
    "What is the opposite of {}?\nTell me the opposite of {}.\nWhich word is the opposite of {}?",
    "Name the opposite of {}.",
)
KIND_ASKS = wordings(
    "What is {}?\nTell me what {} is.\nDo you know what {} is?\nWhat kind of thing is {}?", "Explain what {} is."
)
ECHOES = wordings(
    'Repeat "{}".\nSay "{}".\nRepeat after me: {}\nSay the words {}\nPlease repeat "{}".', 'Can you say "{}"?'
)
NAMES = wordings(
    "My name is {}.\nI am {}.\nHi, I am {}.\nHello, my name is {}.\nHi! My name is {}.", "Good day, I am {}."
)
SMALL_TALK: tuple[tuple[Wordings, str], ...] = (
    (
        wordings("Hello!\nHi!\nHi there.\nHello.\nHey!\nGood evening!\nhello\nhi\nGood morning!", "Good day!"),
        "Hello! How can I help you?",
    ),
    (
        wordings("Thank you!\nThanks.\nThanks a lot!\nThank you so much.\nthanks\nThank you.", "Many thanks!"),
        "You are welcome!",
    ),
    (
        wordings(
            "Who are you?\nWhat are you?\nTell me who you are.\nWhat is your name?\nwho are you", "Introduce yourself."
        ),
        "I am a small assistant.",
    ),
    (wordings("Bye!\nGoodbye.\nSee you later.\nGood night!\nbye", "See you soon."), "Goodbye! Have a nice day."),
    (
        wordings("How are you?\nHow are you doing?\nHow do you feel today?\nhow are you", "Are you well?"),
        "I am fine, thank you.",
    ),
    (
        wordings("Tell me a joke.\nDo you know a joke?\nMake me laugh.", "Say something funny."),
        "Why did the bread go to school? To get a little butter.",
    ),
    (
        wordings("Can you help me?\nI need help.\nHelp me, please.", "Could you help me with something?"),
        "Of course. What do you need?",
    ),
)

NOTE_LINES = (("{}: {}", "\n"), ("{} = {}", "; "), ('the {} is "{}"', ", "), ("- {}: {}", "\n"), ('{} "{}"', " and "))
NOTE_ASKS = wordings(
    "What is the {}?\nWhich {} is given?\nTell me the {}.\nRead the {} to me.\nWhat {} do you see?",
    "Which {} stands there?",
)


def pick_fact(table: dict[str, str], rng: Random, held_out: bool) -> tuple[str, str]:
    facts = [fact for place, fact in enumerate(table.items()) if (place % HELD_OUT_EVERY == 0) == held_out]
    return rng.choice(facts)


def fact_turn(rng: Random, held_out: bool) -> tuple[str, str]:
    match rng.randrange(4):
        case 0:
            land, city = pick_fact(CAPITALS, rng, held_out)
            return rng.choice(CAPITAL_ASKS.of(held_out)).format(land), f"The capital of {land} is {city}."
        case 1:
            thing, colour = pick_fact(COLOURS, rng, held_out)
            return rng.choice(COLOUR_ASKS.of(held_out)).format(thing), f"{capitalised(thing)} is {colour}."
        case 2:
            one, other = pick_fact(OPPOSITES, rng, held_out)
            return rng.choice(OPPOSITE_ASKS.of(held_out)).format(one), f"The opposite of {one} is {other}."
        case _:
            noun, kind = pick_fact(KINDS, rng, held_out)
            named = f"{article(noun)} {noun}"
            return rng.choice(KIND_ASKS.of(held_out)).format(named), f"{capitalised(named)} is {kind}."


def note(values: Values) -> tuple[str, str]:
    """A note with a few entries and a question about one of them; the answer repeats the entry as it stands."""
    rng = values.rng
    samplers: dict[str, Callable[[], str]] = {
        "title": values.subject,
        "address": values.address,
        "place": values.city,
        "day": values.date,
        "code": values.symbol,
        "topic": values.topic,
        "message": values.body,
        "sum": values.expression,
    }
    entries = {name: samplers[name]() for name in rng.sample(list(samplers), rng.randint(2, 4))}
    asked = rng.choice(list(entries))
    line, join = rng.choice(NOTE_LINES)
    text = join.join(line.format(name, value) for name, value in entries.items())
    question = rng.choice(NOTE_ASKS.of(values.held_out)).format(asked)
    return rng.choice(("{0}\n{1}", "{1}\n{0}")).format(text, question), f"The {asked} is {entries[asked]}."


def turn(rng: Random, held_out: bool) -> tuple[str, str]:
    """What the user says and what the assistant answers."""
    z = rng.random()
    if z < 0.5:
        return fact_turn(rng, held_out)
    if z < 0.72:
        asks, answer = rng.choice(SMALL_TALK)
        return rng.choice(asks.of(held_out)), answer
    if z < 0.88:
        words = " ".join(invented_word(rng, 1, 2) for _ in range(rng.randint(1, 3)))
        return rng.choice(ECHOES.of(held_out)).format(words), words
    name = capitalised(invented_word(rng, 1, 2))
    return rng.choice(NAMES.of(held_out)).format(name), f"Nice to meet you, {name}!"


def pasted(rng: Random) -> str:
    """What a person may paste before asking something else: notes in prose, or settings as JSON."""
    if rng.random() < 0.4:
        return " ".join(remark(rng) for _ in range(rng.randint(2, 8)))
    return "\n".join(json.dumps(settings(rng, depth=rng.randint(0, 2))) for _ in range(rng.randint(1, 3)))


def settings(rng: Random, depth: int) -> dict[str, object]:
    """Made-up settings, `depth` levels deep."""
    inner: dict[str, object] = {invented_word(rng, 1, 2): settings(rng, depth - 1)} if depth else {}
    return inner | {
        invented_word(rng, 1, 2): rng.choice((invented_word(rng, 1, 3), rng.randint(0, 99), rng.random() < 0.5))
        for _ in range(rng.randint(1, 5))
    }
