"""Score lm-eval's responses by lm-eval's own filters and metrics, per item where that is possible.

A metric can be the main one if its aggregate is a weighted mean of scores per item, or exp of one:
then intervals and paired tests hold. The others are reported beside it.
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from harness.plugin import InputError, Metric, RunError, Scores, UnknownNameError
from harness_tasks.lm_eval.documents import Document
from harness_tasks.lm_eval.loading import Suite

#: Values are right or wrong.
CORRECTNESS = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match")


@dataclass(frozen=True)
class Reading:
    """How one of lm-eval's aggregates is written as a weighted mean."""

    item: Callable[[Any], tuple[float, float]]
    """A document's value -> its score and weight."""
    transform: Literal["mean", "exp"] = "mean"


def _plain(value: Any) -> tuple[float, float]:
    return float(value), 1.0


def _loss(value: Any) -> tuple[float, float]:
    return -float(value), 1.0


def _loss_per_unit(value: Any) -> tuple[float, float]:
    """Of (log-likelihood, number of words or bytes)."""
    likelihood, units = value
    return (-likelihood / units, float(units)) if units else (0.0, 0.0)


def _bits_per_unit(value: Any) -> tuple[float, float]:
    loss, units = _loss_per_unit(value)
    return loss / math.log(2), units


#: Functions of ``lm_eval.api.metrics`` by name.
READINGS: Mapping[str, Reading] = {
    "mean": Reading(_plain),
    "perplexity": Reading(_loss, "exp"),
    "weighted_perplexity": Reading(_loss_per_unit, "exp"),
    "bits_per_byte": Reading(_bits_per_unit),
}


@dataclass(frozen=True)
class MainMetric:
    """The metric and filter whose aggregate is the main score."""

    name: str
    filter: str
    reading: Reading
    higher_is_better: bool
    by_size: bool
    """Whether tasks of a group count by their number of items, or all the same."""

    @property
    def key(self) -> str:
        """As lm-eval prints it."""
        return f"{self.name},{self.filter}"

    @property
    def metric(self) -> Metric:
        return Metric(
            name=self.key,
            higher_is_better=self.higher_is_better,
            transform=self.reading.transform,
            is_correctness=self.name in CORRECTNESS,
        )


def choose_main(suite: Suite, wanted: str) -> MainMetric:
    """The wanted metric, else the group's first, else each task's first.

    Raises:
        UnknownNameError: A task has no such metric.
        InputError: It is no mean over items, or the tasks of a group have unlike ones.
    """
    aggregates = (suite.group.aggregate_metric_list or ()) if suite.group else ()
    aggregate = next((a for a in aggregates if wanted in ("", a.metric)), None)
    name = wanted or (aggregate.metric if aggregate else "")
    filters = (aggregate.filter_list if aggregate else None) or ("",)
    by_size = aggregate.weight_by_size if aggregate else True
    found = {task: _main_of(task, each, name, filters[0]) for task, each in suite.tasks.items()}
    mains = {(main.name, main.filter, main.reading) for main in found.values()}
    first = next(iter(found.values()))
    if len(mains) > 1:
        keys = ", ".join(sorted({main.key for main in found.values()}))
        raise InputError(
            f"lm_eval:{suite.name} holds tasks of unlike metrics ({keys}), which are never "
            f"averaged; name its tasks: {_some(suite.tasks)}"
        )
    if len(found) > 1 and first.reading.transform != "mean":
        raise InputError(
            f"lm_eval:{suite.name}: a mean of {first.key} over tasks is no score per item; name "
            f"its tasks: {_some(suite.tasks)}"
        )
    return dataclasses.replace(first, by_size=by_size)


def _some(names: Sequence[str] | Mapping[str, Any]) -> str:
    shown = [f"lm_eval:{name}" for name in names]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")


def _main_of(name: str, task: Any, wanted: str, wanted_filter: str) -> MainMetric:
    aggregation = task.aggregation()
    metric = wanted or next(iter(aggregation))
    if metric not in aggregation:
        raise UnknownNameError(f"metric of lm_eval:{name}", metric, aggregation)
    readings = {key: _reading(function) for key, function in aggregation.items()}
    reading = readings[metric]
    if reading is None:
        able = [key for key, found in readings.items() if found is not None]
        hint = f"could be: {', '.join(able)} (profile {able[0]})" if able else "it has no other"
        raise InputError(
            f"lm_eval:{name}: {metric} is made of all items together, so it has no score per item "
            f"to compare; {hint}"
        )
    filters = [each["name"] for each in task.get_config("filter_list") or ()] or ["none"]
    if wanted_filter not in ("", *filters):
        raise UnknownNameError(f"filter of lm_eval:{name}", wanted_filter, filters)
    is_better_high = bool(task.higher_is_better().get(metric, True))
    return MainMetric(metric, wanted_filter or filters[0], reading, is_better_high, by_size=True)


def _reading(aggregate: Any) -> Reading | None:
    own = getattr(aggregate, "__module__", "") == "lm_eval.api.metrics"
    return READINGS.get(aggregate.__name__) if own else None


def score_documents(
    suite: Suite, documents: Sequence[Document], outputs: Sequence[Any], main: MainMetric
) -> Scores:
    """Filter, judge and aggregate as lm-eval does; the main metric is kept per document.

    Raises:
        RunError: A document has no value of the main metric.
    """
    scores, weights = [0.0] * len(documents), [0.0] * len(documents)
    results: dict[str, dict[str, Any]] = {}
    absent: dict[str, str] = {}
    for name, task in suite.tasks.items():
        places = [place for place, document in enumerate(documents) if document.task == name]
        if not places:
            continue
        values = _judge(task, [documents[p] for p in places], [outputs[p] for p in places])
        aggregation = task.aggregation()
        results[name] = {"sample_len": len(places)}
        for (metric, kept), found in values.items():
            try:
                results[name][f"{metric},{kept}"] = float(aggregation.get(metric, fmean)(found))
            except Exception as error:  # a task's own function
                if f"{metric},{kept}" != main.key:  # that one is the machine's to compute
                    why = str(error).partition("\n")[0] or type(error).__name__
                    absent[f"{metric},{kept}"] = why
        kept_values = values.get((main.name, main.filter), [])
        if len(kept_values) != len(places):
            raise RunError(
                f"lm_eval:{name} gave {len(kept_values)} values of {main.key} for {len(places)} "
                f"items"
            )
        for place, value in zip(places, kept_values, strict=True):
            scores[place], weights[place] = main.reading.item(value)
        if not any(weights[place] for place in places):
            absent[main.key] = f"undefined: the items of {name} hold nothing that is counted"
    if main.key in absent:
        scores, weights = [], []
    return Scores(
        per_sample=scores,
        weights=_balanced(documents, weights, by_size=main.by_size) if weights else None,
        metrics=_others(suite, results, main),
        absent=absent,
    )


def _judge(
    task: Any, documents: Sequence[Document], outputs: Sequence[Any]
) -> dict[tuple[str, str], list[Any]]:
    """(Metric, filter) -> one value per document, by the task's filters and metrics."""
    answered = [
        [
            dataclasses.replace(request, resps=[_as_asked(r) for r in responses], filtered_resps={})
            for request, responses in zip(document.requests, output, strict=True)
        ]
        for document, output in zip(documents, outputs, strict=True)
    ]
    # What stands in `instances` is filtered: the documents of this evaluation, maybe a subset.
    task.instances[:] = [request for requests in answered for request in requests]
    task.apply_filters()
    values: dict[tuple[str, str], list[Any]] = {}
    for kept in task.instances[0].filtered_resps:
        for document, requests in zip(documents, answered, strict=True):
            responses = [request.filtered_resps[kept] for request in requests]
            for metric, value in task.process_results(document.doc, responses).items():
                values.setdefault((metric, kept), []).append(value)
    return values


def _as_asked(response: Any) -> Any:
    """JSON knows lists only where lm-eval gives a log-likelihood and whether it is greedy."""
    return tuple(response) if isinstance(response, list) else response


def _balanced(
    documents: Sequence[Document], weights: Sequence[float], *, by_size: bool
) -> list[float]:
    """Weights with which the mean over all documents is the mean of the tasks' means."""
    sizes = Counter(document.task for document in documents)
    totals: Counter[str] = Counter()
    for document, weight in zip(documents, weights, strict=True):
        totals[document.task] += weight  # type: ignore[assignment]
    if len(sizes) == 1:
        return list(weights)
    return [
        weight / totals[document.task] * (sizes[document.task] if by_size else 1)
        for document, weight in zip(documents, weights, strict=True)
    ]


def _others(
    suite: Suite, results: Mapping[str, Mapping[str, Any]], main: MainMetric
) -> dict[str, float]:
    """All else that lm-eval would print for the task or the group."""
    shown = dict(results.get(suite.name, {}))
    if suite.group is not None:
        shown = suite.group.aggregate(results)
        for part in suite.group.get_all_groups():
            shown |= {f"{part.name} {key}": value for key, value in part.aggregate(results).items()}
    return {
        key: value
        for key, value in shown.items()
        if "," in key and key != main.key and isinstance(value, float)
    }
