"""The pre-training text: an endless, seeded mixture of documents.

It holds no chat markup, no tool-call layout and no tool name: the model made from it is a base model.
"""

import re
from collections.abc import Callable
from random import Random

from examples.pretrain.copies import copy_document
from examples.pretrain.forms import choice_document, menu_document, record_document
from examples.pretrain.prose import prose_document

FORBIDDEN = re.compile(
    r"<\|im_|tool_call|tool_response|get_weather|search_web|send_email|get_stock_price|translate_text|book_flight"
    r'|\bcalculate\(|"calculate"|"name": "[^"]*", "arguments"'
)
# Shares by document; menus are long, so that copies make up a quarter of the tokens.
MIXTURE: tuple[tuple[Callable[[Random], str], float], ...] = (
    (menu_document, 0.37),
    (record_document, 0.10),
    (choice_document, 0.05),
    (copy_document, 0.39),
    (prose_document, 0.09),
)


def document(rng: Random) -> str:
    """One document of the mixture, without anything that belongs to fine-tuning."""
    makers, weights = zip(*MIXTURE, strict=True)
    while True:
        text: str = rng.choices(makers, weights)[0](rng)
        if not FORBIDDEN.search(text):
            return text
