"""How LAVIS asks: prompts, generation settings and its cleaning of questions.

Reference: salesforce/LAVIS, lavis/projects/blip2/eval and lavis/processors/blip_processors.py.
"""

import re

from harness.plugin import Generation, InputError

QUESTION_PROMPT = "Question: {} Short answer:"
CAPTION_PROMPT = "a photo of"
SHORT_ANSWER = Generation(num_beams=5, max_new_tokens=10, min_length=1, length_penalty=-1.0)
CAPTION = Generation(num_beams=5, max_new_tokens=30, min_length=8, length_penalty=1.0)

_REMOVED = re.compile(r'[.!"()*#:;~]')
_MOST_WORDS = 50


def clean_question(text: str) -> str:
    """Lower case without most punctuation (the question mark stays), at most 50 words."""
    words = _REMOVED.sub("", text.lower()).rstrip(" ").split(" ")
    return " ".join(words[:_MOST_WORDS])


def ask(prompt: str, question: str) -> str:
    """Fill a prompt: ``{}`` is the cleaned question, ``{words}`` the same without a question mark.

    >>> ask("question : {words} answer :", "Is it Red?")
    'question : is it red answer :'
    """
    cleaned = clean_question(question)
    try:
        return prompt.format(cleaned, words=cleaned.replace("?", "").strip())
    except (LookupError, ValueError):
        raise InputError(f"prompt {prompt!r}: only {{}} and {{words}} can stand in it") from None
