"""What values are made of. Each pool is split: the held-out part never serves a training row."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pool:
    """Values or words for training rows, and others for held-out rows."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]

    def of(self, held_out: bool) -> tuple[str, ...]:
        return self.held_out if held_out else self.train


def pool(train: str, held_out: str, separator: str | None = None) -> Pool:
    return Pool(tuple(train.split(separator)), tuple(held_out.split(separator)))


CITIES = pool(
    "Paris,London,Berlin,Madrid,Rome,Vienna,Prague,Dublin,Oslo,Stockholm,Helsinki,Warsaw,Athens,Lisbon,Budapest,Tokyo,Osaka,Kyoto,Seoul,"
    "Beijing,Shanghai,Delhi,Mumbai,Bangkok,Hanoi,Jakarta,Manila,Sydney,Melbourne,Perth,Auckland,Cairo,Nairobi,Lagos,Accra,Tunis,Dakar,"
    "Toronto,Montreal,Vancouver,Boston,Chicago,Denver,Seattle,Austin,Houston,Miami,Atlanta,Dallas,Phoenix,Portland,Lima,Bogota,Santiago,"
    "Quito,Havana,Geneva,Zurich,Munich,Hamburg,Naples,Milan,Turin,Venice,Lyon,Porto,Seville,Valencia,New "
    "York,San Francisco,Los Angeles,"
    "Hong Kong,Buenos Aires,Cape Town,Mexico City,Rio de "
    "Janeiro,Leeds,Oxford,Bristol,Bordeaux,Nantes,Lille,Malaga,Granada,Florence,Verona,"
    "Dresden,Leipzig,Cologne,Stuttgart,Basel,Salzburg,Graz,Brno,Gdansk,Poznan,Turku,Malmo,Uppsala,Aarhus,Odense,Riga,Minsk,Kyiv,Odessa,"
    "Izmir,Ankara,Amman,Beirut,Baghdad,Tehran,Doha,Muscat,Kabul,Kolkata,Chennai,Pune,Colombo,Dhaka,Yangon,Saigon,Taipei,Wuhan,Kobe,Sapporo,"
    "Darwin,Hobart,Suva,Rabat,Algiers,Tripoli,Kigali,Kampala,Lusaka,Harare,Luanda,Quebec,Halifax,Winnipeg,Detroit,Cleveland,Buffalo,Newark,"
    "Orlando,Tampa,Nashville,Las Vegas,San Jose,Santa Fe,Panama City,Belem,Recife,Cordoba,Rosario,La Paz,Asuncion",
    "Reykjavik,Tallinn,Vilnius,Krakow,Glasgow,Bergen,Antwerp,Bilbao,Palermo,Zagreb,Sofia,Tbilisi,Karachi,Lahore,Busan,Nagoya,Brisbane,Durban,"
    "Casablanca,Tucson,Omaha,Memphis,Calgary,Ottawa,Cusco,Salt Lake City,Kuala Lumpur,Tel Aviv,San "
    "Diego,Liverpool,Cardiff,Marseille,Toulouse,"
    "Bologna,Trieste,Bremen,Utrecht,Ghent,Linz,Bern,Tampere,Trondheim,Sarajevo,Belgrade,Bucharest,Baku,Tashkent,Jaipur,Kathmandu,Hiroshima,"
    "Adelaide,Wellington,Maputo,Pittsburgh,Baltimore,Sacramento,Monterrey,Caracas,Montevideo,Abu Dhabi,Addis "
    "Ababa,New Orleans",
    ",",
)
LANGUAGES = pool(
    "French Spanish German Italian Portuguese Japanese Korean Chinese Arabic Russian Dutch Greek Hindi Turkish "
    "Polish Persian Bengali Urdu "
    "Latin Irish Welsh Basque Catalan Malay Nepali Tamil Mongolian Albanian Serbian Slovak Latvian Maltese",
    "Swedish Finnish Danish Czech Hungarian Thai Vietnamese Ukrainian Swahili Hebrew Norwegian Romanian "
    "Bulgarian Icelandic Estonian Zulu",
)
NAMES = pool(
    "anna bob carol dave emma frank grace henry iris jack kate liam mia noah olga paul rosa sam tina victor "
    "wendy adam beth carl diana eric "
    "faye george helen ivan jane karl laura mark nina oscar peter quinn ruth simon tom ursula walter zoe alice "
    "ben clara daniel eva",
    "amir bella chen dora ezra fiona gita hugo ines jonas kira leo maya nils otto priya rafael stella theo vera "
    "yusuf zelda",
)
HOSTS = pool(
    "example.com mail.com acme.org work.net corp.io school.edu post.net office.org home.com city.gov team.io "
    "letters.co",
    "garage.com museum.org harbor.net campus.edu studio.io bakery.co",
)
SYMBOLS = pool(
    "AAPL MSFT GOOG AMZN TSLA NVDA META NFLX IBM ORCL INTC AMD SAP SONY BABA UBER CSCO TXN QCOM MU BA GE F GM T "
    "VZ KO PEP MCD SBUX NKE DIS "
    "WMT TGT COST HD LOW JPM BAC WFC C GS MS V MA AXP PFE MRK JNJ LLY ABBV XOM CVX BP SHEL CAT DE MMM HON UPS FDX",
    "ADBE PYPL SHOP SNAP LYFT CRM DELL HPQ EBAY ZM ROKU SPOT SQ TWLO DOCU OKTA PINS ETSY DAL UAL AAL LUV HSY GIS "
    "NEM RIO",
)
QUALITIES = pool(
    "best cheap easy latest healthy famous local modern classic free quiet popular good new small big old fast "
    "simple cold warm red green blue "
    "strange early bright clean long short heavy light open public private safe sweet young",
    "vegan vintage rare tiny giant spicy gentle foggy golden hidden curious wooden",
)
THINGS = pool(
    "pizza pasta hiking bicycle guitar garden camera laptop coffee bread museum football chess yoga travel phone "
    "soup jazz music book movie "
    "running train cake beach hotel river dog cat bird horse winter summer kitchen window car plane school "
    "science history rice tea mountain",
    "violin kayak mushroom pottery tennis cheese drone castle volcano compass lantern pumpkin",
)
MATTERS = pool(
    "recipes trails lessons shops tips reviews events history ideas news prices tickets rules tools schools "
    "games songs stories plans maps "
    "jobs repair rental pictures facts courses clubs parts guides",
    "workshops markets photos awards festivals auctions tutorials suppliers",
)
SUBJECTS = pool(
    "Lunch,Meeting,Report,Invoice,Holiday plans,Project update,Birthday party,Budget,Weekly report,Dinner on "
    "Friday,New contract,Road trip,"
    "Team news,Schedule change,Thank you,Hello,Question,Your order,Next week,Travel plans,Good "
    "news,Monday,Summer school,Rent,Office keys,"
    "Train tickets,Coffee,Feedback,Draft,Photos,Reminder,Urgent,Job offer,Phone bill,Happy birthday,Test "
    "results,Minutes,Agenda",
    "Garden party,Lost keys,Concert tickets,Quarterly numbers,Book club,Broken printer,Apartment "
    "tour,Wedding,Spring cleaning,Parking,"
    "Chess night,Recipe swap",
    ",",
)
ACTORS = pool(
    "we,they,the team,the boss,my sister,the client,our neighbour,everyone,nobody,my brother,the teacher,the "
    "doctor,our friends,the driver,he,she,I",
    "the plumber,grandma,the violinist,our landlord,the twins",
    ",",
)
DEEDS = pool(
    "will meet,needs to talk,is waiting,wants the files,can start,has the keys,found the book,sent the "
    "money,likes the plan,moved the desk,"
    "will call,is late,saw the report,bought the bread,is at work,wants to help,lost the phone,made the cake,can "
    "come,must leave,reads the news",
    "lost the umbrella,painted the door,fixed the engine,cooked dinner,missed the bus,forgot the "
    "password,planted a tree",
    ",",
)
TIMES = pool(
    "at noon,on Monday,tomorrow,after lunch,next week,in the office,before five,tonight,at the station,by "
    "train,on Friday,today,at home,"
    "in the morning,next to the school,this week,at three,with the team,soon",
    "at dawn,on Sunday,near the river,in the garden,this evening,behind the barn,before sunrise",
    ",",
)
PHRASES = pool(
    "good morning,thank you very much,where is the station,I am hungry,how much is this,see you tomorrow,I love "
    "this song,the water is cold,"
    "please open the door,my name is Anna,happy birthday,good night,where do you live,the train is late,how are "
    "you,I am tired,"
    "what time is it,the food is good,we are friends,it is a nice day,come in,I like your house,the shop is "
    "closed,have a good trip,"
    "one coffee please,where is my bag,I need a doctor,it is too late,the book is new,welcome home,good "
    "luck,excuse me",
    "the soup is hot,can you help me,my cat is sleeping,I lost my ticket,the moon is bright,we are almost "
    "there,do you like tea,"
    "the bridge is long,I forgot my umbrella,you sing well,the garden is quiet,long live the king",
    ",",
)
YEARS = pool("2024 2025 2026 2029 2030", "2027 2028")
