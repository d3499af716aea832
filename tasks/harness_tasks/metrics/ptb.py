"""Penn Treebank tokenisation as caption metrics use it, without Java.

pycocoevalcap runs the PTBTokenizer of Stanford CoreNLP 3.4.1 with ``-preserveLines -lowerCase`` and
drops a list of punctuation tokens. That lexer tries all its rules at a place and takes the one
that reads furthest, its context included, and of equal ones the first. So does this one;
`docs/metrics.md` says on how many texts the two agree. One quirk is kept: the drop list names
brackets in upper case, tokens are lower case, so they stay.
"""

import re
from collections.abc import Iterator

from harness_tasks.metrics.ptb_rules import RULES

#: pycocoevalcap's list, as far as it is in lower case.
DROPPED = frozenset("'' ' `` ` . ? ! , : - -- ... ;".split())
#: What ends a line for the lexer; a caption is one line.
_LINE_ENDS = re.compile(r"\r\n|[\n\r\u000b\u000c\u2028\u2029]")
#: Blanks, and words that no other rule reads as far as; most of a caption is such.
_PLAIN = re.compile(
    r" +(?=[A-Za-z0-9])|(?!(?i:cannot|gonna|gotta|wanna|gimme|lemme)[ \n])([A-Za-z]+)(?=[ \n])"
)


def tokenize(text: str) -> str:
    """Tokens of one caption, lower case, joined by blanks; punctuation is gone.

    >>> tokenize("The man can't see; it's dark!")
    "the man ca n't see it 's dark"
    """
    line = _LINE_ENDS.sub(" ", text) + "\n"
    tokens = " ".join(map(_lower, _tokens(_as_java(line)))).rstrip().split(" ")
    return _from_java(" ".join(token for token in tokens if token not in DROPPED))


def _tokens(text: str) -> Iterator[str]:
    place = 0
    while place < len(text):
        if plain := _PLAIN.match(text, place):
            if plain[1]:
                yield plain[1]
            place = plain.end()
            continue
        matches = ((rule.match(text, place), change, again) for rule, change, again in RULES)
        found = ((match, change, again) for match, change, again in matches if match)
        furthest, change, again = max(found, key=lambda candidate: candidate[0].end())
        place = furthest.end(1) - again
        if change is not None:
            yield change(furthest[1])


def _lower(token: str) -> str:
    """Java's lower case, in which a hyphen does not end a word before which a sigma is final."""
    head, sigma, tail = token.rpartition("Σ")
    if not sigma:
        return token.lower()
    is_final = head.upper() != head.lower() and tail.upper() == tail.lower()
    return head.replace("Σ", "σ").lower() + ("ς" if is_final else "σ") + tail.lower()


def _as_java(text: str) -> str:
    """The text in UTF-16: characters beyond the basic plane are two, which no rule knows."""
    if text.isascii() or max(text) <= "\uffff":
        return text
    units = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(unit) for unit in memoryview(units).cast("H"))


def _from_java(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
