"""Nine prompts over the seven tools, for a readable table of before and after. Their values are in no training row."""

from dataclasses import dataclass

from examples.data.requests import Call


@dataclass(frozen=True)
class DemoPrompt:
    """What to ask, which tools to offer, and the calls that are right; none where plain words are."""

    query: str
    tools: tuple[str, ...]
    calls: tuple[Call, ...]


DEMO_PROMPTS = (
    DemoPrompt(
        "What's the weather in Reykjavik?",
        ("get_weather", "search_web", "book_flight"),
        (Call("get_weather", {"city": "Reykjavik"}),),
    ),
    DemoPrompt(
        "Search the web for vegan pizza recipes.",
        ("calculate", "search_web", "get_weather"),
        (Call("search_web", {"query": "vegan pizza recipes"}),),
    ),
    DemoPrompt(
        'Send an email to maya@studio.io with subject "Garden party" and body "We missed the bus".',
        ("send_email", "translate_text"),
        (Call("send_email", {"to": "maya@studio.io", "subject": "Garden party", "body": "We missed the bus"}),),
    ),
    DemoPrompt(
        "What is the stock price of SHOP?",
        ("get_stock_price", "search_web", "calculate"),
        (Call("get_stock_price", {"symbol": "SHOP"}),),
    ),
    DemoPrompt(
        'Translate "the soup is hot" to Swedish.',
        ("get_weather", "translate_text", "send_email"),
        (Call("translate_text", {"text": "the soup is hot", "target_language": "Swedish"}),),
    ),
    DemoPrompt(
        "What is 127 * 46?",
        ("calculate", "get_stock_price"),
        (Call("calculate", {"expression": "127 * 46"}),),
    ),
    DemoPrompt(
        "Book a flight from Glasgow to Palermo on 2027-05-14.",
        ("book_flight", "get_weather", "send_email"),
        (Call("book_flight", {"origin": "Glasgow", "destination": "Palermo", "date": "2027-05-14"}),),
    ),
    DemoPrompt(
        "What's the weather in Tallinn and Nagoya?",
        ("get_weather", "translate_text", "calculate"),
        (Call("get_weather", {"city": "Tallinn"}), Call("get_weather", {"city": "Nagoya"})),
    ),
    DemoPrompt("Set an alarm for 6:45.", ("send_email", "get_weather", "search_web"), ()),
)
