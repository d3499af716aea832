"""Sentences that class names are put into for zero-shot classification.

The 80 of Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
ICML 2021 (their notebook Prompt_Engineering_for_ImageNet), and the one per data set of Zhou et al.,
"Learning to Prompt for Vision-Language Models", IJCV 2022 (CoOp, trainers/zsclip.py).
"""

#: Written with "a {}" and with "the {}".
_OF_A_OR_THE = """
    art of|bad photo of|black and white photo of|blurry photo of|bright photo of|close-up photo of|
    cropped photo of|dark photo of|doodle of|drawing of|good photo of|graffiti of|
    jpeg corrupted photo of|low resolution photo of|painting of|photo of|pixelated photo of|
    rendering of|rendition of|sculpture of|sketch of|tattoo of
"""
#: Words before the class: "a photo of a cool {}" and "a photo of the cool {}".
_KINDS = "clean cool dirty large nice small weird".split()
#: "a cartoon {}" and "the cartoon {}"; articles as published.
_MADE_OF = "cartoon embroidered origami plastic plushie toy".split()
_NO_ARTICLE = ("art of", "graffiti of")
_OTHERS = (
    "a photo of many {}.",
    "a photo of one {}.",
    "a photo of my {}.",
    "a photo of the hard to see {}.",
    "a photo of a hard to see {}.",
    "a {} in a video game.",
    "the {} in a video game.",
    "itap of a {}.",
    "itap of the {}.",
    "itap of my {}.",
)


def _phrase(words: str) -> str:
    return words if words in _NO_ARTICLE else f"a {words}"


IMAGENET = (
    *(
        f"{_phrase(words.strip())} {article} {{}}."
        for words in _OF_A_OR_THE.split("|")
        for article in ("a", "the")
    ),
    *(f"a photo of {article} {kind} {{}}." for kind in _KINDS for article in ("a", "the")),
    *(f"{article} {made} {{}}." for made in _MADE_OF for article in ("a", "the")),
    *_OTHERS,
)
PHOTO = ("a photo of a {}.",)
PETS = ("a photo of a {}, a type of pet.",)
FLOWERS = ("a photo of a {}, a type of flower.",)
AIRCRAFT = ("a photo of a {}, a type of aircraft.",)
TEXTURES = ("{} texture.",)
SATELLITE = ("a centered satellite photo of {}.",)
FOOD = ("a photo of {}, a type of food.",)
ACTIONS = ("a photo of a person doing {}.",)
