"""Documents of a desk that keeps forms: its menu, what guests write, and the filled form, or that none fits.

The frame changes from document to document (marks around the menu, who speaks, how a filled form is wrapped); how
the desk decides, and how it says that no form fits, never does. So the decision is learned apart from its dress.
"""

from dataclasses import dataclass
from random import Random

from examples.pretrain import values as v
from examples.pretrain.choosing import some_scenes
from examples.pretrain.forms import JOINS, Offer, answered, offer, other_scene, takes_two, two_of_one
from examples.pretrain.layouts import FILLED_LAYOUTS, describe, filled
from examples.pretrain.prose import question, remark
from examples.pretrain.scenes import request

NO_FORM = "There is no form for that."
SPEAKERS = (
    *(("guest", "desk"), ("caller", "clerk"), ("visitor", "host"), ("request", "entry"), ("in", "out"), ("Q", "A")),
    *(("customer", "office"), ("they", "we"), ("asked", "written"), ("person", "machine")),
)
# Most end with a line's end, where an answer could be anything: on one line with the speaker it is learned sooner.
SPEECHES = (
    *("# {who}\n{text}", "<{who}>\n{text}\n</{who}>", "{who} |\n{text}", "== {who}\n{text}\n==", "{who}\n{text}\n"),
    *("({who})\n{text}\n(end)", "[{who}]\n{text}", "{who}:\n{text}", "/{who}\n{text}\n/end", "*{who}*\n{text}\n"),
    *("{who}: {text}", "[{who}] {text}"),
)
OPENINGS = (
    *("", "", "You keep the forms of {name}.", "This is the desk of {name}.", "You are the clerk of {name}."),
    *("The forms of {name}", "You are a helpful clerk.", "{remark}", "{remark}"),
)
MENU_MARKS = (
    *(("<{tag}>", "</{tag}>"), ("<{tag}>", "</{tag}>"), ("[{tag}]", "[/{tag}]"), ("---", "---"), ("{tag}:", "")),
    *(("You may fill in these {tag}, within <{tag}></{tag}> marks:\n<{tag}>", "</{tag}>"), ("# {tag}", "")),
)
MENU_TAGS = ("forms", "menu", "sheets", "offers", "cards", "papers", "list")
WRAPPERS = ("", "", "fill", "form", "do", "entry", "sheet", "use")
RULES = (
    "For each wish, give the filled form within <{tag}></{tag}> marks:\n{example}",
    "Answer with the form, as in {example}",
    "Each form is written like this:\n{example}",
)


@dataclass(frozen=True)
class Frame:
    """How one document is dressed."""

    speech: str
    guest: str
    desk: str
    wrapper: str
    layout: int
    keys: int

    def wrapped(self, form: str) -> str:
        return f"<{self.wrapper}>\n{form}\n</{self.wrapper}>" if self.wrapper else form

    def said(self, who: str, text: str) -> str:
        return self.speech.format(who=who, text=text)


def some_frame(rng: Random) -> Frame:
    guest, desk = rng.choice(SPEAKERS) if rng.random() < 0.7 else (v.word(rng), v.word(rng))
    wrapper = rng.choice(WRAPPERS) if rng.random() < 0.7 else v.word(rng)
    return Frame(rng.choice(SPEECHES), guest, desk, wrapper, rng.randrange(FILLED_LAYOUTS), rng.randrange(1 << 30))


def head(offers: list[Offer], frame: Frame, rng: Random) -> list[str]:
    """What the desk is told: an opening, the menu in its marks, perhaps how to write a form down."""
    tag = rng.choice(MENU_TAGS) if rng.random() < 0.7 else v.word(rng)
    begin, end = rng.choice(MENU_MARKS)
    style = rng.randrange(8) if rng.random() < 0.3 else rng.randrange(4)
    opening = rng.choice(OPENINGS).format(name=v.proper(rng), remark=remark(rng))
    lines = [opening, begin.format(tag=tag), *(describe(one.form, style) for one in offers), end.format(tag=tag)]
    if rng.random() < 0.5:
        example = frame.wrapped(filled("<title>", {"<field>": "<value>"}, frame.layout, Random(frame.keys)))
        lines.append(rng.choice(RULES).format(tag=frame.wrapper, example=example))
    return lines


def exchange(offers: list[Offer], frame: Frame, rng: Random) -> tuple[str, str]:
    """A request and the desk's answer: a form, two forms, the reply that there is none, or plain words."""
    z = rng.random()
    if z < 0.08:
        return question(rng)
    if z < 0.46:
        return request(other_scene(offers, rng), rng)[0], NO_FORM
    one = rng.choice(offers)
    if z < 0.80:
        text, form = answered(one, rng, frame.layout, frame.keys)
        return text, frame.wrapped(form)
    if takes_two(one) and rng.random() < 0.5:
        text, forms = two_of_one(one, rng, frame.layout, frame.keys)
    else:
        pairs = [answered(rng.choice(offers), rng, frame.layout, frame.keys) for _ in range(2)]
        text = rng.choice(JOINS).join(text if text[-1] in ".?!" else text + "." for text, _ in pairs)
        forms = [form for _, form in pairs]
    return text, "\n".join(map(frame.wrapped, forms))


def desk_document(rng: Random) -> str:
    """What the desk is told, then one to four exchanges."""
    frame = some_frame(rng)
    offers = [offer(scene, rng, invented=0.03) for scene in some_scenes(rng, 1, rng.choice((1, 2, 2, 3, 5)))]
    lines = head(offers, frame, rng)
    for _ in range(rng.choice((1, 1, 2, 3, 4))):
        text, answer = exchange(offers, frame, rng)
        lines += [frame.said(frame.guest, text), frame.said(frame.desk, answer)]
    return "\n".join(line for line in lines if line)
