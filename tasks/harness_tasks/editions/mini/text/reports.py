"""Reports on scenes as running text: articles as in WikiText, dispatches as in Penn Treebank.

A report first tells of every thing, mostly by what was told before it (`it`, `of the same
color`, `right of it`), then states what follows from that, so a reader who remembers the
beginning knows most of the rest.
"""

from collections.abc import Callable

from harness_tasks.editions.mini.scene import Draw, Scene, Thing
from harness_tasks.editions.mini.text.claims import (
    NUMBERS,
    claim,
    claims,
    directions,
    spot,
    with_article,
)

FEWEST_CLAIMS, MOST_CLAIMS = 2, 6
#: Verbs of a report in the tense of a dispatch.
PAST = {"is": "was", "are": "were", "have": "had", "stands": "stood", "lie": "lay"}
_SOURCES = (
    "observers said",
    "a witness reported",
    "according to the paper",
    "officials noted that",
)
_OPENINGS = (
    "there are {count} things on {background} background",
    "{count} things lie on {background} background",
    "on {background} background there are {count} things",
)

Report = Callable[[Scene, Draw], str]


def tell(scene: Scene, draw: Draw) -> list[str]:
    """Sentences that tell of everything in the scene, lower case, without full stops."""
    opening = draw.choice(_OPENINGS)
    words = {"count": NUMBERS[len(scene.things)], "background": with_article(scene.background)}
    sentences = [opening.format(**words)]
    for previous, thing in zip([None, *scene.things], scene.things, strict=False):
        sentences += _introduce(thing, previous, draw)
    return sentences


def _introduce(thing: Thing, previous: Thing | None, draw: Draw) -> list[str]:
    """One or two sentences on a thing; ``it`` in the first one is the thing told of before."""
    texture_apart = draw.chance(0.3)
    alike = previous is not None and previous.color == thing.color and draw.chance(0.6)
    words = [thing.size]
    words += [] if texture_apart else [thing.texture]
    words += [thing.shape, "of the same color"] if alike else [thing.color, thing.shape]
    what = with_article(" ".join(words))
    ways = [f"{spot(thing.cell)} there is {what}", f"{what} stands {spot(thing.cell)}"]
    if previous is not None and len(directions(thing, previous)) == 1:
        ways.append(f"{directions(thing, previous)[0]} it , {spot(thing.cell)} , is {what}")
    return [draw.choice(ways)] + ([f"it is {thing.texture}"] if texture_apart else [])


def sentence(words: str) -> str:
    """As it stands in an article, e.g. ``The star stands at the top .``."""
    return f"{words[0].upper()}{words[1:]} ."


def paragraph(scene: Scene, draw: Draw) -> str:
    """Everything in the scene as sentences of an article."""
    return " ".join(map(sentence, tell(scene, draw)))


def stated(scene: Scene, draw: Draw) -> list[str]:
    """True claims in random number."""
    count = FEWEST_CLAIMS + draw.below(MOST_CLAIMS - FEWEST_CLAIMS + 1)
    return [one.saying(one.answer) for one in claims(scene, draw, count)]


def article(scene: Scene, draw: Draw) -> str:
    """A title and a paragraph, in the layout of WikiText's raw files."""
    first, second = (draw.choice(scene.things) for _ in range(2))
    title = f"{first.color} {first.shape} and {second.color} {second.shape}".title()
    body = " ".join([paragraph(scene, draw), *map(sentence, stated(scene, draw))])
    return f" = {title.replace('And', 'and')} = \n \n {body} \n"


def dispatch(scene: Scene, draw: Draw) -> str:
    """Lines without capitals and punctuation, in the past tense, some with their source."""
    lines = []
    for words in tell(scene, draw) + stated(scene, draw):
        told = [PAST.get(word, word) for word in words.replace(" ,", "").split()]
        source = [draw.choice(_SOURCES)] if draw.chance(0.25) else []
        lines.append(" " + " ".join(source + told) + " \n")
    return "".join(lines)


def quiz(scene: Scene, draw: Draw) -> str:
    """A paragraph and questions about it with their answers."""
    asked = [
        f"{question}\nAnswer: {answer} ."
        for question, answer in (true_or_false(scene, draw) for _ in range(1 + draw.below(3)))
    ]
    return "\n".join([paragraph(scene, draw), *asked]) + "\n"


def true_or_false(scene: Scene, draw: Draw) -> tuple[str, str]:
    """A question and its answer, ``yes`` or ``no``, equally often."""
    asked = claim(scene, draw)
    answer = draw.choice(("yes", "no"))
    filler = asked.answer if answer == "yes" else asked.others[0]
    return f"Question: is it true that {asked.saying(filler)} ?", answer


def inventory(scene: Scene, draw: Draw) -> str:
    """A paragraph and a list of the same things in another order, by shape, color or place.

    All of the list follows from the paragraph, which teaches a small model to look back.
    """
    line = draw.choice(
        (
            "{shape}: {color} , {size} , {texture} , {spot} .",
            "{color}: {shape} , {size} , {texture} , {spot} .",
            "{spot}: {size} {texture} {color} {shape} .",
        )
    )
    listed = [
        line.format(shape=t.shape, color=t.color, size=t.size, texture=t.texture, spot=spot(t.cell))
        for t in draw.sample(scene.things, len(scene.things))
    ]
    return "\n".join([paragraph(scene, draw), *listed]) + "\n"


def any_report(scene: Scene, draw: Draw) -> str:
    """What calibration and training texts are made of."""
    kinds: tuple[Report, ...] = (article, dispatch, quiz, quiz, inventory, inventory)
    return draw.choice(kinds)(scene, draw)
