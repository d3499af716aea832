"""Image-caption pairs as CC3M and its like are shipped and downloaded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from harness.plugin import Sample, SamplePool
from harness_tasks.calibration.captioned import Captioned
from harness_tasks.calibration.pair_files import PairFile, read_json_pairs, read_tsv_pairs
from harness_tasks.calibration.parquet_pairs import read_parquet_pairs, why_no_parquet
from harness_tasks.calibration.source_files import source_files, source_path
from harness_tasks.calibration.webdataset import read_shard

#: A file's suffix says its format.
READERS: dict[str, Callable[[Path, Path], PairFile]] = {
    ".json": read_json_pairs,
    ".tsv": read_tsv_pairs,
    ".tar": read_shard,
    ".parquet": read_parquet_pairs,
}


@dataclass(frozen=True)
class Pairs(Captioned):
    """Every pair of a file, or of a folder's files of one format."""

    name: ClassVar[str] = "pairs"

    files: str = "*"
    """Which files of the folder, e.g. ``*.tar`` or ``train-*``."""

    @classmethod
    def missing(cls) -> Mapping[str, str]:
        return {"parquet files": why} if (why := why_no_parquet()) else {}

    def samples(
        self, path: Path | None, cache: Path, encode: Callable[[str], list[int]] | None
    ) -> SamplePool:
        found = source_files(source_path(path, self.name), self.files, list(READERS))
        pools = [self._pool(i, READERS[f.suffix](f, cache)) for i, f in enumerate(found)]
        return SamplePool.join(pools)

    def _pool(self, number: int, pairs: PairFile) -> SamplePool:
        """The pairs of one file, whose name says nothing of them."""

        def name(position: int) -> str:
            return f"{number}:{pairs.names[position]}"

        def make(position: int) -> Sample:
            image, caption = pairs.read(position)
            return self.sample(name(position), image, caption)

        return SamplePool(len(pairs.names), name, make)
