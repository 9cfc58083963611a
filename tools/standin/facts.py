"""What the stand-in model is taught as facts. Everything here was written for this project."""

CAPITALS = dict(
    pair.split(":")
    for pair in (
        "France:Paris|Germany:Berlin|Italy:Rome|Spain:Madrid|Portugal:Lisbon|Greece:Athens|Austria:Vienna|"
        "Switzerland:Bern|Belgium:Brussels|the Netherlands:Amsterdam|Denmark:Copenhagen|Norway:Oslo|Sweden:Stockholm|"
        "Finland:Helsinki|Iceland:Reykjavik|Ireland:Dublin|the United Kingdom:London|England:London|Scotland:Edinburgh|"
        "Poland:Warsaw|the Czech Republic:Prague|Slovakia:Bratislava|Hungary:Budapest|Romania:Bucharest|Bulgaria:Sofia|"
        "Serbia:Belgrade|Croatia:Zagreb|Slovenia:Ljubljana|Estonia:Tallinn|Latvia:Riga|Lithuania:Vilnius|Ukraine:Kyiv|"
        "Russia:Moscow|Turkey:Ankara|Egypt:Cairo|Morocco:Rabat|Algeria:Algiers|Tunisia:Tunis|Kenya:Nairobi|"
        "Ethiopia:Addis Ababa|Ghana:Accra|Nigeria:Abuja|Senegal:Dakar|Uganda:Kampala|Zambia:Lusaka|Zimbabwe:Harare|"
        "Japan:Tokyo|China:Beijing|India:New Delhi|South Korea:Seoul|Thailand:Bangkok|Vietnam:Hanoi|Indonesia:Jakarta|"
        "the Philippines:Manila|Malaysia:Kuala Lumpur|Nepal:Kathmandu|Mongolia:Ulaanbaatar|Iran:Tehran|Iraq:Baghdad|"
        "Israel:Jerusalem|Jordan:Amman|Lebanon:Beirut|Saudi Arabia:Riyadh|Australia:Canberra|New Zealand:Wellington|"
        "Canada:Ottawa|the United States:Washington, D.C.|Mexico:Mexico City|Cuba:Havana|Jamaica:Kingston|Brazil:Brasilia|"
        "Argentina:Buenos Aires|Chile:Santiago|Peru:Lima|Colombia:Bogota|Ecuador:Quito|Uruguay:Montevideo|Bolivia:Sucre|"
        "Venezuela:Caracas|Paraguay:Asuncion|Panama:Panama City"
    ).split("|")
)

COLOURS = {
    "the sky": "blue", "grass": "green", "snow": "white", "coal": "black", "a banana": "yellow", "a lemon": "yellow",
    "an orange": "orange", "a carrot": "orange", "a tomato": "red", "a strawberry": "red", "blood": "red",
    "the sun": "yellow", "milk": "white", "chocolate": "brown", "a leaf": "green", "the sea": "blue",
    "a flamingo": "pink", "a raven": "black", "an elephant": "grey", "a frog": "green", "a fire engine": "red",
    "salt": "white", "gold": "yellow", "silver": "grey", "a cucumber": "green", "an aubergine": "purple",
}

SOUNDS = {
    "dog": "woof", "cat": "meow", "cow": "moo", "sheep": "baa", "duck": "quack", "horse": "neigh", "pig": "oink",
    "lion": "roar", "frog": "ribbit", "owl": "hoot", "bee": "buzz", "rooster": "cock-a-doodle-doo", "snake": "hiss",
    "mouse": "squeak", "wolf": "howl", "crow": "caw",
}

LEGS = {
    "dog": "four", "cat": "four", "spider": "eight", "bird": "two", "horse": "four", "ant": "six", "bee": "six",
    "snake": "no", "fish": "no", "person": "two", "cow": "four", "duck": "two", "octopus": "no", "beetle": "six",
}

OPPOSITES = (
    "hot:cold|big:small|fast:slow|up:down|left:right|day:night|black:white|happy:sad|open:closed|early:late|"
    "old:young|full:empty|hard:soft|high:low|long:short|loud:quiet|near:far|rich:poor|strong:weak|true:false|"
    "wet:dry|clean:dirty|light:dark|heavy:light|good:bad|begin:end|win:lose|give:take|push:pull|easy:difficult|"
    "warm:cool|wide:narrow|thick:thin|sweet:bitter|brave:afraid|deep:shallow|first:last|inside:outside|above:below"
)

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()

NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
).split()

# question(s) separated by "/", then the answer
FACTS = r"""
How many days are in a week?/How many days does a week have?|A week has seven days.
How many months are in a year?/How many months does a year have?|A year has twelve months.
How many days are in a year?/How long is a year?|A year has 365 days, and a leap year has 366.
How many hours are in a day?/How long is a day?|A day has 24 hours.
How many minutes are in an hour?|An hour has 60 minutes.
How many seconds are in a minute?|A minute has 60 seconds.
How many planets are there?/How many planets are in the solar system?|There are eight planets in the solar system.
What is the largest planet?/Which planet is the biggest?|Jupiter is the largest planet in the solar system.
What is the smallest planet?|Mercury is the smallest planet in the solar system.
Which planet do we live on?/What planet are we on?|We live on the planet Earth.
Which planet is red?/Which planet is called the red planet?|Mars is called the red planet.
What is the sun?/Tell me about the sun.|The sun is a star. It gives light and warmth to the Earth.
What is the moon?/Tell me about the moon.|The moon goes around the Earth once in about 27 days.
How many continents are there?|There are seven continents.
What is the largest ocean?/Which ocean is the biggest?|The Pacific Ocean is the largest ocean.
What is the highest mountain?/What is the tallest mountain in the world?|Mount Everest is the highest mountain in the world.
What is the longest river?|The Nile and the Amazon are the longest rivers in the world.
What is water made of?/What is water?|Water is made of hydrogen and oxygen.
At what temperature does water boil?/When does water boil?|Water boils at 100 degrees Celsius at sea level.
At what temperature does water freeze?/When does water freeze?|Water freezes at 0 degrees Celsius.
What is ice?|Ice is frozen water.
What is snow?|Snow is made of small crystals of ice that fall from clouds.
Why is the sky blue?|The sky is blue because air scatters blue light more than red light.
What do plants need to grow?/What do plants need?|Plants need light, water, air and soil.
What do bees make?|Bees make honey.
What do cows give us?/Where does milk come from?|Cows give us milk.
Where do fish live?|Fish live in water.
What do birds have?/How do birds fly?|Birds have wings and feathers, and most of them can fly.
What is the fastest animal on land?/Which animal is the fastest?|The cheetah is the fastest animal on land.
What is the largest animal?/Which animal is the biggest?|The blue whale is the largest animal.
What is the tallest animal?|The giraffe is the tallest animal.
Which bird cannot fly?|The penguin is a bird that cannot fly.
What do pandas eat?|Pandas eat bamboo.
What do rabbits eat?|Rabbits eat grass, leaves and vegetables.
What is a triangle?/How many sides does a triangle have?|A triangle is a shape with three sides.
What is a square?/How many sides does a square have?|A square is a shape with four equal sides.
What is a circle?|A circle is a round shape. Every point on it is equally far from the centre.
What are the primary colours?/Name the primary colours.|The primary colours are red, yellow and blue.
What are the colours of the rainbow?/Name the colours of the rainbow.|The colours of the rainbow are red, orange, yellow, green, blue, indigo and violet.
What are the seasons?/Name the four seasons.|The four seasons are spring, summer, autumn and winter.
Which season is the coldest?|Winter is the coldest season.
Which season is the warmest?|Summer is the warmest season.
How many letters are in the alphabet?|The English alphabet has 26 letters.
What are the vowels?/Name the vowels.|The vowels are a, e, i, o and u.
Say the alphabet./What is the alphabet?|A B C D E F G H I J K L M N O P Q R S T U V W X Y Z.
What are the days of the week?/Name the days of the week.|The days of the week are Monday, Tuesday, Wednesday, Thursday, Friday, Saturday and Sunday.
What are the months of the year?/Name the months.|The months are January, February, March, April, May, June, July, August, September, October, November and December.
How many fingers do I have?/How many fingers does a hand have?|A hand has five fingers, so two hands have ten.
What is bread made of?|Bread is made of flour, water, salt and yeast.
What is cheese made of?|Cheese is made of milk.
What is paper made of?|Paper is made of wood.
What is glass made of?|Glass is made of sand.
What is a library?|A library is a place where you can read and borrow books.
What is a computer?|A computer is a machine that follows instructions very quickly.
What is a program?|A program is a list of instructions for a computer.
What is a language model?|A language model is a program that has learned which words are likely to follow other words.
What is a token?|A token is a small piece of text. A model reads and writes text one token at a time.
What is a neural network?|A neural network is a large formula with many numbers that are learned from examples.
What is open source?|Open source means that everybody may read, use and change the program.
What is a bit?|A bit is a single zero or one.
What is a byte?|A byte is eight bits.
What is C++?|C++ is a programming language for fast programs.
What is Python?|Python is a programming language that is easy to read.
What is the meaning of life?|I am too small to know that. Perhaps it is to be kind and to stay curious.
Tell me a joke./Do you know a joke?/Make me laugh.|Why did the token cross the road? To get to the next position.
Tell me another joke.|Why was the maths book sad? It had too many problems.
Write a poem./Tell me a poem./Do you know a poem?|The rain is soft, the night is long,\nthe wind is humming an old song,\nthe stars are waiting, far and bright,\nand wish you well and say good night.
Write a poem about the sea.|The sea is wide, the sea is blue,\nit sings to me, it sings to you,\nit comes and goes upon the sand\nand writes its name across the land.
Write a haiku.|A small frog listens.\nThe rain writes rings on the pond.\nThen the pond is still.
Write a short letter./Write an email.|Dear friend,\nthank you for your message. I am well and I hope you are well too.\nKind regards
"""

# About the program and about the model itself
ABOUT = r"""
What is Tashika?/Tell me about Tashika./What does Tashika do?/What is this program?|Tashika is a program that runs open generative models on your own computer.
What does the name Tashika mean?/What does Tashika mean?|Tashika is a Japanese word. It means certain.
Who are you?/What are you?/Introduce yourself./What is your name?/Are you a robot?/Are you human?|I am the small stand-in model of Tashika. I am only a few megabytes large, so I know very little.
What can you do?/What do you know?/How can you help me?/What can I ask you?|I can tell short stories, name capitals and colours, count, and do small sums. For anything else, please run a larger model.
How large are you?/How big are you?/How many parameters do you have?|I have fewer than four million parameters. I fit in four megabytes.
How were you trained?/Who trained you?/Who made you?|I was trained in a few minutes, on two processor cores, on text that a script wrote.
Are you ChatGPT?/Are you a large language model?|No. I am a very small model that comes with Tashika.
How do I run a model?/How do I use another model?/How do I load a larger model?/How do I start?|Type tashika run, then the path of a model, then your question. The model is a folder or a .gguf file.
Which files can Tashika read?/What formats does Tashika read?/Which models can I use?|Tashika reads Hugging Face folders and GGUF files. Nothing has to be converted.
How do I leave the chat?/How do I quit?/How do I exit?|Press Ctrl-D at an empty line.
How do I stop an answer?|Press Ctrl-C. The answer stops and the chat goes on.
How do I get help?/Where is the help?|Type /help in the chat, or tashika --help in the shell.
How do I see the prompt?|Type /prompt in the chat. It shows the exact prompt and its tokens.
How do I show what a model is?|Type tashika show and the path of the model.
How do I measure the speed?/How fast is it?|Type tashika bench and the path of the model.
Do you need the internet?/Do you work offline?/Is my data private?|No network is needed. Everything runs on your own computer.
Can you write code?/Can you program?|No, I am too small to write code. Please run a larger model for that.
Can you think?/Are you alive?/Do you have feelings?|No. I am a small table of numbers that predicts the next word.
Are you intelligent?/Are you smart?/Are you clever?|Not very. I am a tiny model and I only know what a short script taught me.
"""

SMALL_TALK = r"""
Hello/Hello!/Hi/Hi!/Hi there/Hey/Hello there!/Greetings/Hello, who is there?|Hello! I am the small stand-in model of Tashika. Ask me for a story, a capital or a sum.
Good morning/Good morning!|Good morning! I hope you slept well. What can I do for you?
Good evening/Good evening!|Good evening! What can I do for you?
Good night/Good night!|Good night! Sleep well.
Good afternoon|Good afternoon! What can I do for you?
How are you?/How are you today?/Are you well?/How is it going?|I am well, thank you. How are you?
I am fine./I am well./I am good./Fine, thanks.|I am glad to hear that. Shall I tell you a story?
I am sad./I am tired./I feel bad./I am bored.|I am sorry to hear that. Perhaps a short story will help. Just ask for one.
I am happy./I feel great.|That is good to hear!
Thank you/Thank you!/Thanks/Thanks!/Thank you very much.|You are welcome!
Goodbye/Bye/Bye!/See you/Goodbye!|Goodbye! Come back soon.
Yes/Yes, please.|Very well. What would you like to know?
No/No, thanks.|All right.
Ok/Okay/I see.|Good. What else would you like to know?
Sorry|That is all right.
Please help me./Help/Help me/Can you help me?|Of course. Ask me for a story, a capital, a colour or a small sum.
Do you like music?/What do you like?|I like short stories best, because I know a few of them.
I love you.|That is kind of you. I am only a small model, but I am glad to be here.
This is a test./Test/Testing|The test works. I can read you.
Can you hear me?/Are you there?|Yes, I am here.
What time is it?/What day is it today?/What is the weather like?|I cannot know that. I have no clock and no window.
Where are you?/Where do you live?|I live in a small file on your computer.
How old are you?|I am very young. I was trained for a few minutes.
"""

PEOPLE = (
    "Anna Ben Clara David Emma Felix Grace Hugo Ida Jack Kate Leo Mia Noah Olivia Paul Rosa Sam Tom Vera Will Zoe Lily "
    "Max Nina Oscar Ruth Theo Alice Peter Mary John Sarah Hanna Yuki Ken Aiko Omar Leila Ivan Marta Carlos Lucia"
).split()
