"""The pre-training text: endless, seeded mixtures of documents; one that teaches to copy, one that teaches to choose.

It holds no chat markup, no tool-call layout and no tool name: the model made from it is a base model.
"""

import re
from collections.abc import Callable
from functools import partial
from random import Random

from examples.pretrain.choosing import (
    fitting_document,
    membership_document,
    naming_document,
    noun_document,
    sorting_document,
    topic_document,
)
from examples.pretrain.copies import copy_document
from examples.pretrain.desks import NO_FORM, desk_document
from examples.pretrain.forms import choice_document, menu_document, record_document
from examples.pretrain.prose import prose_document

FORBIDDEN = re.compile(
    r"<\|im_|</?tools>|tool_call|tool_response|get_weather|search_web|send_email|get_stock_price|translate_text|book_flight"
    r'|\bcalculate\(|"calculate"|"name": "[^"]*", "arguments"'
)
Mixture = tuple[tuple[Callable[[Random], str], float], ...]


def hard_menu_document(rng: Random) -> str:
    """A menu where a third of the requests find no form, and names say what the forms are for."""
    return menu_document(rng, misses=0.34, invented=0.03)


# Shares by document; menus are long, so that copies make up a quarter of the tokens.
COPYING: Mixture = (
    (menu_document, 0.37),
    (record_document, 0.10),
    (choice_document, 0.05),
    (copy_document, 0.39),
    (prose_document, 0.09),
)
CHOOSING: Mixture = (
    (hard_menu_document, 0.24),
    (naming_document, 0.18),
    (topic_document, 0.16),
    (sorting_document, 0.06),
    (membership_document, 0.12),
    (record_document, 0.04),
    (copy_document, 0.14),
    (prose_document, 0.06),
)
FITTING: Mixture = (
    (hard_menu_document, 0.20),
    (noun_document, 0.32),
    (fitting_document, 0.14),
    (topic_document, 0.10),
    (record_document, 0.04),
    (copy_document, 0.14),
    (prose_document, 0.06),
)


def plain_menu_document(rng: Random) -> str:
    """As the hard one, but a miss always reads the same, so that only the menu decides."""
    return menu_document(rng, misses=0.40, invented=0.03, says=(NO_FORM,))


DECIDING: Mixture = (
    (desk_document, 0.52),
    (plain_menu_document, 0.06),
    (partial(noun_document, nones=("none",)), 0.13),
    (partial(fitting_document, answers=(("yes", "no"),)), 0.06),
    (record_document, 0.03),
    (copy_document, 0.14),
    (prose_document, 0.06),
)


def document(rng: Random, mixture: Mixture = COPYING) -> str:
    """One document of the mixture, without anything that belongs to fine-tuning."""
    makers, weights = zip(*mixture, strict=True)
    while True:
        text: str = rng.choices(makers, weights)[0](rng)
        if not FORBIDDEN.search(text):
            return text
