"""Write the miniature world: ``python -m harness_tasks.editions.mini DIR [--train N]``."""

import argparse
from pathlib import Path

from harness_tasks.editions.mini.folders import write_evaluation
from harness_tasks.editions.mini.further import write_further
from harness_tasks.editions.mini.training import write_train_split


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the miniature world to a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=0, help="images of the training split")
    arguments = parser.parse_args()

    write_evaluation(arguments.folder)
    write_further(arguments.folder)
    if arguments.train:
        write_train_split(arguments.folder, arguments.train)


if __name__ == "__main__":
    main()
