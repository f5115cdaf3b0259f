"""More scenes, so that choosing a form (or finding that none fits) is learned on many things and not on seven."""

from examples.pretrain import values as v
from examples.pretrain.scenes import CORE, WHEN, WHERE, Scene, scene, slot

AT = slot("time clock at hour", v.clock, "at {}|for {}|by {}")
WHO = slot("person guest who customer", v.person, "for {}|with {}|of {}")

MORE = (
    scene(
        "alarm clock wake",
        "Set an alarm.|Wakes someone.",
        [AT],
        "set an alarm|ring the alarm|set the clock",
        "Wake me at {time}.|Alarm, {time}.|I get up at {time}, so ring.|Do not let me sleep after {time}.",
    ),
    scene(
        "reminder memo memory",
        "Remind someone of something.|Keep a reminder.",
        [slot("text what task", v.sentence, 'of "{}"|that says "{}"|: {}'), AT],
        "set a reminder|make a reminder|remind me",
        'Do not let me forget "{text}" at {time}.|At {time} remind me: {text}|Reminder for {time}: {text}',
    ),
    scene(
        "song music player tune",
        "Play a song.|Plays music.",
        [slot("song track name", v.title, '"{}"|the song "{}"|the tune {}')],
        "play|put on|start|sing",
        'I want to hear "{song}".|Music: {song}|Let me listen to {song}.|Next song: "{song}"',
    ),
    scene(
        "recipe kitchen cooking meal",
        "Find a recipe.|How to cook a meal.",
        [slot("dish food meal", v.topic, "for {}|of {}|with {}")],
        "find a recipe|show how to cook|give a recipe",
        "How do I cook {dish}?|What goes into {dish}?|Teach me to make {dish}.|I am hungry for {dish}. Recipe?",
    ),
    scene(
        "taxi cab ride",
        "Call a taxi.|Order a ride.",
        [
            slot("pickup from start", v.place, "from {}|starting at {}"),
            slot("goal to end", v.place, "to {}|going to {}"),
        ],
        "call a taxi|order a cab|get a ride",
        "A taxi from {pickup} to {goal}.|Drive me from {pickup} to {goal}.|I need a cab, {pickup} to {goal}.",
    ),
    scene(
        "hotel room night stay",
        "Book a hotel room.|Reserve a room for a night.",
        [WHERE, WHEN],
        "book a hotel room|reserve a room|find a hotel",
        "I sleep in {city} on {date}.|A bed in {city} for {date}, please.|Hotel, {city}, {date}.",
    ),
    scene(
        "restaurant table dinner",
        "Reserve a table.|Book a table at a restaurant.",
        [slot("restaurant where name", v.title, "at {}|in the restaurant {}"), AT],
        "reserve a table|book a table|get a table",
        "We eat at {restaurant} at {time}.|A table at {restaurant}, {time}.|Dinner at {restaurant} at {time}, please.",
    ),
    scene(
        "meeting calendar event",
        "Add a meeting to the calendar.|Plan an event.",
        [WHO, WHEN],
        "plan a meeting|add an event|put a meeting in the calendar",
        "Meet {person} on {date}.|I see {person} on {date}, write it down.|Calendar: {person}, {date}.",
    ),
    scene(
        "order shop cart product",
        "Order a product.|Buys something in the shop.",
        [
            slot("item product thing", v.topic, '"{}"|some {}|the item {}'),
            slot("count amount number", v.number, "{} times|, {} of them|, amount {}"),
        ],
        "order|buy|add to the cart",
        "I take {count} of {item}.|Put {count} {item} into my cart.|{count} pieces of {item}, please.",
    ),
    scene(
        "parcel package delivery",
        "Track a parcel.|Shows where a package is.",
        [slot("number code parcel", v.code, "{}|with code {}|number {}")],
        "track the parcel|find the package|follow the delivery",
        "Where is parcel {number}?|Has package {number} arrived?|When comes {number}?|Delivery {number}?",
    ),
    scene(
        "currency money exchange",
        "Change money into another currency.|Exchange rate.",
        [slot("amount sum value", v.price, "{}|of {}"), slot("currency to money", v.ticker, "to {}|into {}")],
        "change|convert|exchange the money",
        "How much is {amount} in {currency}?|I have {amount} and want {currency}.|{amount} into {currency}.",
    ),
    scene(
        "call phone dial",
        "Call a person.|Dials a phone number.",
        [WHO],
        "call|phone|dial the number|start a phone call",
        "I want to talk to {person} by phone.|Get {person} on the phone.|Phone {person}.",
    ),
    scene(
        "light lamp bulb",
        "Switch a lamp.|Set the light of a room.",
        [slot("room where place", v.word, "in the {}|of the {}"), slot("colour color shade", v.colour, "to {}|in {}")],
        "switch the light|set the lamp|turn the light",
        "Make the {room} light {colour}.|{colour} light in the {room}, please.|The {room} is dark, make it {colour}.",
    ),
    scene(
        "news headline press",
        "Read the news.|Shows headlines.",
        [slot("topic subject about", v.topic, "about {}|on {}")],
        "read the news|show headlines|tell the news",
        "What is new in {topic}?|What happened with {topic}?|Headlines, {topic}.",
    ),
    scene(
        "dictionary meaning definition",
        "Explain a word.|Gives the meaning of a word.",
        [slot("word term entry", v.word, '"{}"|of {}|the word {}')],
        "explain|define|give the meaning",
        'What does "{word}" mean?|Meaning of {word}?|Define {word}.|I do not know the word {word}.',
    ),
    scene(
        "timer countdown watch",
        "Start a timer.|Counts down minutes.",
        [slot("minutes length time", v.number, "for {} minutes|of {} minutes")],
        "start a timer|count down|set a timer",
        "Tell me when {minutes} minutes are over.|{minutes} minutes, go.|Timer, {minutes} minutes.",
    ),
    scene(
        "movie cinema film",
        "Buy a cinema ticket.|Tickets for a film.",
        [slot("film movie title", v.title, 'for "{}"|for the film {}'), WHEN],
        "buy a cinema ticket|get movie tickets|reserve cinema seats",
        'I want to see "{film}" on {date}.|Cinema on {date}: {film}|Two seats for {film}, {date}.',
    ),
    scene(
        "payment transfer bank",
        "Pay money to a person.|Transfer money.",
        [slot("payee person to", v.person, "to {}|for {}"), slot("amount sum value", v.price, "{}|of {}")],
        "pay|transfer money|send money",
        "{payee} gets {amount} from me.|I owe {payee} {amount}, pay it.|Wire {amount} to {payee}.",
    ),
    scene(
        "file folder rename",
        "Rename a file.|Gives a file a new name.",
        [slot("old from source", v.code, "from {}|{}"), slot("new to target", v.code, "to {}|as {}")],
        "rename the file|move the file",
        "File {old} should be {new}.|Call {old} {new} from now on.|{old} becomes {new}.",
    ),
    scene(
        "map route directions way",
        "Show the way.|Route between places.",
        [slot("start from origin", v.place, "from {}"), slot("goal to end", v.place, "to {}")],
        "show the way|find a route|give directions",
        "How do I get from {start} to {goal}?|Which road leads from {start} to {goal}?|"
        "I am lost in {start}, where is {goal}?",
    ),
    scene(
        "train rail railway",
        "Buy a train ticket.|Times of trains.",
        [slot("departure from start", v.place, "from {}"), slot("arrival to end", v.place, "to {}"), AT],
        "buy a train ticket|find a train|take the train",
        "The train from {departure} to {arrival} at {time}.|By rail to {arrival} from {departure}, {time}.",
    ),
    scene(
        "contact person address_book",
        "Save a contact.|Adds a person to the address book.",
        [slot("name_of who person", v.person, "of {}|for {}"), slot("mail address at", v.mail, "with {}|, {}")],
        "save the contact|add a contact|store the address",
        "{name_of} has the address {mail}.|New contact: {name_of}, {mail}|Keep {mail} for {name_of}.",
    ),
    scene(
        "photo picture camera",
        "Draw or find a picture.|Shows a photo.",
        [slot("motif subject of", v.topic, "of {}|with {}|showing {}")],
        "show a picture|draw|take a photo|paint",
        "I want to see {motif}.|A picture of {motif}, please.|Draw me {motif}.",
    ),
    scene(
        "doctor clinic appointment",
        "Make an appointment with a doctor.|Visit a doctor.",
        [slot("doctor who name", v.person, "with {}|at doctor {}"), WHEN],
        "make an appointment|see the doctor|book a visit",
        "Doctor {doctor} should see me on {date}.|I am ill. {doctor} on {date}, please.",
    ),
    scene(
        "book library loan",
        "Lend a book.|Finds a book in the library.",
        [
            slot("title book work", v.title, '"{}"|the book "{}"'),
            slot("author writer by", v.person, "by {}|written by {}"),
        ],
        "lend me|borrow|find the book",
        'Does the library have "{title}" by {author}?|I read {author}, "{title}".|{title} of {author}, please.',
    ),
    scene(
        "door lock key",
        "Lock or open a door.|Controls a lock.",
        [slot("door lock which", v.word, "of the {}|to the {}")],
        "lock the door|open the door|close the lock",
        "Nobody may enter the {door}.|Is the {door} locked?|Lock up the {door}.",
    ),
    scene(
        "joke story poem",
        "Write a poem.|Tells a story.",
        [slot("theme about topic", v.topic, "about {}|on {}")],
        "write a poem|tell a story|tell a joke",
        "Make me laugh about {theme}.|A poem on {theme}, please.|Once upon a time there was {theme}.",
    ),
)

SCENES: tuple[Scene, ...] = CORE + MORE
WEIGHTS = tuple([3.0] * len(CORE) + [1.0] * len(MORE))
