"""Penn Treebank tokenisation as caption metrics use it, without Java.

pycocoevalcap runs the PTBTokenizer of Stanford CoreNLP 3.4.1 with ``-preserveLines -lowerCase`` and
drops a list of punctuation tokens. That lexer tries all its rules at a place and takes the one
that reads furthest, its context included. So does this one, on English text; `docs/metrics.md`
says how often the two agree. One quirk is kept: the drop list names brackets in upper case, tokens
are lower case, so they stay.
"""

import re
from collections.abc import Iterator

#: pycocoevalcap's list, and other ways to write what the lexer turns into a mark of it.
DROPPED = frozenset("'' ' `` ` . ? ! , : - -- ... ;".split()) | set('"‘’“”–—―‐‑‒…\u200b')

_L = r"[^\W\d_²³¹½¼¾]"  # a letter
_A = r"[^\W_²³¹½¼¾]"  # a letter or digit
_Q = "['’]"
_H = "[-‐‑]"
_NUMBER = r"(?:\d+(?:[.:,]\d+)*|(?:[.:,]\d+)+)"
_WORD = rf"{_L}{_A}*(?:[.!?]{_L}{_A}*)*"
_ELIDED = rf"(?:[dDoOlL]{_Q}{_A})?"
_HYPHENATED = rf"{_ELIDED}(?:{_A}+|{_NUMBER})(?:{_H}{_ELIDED}(?:{_A}+|{_NUMBER}))*"
_DOTTED = rf"{_A}(?:{_A}|[.,])*(?:(?:{_H}|_)(?:(?:{_L}\.){{2,}}|{_A}+))+"
_HALF = rf"{_A}+(?:-{_L}+){{0,2}}"
_CLITIC = rf"{_Q}(?i:s|m|d|re|ve|ll)"
_SITE = r"(?i:www\.(?:[^\s`<>|.!?,]+\.)+[a-z]{2,4}|(?:[^\s`<>|.!?,:/$]+\.)+(?:com|net|org|edu))"
_ABBREVIATIONS = "|".join(
    """
    (?:ed|ph)\\.d jan feb mar apr jun jul aug sept? oct nov dec mon tues? wed thu(?:rs)? fri
    ala ariz calif colo conn ct dak fla ga ind kans? ky md mich minn mo mont neb nev okla penn tenn
    va vt wisc? wyo inc cos? corp ltd plc rt bancorp dept bhd assn univ intl sys tel est ext sq
    jr sr bros blvd rd esq etc al seq bldg mr mrs ms drs? profs? sens? reps? attys? lt col gen
    messrs govs? adm rev maj sgt cpl pvt capt ste? ave pres lieut hon brig cmdr comdr pfc spc
    supts? det mt ft adj adv asst assoc ens insp mlle mme msgr sfc invt elec natl vs alex wm jos
    cie cf treas ph
    """.split()
)
#: Some states are words when written in small letters.
_STATES = "Az|AZ|Ark|ARK|Del|DEL|Ill|ILL|La|Mass|MASS|Miss|MISS|Ore|ORE|Pa|PA|Tex|TEX|Wash|WASH"
_BEFORE_NUMBERS = "figs?|prop|nos?|art|pp|ca"
#: After "I. ", these begin a sentence; any other word may be a name after its initial.
_SENTENCE_STARTS = "|".join(
    """
    About According Additionally After An A As At But Earlier He Her Here However If In It Last Many
    More Mr\\. Ms\\. Now Once One Other Our She Since So Some Such That The Their Then There These
    They This We What When While Yet You
    """.split()
)

#: Group 1 is a token. What follows it is context, which counts when rules compete for a place.
_RULES = tuple(
    re.compile(rule)
    for rule in (
        # Words before n't and 's, and these.
        rf"({_WORD}){_CLITIC}",
        rf"({_HYPHENATED}){_CLITIC}",
        rf"({_CLITIC})(?!{_L})",
        rf"({_L}*(?![nN]){_L})[nN]{_Q}[tT]",
        rf"([nN]{_Q}[tT])(?!{_L})",
        # Words and numbers: dog.The, AT&T, HK$, -5, 1 1/2, t-shirt, U.S.-based, and/or.
        rf"({_WORD})",
        r"([A-Z]+(?:[+&][A-Z]+)+)",
        r"([A-Z]*\$)",
        rf"([-+]?{_NUMBER})",
        r"((?:\d{1,4}[- ])?\d{1,4}/\d{1,4})",
        rf"({_HYPHENATED})",
        rf"({_DOTTED})",
        rf"({_HALF}(?:/{_HALF}){{1,2}})",
        # Apostrophes that stay: 'n', y'all, O'Reilly, ma'am, 'em, '90s; 'tis is two tokens.
        rf"({_Q}n(?:{_Q}|(?= |$)))",
        rf"((?:[lLdDjJyY]|(?i:ol|dunkin|somethin)){_Q})",
        rf"([A-HJ-XZn]{_Q}{_L}{{2}}{_A}*)",
        rf"({_L}+[aeiouyAEIOUY]{_Q}[aeiouA-Z]{_L}*)",
        rf"((?i:{_Q}(?:em|till?|cause)|c'mon|c'est|e'er|ev'ry|li'l|nat'l|s'mores))",
        rf"({_Q}[1-9]0s)(?!{_A})",
        r"('\d\d)(?: |$)",
        rf"('[tT])(?i:is|was)(?!{_L})",
        # Full stops that stay.
        rf"((?i:{_ABBREVIATIONS})\.|(?:{_STATES})\.|[A-Za-z](?:\.[A-Za-z])*\.)",
        rf"([A-Za-z])\. (?:{_SENTENCE_STARTS})(?: |$)",
        rf"((?i:{_BEFORE_NUMBERS})\.) ?\d",
        rf"((?:{_WORD}|{_A}+(?:-{_A}+)*)\.)[,;:]",
        # Addresses, tags, faces; any other mark, some of them repeated.
        r"((?:https?|ftp)://[^\s<>|()\[\]{}\"]+[^\s<>|.!?,;:&`\"'*()\[\]{}-])",
        rf"({_SITE}(?:/[^\s`<>|]+[^\s`<>|.!?,;:&-])?)",
        r"([A-Za-z0-9][^\s\"<>|(){}]*@(?:[^\s\"<>|(){}.]+\.)*[^\s\"<>|(){}\[\].,;:]+)",
        r"([@#][A-Za-z_]\w*)",
        r"(</?[A-Za-z][\w:.-]*(?: [^<>]*)?/?>)",
        rf"([<>]?[:;=][-o*']?[()DPdpO\\{{@|\[\]])(?!{_A})",
        r"(--?|[!?]{2,}|\*+|_+|#+|@+|``|''|\S)",
    )
)

#: No other rule reads as far; most of a caption needs no competition.
_PLAIN_WORD = re.compile(r"([A-Za-z]+)(?: |$)")

#: What some tokens become.
_REWRITTEN = {f"’{clitic}": f"'{clitic}" for clitic in ("s", "m", "d", "re", "ve", "ll")} | {
    "n’t": "n't",
    "cannot": "can not",
    "gonna": "gon na",
    "gotta": "got ta",
    "wanna": "wan na",
    "lemme": "lem me",
    "gimme": "gim me",
    "½": "1/2",
    "¼": "1/4",
    "¾": "3/4",
    "£": "#",
    "€": "$",
    "¢": "cents",
}
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_ESCAPED = str.maketrans(_BRACKETS | {" ": "\u00a0"})


def tokenize(text: str) -> str:
    """Tokens of one caption, lower case, joined by blanks; punctuation is gone.

    >>> tokenize("The man can't see; it's dark!")
    "the man ca n't see it 's dark"
    """
    return " ".join(token for token in _tokens(" ".join(text.split())) if token not in DROPPED)


def _tokens(text: str) -> Iterator[str]:
    place = 0
    while place < len(text):
        furthest = _PLAIN_WORD.match(text, place)
        if furthest is None:
            matches = (rule.match(text, place) for rule in _RULES)
            furthest = max((match for match in matches if match), key=re.Match.end)
        token = furthest[1].lower()
        yield _REWRITTEN.get(token, token.translate(_ESCAPED))
        place = furthest.end(1)
        place += text[place : place + 1] == " "
