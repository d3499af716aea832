"""Scores of lm-eval's tasks are lm-eval's own, and what cannot be one is refused in one line."""

import copy
import itertools
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, T5Config, T5ForConditionalGeneration

from harness.asking import BatchedAsker
from harness.plugin import DataError, Example, InputError, Profile, RunError, Scores
from harness.resume import ResumeLog
from harness_tasks.lm_eval import LmEval
from harness_tasks.lm_eval.loading import find_manager
from tests.tasks.task_files import GROUPS, TASKS, write_lines, write_tasks, write_yaml
from tests.tiny import VOCABULARY, save_tokenizer, spread

datasets = pytest.importorskip("datasets", reason="needs the extra lm-eval")


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Data sets are read into a folder of the tests, not into the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tasks(tmp_path_factory.mktemp("tasks"))


class Loaded:
    """A live model as the task sees it."""

    def __init__(self, module: Any, tokenizer: Any) -> None:
        self.module = module.eval()
        self.tokenizer = tokenizer


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Any) -> dict[str, Loaded]:
    folder = tmp_path_factory.mktemp("t5")
    config = T5Config(
        vocab_size=save_tokenizer(folder),
        d_model=24,
        d_kv=12,
        d_ff=40,
        num_layers=2,
        num_heads=2,
        decoder_start_token_id=0,
    )
    llama = tiny_folder("llama")
    return {
        "causal": Loaded(
            AutoModelForCausalLM.from_pretrained(llama), AutoTokenizer.from_pretrained(llama)
        ),
        "seq2seq": Loaded(
            spread(T5ForConditionalGeneration(config)), AutoTokenizer.from_pretrained(folder)
        ),
    }


def profile(name: str) -> Profile:
    return next(p for p in LmEval.profiles if p.name == name)


def read(name: str, folder: Path, asked: str = "default") -> tuple[LmEval, list[Example]]:
    task = LmEval(name)
    return task, list(task.examples(folder, profile(asked), None))


def answer(
    task: LmEval, examples: list[Example], model: Loaded, log: Path, batch_size: int = 4
) -> list[Any]:
    with ResumeLog(log) as opened:
        asker = BatchedAsker(
            model,  # type: ignore[arg-type]
            batch_size=batch_size,
            log=opened,
            progress=lambda *_: None,
        )
        return list(task.ask(asker, examples, profile("default")))


def main_score(task: LmEval, scores: Scores) -> float:
    values = torch.tensor(scores.per_sample, dtype=torch.float64)
    weights = torch.tensor(scores.weights, dtype=torch.float64)
    mean = (values * weights).sum() / weights.sum()
    return float(mean.exp() if task.metric.transform == "exp" else mean)


def lm_eval_itself(
    name: str, folder: Path, model: Loaded, shots: int | None = None
) -> dict[str, float]:
    """What ``lm_eval.simple_evaluate`` gives for it."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = simple_evaluate(
            HFLM(pretrained=model.module, tokenizer=model.tokenizer, batch_size=4),
            tasks=[name],
            task_manager=find_manager(folder),
            num_fewshot=shots,
            bootstrap_iters=0,
            log_samples=False,
        )
    shown: dict[str, Any] = {**results["results"][name], **results.get("groups", {}).get(name, {})}
    return {k: v for k, v in shown.items() if "," in k and "stderr" not in k}


SINGLE = [
    ("choice", "acc,none"),
    ("choice_shot", "acc,none"),
    ("blank", "acc,none"),
    ("generate", "exact_match,first-word"),
    ("cloze", "perplexity,none"),
    ("rolling", "word_perplexity,none"),
    ("by_size", "acc,none"),
    ("by_task", "acc,none"),
    ("bit_rates", "bits_per_byte,none"),
]


@pytest.mark.parametrize("kind", ["causal", "seq2seq"])
@pytest.mark.parametrize(("name", "main"), SINGLE)
def test_scores_equal_those_of_lm_eval(
    name: str, main: str, kind: str, folder: Path, models: dict[str, Loaded], tmp_path: Path
) -> None:
    task, examples = read(name, folder)

    scores = task.score(
        examples, answer(task, examples, models[kind], tmp_path / "log"), profile("default")
    )

    expected = lm_eval_itself(name, folder, models[kind])
    assert task.metric.name == main
    assert main_score(task, scores) == pytest.approx(expected.pop(main), abs=1e-9, rel=1e-6)
    assert dict(scores.metrics) == pytest.approx(expected, abs=1e-9, rel=1e-6)
    assert scores.absent == {}


@pytest.mark.parametrize(("asked", "shots"), [("0shot", 0), ("1shot", 1), ("3shot", 3)])
def test_shots_of_a_profile_are_those_of_lm_eval(
    asked: str, shots: int, folder: Path, models: dict[str, Loaded], tmp_path: Path
) -> None:
    task, examples = read("choice_shot", folder, asked)

    outputs = answer(task, examples, models["causal"], tmp_path / "log")
    scores = task.score(examples, outputs, profile(asked))

    expected = lm_eval_itself("choice_shot", folder, models["causal"], shots)
    assert main_score(task, scores) == pytest.approx(expected["acc,none"], abs=1e-9)
    assert examples[0].sample.prompt.count("question :") == 3 * (1 + shots)


def test_an_example_stands_for_one_item_and_tells_the_right_answer(folder: Path) -> None:
    _, examples = read("by_size", folder)
    _, blanks = read("blank", folder)

    assert [e.sample.id for e in examples][12:15] == ["choice/12", "few/0", "few/1"]
    assert {e.label for e in examples} == {"choice", "few"}
    assert len({e.cluster for e in examples}) == 16
    assert examples[1].references == ("e b",)  # the second of b, e b, yes
    assert blanks[1].references == ("e b",)
    assert blanks[1].label == ""


def test_shown_few_shot_examples_are_part_of_the_identity_of_the_data(folder: Path) -> None:
    digests = {
        asked: read("choice", folder, asked)[1][0].sample.digest()
        for asked in ("default", "0shot", "1shot")
    }

    assert digests["default"] == digests["0shot"] != digests["1shot"]


def test_the_identity_follows_the_task_files_but_not_their_place(
    folder: Path, tmp_path: Path
) -> None:
    def configuration(place: Path) -> str:
        return read("generate", place)[0].fingerprint()["config"]

    elsewhere = write_tasks(tmp_path / "elsewhere")
    assert configuration(elsewhere) == configuration(folder)

    path = elsewhere / "generate.yaml"
    path.write_text(path.read_text().replace("max_gen_toks: 4", "max_gen_toks: 5"))
    assert configuration(elsewhere) != configuration(folder)


def test_profiles_choose_the_main_metric(
    folder: Path, models: dict[str, Loaded], tmp_path: Path
) -> None:
    task, examples = read("by_size", folder, "acc_norm")
    scores = task.score(
        examples, answer(task, examples, models["causal"], tmp_path / "log"), profile("acc_norm")
    )

    assert task.metric.name == "acc_norm,none"
    parts = [lm_eval_itself(name, folder, models["causal"]) for name in ("choice", "few")]
    expected = (13 * parts[0]["acc_norm,none"] + 3 * parts[1]["acc_norm,none"]) / 16
    assert main_score(task, scores) == pytest.approx(expected, abs=1e-9)


def test_a_metric_that_is_no_mean_stands_beside_one_that_is(
    folder: Path, models: dict[str, Loaded], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"mcc is made of all items together.*profile acc"):
        read("correlated", folder)
    task, examples = read("correlated", folder, "acc")

    outputs = answer(task, examples, models["causal"], tmp_path / "log")
    scores = task.score(examples, outputs, profile("acc"))

    expected = lm_eval_itself("correlated", folder, models["causal"])
    assert scores.metrics["mcc,none"] == pytest.approx(expected["mcc,none"])


def test_a_part_of_the_items_is_scored_alone_and_answers_resume(
    folder: Path, models: dict[str, Loaded], tmp_path: Path
) -> None:
    """Another batch size goes on from the log, and lists from JSON do as well as tuples."""
    task, examples = read("by_task", folder)
    some = [examples[14], examples[3], examples[8]]
    first = answer(task, some, models["causal"], tmp_path / "log", batch_size=2)
    text = (tmp_path / "log").read_text()
    (tmp_path / "log").write_text(text.splitlines(keepends=True)[0])

    again = answer(task, some, models["causal"], tmp_path / "log", batch_size=1)

    assert json.dumps(again) == json.dumps(first)
    scores = task.score(some, again, profile("default"))
    assert scores.per_sample == task.score(some, first, profile("default")).per_sample
    assert scores.weights == [1.0, 0.5, 0.5]  # one item of `few`, two of `choice`


def test_asking_leaves_the_tokenizer_as_it_was(
    folder: Path, models: dict[str, Loaded], tmp_path: Path
) -> None:
    model = models["causal"]
    model.tokenizer.pad_token = None
    before = model.tokenizer.backend_tokenizer.to_str()
    task, examples = read("choice", folder)

    answer(task, examples[:2], model, tmp_path / "log")

    assert model.tokenizer.backend_tokenizer.to_str() == before
    assert model.tokenizer.pad_token is None


@pytest.mark.parametrize(
    ("name", "asked", "message"),
    [
        (
            "unlike",
            "default",
            r"unlike metrics \(acc,none, exact_match,first-word\).*lm_eval:choice",
        ),
        ("texts", "default", "a mean of word_perplexity,none over tasks is no score per item"),
        ("choice_zero", "5shot", "choice_zero says num_fewshot: 0, which lm-eval never changes"),
        ("generate", "acc_norm", "unknown metric of lm_eval:generate 'acc_norm'"),
    ],
)
def test_what_cannot_be_a_score_is_refused(
    name: str, asked: str, message: str, folder: Path
) -> None:
    with pytest.raises(InputError, match=message):
        read(name, folder, asked)


def test_too_few_examples_for_a_prompt_are_told(folder: Path) -> None:
    with pytest.raises(DataError, match=r"choice.yaml: no 25-shot prompts for choice \("):
        read("choice", folder, "25shot")


def test_faults_of_task_files_are_told_in_one_line(folder: Path, tmp_path: Path) -> None:
    files = {"test": str(tmp_path / "gone.jsonl")}
    content = {**TASKS["choice"], "dataset_path": "json", "test_split": "test"}
    write_yaml(
        tmp_path / "gone.yaml",
        {"task": "gone", **content, "dataset_kwargs": {"data_files": files}},
    )
    data = write_lines(tmp_path / "here.jsonl", [{"q": "a", "choices": ["b"], "label": 0}])
    write_yaml(
        tmp_path / "split.yaml",
        {
            "task": "split",
            **content,
            "test_split": "dev",
            "dataset_kwargs": {"data_files": {"test": data}},
        },
    )
    for name, message in (("gone", "gone.yaml.*gone.jsonl"), ("split", "split.yaml.*dev")):
        with pytest.raises(DataError, match=message) as caught:
            read(name, tmp_path)
        assert "\n" not in str(caught.value)


def test_names_come_from_the_folder_and_then_from_lm_eval(folder: Path) -> None:
    """Offline, a bundled task says where its data come from."""
    assert set(LmEval("x").names_in(folder)) == {*TASKS, *GROUPS}

    with pytest.raises(DataError, match=r"load_dataset\('allenai/ai2_arc', 'ARC-Easy'\)") as caught:
        read("lost", folder)
    assert "\n" not in str(caught.value)
    assert "--include-path" in str(caught.value)
    with pytest.raises(InputError, match="no task 'arc_eazy'; did you mean arc_easy"):
        read("arc_eazy", folder)


def test_without_lm_eval_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness_tasks.lm_eval.loading.find_spec", lambda name: None)

    with pytest.raises(InputError, match=r"pip install 'pruning-harness\[lm-eval\]'"):
        read("choice", folder)


@pytest.mark.parametrize("kind", ["causal", "seq2seq"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("choice", r"a log-likelihood of item 'choice/\d+' is nan"),
        ("blank", r"a log-likelihood of item 'blank/\d+' is nan"),
        ("cloze", r"a log-likelihood of item 'cloze/\d+' is nan"),
        ("rolling", r"a log-likelihood of item 'rolling/\d+' is nan"),
        ("generate", r"logits of an item among 'generate/\d+', .* are not finite \(nan\)"),
    ],
)
def test_weights_that_are_no_numbers_give_no_answer(
    name: str, message: str, kind: str, folder: Path, models: dict[str, Loaded], tmp_path: Path
) -> None:
    module = copy.deepcopy(models[kind].module)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(torch.nan)
    task, examples = read(name, folder)

    with pytest.raises(RunError, match=message):
        answer(task, examples, Loaded(module, models[kind].tokenizer), tmp_path / "log")
    assert "[[" not in (tmp_path / "log").read_text()


def spoil(model: Loaded, value: float, from_step: int) -> Loaded:
    """The model with the logits of "yes" set, from that call of the model on."""
    module, calls = copy.deepcopy(model.module), itertools.count(1)

    def set_yes(_module: nn.Module, _inputs: Any, logits: torch.Tensor) -> None:
        if next(calls) >= from_step:
            logits[..., VOCABULARY["yes"]] = value

    module.lm_head.register_forward_hook(set_yes)
    return Loaded(module, model.tokenizer)


def test_a_later_step_of_a_text_counts(
    folder: Path, models: dict[str, Loaded], tmp_path: Path
) -> None:
    task, examples = read("generate", folder)
    broken = spoil(models["causal"], torch.nan, from_step=3)
    with pytest.raises(RunError, match=r"among 'generate/\d+' are not finite \(nan\)"):
        answer(task, examples, broken, tmp_path / "broken", batch_size=1)
    assert not broken.module._forward_hooks

    limited = spoil(models["causal"], -torch.inf, from_step=1)
    assert len(answer(task, examples, limited, tmp_path / "limited")) == 13


def test_a_choice_that_is_ruled_out_is_the_worst(
    folder: Path, models: dict[str, Loaded], tmp_path: Path
) -> None:
    """The third choice is "yes" and wins nothing; its log-likelihood passes the log."""
    task, examples = read("choice", folder)
    model = spoil(models["causal"], -torch.inf, from_step=1)

    outputs = answer(task, examples, model, tmp_path / "log")

    assert all(output[2][0][0] == -torch.inf for output in outputs)
    assert answer(task, examples, model, tmp_path / "log") == json.loads(json.dumps(outputs))
    scores = task.score(examples, outputs, profile("default")).per_sample
    assert not any(
        score for score, e in zip(scores, examples, strict=True) if e.references == ("yes",)
    )


@pytest.mark.parametrize("group", [False, True])
def test_a_task_whose_items_hold_nothing_to_count_has_no_score(
    folder: Path,
    models: dict[str, Loaded],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    group: bool,
) -> None:
    """Bits per byte of no bytes; a group would else be the mean of the others."""
    task, examples = (
        read("bit_rates", folder) if group else read("rolling_few", folder, "bits_per_byte")
    )
    outputs = answer(task, examples, models["causal"], tmp_path / "log")
    assert task._suite is not None
    few = task._suite.tasks["rolling_few"]

    def judge_nothing(doc: Any, results: Any) -> Any:
        return {"bits_per_byte": (0.0, 0), "word_perplexity": (-1.0, 2)}

    monkeypatch.setattr(few, "process_results", judge_nothing)
    scores = task.score(examples, outputs, profile("default" if group else "bits_per_byte"))

    why = "undefined: the items of rolling_few hold nothing that is counted"
    assert (list(scores.per_sample), scores.weights) == ([], None)
    assert scores.absent["bits_per_byte,none"] == why


def test_an_item_without_the_main_metric_is_a_failure(
    folder: Path, models: dict[str, Loaded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, examples = read("choice", folder)
    outputs = answer(task, examples, models["causal"], tmp_path / "log")
    assert task._suite is not None
    judge = task._suite.tasks["choice"].process_results

    def judge_most(doc: Any, results: Any) -> Any:
        return judge(doc, results) if doc["answer"] != "b" else {}

    monkeypatch.setattr(task._suite.tasks["choice"], "process_results", judge_most)
    with pytest.raises(RunError, match="gave 11 values of acc,none for 13 items"):
        task.score(examples, outputs, profile("default"))
