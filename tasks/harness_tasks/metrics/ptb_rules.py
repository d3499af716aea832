"""What the PTBTokenizer of Stanford CoreNLP 3.4.1 takes for a token: its rules, in its order.

A rule is a pattern and what becomes of its token. Group 1 is the token; what follows it is context,
which counts when rules compete for a place. Ignoring case is said for words alone, as in the lexer,
whose character classes know it. Written from the lexer's published grammar and held to the lexer
itself by ``benchmarks/ptb.py``.
"""

import re
from collections.abc import Callable

from harness_tasks.metrics.ptb_characters import CAPITALS, DIGITS, LETTERS, MARKS, SYMBOLS

Change = Callable[[str], str]


def _words(patterns: str) -> str:
    """One of some words, in any case; a full stop is one."""
    return f"(?i:{'|'.join(patterns.replace('.', '[.]').split())})"


_L = f"[{LETTERS}]"
_D = f"[{DIGITS}]"
_A = f"[{LETTERS}{DIGITS}]"
_LETTER = rf"(?:[{LETTERS}{MARKS}]|&[aeiouAEIOU](?i:acute|grave|uml);)"
_SPACE = r"[ \t\u00a0\u2000-\u200a\u3000]"
_SPACE_OR_END = r"[ \t\u00a0\u2000-\u200a\u3000\n\u0085]"

_WORD = rf"{_LETTER}(?:{_LETTER}|{_D})*(?:[.!?]{_LETTER}(?:{_LETTER}|{_D})*)*"
_APOS = r"(?:['\u0092\u2019]|(?i:&apos;))"
_APOS_ETC = r"(?:['`\u0091\u0092\u2018\u2019\u201b]|(?i:&apos;))"
_CLITIC = rf"{_APOS}(?:[msdMSD]|(?i:re|ve|ll))"
_NOT = rf"(?i:n){_APOS_ETC}(?i:t)"
_NUMBER = rf"(?:{_D}*(?:[.:,\u00ad\u066b\u066c]{_D}+)+|{_D}+)"
_HYPHEN = r"[-_\u058a\u2010\u2011]"
_ELIDED = rf"(?:[dDoOlL]{_APOS_ETC}{_A})?"
_THING = rf"{_ELIDED}{_A}+(?:{_HYPHEN}{_ELIDED}{_A}+)*"
_AND = r"[A-Z]+(?:(?:(?i:&amp;)|[+&])[A-Z]+)+"
_SLASHED = r"[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}"
_PUNCTUATION = r"[,;:\u3001]"

_NAME = r"[A-Za-z][A-Za-z0-9_:.-]*"
_SETTING = rf"{_NAME}(?: *= *(?:'[^']*'|\"[^\"]*\"))?"
_TAG = rf"<(?:[!?][A-Za-z-][^>\r\n]*|{_NAME}(?: +{_SETTING})* */?|/{_NAME}) *>"

_STATES = (
    "[A](?i:z)|[A](?i:rk)|[D](?i:el)|[I](?i:ll)|[L](?i:a)|[M](?i:ass|iss)|[O](?i:re)|[P](?i:a)|"
    "[T](?i:ex)|[W](?i:ash)"
)
#: Usually before a small letter: a sentence ends where a capital follows.
_MONTHS_AND_SUCH = _words(
    """
    jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thurs fri
    ala ariz calif colo conn ct dak fla ga ind kans? ky md mich minn mo mont neb nev okla penn tenn
    va vt wisc? wyo inc cos? corp ltd plc rt bancorp bhd assn univ intl sys
    tel est ext sq jr sr bros ed.d ph.d blvd rd esq etc al seq bldg
    """
)
_BEFORE_SMALL = rf"(?:{_MONTHS_AND_SUCH}|(?i:pp?t)[ye](?i:s?)|{_STATES})\."
_INITIALS = (
    r"(?:[A-Za-z](?:\.[A-Za-z])*|(?i:(?:canada|sino|korean|eu|japan|non)-u\.s|u\.s\.-"
    r"(?:u\.s\.s\.r|u\.k)))"
)
_DOTTED = (
    r"(?:[A-Za-z](?:\.[A-Za-z])+|(?i:(?:canada|sino|korean|eu|japan|non)-u\.s|u\.s\.-"
    r"(?:u\.s\.s\.r|u\.k)))"
)
#: Usually before a capital.
_TITLES = _words(
    """
    mr mrs ms drs? profs? sens? reps? attys? lt col gen messrs govs? adm rev maj sgt cpl pvt capt
    ste? ave pres lieut hon brig co?mdr pfc spc supts? det mt ft adj adv asst assoc ens insp mlle
    mme msgr sfc vs alex wm jos cie a.k.a cf treas ph invt elec natl dept
    """
)
_BEFORE_CAPITAL = rf"(?:{_TITLES}|[M](?i:iss)|(?i:m)[ft](?i:g)|{_INITIALS})"
_BEFORE_NUMBERS = r"(?i:ca|figs?|prop|nos?|art|bldg|pp|op)\."
#: Behind initials these begin a sentence.
_STARTS = "|".join(
    f"[{word[0]}](?i:{re.escape(word[1:])})"
    for word in """
    About According Additionally After An A As At But Earlier He Her Here However If In It Last
    Many More Mr. Ms. Now Once One Other Our She Since So Some Such That The Their Then There These
    They This We When While What Yet You
    """.split()
)
_BEGINNING = rf"{_SPACE_OR_END}+(?:{_STARTS}|{_TAG}){_SPACE_OR_END}"

_URL = r"[^ \t\n\f\r\"<>|()]+[^ \t\n\f\r\"<>|.!?(){},-]"
_PATH = rf"(?:/{_URL})?"
_MAIL = (
    r"[a-zA-Z0-9][^ \t\n\f\r\"<>|()\u00a0{}]*@(?:[^ \t\n\f\r\"<>|(){}.\u00a0]+\.)*"
    r"[^ \t\n\f\r\"<>|(){}.\u00a0]+"
)
_HYPHENATED = rf"[A-Za-z0-9][A-Za-z0-9.,\u00ad]*(?:-(?:{_DOTTED}\.|[A-Za-z0-9\u00ad]+))+"
_TREEBANK = (
    rf"-(?i:rrb|lrb|rcb|lcb|rsb|lsb)-|(?i:c\.d\.s|pro-|anti-|s(?:&amp;|&)(?:p-500|ls))|"
    rf"(?i:cap){_APOS}(?i:n)|(?i:c){_APOS}(?i:est)"
)
#: Words whose apostrophe does not part them.
_APOSTROPHES = (
    rf"{_APOS}(?i:n){_APOS}?",
    rf"[lLdDjJ]{_APOS}",
    rf"(?i:dunkin|somethin|ol){_APOS}",
    rf"{_APOS}(?i:em|till?|cause)",
    rf"[A-HJ-XZn]{_APOS_ETC}{_L}{{2}}{_L}*",
    rf"{_APOS}[2-9]0(?i:s)",
    rf"{_L}+[aeiouyAEIOUY]{_APOS_ETC}[aeiouA-Z]{_L}*",
    r"(?i:cont'd\.?|nor'easter|c'mon|e'er|s'mores|ev'ry|li'l|nat'l)",
    rf"(?i:o){_APOS_ETC}(?i:o)",
)
_PHONE = (
    r"(?:\([0-9]{2,3}\)[ \u00a0]?|(?:\+\+?)?(?:[0-9]{2,4}[- \u00a0])?[0-9]{2,4}[- \u00a0])"
    r"[0-9]{3,4}[- \u00a0]?[0-9]{3,5}|"
    r"(?:(?:\+\+?)?[0-9]{2,4}\.)?[0-9]{2,4}\.[0-9]{3,4}\.[0-9]{3,5}"
)
_FILE = (
    rf"(?:{_LETTER}|{_D})+(?:\.(?:{_LETTER}|{_D})+)*\.(?i:bat|bmp|c|class|cgi|cpp|dll|docx?|exe|gif|gz|"
    r"h|html?|jar|java|jpe?g|mov|mp3|pdf|php|pl|png|ppt|ps|py|sql|tar|txt|wav|x|xml|zip)"
)
_FACE = r"[<>]?[:;=][-o*']?[()DPdpO\\{@|\[\]]"
_ASIAN_FACE = (
    r"[\^x=~<>]\.\[\^(?i:x)=[^<]*<>\]|[-\^x=~<>']_[-\^x=~<>']|\([-\^x=~<>'][_.]?[-\^x=~<>']\)|"
    r"\([\^x=~<>']-[\^x=~<>'`]\)"
)


def _same(token: str) -> str:
    return token


def _without_soft_hyphens(token: str) -> str:
    return token.replace("\u00ad", "") or "-"


def _ampersand(token: str) -> str:
    return re.sub("(?i:&amp;)", "&", token)


def _solid(token: str) -> str:
    return token.replace(" ", "\u00a0")


_BRACKETS = {"(": "-LRB-", ")": "-RRB-", "[": "-LSB-", "]": "-RSB-", "{": "-LCB-", "}": "-RCB-"}
_ROUND = str.maketrans({"(": "-LRB-", ")": "-RRB-"})
_QUOTES = str.maketrans(
    dict.fromkeys("\u0091\u2018\u201b\u2039", "`")
    | dict.fromkeys("\u0092\u2019\u203a", "'")
    | dict.fromkeys("\u0093\u201c\u00ab", "``")
    | dict.fromkeys("\u0094\u201d\u00bb", "''")
)


def _closing(token: str) -> str:
    return token.replace("&apos;", "'").translate(_QUOTES)


def _double(token: str) -> str:
    return "''" if token in ('"', "&quot;") else token


def _face(token: str) -> str:
    return token.translate(_ROUND)


def _phone(token: str) -> str:
    return _solid(token).translate(_ROUND)


def _fraction(token: str) -> str:
    return {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3"}.get(token, token)


def _currency(token: str) -> str:
    return {"¢": "cents", "£": "#", "\u0080": "$", "¤": "$", "\u20a0": "$", "€": "$"}.get(
        token, token
    )


def _always(text: str) -> Change:
    return lambda _: text


#: Pattern, what becomes of the token, how many of its characters are read again.
_TABLE: tuple[tuple[str, Change | None, int], ...] = (
    (r"((?i:c\+\+|[cCfF]#))", _same, 0),
    (r"((?i:can))(?i:not)", _same, 0),
    (r"((?i:'t))(?i:is|was)", _same, 0),
    (r"((?i:gon|wan))(?i:na)", _same, 0),
    (r"((?i:got))(?i:ta)", _same, 0),
    (r"((?i:gim|lem))(?i:me)", _same, 0),
    (rf"({_TAG})", _solid, 0),
    (r"(&(?i:md|mdash|ndash);|[\u0096\u0097\u2013-\u2015])", _always("--"), 0),
    (r"((?i:&amp;))", _ampersand, 0),
    (r"(&(?:(?i:ht|tl|ur|lr|qc|ql|qr|odq|cdq)|#[0-9]+);)", _same, 0),
    (rf"({_WORD}){_CLITIC}", _without_soft_hyphens, 0),
    (rf"([A-Za-z\u00ad]*[A-MO-Za-mo-z]\u00ad*){_NOT}", _without_soft_hyphens, 0),
    (rf"({_WORD})", _without_soft_hyphens, 0),
    *((rf"({pattern})", _same, 0) for pattern in _APOSTROPHES),
    (rf"((?i:y){_APOS}){_L}", _same, 0),
    (rf"((?i:https?)://{_URL})", _same, 0),
    (rf"((?i:www)\.(?:[^ \t\n\f\r\"<>|.!?(){{}},]+\.)+[a-zA-Z]{{2,4}}{_PATH})", _same, 0),
    (rf"((?:[^ \t\n\f\r\"`'<>|.!?(){{}},-_$]+\.)+(?i:com|net|org|edu){_PATH})", _same, 0),
    (rf"((?:(?i:&lt;)|<)?{_MAIL}(?:(?i:&gt;)|>)?)", _same, 0),
    (r"(@[a-zA-Z_][a-zA-Z_0-9]*)", _same, 0),
    (rf"(\#{_LETTER}+)", _same, 0),
    (rf"({_CLITIC})[^A-Za-z]", _closing, 0),
    (rf"({_NOT})[^A-Za-z]", _closing, 0),
    (rf"({_D}{{1,2}}[-/]{_D}{{1,2}}[-/]{_D}{{2,4}})", _same, 0),
    (rf"([-+]?{_NUMBER})", _without_soft_hyphens, 0),
    (
        r"([\u207a\u207b\u208a\u208b]?(?:[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+|[\u2080-\u2089]+))",
        _same,
        0,
    ),
    (rf"((?:{_D}{{1,4}}[- \u00a0])?{_D}{{1,4}}(?:\\?/|\u2044){_D}{{1,4}})", _solid, 0),
    (r"([\u00bc\u00bd\u00be\u2153-\u215e])", _fraction, 0),
    (rf"({_TREEBANK})", _ampersand, 0),
    (rf"({_SLASHED}(?:\\?/{_SLASHED}){{1,2}})", _same, 0),
    (r"([A-Z]*\$|\#)", _same, 0),
    (
        r"([\u0080\u00a2-\u00a5\u060b\u0e3f\u20a0\u20a4\u20ac\uffe0\uffe1\uffe5\uffe6])",
        _currency,
        0,
    ),
    (rf"([A-Za-z])\.{_BEGINNING}", _same, 0),
    (rf"({_DOTTED}\.){_BEGINNING}", _same, 1),
    (rf"({_BEFORE_NUMBERS}){_SPACE_OR_END}?{_D}", _same, 0),
    (rf"((?i:pt[ey]|co)\.){_SPACE}(?i:ltd|lim)", _same, 0),
    (
        rf"({_BEFORE_SMALL}){_SPACE_OR_END}(?:{_SPACE_OR_END}|[{CAPITALS}]|{_TAG})",
        _same,
        1,
    ),
    (rf"({_BEFORE_SMALL})(?s:..)", _same, 0),
    (rf"({_BEFORE_SMALL})", _same, 1),
    (rf"({_BEFORE_CAPITAL}\.)", _same, 0),
    (rf"({_BEFORE_CAPITAL}){_SPACE}", _same, 0),
    (rf"({_INITIALS}){_SPACE_OR_END}", _same, 0),
    (rf"({_APOS}[0-9][0-9]){_SPACE_OR_END}", _same, 0),
    (rf"({_FILE})(?:{_SPACE_OR_END}|[.?!,])", _same, 0),
    (rf"({_WORD}\.){_PUNCTUATION}", _without_soft_hyphens, 0),
    (rf"({_PHONE})", _phone, 0),
    (r"(\"|(?i:&quot;))[A-Za-z0-9$]", _double, 0),
    (r"(\"|(?i:&quot;))", _double, 0),
    (r"(<|(?i:&lt;))", _always("<"), 0),
    (r"(>|(?i:&gt;))", _always(">"), 0),
    (rf"({_FACE})[^A-Za-z0-9]", _face, 0),
    (rf"({_ASIAN_FACE})", _face, 0),
    (r"([()\[\]{}])", lambda token: _BRACKETS[token], 0),
    (r"(-+)", lambda token: "--" if len(token) in (3, 4) else token, 0),
    (r"(\.{3,5}|(?:\.[ \u00a0]){2,4}\.|[\u0085\u2026])", _always("..."), 0),
    (r"(@+|\#+|_+|\*+|(?:\\\*){1,3})", _same, 0),
    (rf"({_PUNCTUATION})", _same, 0),
    (r"([?!]+)", _same, 0),
    (r"([.\u00a1\u00bf\u037e\u0589\u061f\u06d4\u0700-\u0702\u07fa\u3002])", _same, 0),
    (r"(=)", _same, 0),
    (r"(/)", _same, 0),
    (rf"({_HYPHENATED}\.){_PUNCTUATION}", _without_soft_hyphens, 0),
    (rf"({_HYPHENATED})", _without_soft_hyphens, 0),
    (rf"({_THING}\.){_PUNCTUATION}", _same, 0),
    (rf"({_THING})", _same, 0),
    (rf"({_AND}\.){_PUNCTUATION}", _ampersand, 0),
    (rf"({_AND})", _ampersand, 0),
    (r"(')[A-Za-z][^ \t\n\r\u00a0]", _always("`"), 0),
    (rf"({_CLITIC})", _closing, 0),
    (rf"({_NOT})", _closing, 0),
    (rf"([`\u2018-\u201f\u0091-\u0094\u2039\u203a\u00ab\u00bb]{{1,2}}|''|{_APOS})", _closing, 0),
    (r"(<<|>>)", _same, 0),
    (rf"([{SYMBOLS}])", _same, 0),
    (rf"({_SPACE}+|(?i:&nbsp;))", None, 0),
    (r"((?s:.))", None, 0),
)
RULES = tuple((re.compile(pattern), change, again) for pattern, change, again in _TABLE)
