"""Tool definitions as a client sends them: a name, a description, and parameters as a JSON Schema object.

Nulls in a schema are left out but where JSON Schema gives them a meaning (`default`, `const`): Arrow and the tools
built on it pad objects with null for every key that some other row has.
"""

import re
from typing import Any

from core.rows.draft import embedded_list
from core.rows.problems import RowError
from core.rows.python_types import to_json_schema, type_schema
from core.rows.strict_json import check_scalars, kind_of

_NAME = re.compile(r'[^"\\\x00-\x1f]*[^"\\\x00-\x20]')
"""What a template can write between quotation marks."""
_JSON_TYPES = {"string", "integer", "number", "boolean", "array", "object", "null"}
_MAPS_OF_SCHEMAS = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
_LISTS_OF_SCHEMAS = {"anyOf", "oneOf", "allOf", "prefixItems"}
_SCHEMAS = {"items", "additionalProperties", "contains", "not", "if", "then", "else", "propertyNames"}


def tools(value: Any, field: str, *, flat: bool = False) -> list[dict[str, Any]]:
    """A row's tools, given as a list or as a string of JSON; `flat` parameters are a map with Python's type names.

    A definition that is repeated word for word is kept once; two that share only their name are refused.
    """
    found: dict[str, dict[str, Any]] = {}
    for number, entry in enumerate(embedded_list(value, field)):
        tool = _tool(entry, f"{field}[{number}]", flat)
        name = tool["function"]["name"]
        if found.setdefault(name, tool) != tool:
            raise RowError(
                f"{field}[{number}].name", f"{name!r} is the name of another tool too: a call could mean both"
            )
    return list(found.values())


def _tool(entry: Any, field: str, flat: bool) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise RowError(field, f"must be a tool, an object with a name, not {kind_of(entry)}")
    function = entry
    if isinstance(entry.get("function"), dict):
        function, field = entry["function"], f"{field}.function"
    check_scalars(function, field)
    name, description = function.get("name"), function.get("description")
    if not isinstance(name, str) or not name:
        raise RowError(f"{field}.name", "is missing: every tool needs one")
    if not _NAME.fullmatch(name):
        raise RowError(f"{field}.name", f"is {name!r}: quotation marks, backslashes and line breaks cannot be called")
    if description is not None and not isinstance(description, str):
        raise RowError(f"{field}.description", f"must be text, not {kind_of(description)}")
    parameters = _parameters(function.get("parameters"), f"{field}.parameters", flat)
    return {"type": "function", "function": {"name": name, "description": description or "", "parameters": parameters}}


def _parameters(value: Any, field: str, flat: bool) -> dict[str, Any]:
    if value is None or value == {}:
        return to_json_schema({}) if flat else {"type": "object", "properties": {}}
    if not isinstance(value, dict):
        raise RowError(field, f"must be a JSON Schema object, not {kind_of(value)}")
    if flat and not (isinstance(value.get("type"), str) and isinstance(value.get("properties"), dict)):
        for name, parameter in value.items():
            if not isinstance(parameter, dict | None):
                raise RowError(f"{field}.{name}", f"must be an object with a type, not {kind_of(parameter)}")
        return to_json_schema({name: parameter for name, parameter in value.items() if parameter is not None})
    if "type" not in value and "properties" in value:
        value = {"type": "object", **value}
    schema = _schema(value, field)
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise RowError(field, 'must be a JSON Schema object: {"type": "object", "properties": {…}}')
    return schema


def _schema(value: Any, field: str) -> dict[str, Any] | bool:
    """A schema without padded nulls, its types in JSON Schema's names."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, dict):
        raise RowError(field, f"must be a schema (an object), not {kind_of(value)}")
    out: dict[str, Any] = {}
    for key, inner in value.items():
        where = f"{field}.{key}"
        if inner is None and key not in ("default", "const"):
            continue
        if key == "type":
            out |= _type(inner, where)
        elif key in _MAPS_OF_SCHEMAS:
            if not isinstance(inner, dict):
                raise RowError(where, f"must be an object of schemas, not {kind_of(inner)}")
            out[key] = {name: _schema(each, f"{where}.{name}") for name, each in inner.items() if each is not None}
        elif key in _LISTS_OF_SCHEMAS or (key == "items" and isinstance(inner, list)):
            if not isinstance(inner, list):
                raise RowError(where, f"must be a list of schemas, not {kind_of(inner)}")
            out[key] = [_schema(each, f"{where}[{number}]") for number, each in enumerate(inner)]
        elif key in _SCHEMAS:
            out[key] = _schema(inner, where)
        elif key == "required" and not (isinstance(inner, list) and all(isinstance(name, str) for name in inner)):
            raise RowError(where, "must be a list of parameter names")
        else:
            out[key] = inner
    return out


def _type(value: Any, field: str) -> dict[str, Any]:
    """`{"type": …}` for JSON Schema's own names, and what stands for one of Python's, as `dict` or `List[int]`."""
    names = value if isinstance(value, list) else [value]
    if names and all(isinstance(name, str) and name in _JSON_TYPES for name in names):
        return {"type": value}
    if isinstance(value, str):
        schema, _ = type_schema(value)
        if schema or value.lower() == "any":
            return schema
    raise RowError(field, f"is {value!r}, which is no type of JSON Schema: {', '.join(sorted(_JSON_TYPES))}")
