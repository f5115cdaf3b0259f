"""Requests that sound like work for a tool, but for none of the seven."""

from examples.data.sampling import Values
from examples.data.wordings import Wordings, wordings
from examples.pretrain.words import capitalised

NO_TOOL = "There is no tool for that."

# Wishes outside the seven tools. Held-out rows ask in other words and also for other things.
WISHES: tuple[Wordings, ...] = (
    wordings(
        "Set an alarm for {clock}.\nWake me up at {clock}.\nset an alarm at {clock} please", "Ring an alarm at {clock}."
    ),
    wordings(
        'Play the song "{title}".\nPlay some {thing} music.\nPut on "{title}".', 'I would like to hear "{title}".'
    ),
    wordings(
        "Remind me to call {name} at {clock}.\nSet a reminder: call {name} at {clock}.",
        "Make a reminder to see {name} at {clock}.",
    ),
    wordings(
        "Order a pizza for {name}.\nOrder {number} cakes for me.\nBuy {number} books for {name}.",
        "Order {number} chairs for {name}.",
    ),
    wordings("Call {name}.\nPhone {name} for me.\nCall the number {number}{number}.", "Ring {name} on the phone."),
    wordings(
        "Turn on the light in the {room}.\nTurn off the lamp in the {room}.\nMake the {room} light red.",
        "Switch off the lights in the {room}.",
    ),
    wordings(
        "Reserve a table for {number} at {clock}.\nBook a table at {title} for {clock}.",
        "Get us a table for {number} people at {clock}.",
    ),
    wordings(
        "Book a hotel in {city}.\nFind me a hotel room in {city} for {date}.\nI need a hotel in {city}.",
        "Reserve a hotel room in {city}.",
    ),
    wordings(
        "Call a taxi to {city}.\nGet me a taxi at {clock}.\nI need a cab at {clock}.", "Order a taxi for {clock}."
    ),
    wordings(
        "Add a meeting with {name} on {date}.\nPut {name} in my calendar for {date}.",
        "Plan a meeting with {name} on {date}.",
    ),
    wordings("Start a timer for {number} minutes.\nSet a timer of {number} minutes.", "Count down {number} minutes."),
    wordings(
        "Pay {number} dollars to {name}.\nSend {number} dollars to {name}.\nTransfer {number} euros to {name}.",
        "Give {name} {number} euros from my bank.",
    ),
    wordings(
        'Delete the file "{title}".\nRename the file "{title}".\nOpen the file "{title}".', 'Print the file "{title}".'
    ),
    wordings(
        "Draw a picture of a {thing}.\nMake a photo of the {thing}.\nPaint a {thing}.", "Sketch a {thing} for me."
    ),
    wordings(
        "Buy a train ticket to {city}.\nWhen does the train to {city} leave?\nFind a bus to {city}.",
        "Which train goes to {city}?",
    ),
    wordings("Lock the door of the {room}.\nOpen the {room} door.", "Close the door of the {room}."),
    wordings(
        "Track my parcel {number}{number}.\nWhere is my package {number}{number}?",
        "Has parcel {number}{number} arrived?",
    ),
    wordings(
        "Show me the way to {city}.\nHow do I drive to {city}?\nGive me directions to {city}.",
        "Which road goes to {city}?",
    ),
    wordings(
        "Buy cinema tickets for {date}.\nGet me {number} tickets for the museum.", "Get cinema seats for {clock}."
    ),
    wordings("Save the phone number of {name}.\nAdd {name} to my contacts.", "Store the address of {name}."),
)
NEW_WISHES = (
    *(
        "Feed the {thing} at {clock}.",
        "Water the plants in the {room}.",
        "Start the washing machine at {clock}.",
        "Charge my bicycle.",
    ),
    *(
        "Measure my pulse.",
        "Sell my {thing}.",
        "Rent a boat in {city}.",
        "Vote for {name}.",
        "Clean the {room}.",
        "Record the {thing} show at {clock}.",
    ),
)
ROOMS = ("kitchen", "bedroom", "office", "garage", "bathroom", "cellar")


def wish(values: Values, held_out: bool) -> str:
    """A request for something that none of the seven tools does."""
    rng = values.rng
    if held_out and rng.random() < 0.25:
        wording = rng.choice(NEW_WISHES)
    else:
        wording = rng.choice(rng.choice(WISHES).of(held_out and rng.random() < 0.5))
    return wording.format(
        clock=f"{rng.randint(0, 23)}:{rng.randint(0, 59):02d}",
        title=values.subject(),
        thing=values.topic().split(" ")[0],
        name=capitalised(values.address().split("@")[0].split(".")[0].split("_")[0].rstrip("0123456789")),
        number=rng.randint(2, 99),
        room=rng.choice(ROOMS),
        city=values.city(),
        date=values.date(),
    )
