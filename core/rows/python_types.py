"""xlam's flat, Python-typed parameters as JSON Schema, which is what a client sends at serving time."""

import ast
import re
from functools import lru_cache
from typing import Any

_SCALARS: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "list": {"type": "array"},
    "tuple": {"type": "array"},
    "set": {"type": "array", "uniqueItems": True},
    "dict": {"type": "object"},
    "None": {"type": "null"},
    "Any": {},
    **{name: {"type": name} for name in ("string", "integer", "number", "boolean", "array", "object", "null")},
}


def to_json_schema(parameters: dict[str, Any]) -> dict[str, Any]:
    """`{"city": {"type": "str, optional", "description": …, "default": …}}` -> an object schema.

    A parameter is required unless its type says `optional` or `Optional[…]`; a default is carried over.
    """
    properties, required = {}, []
    for name, parameter in parameters.items():
        schema, optional = type_schema(str(parameter.get("type", "Any")))
        for key in ("description", "default", "enum"):
            if key in parameter:
                schema[key] = parameter[key]
        properties[name] = schema
        if not optional:
            required.append(name)
    return {"type": "object", "properties": properties, "required": required}


def type_schema(name: str) -> tuple[dict[str, Any], bool]:
    """The schema of a Python type name, and whether it is optional; an unknown name allows any value."""
    schema, optional = _parsed(name)
    return dict(schema), optional


@lru_cache(maxsize=4096)
def _parsed(name: str) -> tuple[dict[str, Any], bool]:
    spelled = re.sub(r",\s*optional\s*$", "", name.strip(), flags=re.IGNORECASE)
    optional = spelled != name.strip() or spelled.startswith("Optional[")
    try:
        return _schema(ast.parse(spelled, mode="eval").body), optional
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # as ast.parse says of NUL, and of deep nesting
        return {}, optional


def _schema(node: ast.expr) -> dict[str, Any]:
    if isinstance(node, ast.Subscript):
        return _generic(_name(node.value), node.slice)
    if isinstance(node, ast.BinOp):  # int | str
        return {"anyOf": [_schema(node.left), _schema(node.right)]}
    name = "None" if isinstance(node, ast.Constant) and node.value is None else _name(node)
    return dict(_SCALARS.get(name, _SCALARS.get(name.lower(), {})))


def _generic(name: str, argument: ast.expr) -> dict[str, Any]:
    arguments = argument.elts if isinstance(argument, ast.Tuple) else [argument]
    if not arguments:
        return dict(_SCALARS.get(name.lower(), {}))
    match name.lower():
        case "list" | "sequence" | "iterable":
            return {"type": "array", "items": _schema(arguments[0])}
        case "set":
            return {"type": "array", "items": _schema(arguments[0]), "uniqueItems": True}
        case "tuple":
            items = [a for a in arguments if not (isinstance(a, ast.Constant) and a.value is Ellipsis)]
            return {"type": "array", "prefixItems": [_schema(item) for item in items]}
        case "dict" | "mapping":
            return {"type": "object", "additionalProperties": _schema(arguments[-1])}
        case "optional":
            return _schema(arguments[0])
        case "union":
            return {"anyOf": [_schema(each) for each in arguments]}
        case "literal":
            values = [each.value for each in arguments if isinstance(each, ast.Constant)]
            return {"enum": [value for value in values if isinstance(value, str | int | None)]}
    return {}


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):  # typing.List
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
