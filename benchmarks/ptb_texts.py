"""Nasty texts, with the tokens that the Java tokenizer of pycocoevalcap gives for each by itself.

    python benchmarks/ptb_texts.py tests/data/ptb_texts.json

Needs Java and ``pip install 'harness[coco]'``.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

#: Also in tests/tasks/test_ptb.py.
COUNT = 3000
LINES = Path(__file__).parent.parent / "tests" / "data" / "ptb.json"
#: A line that no rule reads on into, between two texts.
BETWEEN = "zq < \" zq ' zq"
LINE_ENDS = re.compile(r"\r\n|[\n\r\u000b\u000c\u2028\u2029]")

PIECES: Mapping[str, Sequence[str]] = {
    "emoji": ("😀 👍🏽 👨\u200d👩\u200d👧 ❤\ufe0f ☺ ✈ 🇫🇷 #\ufe0f⃣ 1\ufe0f⃣ ☕\ufe0f😋 ™ ♥♥").split(),
    "entities": (
        "&amp; &lt; &gt; &quot;hi&quot; &apos;s &nbsp; &eacute;t&eacute; caf&eacute; "
        "&mdash; &ndash; &#39; &#8217; &MD; AT&amp;T S&amp;Ls R&amp;B &hellip; &copy; "
        "&LR; Q&amp;A"
    ).split(),
    "code": (
        "C++ c# F# f(x) a+b i++ x==y != <= >> << -> a_b __init__ foo.py main.c a.b.txt "
        "README v2.14.3 1.0.0 x86_64 C:\\temp ~/bin $HOME #include {x:1} [0] a[i] \\* \\/ "
        "50%off"
    ).split(),
    "quotes": (
        "' \" ` `` '' \"\" ‘a’ “b” «c» ‹d› „e‟ ‚f‛ 'tis 'twas ’tis '90s ’80s '05 'n' "
        "rock'n'roll ´s o´clock ‘em ’em 'em \"quoted\" 'quoted' ``so'' dogs' boss's "
        "James’"
    ).split(),
    "contractions": (
        "don't don’t don`t DON'T can't cannot won't I'm I’ve you'll he'd we're it's its' "
        "y'all ma'am o'clock O'Reilly d'Artagnan l'eau n'est c'est c'mon 'cause gonna "
        "wanna gotta gimme lemme shouldn't've I'd've 'S 'sup ain't n't 'll s'mores ol' "
        "nor'easter cont'd. e'er"
    ).split(),
    "numbers": (
        "1 2.5 .5 ,5 1,000 1,000.50 1.2.3 12:30 3:05pm 1st 2nd 10th 1990s 5'8\" 6-7 -5 +3 "
        "1/2 3/4 1½ ½ ⅓ ⅔ ⅛ 10/11/2012 1-2-03 2003-10-01 x² m³ H₂O ⁻¹ 10^6 1e-5 50% #1 "
        "No.5 ٣٤ १२ ５ 1,2,3 1: :2 7-up 4x4 24/7"
    ).split(),
    "telephones": (
        "555-1234 (012) 555-1234 012-555-1234 +1 555 123 4567 ++44 20 7946 0958 "
        "555.123.4567 (02)1234567 1-800-FLOWERS 12 34567890"
    ).split(),
    "money": ("$5 US$ 5 HK$10 £4.50 €3 ¥100 ¢50 5¢ ₹9 ₪7 $ A$ 10$ ฿ ¤1 #5 £ 5").split(),
    "addresses": (
        "http://a.b/c?d=e&f https://example.com/x. www.foo.co.uk foo.com bar.org/baz, "
        "a.edu/~x ftp://x.y HTTP://UP.COM mail@example.com <a.b@c.de> "
        "first.last+tag@x-y.org @user @_x1 #tag #2nd #naïve user@ @ http:// "
        "localhost:8080 a.net. (b.com)"
    ).split(),
    "abbreviations": (
        "Mr. Mrs. Dr. St. Ave. U.S. U.K. e.g. i.e. a.m. p.m. etc. Inc. Co. Ltd. Corp. "
        "Jan. Sept. No. 7 Fig. 3 figs. 2 vs. Ph.D. J.R.R. Sen. Gov. Pty. Ltd. Mass. mass. "
        "Wash. Miss. al. cf. approx. U.S.-based pro-U.S. non-U.S. Jr., Bros.; Ste. 4 "
        "a.k.a. ca.1900"
    ).split(),
    "dots": (
        "... .. .... ..... ...... . . . . . . . … …… ?! !!! ??? !? .? ?. , ; : ,, ;; -- - "
        "--- ---- ----- – — ― ‒ ‐ ‑ − ~ · • ¡ ¿ 、 。 . ,"
    ).split(),
    "hyphens": (
        "t-shirt well-known x-ray co-op A-B-C-D 3-D a--b pre- -ed non‑breaking u‐v and/or "
        "w/o he/she/it a/b/c/d 1-2/3 black-and-white soft\xadhyphen \xad a_b_c "
        "mother-in-law's"
    ).split(),
    "scripts": (
        "犬 狗在跑 カメラ ｶﾒﾗ 한국어 собака σκύλος Σ ΑΣ كلب כלב שָׁלוֹם नमस्ते ไทย ñandú cafe\u0301 "
        "e\u0301te\u0301 naïve Ångström İstanbul ıI ſ ǅ ß ŉ K ﬁsh Ⅷ ⓐ ª º"
    ).split(),
    "invisible": (
        "\u200b",
        "\u200c",
        "\u200d",
        "\u200e",
        "\u200f",
        "\ufeff",
        "\u2060",
        "\xa0",
        "\u2009",
        "\u3000",
        "\x85",
        "\x00",
        "\x01",
        "\x1c",
        "\x1f",
        "\x7f",
        "\x80",
        "\x91",
        "\x92",
        "\x93",
        "\x96",
        "\u202a",
        "\u202e",
        "\ufe0f",
        "\ufffd",
        "\ue000",
        "\u2028",
        "\u2029",
        "\t",
        "\n",
        "\r",
        "\x0b",
        "\x0c",
        "a\u200db",
        "x\u200by",
        "1\xa01/2",
        "\x93q\x94",
        "it\x92s",
    ),
    "tags": (
        "<b> </b> <br/> <p class=\"x\"> <a href='y'> <!-- c --> <!DOCTYPE html> <?xml?> "
        "<unk> < > <a <1> <a b=c> <i>it</i> <_> </ <end-of-text>"
    ).split(),
    "faces": (
        ":) :-) ;) :P :D :( :'( =) :o) >:( <3 :/ :3 ^_^ -_- (^_^) >_< x_x (-_-) :-O :] :{ "
        ":* xD (^-^) T_T ¯\\_(ツ)_/¯"
    ).split(),
    "brackets": ("( ) [ ] { } (a) [b] {c} (a)) ((b -LRB- -RRB- -lsb- <> [[ ]] () [] {}").split(),
    "marks": (
        "+ % & ~ ^ | \\ / * ** *** @ @@ # ## _ __ = == ≠ ≤ ° °C § ¶ © ® ¦ ¬ × ÷ → ★ ☆ ■ ∞ "
        "™ ℃ № ¹ ² ³ ‰ † ‡ ⁄ ％ ＋ ＠ ・ \ufffd 50° \\\\ ///"
    ).split(),
}
SEPARATORS = (
    " ",
    " ",
    " ",
    " ",
    " ",
    "",
    "",
    "",
    "  ",
    ", ",
    ". ",
    ".",
    "-",
    "/",
    "'",
    "\u00a0",
    "\n",
)


def make_texts(count: int, seed: int = 0) -> list[str]:
    """Pieces of every kind among words and parts of ordinary lines, in any case."""
    draw = Random(f"ptb texts {seed}")
    lines = [text for text, _ in json.loads(LINES.read_text(encoding="utf-8"))]
    words = sorted({word for line in lines for word in line.split()})
    return [_text(draw, lines, words) for _ in range(count)]


def _text(draw: Random, lines: Sequence[str], words: Sequence[str]) -> str:
    kinds = draw.sample(sorted(PIECES), draw.choice((1, 2, 3)))
    text = draw.choice(("", "", "A ", "The "))
    for _ in range(draw.randint(1, 9)):
        piece = draw.choice(words)
        if draw.random() < 0.6:
            piece = draw.choice(PIECES[draw.choice(kinds)])
        elif draw.random() < 0.2:
            line = draw.choice(lines)
            start = draw.randrange(len(line))
            piece = line[start : start + draw.randint(3, 25)]
        piece = draw.choice((str, str, str, str, str.upper, str.capitalize))(piece)
        text += piece + draw.choice(SEPARATORS)
    return text + draw.choice(("", "", ".", "!", "\n"))


def java_tokens(texts: Sequence[str]) -> list[str]:
    """What pycocoevalcap gives for each text; no text knows its neighbours."""
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    captions = {
        i: [{"caption": LINE_ENDS.sub(" ", text)}, {"caption": BETWEEN}]
        for i, text in enumerate(texts)
    }
    tokens = PTBTokenizer().tokenize(captions)
    between = {tokens[i][1] for i in captions}
    assert len(between) == 1, f"texts ran into one another: {between}"
    return [tokens[i][0] for i in captions]


def main(out: Path) -> None:
    texts = make_texts(COUNT)
    pairs = zip(texts, java_tokens(texts), strict=True)
    rows = ",\n".join(json.dumps(pair, ensure_ascii=True) for pair in pairs)
    out.write_text(f"[\n{rows}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
