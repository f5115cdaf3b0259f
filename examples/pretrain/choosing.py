"""Documents that teach to choose: what a request is about, what is on offer, and whether the one is among the other.

Few of their tokens are filler: most lines end in a choice that only the lines above decide.
"""

import json
from random import Random

from examples.pretrain import values as v
from examples.pretrain.forms import offer
from examples.pretrain.layouts import describe
from examples.pretrain.more_scenes import SCENES, WEIGHTS
from examples.pretrain.scenes import Scene, request

NONE = ("none", "no", "nothing fits", "not here", "-")
ARROWS = (" | ", " -> ", "\n", ": ", " = ")
CHECKS = (
    ("{}? yes", "{}? no"),
    ("Is {} there? Yes.", "Is {} there? No."),
    ("{} +", "{} -"),
    ("{}: here", "{}: missing"),
)
FITS = (
    ("yes", "no"),
    ("one fits", "none fits"),
    ("can do", "cannot do"),
    ("+", "-"),
    ("There is a form.", "There is no form."),
)
LISTS = ("On the shelf: {}", "List: {}", "Here are {}", "Only {}", "[{}]", "We have {}")


def any_scene(rng: Random) -> Scene:
    return rng.choices(SCENES, WEIGHTS)[0]


def some_scenes(rng: Random, fewest: int, most: int) -> list[Scene]:
    """Different scenes."""
    count = rng.randint(fewest, most)
    chosen: list[Scene] = []
    while len(chosen) < count:
        scene = any_scene(rng)
        if scene not in chosen:
            chosen.append(scene)
    return chosen


def membership_document(rng: Random) -> str:
    """A list of words, then words that are on it and words that are not."""
    make = rng.choice((v.word, v.proper, lambda r: r.choice(any_scene(r).nouns), lambda r: r.choice(v.COMMON)))
    known = list(dict.fromkeys(make(rng) for _ in range(rng.randint(1, 6))))
    yes, no = rng.choice(CHECKS)
    lines = [rng.choice(LISTS).format(rng.choice((", ", " ", "; ")).join(known))]
    if rng.random() < 0.3:
        lines = [json.dumps([{rng.choice(("item", "title", "word")): word} for word in known])]
    for _ in range(rng.randint(3, 8)):
        asked = rng.choice(known) if rng.random() < 0.5 else make(rng)
        lines.append((yes if asked in known else no).format(asked))
    return "\n".join(lines)


def sorting_document(rng: Random) -> str:
    """Requests with what they are about; nothing is offered."""
    arrow = rng.choice(ARROWS)
    return "\n".join(f"{request(scene, rng)[0]}{arrow}{scene.nouns[0]}" for scene in some_scenes(rng, 4, 8))


def wish_and_choice(offered: list[Scene], rng: Random) -> tuple[str, Scene | None]:
    """A request, and the offered scene that it belongs to; 4 times in 10 it belongs to none."""
    if rng.random() < 0.6:
        scene = rng.choice(offered)
        return request(scene, rng)[0], scene
    scene = any_scene(rng)
    return request(scene, rng)[0], scene if scene in offered else None


def topic_document(rng: Random, nones: tuple[str, ...] = NONE) -> str:
    """A list of topics, then requests, each with its topic or none."""
    scenes = some_scenes(rng, 1, 5)
    nouns = [rng.choice(scene.nouns[:3]) for scene in scenes]
    none, arrow = rng.choice(nones), rng.choice(ARROWS)
    lines = [rng.choice(LISTS).format(", ".join(nouns))]
    for _ in range(rng.randint(4, 8)):
        text, scene = wish_and_choice(scenes, rng)
        lines.append(text + arrow + (nouns[scenes.index(scene)] if scene else none))
    return "\n".join(lines)


def naming_document(rng: Random) -> str:
    """A menu of forms, then requests, each with the name of its form or none."""
    scenes = some_scenes(rng, 1, 4)
    offers = [offer(scene, rng, 0.03) for scene in scenes]
    style, none, arrow = rng.choice((0, 0, 1, 2, 3, 4, 4, 6)), rng.choice(NONE), rng.choice(ARROWS)
    lines = [describe(one.form, style) for one in offers]
    for _ in range(rng.randint(3, 6)):
        text, scene = wish_and_choice(scenes, rng)
        lines.append(text + arrow + (offers[scenes.index(scene)].form.name if scene else none))
    return "\n".join(lines)


def menu(scenes: list[Scene], rng: Random) -> tuple[str, list[str]]:
    """A menu of forms, from bare names to full schemas, and the noun that each form's name ends with."""
    forms = [offer(scene, rng, invented=0.0).form for scene in scenes]
    nouns = [
        max((noun for noun in scene.nouns if form.name.endswith(noun)), key=len)
        for scene, form in zip(scenes, forms, strict=True)
    ]
    z = rng.random()
    if z < 0.15:
        return json.dumps([form.name for form in forms]), nouns
    if z < 0.35:
        key = rng.choice(("form", "title", "page"))
        return "\n".join(json.dumps({key: form.name, "about": form.about}) for form in forms), nouns
    style = rng.randrange(4) if z < 0.85 else rng.choice((4, 6))
    return "\n".join(describe(form, style) for form in forms), nouns


def noun_document(rng: Random, nones: tuple[str, ...] = NONE) -> str:
    """A menu of forms, then requests, each with the noun of its form or none."""
    scenes = some_scenes(rng, 1, 4)
    shown, nouns = menu(scenes, rng)
    none, arrow = rng.choice(nones), rng.choice(ARROWS)
    lines = [shown]
    for _ in range(rng.randint(4, 8)):
        text, scene = wish_and_choice(scenes, rng)
        lines.append(text + arrow + (nouns[scenes.index(scene)] if scene else none))
    return "\n".join(lines)


def fitting_document(rng: Random, answers: tuple[tuple[str, str], ...] = FITS) -> str:
    """A menu of forms, then requests, and for each whether any of the forms serves it."""
    scenes = some_scenes(rng, 1, 4)
    shown, _ = menu(scenes, rng)
    (fits, fails), arrow = rng.choice(answers), rng.choice(ARROWS)
    lines = [shown]
    for _ in range(rng.randint(4, 8)):
        text, scene = wish_and_choice(scenes, rng)
        lines.append(text + arrow + (fits if scene else fails))
    return "\n".join(lines)
