"""Plain prose: a small world of facts, small talk and sums, as statements and as questions with answers."""

from random import Random

from examples.pretrain import values as v
from examples.pretrain.words import capitalised, table

CAPITALS = table(
    "France:Paris,Germany:Berlin,Spain:Madrid,Italy:Rome,Austria:Vienna,Ireland:Dublin,Norway:Oslo,Sweden:Stockholm,Finland:Helsinki,"
    "Poland:Warsaw,Greece:Athens,Portugal:Lisbon,Hungary:Budapest,Japan:Tokyo,China:Beijing,India:Delhi,Thailand:Bangkok,Vietnam:Hanoi,"
    "Egypt:Cairo,Kenya:Nairobi,Ghana:Accra,Peru:Lima,Chile:Santiago,Cuba:Havana"
)
COLOURS = table(
    "grass:green,snow:white,the sky:blue,blood:red,coal:black,the sun:yellow,milk:white,chocolate:brown,a "
    "lemon:yellow,a tomato:red,"
    "a banana:yellow,an orange:orange"
)
OPPOSITES = table(
    "hot:cold,big:small,old:new,fast:slow,day:night,up:down,open:closed,wet:dry,happy:sad,early:late,rich:poor,"
    "hard:soft"
)
KINDS = table(
    "cat:an animal,dog:an animal,horse:an animal,lion:an animal,rose:a plant,oak:a plant,grass:a plant,apple:a "
    "fruit,banana:a fruit,"
    "lemon:a fruit,violin:an instrument,guitar:an instrument,piano:an instrument,car:a vehicle,train:a "
    "vehicle,bus:a vehicle"
)
SMALL_TALK = (
    ("Hello!|Hi!|Hi there.|Hey!|Good evening!|Good day!", "Hello! How can I help you?"),
    ("Thank you!|Thanks.|Thanks a lot!|Thank you so much.|Many thanks!", "You are welcome!"),
    ("Who are you?|What are you?|Tell me who you are.|What is your name?", "I am a small assistant."),
    ("Bye!|Goodbye.|See you later.|Good night!|See you soon.", "Goodbye! Have a nice day."),
    ("How are you?|How are you doing?|How do you feel today?|Are you well?", "I am fine, thank you."),
    ("Can you help me?|I need help.|Could you help me with something?", "Of course. What do you need?"),
)


def article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def fact(rng: Random) -> tuple[str, str]:
    """A question about the small world and its answer as a whole sentence."""
    match rng.randrange(4):
        case 0:
            land = rng.choice(list(CAPITALS))
            ask = rng.choice(
                ("What is the capital of {}?", "Which city is the capital of {}?", "Name the capital of {}.")
            )
            return ask.format(land), f"The capital of {land} is {CAPITALS[land]}."
        case 1:
            thing = rng.choice(list(COLOURS))
            ask = rng.choice(("What color is {}?", "Which color is {}?", "Tell me the color of {}."))
            return ask.format(thing), f"{capitalised(thing)} is {COLOURS[thing]}."
        case 2:
            one = rng.choice(list(OPPOSITES))
            ask = rng.choice(
                ("What is the opposite of {}?", "Tell me the opposite of {}.", "Which word is the opposite of {}?")
            )
            return ask.format(one), f"The opposite of {one} is {OPPOSITES[one]}."
        case _:
            noun = rng.choice(list(KINDS))
            ask = rng.choice(("What is {}?", "Tell me what {} is.", "Do you know what {} is?"))
            return ask.format(f"{article(noun)} {noun}"), f"{capitalised(article(noun))} {noun} is {KINDS[noun]}."


def question(rng: Random) -> tuple[str, str]:
    """Anything that is answered in plain words: a fact, small talk, an echo, a greeting by name."""
    z = rng.random()
    if z < 0.45:
        return fact(rng)
    if z < 0.65:
        asks, answer = rng.choice(SMALL_TALK)
        return rng.choice(asks.split("|")), answer
    if z < 0.85:
        text = v.words(rng, 1, 4)
        return rng.choice(('Echo "{}".', "Repeat: {}", 'Please repeat "{}"', 'Read "{}" aloud.', "Say {}")).format(
            text
        ), text
    name = v.proper(rng)
    return rng.choice(("This is {}.", "My name is {}.", "I am {}.", "They call me {}.")).format(
        name
    ), f"Nice to meet you, {name}!"


def remark(rng: Random) -> str:
    """One or two sentences of prose."""
    match rng.randrange(6):
        case 0 | 1:
            ask, answer = question(rng)
            return rng.choice(
                (f"{ask} {answer}", answer, f'"{ask}" "{answer}"', f"{v.proper(rng)} said: {ask} {answer}")
            )
        case 2:
            a, b = rng.randint(0, 20), rng.randint(0, 20)
            return f"{a} + {b} = {a + b}."
        case 3:
            return f"{v.person(rng)} lives in {v.place(rng)}."
        case _:
            return capitalised(v.words(rng, 3, 9)) + "."


def prose_document(rng: Random) -> str:
    return rng.choice((" ", "\n")).join(remark(rng) for _ in range(rng.randint(2, 6)))
