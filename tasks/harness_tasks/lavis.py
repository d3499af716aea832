"""How LAVIS asks: prompts, generation settings and its cleaning of questions.

Reference: salesforce/LAVIS, lavis/projects/{blip2,blip}/eval, lavis/processors/blip_processors.py;
InstructBLIP's captioning prompt from its paper's appendix (Dai et al., arXiv:2305.06500). Images
are prepared at the size that a checkpoint says, or, by profiles that end in a number, at LAVIS's.
"""

import re

from harness.plugin import Generation, InputError, Profile

QUESTION_PROMPT = "Question: {} Short answer:"
CAPTION_PROMPT = "a photo of"
SHORT_ANSWER = Generation(num_beams=5, max_new_tokens=10, min_length=1, length_penalty=-1.0)
CAPTION = Generation(num_beams=5, max_new_tokens=30, min_length=8, length_penalty=1.0)

BLIP_QUESTION_PROMPT = "{}"
BLIP_CAPTION_PROMPT = "a picture of "
BLIP_ANSWER = Generation(num_beams=3, max_new_tokens=10, min_length=1)
#: LAVIS says 20 with the prompt's four tokens.
BLIP_CAPTION = Generation(num_beams=3, max_new_tokens=16, min_length=5)

INSTRUCTBLIP_CAPTION_PROMPT = "A short image description: "
#: BLIP's answers to VQAv2's questions: ranked, 128 of the listed ones read to their end.
RANKED_ANSWERS = Profile(
    name="lavis-rank-480",
    version=2,
    needs=("rank",),
    family="blip",
    prompt=BLIP_QUESTION_PROMPT,
    image_size=480,
)
ANSWER_LIST = "answer_list.json"
CANDIDATES = 128


def short_answers(name: str) -> tuple[Profile, ...]:
    """How questions are asked, under that profile name."""
    return (
        Profile(name=name, prompt=QUESTION_PROMPT, generation=SHORT_ANSWER),
        Profile(name=name, family="blip", prompt=BLIP_QUESTION_PROMPT, generation=BLIP_ANSWER),
    )


def captions(name: str, prompt: str) -> tuple[Profile, ...]:
    """How captions are asked for, under that profile name; `prompt` is BLIP-2's."""
    return (
        Profile(name=name, prompt=prompt, generation=CAPTION),
        Profile(
            name=name,
            version=2,
            family="blip",
            prompt=BLIP_CAPTION_PROMPT,
            generation=BLIP_CAPTION,
        ),
        Profile(
            name=name,
            family="instructblip",
            prompt=INSTRUCTBLIP_CAPTION_PROMPT,
            generation=CAPTION,
        ),
        Profile(
            name=f"{name}-364",
            family="blip2",
            prompt=prompt,
            generation=CAPTION,
            image_size=364,
        ),
        Profile(
            name=f"{name}-384",
            version=2,
            family="blip",
            prompt=BLIP_CAPTION_PROMPT,
            generation=BLIP_CAPTION,
            image_size=384,
        ),
    )


_REMOVED = re.compile(r'[.!"()*#:;~]')
_MOST_WORDS = 50


def clean_question(text: str) -> str:
    """Lower case without most punctuation (the question mark stays), at most 50 words."""
    words = _REMOVED.sub("", text.lower()).rstrip(" ").split(" ")
    return " ".join(words[:_MOST_WORDS])


def ask(prompt: str, question: str) -> str:
    """Fill a prompt with the cleaned question (``{}``).

    ``{words}`` is the same without a question mark, ``{raw}`` the question as it stands.

    >>> ask("question : {words} answer :", "Is it Red?")
    'question : is it red answer :'
    """
    cleaned = clean_question(question)
    try:
        return prompt.format(cleaned, words=cleaned.replace("?", "").strip(), raw=question)
    except (LookupError, ValueError):
        raise InputError(
            f"prompt {prompt!r}: only {{}}, {{words}} and {{raw}} can stand in it"
        ) from None
