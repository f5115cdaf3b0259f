"""How people word requests for the seven tools. Held-out wordings never occur in training rows.

A wording names the arguments it carries; `both` wordings ask one thing of two values.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wordings:
    train: tuple[str, ...]
    held_out: tuple[str, ...]

    def of(self, held_out: bool) -> tuple[str, ...]:
        return self.held_out if held_out else self.train


def wordings(train: str, held_out: str) -> Wordings:
    return Wordings(tuple(train.strip().splitlines()), tuple(held_out.strip().splitlines()))


WEATHER = wordings(
    """What's the weather in {city}?
What is the weather in {city}?
What's the weather like in {city}?
How is the weather in {city} today?
Tell me the weather for {city}.
Is it raining in {city}?
weather in {city} please
Do I need a coat in {city}?
I am going to {city}, what is the weather like there?
Give me the forecast for {city}.
Will it rain in {city} tomorrow?
How hot is it in {city}?
Check the weather in {city}.
Show me the weather of {city}.
Is it cold in {city} now?
weather {city}
What will the weather be in {city}?
I need the weather report for {city}.
Get the weather for {city}, please.""",
    """Can you check the weather in {city} right now?
What is it like outside in {city}?
How does the sky look in {city} today?
I would like a weather forecast for {city}.
Is the sun shining in {city}?""",
)
WEATHER_IN_UNIT = wordings(
    """What's the weather in {city} in {unit}?
Give me the weather for {city}, in {unit}.
Tell me the temperature in {city} in {unit}.
How warm is it in {city}? Use {unit}.
What is the temperature in {city} in {unit}?
In {unit}, how hot is it in {city}?
Weather in {city}, {unit} please.
How cold is it in {city} in {unit}?
I want the weather of {city} in {unit}.""",
    """Show the {unit} temperature for {city}.
Check the weather in {city} using {unit}.
How many degrees {unit} does {city} have?""",
)
SEARCH = wordings(
    """Search the web for {query}.
Search for {query}
Find {query} online.
Look up {query}.
Can you look up {query} on the web?
I want to find information about {query}.
Please search {query}.
Google {query} for me.
Search the internet for {query}.
Look for {query} on the internet.
Find information about {query}.
What can you find about {query}?
Do a web search for {query}.
search {query}
Find web pages about {query}.
I am looking for {query}.
Please look online for {query}.""",
    """Could you search online for {query}?
Find me something about {query}.
Run a search on {query}.
Look on the web for {query}, please.""",
)
EMAIL = wordings(
    """Send an email to {to} with subject "{subject}" and body "{body}".
Send an email to {to} with the subject "{subject}" and the body "{body}".
Email {to} about "{subject}": {body}
Write to {to}. Subject: {subject}. Body: {body}
Please email {to}, subject {subject}, saying "{body}"
Send {to} a message titled "{subject}" that says "{body}".
Mail {to} with the subject {subject} and the text {body}
Send an email to {to}, subject "{subject}", body "{body}".
Write an email to {to} with subject "{subject}" saying "{body}".
Email {to} with subject "{subject}" and text "{body}".
To: {to} Subject: {subject} Body: {body}
Send a message to {to} with title "{subject}" and text "{body}".
I want to email {to}. The subject is "{subject}", the text is "{body}".
Tell {to} by email: "{body}". Subject: "{subject}".
Send "{body}" to {to} with the subject "{subject}".""",
    """Can you send an email to {to} titled "{subject}" saying "{body}"?
Send a mail to {to}. The subject is {subject} and the body is {body}
Write {to} an email under the subject "{subject}" with the words "{body}".
Let {to} know by email "{body}", with "{subject}" as the subject.""",
)
STOCK = wordings(
    """What is the stock price of {symbol}?
What's the stock price of {symbol}?
How much is {symbol} trading at?
Get the price of {symbol}.
What's {symbol} at right now?
Check the {symbol} stock.
Tell me the current price of {symbol} shares.
stock price {symbol}
How is {symbol} doing on the market?
What is {symbol} stock worth today?
Show me the stock price for {symbol}.
How much does {symbol} stock cost?
What is the price of {symbol} stock?
Price of {symbol}, please.
I want to know the {symbol} share price.
Look at the stock {symbol}.
What is {symbol} trading at?""",
    """Give me a stock quote for {symbol}.
What does one share of {symbol} cost?
How high is the {symbol} stock today?
At what price do {symbol} shares trade?""",
)
TRANSLATE = wordings(
    """Translate "{text}" to {target_language}.
Translate "{text}" into {target_language}.
How do you say "{text}" in {target_language}?
Translate the text "{text}" into {target_language}, please.
What is "{text}" in {target_language}?
Translate to {target_language}: {text}
Put this into {target_language}: {text}
Say "{text}" in {target_language}.
Please translate "{text}" to {target_language}.
How would I say "{text}" in {target_language}?
In {target_language}, how do you say "{text}"?
Translate into {target_language}: "{text}"
I want "{text}" in {target_language}.
What does "{text}" mean in {target_language}?
Give me the {target_language} translation of "{text}".
Turn "{text}" into {target_language}.""",
    """I need "{text}" translated into {target_language}.
Can you translate "{text}" to {target_language}?
Write "{text}" in {target_language}.
How is "{text}" said in {target_language}?""",
)
CALCULATE = wordings(
    """What is {expression}?
What's {expression}?
Calculate {expression}.
Compute {expression} for me.
How much is {expression}?
Can you work out {expression}?
Evaluate {expression}
Solve {expression}.
I need the result of {expression}.
calculate {expression}
Work out {expression}.
Tell me what {expression} is.
What is the result of {expression}?
How much does {expression} make?
{expression} = ?
Do the sum {expression}.
I want to know {expression}.""",
    """Please calculate {expression}.
What do I get for {expression}?
Find the value of {expression}.
Could you compute {expression}?""",
)
FLIGHT = wordings(
    """Book a flight from {origin} to {destination} on {date}.
I need a flight from {origin} to {destination} on {date}.
Fly me from {origin} to {destination} on {date}.
Book me a plane ticket to {destination} from {origin} for {date}.
On {date} I want to fly from {origin} to {destination}.
Reserve a flight: {origin} to {destination}, {date}.
Book me a flight from {origin} to {destination} for {date}.
Please book a flight to {destination} from {origin} on {date}.
I want to fly from {origin} to {destination} on {date}.
Find me a flight from {origin} to {destination} on {date}.
flight {origin} to {destination} {date}
Get me a flight to {destination} on {date}, from {origin}.
I have to fly to {destination} on {date} from {origin}.
Buy a plane ticket from {origin} to {destination} on {date}.
Reserve a seat on a plane from {origin} to {destination} for {date}.""",
    """Please book a ticket from {origin} to {destination} for {date}.
Get me on a flight to {destination} from {origin} on {date}.
I would like to fly to {destination}, leaving {origin} on {date}.
Book the plane from {origin} to {destination} on {date}.""",
)

# One question, two values of one argument: two calls.
BOTH: dict[str, tuple[str, Wordings]] = {
    "get_weather": (
        "city",
        wordings(
            """What's the weather in {0} and {1}?
Compare the weather in {0} and {1}.
How is the weather in {0} and in {1}?
What is the weather like in {0} and {1}?
Tell me the weather for {0} and for {1}.
Weather in {0} and {1}, please.
Is it raining in {0} or in {1}?
Show me the weather of {0} and of {1}.""",
            """Check the weather in both {0} and {1}.
Which forecast do {0} and {1} have?""",
        ),
    ),
    "get_stock_price": (
        "symbol",
        wordings(
            """What are the stock prices of {0} and {1}?
Check {0} and {1} stock.
Get the price of {0} and of {1}.
How much are {0} and {1} trading at?
What is the stock price of {0} and {1}?
Compare the stocks {0} and {1}.
stock price {0} and {1}""",
            """Give me stock quotes for {0} and {1}.
What do shares of {0} and {1} cost?""",
        ),
    ),
    "calculate": (
        "expression",
        wordings(
            """What is {0} and {1}?
Calculate {0} and also {1}.
Compute {0} and then {1}.
Work out {0} and {1}.
How much is {0} and how much is {1}?
calculate {0} and {1}""",
            """Please calculate both {0} and {1}.
What do {0} and {1} make?""",
        ),
    ),
    "search_web": (
        "query",
        wordings(
            """Search for {0} and for {1}.
Look up {0} and also {1}.
Search the web for {0} and then for {1}.
Find {0} online and also {1}.
Look for {0} and for {1} on the internet.""",
            """Run a search on {0} and one on {1}.
Could you search online for {0} and for {1}?""",
        ),
    ),
}
JOINS = wordings(
    """{0} {1}
{0} Also, {1}
{0} And {1}
First: {0} Then: {1}
{0} Then: {1}
1. {0} 2. {1}
{0} Also: {1}
I need two things. {0} {1}""",
    """{0} After that: {1}
Two requests. {0} {1}""",
)
# Politeness around a whole request; held-out wordings stand as they are.
WRAPS = (
    "{}",
    "{}",
    "{}",
    "{}",
    "{}",
    "Hi! {}",
    "Hello, {}",
    "{} Thanks!",
    "{} Thank you.",
    "Hey. {}",
    "Quick question: {}",
    "Please: {}",
)
