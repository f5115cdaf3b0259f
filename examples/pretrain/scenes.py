"""Scenes of daily life: what a person may ask for, in many wordings, and the record that the request amounts to.

A scene's wordings are composed (opening + act + slots in any order + closing) or whole sentences.
None of them is a wording of the fine-tuning rows, and no scene bears the name of a tool.
"""

from dataclasses import dataclass
from random import Random

from examples.pretrain import values as v
from examples.pretrain.values import Sampler


@dataclass(frozen=True)
class Slot:
    """One value of a scene: its field names, how to sample it, and the phrases that carry it."""

    names: tuple[str, ...]
    sample: Sampler
    phrases: tuple[str, ...]
    optional: bool = False


@dataclass(frozen=True)
class Scene:
    """`acts` take the slots as phrases; `asks` are whole sentences naming slots as {first name}."""

    nouns: tuple[str, ...]
    abouts: tuple[str, ...]
    slots: tuple[Slot, ...]
    acts: tuple[str, ...]
    asks: tuple[str, ...]


def slot(names: str, sample: Sampler, phrases: str, optional: bool = False) -> Slot:
    return Slot(tuple(names.split()), sample, tuple(phrases.split("|")), optional)


def scene(nouns: str, abouts: str, slots: list[Slot], acts: str, asks: str) -> Scene:
    return Scene(
        tuple(nouns.split()), tuple(abouts.split("|")), tuple(slots), tuple(acts.split("|")), tuple(asks.split("|"))
    )


WHERE = slot("city place town location where", v.place, "in {}|for {}|at {}|around {}|of {}")
WHEN = slot("date day when on_day", v.date, "on {}|for {}|dated {}|, {}")

CORE = (
    scene(
        "weather forecast climate sky",
        "Weather of a place.|Shows the weather.|How the weather is in a city.|Report the forecast of a town.",
        [WHERE, slot("unit scale degrees", v.scale, "in {}|using {}|as {}|with {} values", optional=True)],
        "show the weather|report the weather|check the forecast|tell the temperature|describe the sky|"
        "give the weather report",
        "Will it rain in {city}?|Does it snow in {city} today?|How cold is {city} now?|Sun or clouds in {city}?|"
        "Should I take an umbrella to {city}?|Weather for {city}?|{city} forecast, please.|What weather has {city}?|"
        "How hot does it get in {city}?|The weather in {city}, please.|It is raining in {city}, or is it?|"
        "Is {city} sunny this week?|I travel to {city}. Will it be warm there?|"
        "What will the sky look like in {city}?",
    ),
    scene(
        "web pages internet results google",
        "Look for pages on the web.|Search the internet.|Finds web pages.|Look something up online.",
        [slot("query topic terms words what", v.topic, "about {}|on {}|for {}|: {}|concerning {}")],
        "search online|look on the web|search the internet|find pages|run a web search|look for information|"
        "find articles",
        "Any pages on {query}?|Show me results for {query}.|What does the web say about {query}?|Browse for {query}.|"
        "I want to read about {query}.|Look for {query}.|Find out about {query}.|Where can I read on {query}?|"
        "Who writes about {query}?|web search: {query}|Dig up {query} on the internet.|Search {query}",
    ),
    scene(
        "mail email letter message post",
        "Send a mail.|Write an email to someone.|Sends a message by mail.|Mail a person.",
        [
            slot("to recipient address receiver mail", v.mail, "to {}|for {}|addressed to {}"),
            slot(
                "subject title head topic",
                v.title,
                'with subject "{}"|titled "{}"|under the title {}|with the subject {}|, subject: {}',
            ),
            slot(
                "body text content note words",
                v.sentence,
                'saying "{}"|with text "{}"|that reads "{}"|, text: {}|with the body "{}"',
            ),
        ],
        "send a mail|write an email|post a letter|send a message|write a mail|send an email|deliver a note|"
        "mail a letter",
        'Let {to} know: {body} (subject "{subject}").|To {to}, about {subject}: {body}|'
        "New mail. To: {to}. Subject: {subject}. Text: {body}|"
        'Tell {to} "{body}" under the title "{subject}".|Drop {to} a line titled {subject} with the words {body}|'
        '{to} should get "{body}" with the subject "{subject}".|Inform {to} of "{subject}": "{body}"|'
        'Mail with subject "{subject}" for {to}. It says "{body}".',
    ),
    scene(
        "stock share market quote ticker",
        "Price of a stock.|Shows what a share costs.|Look at the stock market.|Quote of a company share.",
        [slot("symbol ticker stock code company", v.ticker, "of {}|for {}|on {}|: {}")],
        "show the share price|check the stock|give the market price|quote the stock|tell the price of the share|"
        "show the market value",
        "{symbol} price?|What does {symbol} cost on the market?|How are {symbol} shares today?|"
        "Did {symbol} stock go up?|"
        "Where does {symbol} trade now?|Value of {symbol} stock, please.|How much do I pay for {symbol} shares?|"
        "Is {symbol} up or down?|{symbol} on the stock market?|I own {symbol}. What is it worth?|Quote {symbol}",
    ),
    scene(
        "translation language words speech phrase",
        "Put a text into a language.|Translate words.|Says a text in another language.|Turn a phrase into a language.",
        [
            slot("text words phrase sentence", v.sentence, '"{}"|the words "{}"|the text "{}"|: "{}"'),
            slot("language target lang into to_language", v.language, "in {}|into {}|to {}"),
        ],
        "translate|put|say|turn|write|render|give|express",
        'What is the {language} for "{text}"?|{language} version of "{text}", please.|'
        'In {language}, what is "{text}"?|'
        '"{text}" in {language}?|Make "{text}" {language}.|I speak {language}. Translate "{text}" for me.|'
        "In {language}: {text}|"
        'Into {language}, please: {text}|A {language} friend should read "{text}".',
    ),
    scene(
        "sum formula result maths number",
        "Work out a sum.|Compute a formula.|Calculates numbers.|Result of an expression.",
        [slot("expression formula sum term maths", v.formula, "{}|: {}|of {}|for {}")],
        "work out|compute|find the result|solve|do the sum|calculate|add up|give the value",
        "{expression} is how much?|What does {expression} make?|Result of {expression}, please.|{expression} = ?|"
        "How much does {expression} give?|"
        "What number is {expression}?|Do the maths: {expression}|I have to know {expression}.|{expression}?|"
        "Sum: {expression}",
    ),
    scene(
        "flight plane ticket seat trip",
        "Book a seat on a plane.|Reserve a flight.|Buys a plane ticket.|Plan a flight.",
        [
            slot("origin from start source from_city", v.place, "from {}|starting in {}|leaving {}"),
            slot("destination to end target to_city", v.place, "to {}|going to {}|with destination {}"),
            WHEN,
        ],
        "book a seat|reserve a plane|buy a plane ticket|get a flight|book a flight|find a plane|"
        "reserve a seat on a plane",
        "On {date} I travel by plane, {origin} to {destination}.|"
        "One seat from {origin} to {destination} on {date}, please.|"
        "I have to be in {destination} on {date}, coming from {origin}.|"
        "Plane from {origin}, to {destination}, {date}.|"
        "We leave {origin} on {date} and fly to {destination}.|To {destination} from {origin} by plane on {date}.|"
        "Flight {origin} - {destination} on {date}.|I am in {origin} and want to fly to {destination} on {date}.",
    ),
)

OPENINGS = (
    *(
        "",
        "",
        "",
        "Please ",
        "Can you ",
        "Could you ",
        "I want you to ",
        "I need you to ",
        "Now ",
        "Would you ",
        "Kindly ",
    ),
    *("I would like you to ", "Time to ", "Go and ", "Hey, ", "Let us "),
)
CLOSINGS = ("", "", "", "", " please", " for me", " now", " today", " if you can", ", thanks")
END_MARKS = {"Can": "?", "Could": "?", "Would": "?"}


def ending(opening: str, rng: Random) -> str:
    """The mark that ends a composed request."""
    return END_MARKS.get(opening.split(" ")[0], rng.choice((".", ".", ".", "", "!")))


def fill(kind: Scene, rng: Random) -> dict[str, str]:
    """A record of the scene, keyed by each slot's first name; optional slots are there 4 times in 10."""
    return {s.names[0]: s.sample(rng) for s in kind.slots if not s.optional or rng.random() < 0.4}


def compose(kind: Scene, record: dict[str, str], rng: Random) -> str:
    """A request made of an opening, an act, the slots in any order and a closing."""
    opening = rng.choice(OPENINGS)
    parts = [rng.choice(s.phrases).format(record[s.names[0]]) for s in kind.slots if s.names[0] in record]
    if rng.random() < 0.5:
        rng.shuffle(parts)
    text = opening + rng.choice(kind.acts) + " " + " ".join(parts) + rng.choice(CLOSINGS)
    text = text.replace(" ,", ",").replace(" :", ":")
    return text[:1].upper() + text[1:] + ending(opening, rng)


def request(kind: Scene, rng: Random) -> tuple[str, dict[str, str]]:
    """A wording and the record it carries."""
    record = fill(kind, rng)
    whole = set(record) == {s.names[0] for s in kind.slots if not s.optional}
    if whole and rng.random() < 0.5:
        return rng.choice(kind.asks).format(**record), record
    return compose(kind, record, rng), record
