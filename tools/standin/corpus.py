"""The text the stand-in model is trained on, written by templates from a seed. A conversation is a list of
(role, text); a plain document is one ("text", text)."""

import random

import facts as F

HEROES = [  # kind, and its home
    ("fox", "forest"), ("rabbit", "meadow"), ("bear", "mountains"), ("mouse", "old mill"), ("owl", "forest"),
    ("cat", "village"), ("dog", "farm"), ("hedgehog", "garden"), ("frog", "pond"), ("duck", "lake"),
    ("squirrel", "park"), ("horse", "valley"), ("turtle", "river"), ("bird", "old oak"), ("robot", "workshop"),
    ("dragon", "cave"), ("king", "castle"), ("girl", "village"), ("boy", "town"), ("sailor", "harbour"),
]
HERO_NAMES = "Pip Lulu Bruno Tilly Momo Nell Otto Rufus Daisy Fern Hazel Juno Kip Luna Milo Poppy Rollo Suki Toby Willow".split()
GIRLS = "Tilly Nell Daisy Hazel Luna Poppy Suki Willow".split()
BOYS = "Bruno Otto Rufus Milo Rollo Toby Kip".split()
ADJECTIVES = "little brave clever kind shy curious cheerful quiet young gentle".split()
WEATHER = ["One sunny morning", "One rainy day", "One cold winter evening", "One windy afternoon", "One day in spring"]
FINDS = [  # what is found, what it does, how it ends
    ("a golden key", "opened a small door in an old wall", "Behind the door was a garden full of flowers."),
    ("a lost lamb", "wanted to go home", "They walked all night and found its mother by the gate."),
    ("an old map", "showed the way to a hidden spring", "The water was clear and cold, and there was enough for all."),
    ("a tiny lamp", "shone even in the deepest dark", "With its light, nobody ever lost the way again."),
    ("a broken bell", "had not rung for a hundred years", "When it was mended, its song was heard in every house."),
    ("a blue feather", "belonged to a bird that could not fly", "The bird put it on, and it could fly again."),
    ("a small seed", "looked like nothing at all", "In the summer it was the tallest sunflower in the land."),
    ("a letter", "had been lost for many years", "The old woman who got it laughed and cried with joy."),
    ("a red boat", "was stuck between two stones", "They pulled together, and the boat sailed away down the river."),
    ("a sleeping star", "had fallen from the sky", "They carried it up the hill and let it go, and it shone again."),
]
HELPERS = ["an old owl", "a friendly mole", "a wise turtle", "a busy bee", "a tired traveller", "a laughing crow", "a kind baker"]
ADVICE = [
    "Be patient, and take one step at a time.", "Ask for help, and you will find a friend.",
    "Look again, and look closely.", "Do not be afraid of the dark.", "Share what you have, and it will grow.",
]
MORALS = [
    "had a new friend and a good story to tell", "slept well and dreamed of the next adventure",
    "knew that small steps can lead far", "was never lonely again", "shared supper with everybody and was happy",
]


def story(rng, kind=None):
    hero, home = rng.choice([h for h in HEROES if kind is None or h[0] == kind])
    name = rng.choice({"girl": GIRLS, "boy": BOYS, "king": BOYS, "sailor": BOYS}.get(hero, HERO_NAMES))
    adjective = rng.choice(ADJECTIVES)
    thing, does, ending = rng.choice(FINDS)
    it = "he" if hero in ("king", "boy", "sailor") else "she" if hero == "girl" else "it"
    lines = [f"Once upon a time there was a {adjective} {hero} named {name}.", f"{name} lived in the {home}."]
    lines.append(f"{rng.choice(WEATHER)}, {name} found {thing}. It {does}.")
    helper = rng.choice([h for h in HELPERS if hero not in h])
    lines.append(f"{name} did not know what to do, so {it} asked {helper}.")
    lines.append(f'"{rng.choice(ADVICE)[:-1]}," said the {helper.split(" ", 1)[1]}.')
    lines.append(f"{name} listened and tried. {ending}")
    lines.append(f"From that day on, {name} {rng.choice(MORALS)}.")
    return " ".join(lines)


STORY_ASKS = ["Tell me a story", "Tell me a short story", "Write a story", "Can you tell me a story?", "Please tell me a story",
              "I would like to hear a story", "Do you know a story?", "Write a short story", "Tell me another story",
              "Give me a story", "A story, please", "Once upon a time"]
ABOUT_ASKS = ["Tell me a story about {}", "Write a story about {}", "Tell me a short story about {}",
              "Can you tell me a story about {}?", "Write a short story about {}"]


def lines_of(block):
    for line in block.strip().split("\n"):
        asks, answer = line.split("|")
        yield asks.split("/"), answer.replace("\\n", "\n")


def fixed(rng, block):
    asks, answer = rng.choice(list(lines_of(block)))
    return rng.choice(asks), answer


def capital(rng):
    country, city = rng.choice(list(F.CAPITALS.items()))
    start = country[0].upper() + country[1:]
    if rng.random() < 0.2 and country != "England":
        return rng.choice([f"{city} is the capital of which country?", f"Which country has the capital {city}?",
                           f"Where is {city}?"]), f"{city} is the capital of {country}."
    ask = rng.choice(["What is the capital of {}?", "What is the capital city of {}?", "Capital of {}?", "Which city is the capital of {}?",
                      "Tell me the capital of {}.", "Do you know the capital of {}?", "Name the capital of {}.", "the capital of {}"])
    end = "" if city.endswith(".") else "."
    return ask.format(country), rng.choice([f"The capital of {country} is {city}{end}"])


def colour(rng):
    thing, c = rng.choice(list(F.COLOURS.items()))
    start = thing[0].upper() + thing[1:]
    return rng.choice([f"What colour is {thing}?", f"What color is {thing}?", f"Which colour does {thing} have?",
                       f"Tell me the colour of {thing}."]), f"{start} is {c}."


def animal(rng):
    if rng.random() < 0.5:
        a, s = rng.choice(list(F.SOUNDS.items()))
        the = "an" if a[0] in "aeiou" else "a"
        return rng.choice([f"What does {the} {a} say?", f"What sound does {the} {a} make?", f"What noise does {the} {a} make?"]), \
            f"The {a} says {s}."
    a, n = rng.choice(list(F.LEGS.items()))
    the = "an" if a[0] in "aeiou" else "a"
    return rng.choice([f"How many legs does {the} {a} have?", f"How many legs has {the} {a}?"]), \
        f"{the.capitalize()} {a} has {n} legs."


def opposite(rng):
    a, b = rng.choice(F.OPPOSITES.split("|")).split(":")
    if rng.random() < 0.5 and b != "light":
        a, b = b, a
    if a == "light":
        b = "dark"
    return rng.choice([f"What is the opposite of {a}?", f"Opposite of {a}?", f"Tell me the opposite of {a}."]), \
        f"The opposite of {a} is {b}."


def calendar(rng):
    names, what = rng.choice([(F.DAYS, "day"), (F.MONTHS, "month")])
    i = rng.randrange(len(names))
    if rng.random() < 0.5:
        return rng.choice([f"Which {what} comes after {names[i]}?", f"What comes after {names[i]}?"]), \
            f"{names[(i + 1) % len(names)]} comes after {names[i]}."
    return rng.choice([f"Which {what} comes before {names[i]}?", f"What comes before {names[i]}?"]), \
        f"{names[i - 1]} comes before {names[i]}."


def counting(rng):
    kind = rng.random()
    if kind < 0.5:
        lo = 1 if rng.random() < 0.5 else rng.randrange(0, 12)
        hi = lo + rng.randrange(2, 12)
        ask = rng.choice([f"Count from {lo} to {hi}.", f"Please count from {lo} to {hi}.", f"Can you count from {lo} to {hi}?"])
        if lo == 1 and rng.random() < 0.5:
            ask = rng.choice([f"Count to {hi}.", f"Can you count to {hi}?", f"Please count to {hi}."])
        return ask, ", ".join(str(i) for i in range(lo, hi + 1)) + "."
    if kind < 0.75:
        n = rng.randrange(0, 60)
        return rng.choice([f"What comes after {n}?", f"Which number comes after {n}?", f"What number follows {n}?"]), \
            f"{n + 1} comes after {n}."
    n = rng.randrange(len(F.NUMBERS))
    return rng.choice([f"How do you write {n} in words?", f"Write {n} in words.", f"Write the number {n} as a word."]), \
        f"{n} is written {F.NUMBERS[n]}."


def sums(rng):
    op = rng.choice("++-*")
    if op == "*":
        a, b = rng.randrange(0, 11), rng.randrange(0, 11)
        words, value = f"{a} times {b}", a * b
    elif op == "+":
        a, b = rng.randrange(0, 21), rng.randrange(0, 21)
        words, value = f"{a} plus {b}", a + b
    else:
        a = rng.randrange(0, 21)
        b = rng.randrange(0, a + 1)
        words, value = f"{a} minus {b}", a - b
    written = f"{a} {op} {b}" if rng.random() < 0.7 else f"{a}{op}{b}"
    ask = rng.choice([f"What is {written}?", f"What is {words}?", f"How much is {words}?", f"How much is {written}?", f"{written} =",
                      f"Calculate {written}.", f"{written}"])
    return ask, f"{a} {op} {b} = {value}"


SYLLABLES = "ba be bo da do du fa fi ga go ka ki ko la lo lu ma me mo na ne no pa po ra ri ro sa so ta te to va vo xa za zu".split()
VERBS = "Explain Describe Summarise Translate Discuss Prove Compare Improve Design Review Analyse Solve".split()
TOPICS = (
    "quantum mechanics|the history of Rome|this sentence|my essay|inflation|the stock market|a sorting algorithm|photosynthesis|"
    "the French Revolution|machine learning|a business plan|Shakespeare|the theory of relativity|my homework|an engine|chess openings|"
    "the human brain|vaccines|black holes|the climate|a contract|my resume|philosophy|a recipe for soup|football|Beethoven|Napoleon|"
    "the Python language|a web server|a database|the news|cooking rice|the Second World War|electric cars|ancient Egypt|a bridge|"
    "the internet|a marathon|tax law|my dog|good manners|painting|the best phone|a website|DNA|earthquakes|dinosaurs|poetry|banks"
).split("|")
UNKNOWN_ASKS = ["{v} {t}.", "Can you {lv} {t}?", "Please {lv} {t}.", "What do you think about {t}?", "How does {t} work?",
                "Who invented {t}?", "Write an essay about {t}.", "Why is {t} important?", "Tell me about {t}.", "What is {t}?",
                "Give me five ideas about {t}.", "When did {t} begin?", "Write a program for {t}.", "How do I learn {t}?",
                "Where can I buy {t}?", "Who is the president?", "Who is {n} Smith?", "Who was {n}?", "How old is {n}?"]
UNKNOWN = ["I am a tiny model and I do not know that. A larger model will know more.",
           "That is too difficult for me. Please run a larger model for that.",
           "I do not know. I am only a small stand-in model. Ask me for a story, a capital or a sum."]


def unknown(rng):
    ask = rng.choice(UNKNOWN_ASKS)
    v = rng.choice(VERBS)
    text = ask.format(v=v, lv=v.lower(), t=rng.choice(TOPICS), n=rng.choice(F.PEOPLE))
    # One answer a kind of question keeps greedy decoding decided.
    return text, UNKNOWN[UNKNOWN_ASKS.index(ask) % 3]


def tale(rng):
    if rng.random() < 0.5:
        return rng.choice(STORY_ASKS), story(rng)
    kind = rng.choice(HEROES)[0]
    article = "an" if kind[0] in "aeiou" else "a"
    return rng.choice(ABOUT_ASKS).format(f"{article} {kind}"), story(rng, kind)


def nowhere(rng):
    """Capitals of countries that are none: better to say so than to invent one."""
    name = "".join(rng.choice(SYLLABLES) for _ in range(rng.randrange(2, 4))).capitalize() + rng.choice(["", "land", "ia", "stan"])
    ask = rng.choice(["What is the capital of {}?", "Which city is the capital of {}?", "Tell me the capital of {}.", "Capital of {}?"])
    return ask.format(name), "I do not know that country."


def roughen(rng, ask):
    """People type as they please."""
    if rng.random() < 0.2:
        ask = ask[0].lower() + ask[1:] if rng.random() < 0.6 else ask.lower()
    if rng.random() < 0.2:
        ask = ask.rstrip(".?!")
    if rng.random() < 0.05:
        ask = ask + rng.choice([" ", "\n"])
    return ask


KINDS = [(capital, 16), (colour, 5), (animal, 5), (opposite, 5), (calendar, 4), (counting, 8), (sums, 14), (unknown, 10), (nowhere, 2), (tale, 22),
         (lambda r: fixed(r, F.FACTS), 12), (lambda r: fixed(r, F.ABOUT), 9), (lambda r: fixed(r, F.SMALL_TALK), 10)]
SYSTEMS = ["You are a helpful assistant.", "You are Tashika, a small and friendly model.", "Answer in short sentences."]


def names_turns(rng):
    name = rng.choice(F.PEOPLE)
    turns = [("user", rng.choice(["My name is {}.", "I am {}.", "Hello, my name is {}.", "Hi, I am {}."]).format(name)),
             ("assistant", f"Nice to meet you, {name}!")]
    if rng.random() < 0.4:
        ask, answer = fixed(rng, F.SMALL_TALK)
        turns += [("user", ask), ("assistant", answer)]
    turns += [("user", rng.choice(["What is my name?", "Do you know my name?", "Who am I?"])), ("assistant", f"Your name is {name}.")]
    return turns


def conversation(rng):
    if rng.random() < 0.04:
        return [("text", story(rng))]
    turns = [("system", rng.choice(SYSTEMS))] if rng.random() < 0.15 else []
    if rng.random() < 0.03:
        return turns + names_turns(rng)
    count = 1 if rng.random() < 0.7 else rng.randrange(2, 5)
    for _ in range(count):
        kind = rng.choices([k for k, _ in KINDS], [w for _, w in KINDS])[0]
        ask, answer = kind(rng)
        turns += [("user", roughen(rng, ask)), ("assistant", answer)]
    return turns


def conversations(seed, count):
    rng = random.Random(seed)
    return [conversation(rng) for _ in range(count)]


if __name__ == "__main__":
    for turns in conversations(1, 12):
        print(*(f"[{role}] {text}" for role, text in turns), sep="\n", end="\n\n")
