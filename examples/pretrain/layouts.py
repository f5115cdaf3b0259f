"""Ways to write down a form's description and a filled form: JSON, XML, calls, lists. Never the tool-call layout."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

KIND_KEYS = ("form", "use", "do", "sheet", "page", "task", "pick", "card")
FIELD_KEYS = ("fields", "with", "values", "entries", "content", "inputs", "filled")
FILLED_LAYOUTS = 13


@dataclass(frozen=True)
class Field:
    """A field as a form shows it."""

    name: str
    about: str
    optional: bool = False
    default: str = ""


@dataclass(frozen=True)
class Form:
    """A form on offer: its name, what it is for, its fields."""

    name: str
    about: str
    fields: tuple[Field, ...]


def dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def field_schema(field: Field) -> dict[str, str]:
    schema = {"type": "string", "description": field.about}
    return schema | {"default": field.default} if field.default else schema


def schema(form: Form) -> dict[str, object]:
    """The form's fields as a JSON Schema."""
    properties = {field.name: field_schema(field) for field in form.fields}
    required = [field.name for field in form.fields if not field.optional]
    return {"type": "object", "properties": properties, "required": required}


def describe(form: Form, style: int) -> str:
    """The form as one entry of a menu; eight styles, the first four with JSON Schemas."""
    names = [field.name for field in form.fields]
    match style:
        case 0:
            return dump(
                {"type": "form", "form": {"title": form.name, "description": form.about, "fields": schema(form)}}
            )
        case 1:
            return dump({"title": form.name, "description": form.about, **schema(form)})
        case 2:
            return dump({form.name: {"description": form.about, **schema(form)}})
        case 3:
            return dump({"form": form.name, "about": form.about, "inputs": schema(form)})
        case 4:
            return f"{form.name}({', '.join(names)}): {form.about}"
        case 5:
            inner = "".join(f"<{field.name}>{field.about}</{field.name}>" for field in form.fields)
            return f'<form id="{form.name}">{form.about}{inner}</form>'
        case 6:
            return f"- {form.name}: {form.about} ({'; '.join(names)})"
        case _:
            return f"{form.name}\n" + "\n".join(f"  {field.name}: {field.about}" for field in form.fields)


def filled(name: str, record: Mapping[str, str], layout: int, rng: Random) -> str:
    """A filled form in one of FILLED_LAYOUTS layouts; `rng` picks key names and must be re-seeded to repeat them."""
    kind, fields = rng.choice(KIND_KEYS), rng.choice(FIELD_KEYS)
    match layout:
        case 0 | 1 | 2 | 3:
            return dump({kind: name, fields: dict(record)})
        case 4:
            return dump({name: dict(record)})
        case 5:
            return dump([name, dict(record)])
        case 6:
            return dump({kind: name, **record})
        case 7:
            return f"<{name}>" + "".join(f"<{k}>{x}</{k}>" for k, x in record.items()) + f"</{name}>"
        case 8:
            return f"<{name} " + " ".join(f'{k}="{x}"' for k, x in record.items()) + "/>"
        case 9:
            return f"{name}(" + ", ".join(f'{k}="{x}"' for k, x in record.items()) + ")"
        case 10:
            return f"{name}: " + "; ".join(f"{k}={x}" for k, x in record.items())
        case 11:
            return f"[{name}]\n" + "\n".join(f'{k} = "{x}"' for k, x in record.items())
        case _:
            return f"{name}\n" + "\n".join(f"{k}: {x}" for k, x in record.items())
