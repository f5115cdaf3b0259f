"""Requests that call for a tool, with the calls that answer them."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from examples.data import wordings as w
from examples.data.sampling import Values
from examples.data.tools import TOOLS
from examples.data.wordings import Wordings, worded


@dataclass(frozen=True)
class Call:
    """One tool call."""

    name: str
    arguments: dict[str, str]


@dataclass(frozen=True)
class Request:
    """What the user writes, and the calls it asks for."""

    query: str
    calls: tuple[Call, ...]


def sample_call(tool: str, values: Values) -> tuple[Call, Wordings]:
    """Arguments for the tool and the wordings that can carry them."""
    match tool:
        case "get_weather":
            if values.rng.random() < 0.3:
                unit = values.rng.choice(("celsius", "fahrenheit"))
                return Call(tool, {"city": values.city(), "unit": unit}), w.WEATHER_IN_UNIT
            return Call(tool, {"city": values.city()}), w.WEATHER
        case "search_web":
            return Call(tool, {"query": values.topic()}), w.SEARCH
        case "send_email":
            return Call(tool, {"to": values.address(), "subject": values.subject(), "body": values.body()}), w.EMAIL
        case "get_stock_price":
            return Call(tool, {"symbol": values.symbol()}), w.STOCK
        case "translate_text":
            return Call(tool, {"text": values.phrase(), "target_language": values.language()}), w.TRANSLATE
        case "calculate":
            return Call(tool, {"expression": values.expression()}), w.CALCULATE
        case "book_flight":
            origin, destination = different(values.city)
            return Call(tool, {"origin": origin, "destination": destination, "date": values.date()}), w.FLIGHT
    raise ValueError(f"no tool named {tool}")


def different(sample: object) -> tuple[str, str]:
    """Two different values of one sampler."""
    assert callable(sample)
    first = second = sample()
    while second == first:
        second = sample()
    return first, second


def wrapped(query: str, rng: Random) -> str:
    """The request as a person may dress it: with a greeting, in small letters, without its full stop."""
    z = rng.random()
    if z < 0.08 and query.endswith("."):
        return query[:-1]
    if z < 0.14:
        return query[:1].lower() + query[1:]
    return rng.choice(w.WRAPS).format(query) if query[-1] in ".?!" else query


def single(values: Values, new_wording: bool, tool: str | None = None) -> Request:
    """A request for one call."""
    name = tool or values.rng.choice(list(TOOLS))
    call, ways = sample_call(name, values)
    query = worded(values.rng.choice(ways.of(new_wording)), values.rng).format(**call.arguments)
    return Request(query if new_wording else wrapped(query, values.rng), (call,))


def two_of_one_tool(values: Values, new_wording: bool, among: Sequence[str]) -> Request:
    """A request for two calls of one tool."""
    name = values.rng.choice(among)
    argument, ways = w.BOTH[name]
    sample = {"city": values.city, "symbol": values.symbol, "expression": values.expression, "query": values.topic}[
        argument
    ]
    pair = different(sample)
    query = worded(values.rng.choice(ways.of(new_wording)), values.rng).format(*pair)
    return Request(query, tuple(Call(name, {argument: value}) for value in pair))


def two_calls(values: Values, new_wording: bool, among: Sequence[str] = tuple(TOOLS)) -> Request:
    """A request for two calls, of one of these tools or of two; for one call, where no two can be asked for at once."""
    twice = [name for name in w.BOTH if name in among]
    if twice and (len(among) == 1 or values.rng.random() < 0.5):
        return two_of_one_tool(values, new_wording, twice)
    if len(among) == 1:
        return single(values, new_wording, among[0])
    names = values.rng.sample(list(among), 2)
    queries, calls = [], []
    for name in names:
        call, ways = sample_call(name, values)
        query = worded(values.rng.choice(ways.of(new_wording)), values.rng).format(**call.arguments)
        queries.append(query if query[-1] in ".?!" else query + ".")
        calls.append(call)
    return Request(worded(values.rng.choice(w.JOINS.of(new_wording)), values.rng).format(*queries), tuple(calls))
