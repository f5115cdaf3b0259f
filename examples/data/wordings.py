"""How people word requests for the seven tools. Held-out wordings never occur in training rows.

A wording names the arguments it carries; `both` wordings ask one thing of two values.  Brackets hold choices:
`[Find|Look up] {query}[| online].` stands for four wordings.
"""

import re
from dataclasses import dataclass
from random import Random

CHOICE = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True)
class Wordings:
    train: tuple[str, ...]
    held_out: tuple[str, ...]

    def of(self, held_out: bool) -> tuple[str, ...]:
        return self.held_out if held_out else self.train


def worded(wording: str, rng: Random) -> str:
    """The wording with one of every choice."""
    return CHOICE.sub(lambda choice: rng.choice(choice[1].split("|")), wording)


def wordings(train: str, held_out: str) -> Wordings:
    return Wordings(tuple(train.strip().splitlines()), tuple(held_out.strip().splitlines()))


WEATHER = wordings(
    """[What's|What is] the weather [|like ]in {city}[| today| now| right now| this week]?
How is the weather [in|over in|around] {city}[| today| right now| at the moment]?
[Tell|Show] me the weather [for|of|in] {city}[| today| tomorrow| now][.|, please.]
[Is it|Will it be] [raining|cold|warm|windy|sunny] in {city}[| now| tomorrow| tonight]?
[weather|forecast] [in |for |]{city}[| please| today]
Do I need [a coat|an umbrella|a hat|boots] in {city}[| today| tomorrow]?
I am [going|flying|moving] to {city}, what is the weather like there?
[Give|Get] me the [forecast|weather report] [for|of] {city}[|, please].
Will it [rain|snow|be hot] in {city}[| tomorrow| tonight| this week]?
How [hot|warm|cold] is it in {city}[| today| right now| this morning]?
[Check|Look up] the [weather|forecast] [in|for] {city}[| today|, please| for me].
What will the weather be in {city}[| tomorrow| tonight]?
[I need|I want|Get me] the weather [report |]for {city}[|, please| today].
[Could|Would] you tell me how [warm|hot|cold|windy] {city} is[| now| today| right now]?
Which weather does {city} have[| today| now]?
[Can|Could] you see whether it [rains|snows] in {city}[| now| tonight]?
For {city}, what [does the forecast say|is the weather like]?
I wonder how the weather is in {city}[| right now| today].""",
    """Can you check the weather in {city} right now?
What is it like outside in {city}?
How does the sky look in {city} today?
I would like a weather forecast for {city}.
Is the sun shining in {city}?""",
)
WEATHER_IN_UNIT = wordings(
    """What's the [weather|temperature] in {city} in {unit}?
Give me the [weather|temperature] [for|of|in] {city}, in {unit}.
Tell me the temperature [in|of] {city} in {unit}[|, please].
How [warm|hot|cold] is it in {city}[| now| today]? Use {unit}.
What is the [temperature|weather] in {city} in {unit}[| now| today]?
In {unit}, how [hot|cold|warm] is it in {city}[| today]?
[Weather|Temperature] in {city}, {unit} please.
How [cold|warm|hot] is it in {city} in {unit}?
I [want|need] the weather of {city} in {unit}.
How many {unit} is it in {city}[| now| today]?
[Using|In] {unit}, how [warm|cold] is {city}[| now]?
[Report|Read me] the {unit} [reading|value] of {city}.""",
    """Show the {unit} temperature for {city}.
Check the weather in {city} using {unit}.
How many degrees {unit} does {city} have?""",
)
SEARCH = wordings(
    """[Search|Please search] the [web|internet] for {query}.
Search for {query}
Find {query} [online|on the web|on the internet][|, please| for me].
[Look|Please look] up {query}[| for me| online].
[Can|Could] you look up {query}[| on the web| online| for me]?
I [want to|have to|must] find information [about|on] {query}.
Please search {query}.
Google {query}[| for me|, please].
[Search|Look] for {query} on the [internet|web].
Find [information|facts|pages|web pages] [about|on] {query}[|, please].
What can you find [about|on] {query}[| online]?
Do a [web |]search [for|about] {query}[| for me].
search {query}
I am looking for {query}[| on the web].
Please look online for {query}.
What does the [internet|web] say [about|on] {query}?
Show me [pages|results] [about|for|on] {query}[|, please].
[Have|Take] a look on the internet for {query}.""",
    """Could you search online for {query}?
Find me something about {query}.
Run a search on {query}.
Look on the web for {query}, please.""",
)
EMAIL = wordings(
    """Send an email to {to} with [|the ]subject "{subject}" and [|the ]body "{body}".
Email {to} about "{subject}": {body}
Write to {to}. Subject: {subject}. [Body|Text|Message]: {body}
Please [email|mail] {to}, subject {subject}, saying "{body}"
[Send|Write] {to} a [message|mail|note] titled "{subject}" that [says|reads] "{body}".
Mail {to} with the [subject|title] {subject} and the [text|message|body] {body}
[Send|Write] an email to {to}, subject "{subject}", [body|text] "{body}".
Write an email to {to} with [|the ]subject "{subject}" saying "{body}".
Email {to} with [|the ]subject "{subject}" and [|the ]text "{body}".
To: {to} Subject: {subject} [Body|Text]: {body}
[Subject|Title]: {subject}. To: {to}. Text: "{body}"
Send a message to {to} with [|the ]title "{subject}" and [|the ]text "{body}".
I [want|have|need] to [email|mail] {to}. The subject is "{subject}", the [text|body] is "{body}".
Tell {to} by [email|mail]: "{body}". Subject: "{subject}".
[Send|Mail|Write] "{body}" to {to} with the [subject|title] "{subject}".
With the subject "{subject}", [send|mail] {to} the [text|message] "{body}".
[Drop|Send] {to} an email that says "{body}", titled "{subject}"[|, please].
An email for {to}: the body is {body} and the subject is {subject}
[Could|Would] you mail {to}? The [title|subject] is {subject}, and the message is {body}
Tell {to} "{body}" in an email with the [subject|title] {subject}.""",
    """Can you send an email to {to} titled "{subject}" saying "{body}"?
Send a mail to {to}. The subject is {subject} and the body is {body}
Write {to} an email under the subject "{subject}" with the words "{body}".
Let {to} know by email "{body}", with "{subject}" as the subject.""",
)
STOCK = wordings(
    """[What is|What's] the [stock |share |]price of {symbol}[| today| now| right now]?
How much is {symbol} trading at[| now| today]?
Get [|me ]the [price|share price] of {symbol}[|, please].
What's {symbol} at [right now|today|now]?
Check the {symbol} [stock|share|shares][|, please| for me].
Tell me the [current |]price of {symbol} [shares|stock].
[stock|share] price {symbol}
How is {symbol} doing on the [market|stock market][| today]?
What is {symbol} stock worth [today|now|right now]?
Show me the [stock |share |]price [for|of] {symbol}.
How much [does|do] {symbol} [stock|shares] cost[| now| today]?
What is the price of {symbol} [stock|shares]?
[Price|Share price] of {symbol}, please.
I want to know the {symbol} [share|stock] price.
Look at the [stock|share] {symbol}.
What is {symbol} trading at[| right now| today]?
Quote [the |]{symbol} [share |stock |]for me.
How [low|far up] is {symbol} [today|now]?
[At|For] which price is {symbol} sold[| today]?
What [must|would] I pay for [a|one] {symbol} share?""",
    """Give me a stock quote for {symbol}.
What does one share of {symbol} cost?
How high is the {symbol} stock today?
At what price do {symbol} shares trade?""",
)
TRANSLATE = wordings(
    """Translate "{text}" [to|into] {target_language}[|, please| for me].
How [do you|would you|would I|do I] say "{text}" in {target_language}?
Translate the [text|words|sentence] "{text}" into {target_language}[|, please].
What is "{text}" in {target_language}?
Translate [to|into] {target_language}: {text}
[Put|Turn] this into {target_language}: {text}
Say "{text}" in {target_language}[|, please].
Please translate "{text}" to {target_language}.
In {target_language}, how [do you|would you] say "{text}"?
Translate into {target_language}: "{text}"
I want [|to say ]"{text}" in {target_language}.
What does "{text}" mean in {target_language}?
Give me the {target_language} [translation of|for|words for] "{text}".
[Turn|Put] "{text}" into {target_language}[|, please].
[Could|Would] you put "{text}" into {target_language}[| for me]?
How do people say "{text}" in {target_language}?
I have to say "{text}" in {target_language}.
The {target_language} [for|of] "{text}", please.""",
    """I need "{text}" translated into {target_language}.
Can you translate "{text}" to {target_language}?
Write "{text}" in {target_language}.
How is "{text}" said in {target_language}?""",
)
CALCULATE = wordings(
    """[What is|What's] {expression}?
[Calculate|Compute|Work out] {expression}[| for me|, please].
How much is {expression}?
Can you [work out|calculate|solve] {expression}[| for me]?
Evaluate {expression}
Solve {expression}[|, please].
I [need|want] the [result|value|answer] of {expression}.
calculate {expression}
Tell me [what {expression} is|the result of {expression}].
What is the [result|value] of {expression}?
How much does {expression} [make|come to]?
{expression} = ?
[Do|Work out] the sum {expression}.
I [want|need] to know {expression}.
What does {expression} [make|come to]?
Give me the [value|result] of {expression}[|, please].
{expression}, how much is that?
Could you [work out|evaluate] [what |]{expression}[| makes]?""",
    """Please calculate {expression}.
What do I get for {expression}?
Find the value of {expression}.
Could you compute {expression}?""",
)
FLIGHT = wordings(
    """[Book|Find|Get] [|me ]a flight from {origin} to {destination} [on|for] {date}.
I [need|want] a [flight|plane ticket] from {origin} to {destination} [on|for] {date}.
Fly me from {origin} to {destination} on {date}[|, please].
[Book|Buy|Get] me a plane ticket to {destination} from {origin} for {date}.
On {date} I [want|have|need] to fly from {origin} to {destination}.
[Reserve|Book] a flight: {origin} to {destination}, {date}.
Please book a flight [to {destination} from {origin}|from {origin} to {destination}] on {date}.
I [want|need|have] to fly from {origin} to {destination} on {date}.
flight [from |]{origin} to {destination} [on |]{date}
Get me a flight to {destination} on {date}, from {origin}.
I have to fly to {destination} on {date} from {origin}.
Buy [a|one] plane ticket from {origin} to {destination} [on|for] {date}.
Reserve a seat [on a plane |]from {origin} to {destination} for {date}.
[Leaving|Departing from] {origin} on {date}, I have to reach {destination}. Book a flight.
On {date}, book me [out of|from] {origin} to {destination}.
I want a [seat|ticket] to {destination} from {origin} on {date}.
My [flight|trip] leaves {origin} on {date} and goes to {destination}: book it.
[Get|Bring] me from {origin} to {destination} by plane on {date}.""",
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
            """[What's|What is|How is] the weather [|like ]in {0} and [|in ]{1}[| today| now]?
Compare the weather in {0} and {1}[|, please].
Tell me the weather [for|in] {0} and [for|in] {1}.
[Weather|Forecast] in {0} and {1}[|, please].
Is it [raining|cold|warm] in {0} [or|and] in {1}[| now]?
Show me the weather of {0} and of {1}.
[Do I need|Should I take] a coat in {0} and in {1}?
How [warm|cold] are {0} and {1}[| today| now]?
Give me the forecast for [both |]{0} and {1}.""",
            """Check the weather in both {0} and {1}.
Which forecast do {0} and {1} have?""",
        ),
    ),
    "get_stock_price": (
        "symbol",
        wordings(
            """What are the [stock |share |]prices of {0} and {1}[| today]?
Check {0} and {1} [stock|shares].
Get the price of {0} and [of |]{1}.
How much are {0} and {1} trading at[| now]?
What is the [stock |share |]price of {0} and [of |]{1}?
Compare the [stocks|shares] {0} and {1}.
[stock|share] price {0} and {1}
Quote {0} and [also |]{1}.
What does {0} cost, and what does {1} cost?
How are {0} and {1} doing [today|on the market]?""",
            """Give me stock quotes for {0} and {1}.
What do shares of {0} and {1} cost?""",
        ),
    ),
    "calculate": (
        "expression",
        wordings(
            """[What is|What's] {0} and [what is |]{1}?
[Calculate|Compute|Solve] {0} and [also|then] {1}.
[Compute|Work out] {0} and then {1}.
Work out [both |]{0} and {1}.
How much is {0} and how much is {1}?
calculate {0} and {1}
Give me [the results of |]{0} and [|then ]{1}.
What does {0} make, and what does {1} make?""",
            """Please calculate both {0} and {1}.
What do {0} and {1} make?""",
        ),
    ),
    "search_web": (
        "query",
        wordings(
            """[Search|Look] for {0} and for {1}[| online].
Look up {0} and also {1}.
Search the [web|internet] for {0} and [then |]for {1}.
Find {0} online and also {1}.
Look for {0} and for {1} on the internet.
[Do|Make] a search [for|on] {0} and a second one [for|on] {1}.
Find pages about {0} and [also |]about {1}.""",
            """Run a search on {0} and one on {1}.
Could you search online for {0} and for {1}?""",
        ),
    ),
}
JOINS = wordings(
    """{0} {1}
{0} [Also|And|Then|Next], {1}
{0} And {1}
[First|One]: {0} [Then|Two|Second]: {1}
{0} [Then|Also|Next]: {1}
1. {0} 2. {1}
(1) {0} (2) {1}
I need two things. {0} {1}
[Two|A few] things[|, please]. {0} {1}
{0} [When that is done|And one more thing]: {1}""",
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
