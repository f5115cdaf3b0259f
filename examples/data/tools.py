"""The seven tools, in xlam's form: a flat map of parameters with Python type names."""

Parameter = dict[str, str]
Tool = dict[str, str | dict[str, Parameter]]


def text(description: str) -> Parameter:
    return {"description": description, "type": "str"}


def tool(name: str, description: str, **parameters: Parameter) -> Tool:
    return {"name": name, "description": description, "parameters": parameters}


UNIT: Parameter = {"description": "celsius or fahrenheit", "type": "str, optional", "default": "celsius"}

TOOLS: dict[str, Tool] = {
    "get_weather": tool("get_weather", "Get the weather of a city.", city=text("city"), unit=UNIT),
    "search_web": tool("search_web", "Search the web.", query=text("topic to look for")),
    "send_email": tool("send_email", "Send an email.", to=text("address"), subject=text("subject"), body=text("text")),
    "get_stock_price": tool("get_stock_price", "Get the price of a stock.", symbol=text("ticker symbol")),
    "translate_text": tool("translate_text", "Translate a text.", text=text("text"), target_language=text("language")),
    "calculate": tool("calculate", "Work out a sum.", expression=text("expression")),
    "book_flight": tool(
        "book_flight",
        "Book a flight.",
        origin=text("city to leave"),
        destination=text("city to reach"),
        date=text("day as YYYY-MM-DD"),
    ),
}
