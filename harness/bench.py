"""What the steps of a run share: the spec, the live model, the store and the listeners."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from harness.asked import Held, hash_of
from harness.calibration import CalibrationSet, draw_calibration
from harness.checkpoint import load_saved, refuse_needless_dense
from harness.cost import Cost, circumstances
from harness.dense import DenseWeights
from harness.errors import InputError
from harness.folder_manifest import Manifest
from harness.grid import Variant
from harness.interrupted import end_if_asked
from harness.model import Model, load_model
from harness.plugin import CellInfo, StageInfo
from harness.plugin.events import Stage
from harness.plugin.manager import Plugins
from harness.record import Circumstances
from harness.scoring import ScoreSet
from harness.session import Progress
from harness.spec import RunSpec, TaskSpec
from harness.store import Store
from harness.training import TrainStream, open_train_stream


@dataclass
class RunningStage:
    """A stage that listeners have been told of."""

    progress: Progress
    detail: str = ""
    """Lines for people, told when the stage ends."""


class Announcer:
    """Tells the event hooks what goes on."""

    def __init__(self, plugins: Plugins) -> None:
        self.hook = plugins.hook
        self._cells: Sequence[CellInfo] = ()
        self._begun = 0

    def plan(self, cells: Sequence[CellInfo]) -> None:
        """Announce what will run, in this order."""
        self._cells = cells
        self.hook.harness_cells_planned(cells=cells)

    def begin(self, label: str) -> None:
        """Announce that a planned cell begins; others, such as one that is there, are not told."""
        for number, cell in enumerate(self._cells[self._begun :], self._begun + 1):
            if cell.label == label:
                self._begun = number
                self.hook.harness_cell_started(number=number, cell=cell)
                return

    @contextmanager
    def stage(self, stage: Stage, label: str) -> Iterator[RunningStage]:
        """Announce a stage; its end is announced only if it ends well."""

        def progress(done: int, total: int, what: str) -> None:
            end_if_asked()
            self.hook.harness_progress(stage=stage, done=done, total=total, label=what)

        end_if_asked()
        running = RunningStage(progress)
        self.hook.harness_stage_started(info=StageInfo(stage=stage, label=label))
        yield running
        end_if_asked()
        info = StageInfo(stage=stage, label=label, detail=running.detail)
        self.hook.harness_stage_finished(info=info)


@dataclass
class Bench:
    """One run's state; calibration sets and scores are made once per seed."""

    spec: RunSpec
    plugins: Plugins
    store: Store
    model: Model
    announcer: Announcer
    cache: Path
    scores: dict[str, ScoreSet] = field(default_factory=dict)
    """Score key -> scores, so that a grid of sparsities scores once."""
    checked: set[int] = field(default_factory=set)
    """Seeds whose calibration set was tried on the model."""
    _calibrations: dict[int, CalibrationSet] = field(default_factory=dict)
    _dense: DenseWeights | None = None

    def keep_dense(self) -> None:
        """Write down the dense weights, because the model is pruned more than once."""
        self._dense = DenseWeights(self.model.loaded.module, self.store.cache)

    def restore_dense(self) -> None:
        """Put all parameters back, bit for bit, if they were kept."""
        if self._dense is not None:
            self._dense.restore()

    def calibration(self, seed: int) -> CalibrationSet:
        """The calibration set of that seed, drawn on first use."""
        if seed not in self._calibrations:
            with self.announcer.stage("calibrate", f"seed {seed}"), _named("--calibration"):
                self._calibrations[seed] = draw_calibration(
                    self.spec.calibration, seed, self.model, self.plugins, self.cache
                )
        return self._calibrations[seed]

    @cached_property
    def train_stream(self) -> TrainStream:
        """Where searchers and fine-tuning get their samples."""
        with _named("--train"):
            return open_train_stream(self.spec.train, self.model, self.plugins, self.cache)

    @property
    def model_name(self) -> str:
        """Display name: a folder goes by its own name, and random weights are said to be."""
        name = self.spec.model.name
        shown = Path(name).resolve().name if Path(name).is_dir() else name
        return f"{shown} (random weights)" if self.spec.model.init == "random" else shown

    @property
    def held(self) -> Held:
        return Held(
            device=self.model.device.type,
            dtype=self.spec.model.dtype,
            attention=self.model.attention,
        )

    def circumstances(
        self, cost: Cost, variant: Variant, task: TaskSpec | None = None, data_path: str = ""
    ) -> Circumstances:
        """All about a cell that may differ between two runs of the same spec."""
        own = self.spec.model_copy(
            update={
                "pruners": (variant.pruner,),
                "sparsities": (variant.sparsity if variant.is_pruned else self.spec.sparsities[0],),
                "seeds": (variant.seed or 0,),
                "tasks": (task,) if task else (),
            }
        )
        return circumstances(cost, spec=own, data_path=data_path)

    def cost(self) -> Cost:
        return Cost(self.model.device)


@contextmanager
def _named(option: str) -> Iterator[None]:
    """Let a refusal name the option to change.

    Raises:
        InputError: In the place of one that does not.
    """
    try:
        yield
    except InputError as error:
        if option in str(error):
            raise
        raise InputError(f"{error} ({option})") from None


def open_bench(
    spec: RunSpec, plugins: Plugins, announcer: Announcer, saved: Manifest | None
) -> Bench:
    """Load the model and open the results folder.

    Args:
        saved: Manifest of the model's folder, if it was saved pruned.
    """
    refuse_needless_dense(spec.model, saved)
    with announcer.stage("load", spec.model.name):
        model = load_saved(spec.model, saved, plugins) if saved else load_model(spec.model, plugins)
    return Bench(
        spec=spec,
        plugins=plugins,
        store=Store(spec.results),
        model=model,
        announcer=announcer,
        cache=spec.cache.expanduser(),
    )


def short_key(*content: object) -> str:
    """Name of a cache file: a hash of everything that what it holds depends on."""
    return hash_of(list(content))[:24]
