"""Documents that offer a menu of forms, then give requests and the filled forms (or say that no form fits)."""

from dataclasses import dataclass
from random import Random

from examples.pretrain.layouts import FILLED_LAYOUTS, Field, Form, describe, filled
from examples.pretrain.more_scenes import SCENES, WEIGHTS
from examples.pretrain.prose import question
from examples.pretrain.scenes import Scene, request
from examples.pretrain.words import invented_word, listed

VERBS = listed(
    "get find send make list show open read write check plan order add look "
    "save set run view ask start take fetch do use"
)
MISSES = (
    "No form fits.",
    "There is no form for that.",
    "None of these can do that.",
    "Sorry, that is not offered here.",
    "none",
)
JOINS = (" ", " ", "\n", " Also, ", " And ", " Next: ", " Second: ", " Besides, ", " Then ")
MARKS = (("", ""), ("", ""), ("> ", ""), ("Request: ", "Filled: "), ("Note: ", "Entry: "), ("* ", "  "), ("Text: ", ""))
HEADS = ("", "", "Forms", "# Forms", "These forms may be filled:", "Offered here:", "Menu of forms")


@dataclass(frozen=True)
class Offer:
    """A scene as one document offers it: under this form, with these field names."""

    scene: Scene
    form: Form
    names: dict[str, str]


def form_name(scene: Scene, rng: Random, invented: float) -> str:
    if rng.random() < invented:
        return invented_word(rng, 1, 2) + rng.choice(("", "_" + invented_word(rng, 1, 1)))
    noun = rng.choice(scene.nouns)
    return noun if rng.random() < 0.2 else f"{rng.choice(VERBS)}_{noun}"


def offer(scene: Scene, rng: Random, invented: float = 0.15) -> Offer:
    """The scene with a name and field names of this document's own."""
    names: dict[str, str] = {}
    for slot in scene.slots:
        name = rng.choice(slot.names) if rng.random() < 0.88 else invented_word(rng, 1, 2)
        while name in names.values():
            name = invented_word(rng, 1, 2)
        names[slot.names[0]] = name
    about = rng.choice(("The {}.", "Name of the {}.", "Which {}.", "{}", "What {} to use."))
    fields = tuple(
        Field(
            names[s.names[0]],
            about.format(s.names[0]),
            s.optional,
            s.sample(rng) if s.optional and rng.random() < 0.7 else "",
        )
        for s in scene.slots
    )
    return Offer(scene, Form(form_name(scene, rng, invented), rng.choice(scene.abouts), fields), names)


def answered(offered: Offer, rng: Random, layout: int, keys: int) -> tuple[str, str]:
    """One request and the filled form; the layout's key words are those of the seed `keys`."""
    text, record = request(offered.scene, rng)
    renamed = {offered.names[key]: record[key] for key in offered.names if key in record}
    return text, filled(offered.form.name, renamed, layout, Random(keys))


def takes_two(offered: Offer) -> bool:
    """Whether one request can name two values of the scene."""
    return len(offered.scene.slots) == 1 + offered.scene.slots[-1].optional


def two_of_one(offered: Offer, rng: Random, layout: int, keys: int) -> tuple[str, list[str]]:
    """A request that names two values of a one-value scene, and the two filled forms."""
    slot = offered.scene.slots[0]
    first, second = slot.sample(rng), slot.sample(rng)
    both = rng.choice(
        ("{} and {}", "{} and of {}", "{} and also {}", "{} and {} too", "both {} and {}", "{}, then {}")
    ).format(first, second)
    wordings = [rng.choice(slot.phrases).join((rng.choice(offered.scene.acts) + " ", ".")).format(both)]
    wordings += [ask.format(**{slot.names[0]: both}) for ask in rng.sample(offered.scene.asks, 2)]
    renamed = [{offered.names[slot.names[0]]: value} for value in (first, second)]
    text = rng.choice(wordings)
    return text[:1].upper() + text[1:], [filled(offered.form.name, r, layout, Random(keys)) for r in renamed]


def other_scene(offers: list[Offer], rng: Random) -> Scene:
    """A scene that none of the forms on offer is for."""
    scenes = [offered.scene for offered in offers]
    others = [(scene, weight) for scene, weight in zip(SCENES, WEIGHTS, strict=True) if scene not in scenes]
    return rng.choices([scene for scene, _ in others], [weight for _, weight in others])[0]


def exchange(offers: list[Offer], rng: Random, layout: int, keys: int, miss: str, misses: float) -> tuple[str, str]:
    """One request with its answer: a filled form, two, a miss, or a plain answer to a plain question."""
    z = rng.random()
    if z < 0.06:
        return question(rng)
    if z < 0.06 + misses:
        return request(other_scene(offers, rng), rng)[0], miss
    if z < 0.55:
        one = rng.choice(offers)
        if takes_two(one) and rng.random() < 0.6:
            text, forms = two_of_one(one, rng, layout, keys)
            return text, "\n".join(forms)
        pairs = [answered(rng.choice(offers), rng, layout, keys) for _ in range(2)]
        texts = [text if text[-1] in ".?!" else text + "." for text, _ in pairs]
        return rng.choice(JOINS).join(texts), "\n".join(answer for _, answer in pairs)
    return answered(rng.choice(offers), rng, layout, keys)


def menu_document(rng: Random, misses: float = 0.18, invented: float = 0.15, says: tuple[str, ...] = MISSES) -> str:
    """A menu, then one to three exchanges in one layout; `misses` is the share that no form fits, put as it `says`."""
    count = rng.choice((1, 1, 2, 2, 3, 4))
    scenes: list[Scene] = []
    while len(scenes) < count:
        scene = rng.choices(SCENES, WEIGHTS)[0]
        if scene not in scenes:
            scenes.append(scene)
    offers = [offer(scene, rng, invented) for scene in scenes]
    style, layout, keys = (
        rng.randrange(8) if rng.random() < 0.5 else rng.randrange(4),
        rng.randrange(FILLED_LAYOUTS),
        rng.randrange(1 << 30),
    )
    miss, (ask, answer) = rng.choice(says), rng.choice(MARKS)
    lines = [rng.choice(HEADS), *(describe(o.form, style) for o in offers), rng.choice(("", "", "--"))]
    for _ in range(rng.choice((1, 2, 2, 3))):
        text, reply = exchange(offers, rng, layout, keys, miss, misses)
        lines.append(f"{ask}{text}\n{answer}{reply}")
    return "\n".join(line for line in lines if line)


def choice_document(rng: Random) -> str:
    """A short list of topics, then requests with the topic they belong to, or `none`."""
    scenes = rng.sample(SCENES, rng.randint(1, 4))
    nouns = {id(scene): rng.choice(scene.nouns) for scene in scenes}
    lines = [rng.choice(("Topics: ", "Only these: ", "Shelves: ")) + ", ".join(nouns.values())]
    for _ in range(rng.randint(3, 6)):
        scene = rng.choice(scenes) if rng.random() < 0.6 else rng.choices(SCENES, WEIGHTS)[0]
        lines.append(request(scene, rng)[0] + " | " + nouns.get(id(scene), "none"))
    return "\n".join(lines)


def record_document(rng: Random) -> str:
    """No menu: sentences and the records that they amount to."""
    layout, keys = rng.randrange(FILLED_LAYOUTS), rng.randrange(1 << 30)
    lines = []
    for _ in range(rng.randint(2, 4)):
        scene = rng.choices(SCENES, WEIGHTS)[0]
        text, record = request(scene, rng)
        lines += [text, filled(scene.nouns[0], record, layout, Random(keys))]
    return "\n".join(lines)
