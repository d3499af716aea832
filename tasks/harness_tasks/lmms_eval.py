"""How lmms-eval asks: prompts and generation settings.

Reference: EvolvingLMMs-Lab/lmms-eval, lmms_eval/tasks/{vqav2,ok_vqa,gqa,nocaps,nlvr2}. Questions go
in as they stand in the file (``{raw}``), and all generation is greedy.
"""

from harness.plugin import Generation

QUESTION_PROMPT = "{raw}\nAnswer the question using a single word or phrase."
OKVQA_PROMPT = (
    "{raw}\nWhen the provided information is insufficient, respond with 'Unanswerable'.\n"
    "Answer the question using a single word or phrase."
)
CAPTION_PROMPT = "Provide a one-sentence caption for the provided image."
SHORT_ANSWER = Generation(max_new_tokens=16)
#: OK-VQA's task sets no limit; this is the one of its model wrappers.
UNLIMITED = Generation(max_new_tokens=1024)
CAPTION = Generation(max_new_tokens=64)
