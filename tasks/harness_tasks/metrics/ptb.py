"""Penn Treebank tokenisation as caption metrics use it, without Java.

pycocoevalcap runs Stanford's PTBTokenizer with ``-preserveLines -lowerCase`` and drops a list of
punctuation tokens. This is that behaviour on English captions, as regular expressions. One quirk
is kept: the drop list names brackets in upper case, tokens are lower case, so they stay.
"""

import re

DROPPED = frozenset({"''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"})

#: What the tokenizer rewrites before anything else.
_REWRITTEN = {
    "\u2018": "`",
    "\u2019": "'",
    "\u201c": "``",
    "\u201d": "''",
    "\u2013": "--",
    "\u2014": "--",
    "\u2026": "...",
    "\u00bd": "1/2",
    "\u00bc": "1/4",
    "\u00be": "3/4",
    "\u00a0": " ",
}
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_JOINED = {
    "cannot": "can not",
    "gonna": "gon na",
    "gotta": "got ta",
    "wanna": "wan na",
    "lemme": "lem me",
    "gimme": "gim me",
}
_TITLES = (
    "mr mrs ms dr prof st jr sr vs etc inc ltd co corp ave blvd rd mt ft gen col sgt capt lt "
    "gov sen rep rev hon jan feb mar apr aug sept sep oct nov dec mon tue tues wed thu thurs fri"
).split()

_LETTER = r"[^\W\d_]"
_CLITIC = r"'(?:s|re|ve|ll|m|d)(?!\w)"
_TOKEN = re.compile(
    "|".join(
        (
            r"(?:https?://|www\.)[^\s\"'<>()]+[^\s\"'<>().,;:!?]",
            r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
            r"'n'|'t(?=is\b|was\b)|'em\b",
            rf"(?:{_LETTER}\.){{2,}}(?:{_LETTER}\b)?",  # a.m., u.s.a
            rf"\b(?:{'|'.join(_TITLES)})\.",
            r"\bno\.(?=\s*\d)",
            rf"\b{_LETTER}\.(?!\w)",  # an initial, also where it ends the sentence
            rf"{_LETTER}+\.{_LETTER}+",  # a missing blank after a full stop
            r"\w+&\w+",
            # A word up to its clitic; the clitic is the next token.
            r"\w+(?:[-/]\w+)*(?=n't(?!\w))|n't(?!\w)",
            _CLITIC,
            rf"\w+(?!{_CLITIC})'(?!t(?!\w))\w+",  # o'er
            r"\d+(?:[.,:/]\d+)+(?:-\w+)*|\.\d+",
            r"\w+(?:[-/]\w+)*",
            r"-{2,}|[!?]{2,}|``|''|[^\w\s]",
        )
    )
)


def tokenize(text: str) -> str:
    """Tokens of one caption, lower case, joined by blanks; punctuation is gone.

    >>> tokenize("The man can't see; it's dark!")
    "the man ca n't see it 's dark"
    """
    for mark, plain in _REWRITTEN.items():
        text = text.replace(mark, plain)
    tokens: list[str] = []
    for token in _TOKEN.findall(text.lower()):
        tokens += _JOINED.get(token, _BRACKETS.get(token, token)).split(" ")
    return " ".join(token for token in tokens if token not in DROPPED and token != '"')
