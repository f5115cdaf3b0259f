"""Documents that cannot be predicted without copying: repeated strings, lists, look-ups, quotes, markup."""

import json
from random import Random

from examples.pretrain import values as v
from examples.pretrain.words import capitalised, invented_word

TWICE = (
    *(
        '{w} said {x}. So it was "{x}".',
        'They wrote "{x}" and read {x} again.',
        'Say {x}: "{x}"',
        '"{x}" is the same as "{x}".',
    ),
    *(
        "echo {x}\n{x}",
        "[{x}] [{x}]",
        "<b>{x}</b> {x}",
        "{x} = {x}",
        "{x}\n{x}",
        "{j} = {j}",
        "copy({j}) -> {j}",
        "{x} | {x} | {x}",
    ),
    *('text: {x}\njson: {{"v": {j}}}', '"{x}", he said. "{x}"?', "{x} -> {j}", 'He asked for {x}.\n{{"{w}": {j}}}'),
)


def dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def text_to_copy(rng: Random) -> str:
    z = rng.random()
    if z < 0.55:
        return v.anything(rng)
    return v.words(rng, 2, 9) if z < 0.85 else v.noise(rng)


def twice(rng: Random) -> str:
    lines = []
    for _ in range(rng.randint(2, 5)):
        text = text_to_copy(rng)
        lines.append(rng.choice(TWICE).format(w=v.word(rng), x=text, j=dump(text)))
    return "\n".join(lines)


def lists(rng: Random) -> str:
    items = [text_to_copy(rng) for _ in range(rng.randint(2, 5))]
    forms = [
        ", ".join(items),
        dump(items),
        "\n".join("- " + item for item in items),
        "".join(f"<li>{item}</li>" for item in items),
    ]
    forms.append("\n".join(f"{place}. {item}" for place, item in enumerate(items, 1)))
    return "\n".join(rng.sample(forms, rng.randint(2, 3)))


def look_ups(rng: Random) -> str:
    """Keys with values, then the values asked for by key, in another order."""
    table = {
        rng.choice((v.proper, v.word, lambda r: invented_word(r, 1, 2)))(rng): text_to_copy(rng)
        for _ in range(rng.randint(2, 6))
    }
    keys = rng.sample(list(table), len(table))
    match rng.randrange(3):
        case 0:
            return dump(table) + "\n" + "\n".join(f"{key} -> {dump(table[key])}" for key in keys)
        case 1:
            says = rng.choice(("{} has {}.", '{} likes "{}".', "{}: {}", "{} = {}"))
            shown = [says.format(key, value) for key, value in table.items()]
            return "\n".join(shown + [f'What about {key}? "{table[key]}"' for key in keys])
        case _:
            shown = ["| " + " | ".join(table) + " |", "| " + " | ".join(table.values()) + " |"]
            return "\n".join(shown + [f"{key}: {table[key]}" for key in keys])


def dialogue(rng: Random) -> str:
    first, second = v.proper(rng), v.proper(rng)
    text = text_to_copy(rng)
    return f'{first}: "{text}"\n{second}: "{text}?"\n{first}: Yes, {text}.'


def passage(rng: Random) -> str:
    """A passage, then the same passage again."""
    text = rng.choice((" ", ", ", "\n")).join(text_to_copy(rng) for _ in range(rng.randint(2, 5)))
    return "\n".join([capitalised(text)] * 2)


def in_quotes(rng: Random) -> str:
    """A sentence with several quoted or marked values, then the list of them."""
    values = [text_to_copy(rng) for _ in range(rng.randint(1, 4))]
    carried = [rng.choice(('"{}"', "{}", "'{}'", "<{}>", "({})")).format(value) for value in values]
    told = " ".join(f"{v.words(rng, 1, 4)} {value}" for value in carried)
    return f"{capitalised(told)} {v.words(rng, 0, 3)}.\n" + dump(values)


KINDS = (twice, twice, lists, look_ups, look_ups, dialogue, passage, in_quotes, in_quotes)


def copy_document(rng: Random) -> str:
    return rng.choice(KINDS)(rng)
