"""Write the miniature world.

python -m harness_tasks.editions.mini DIR [--train IMAGES] [--reports REPORTS]
"""

import argparse
from pathlib import Path

from harness_tasks.editions.mini.folders import write_evaluation
from harness_tasks.editions.mini.further import write_further
from harness_tasks.editions.mini.text.folders import write_text_evaluation, write_text_training
from harness_tasks.editions.mini.training import write_train_split


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the miniature world to a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=0, help="images of the training split")
    parser.add_argument("--reports", type=int, default=0, help="reports of the training text")
    arguments = parser.parse_args()

    write_evaluation(arguments.folder)
    write_further(arguments.folder)
    write_text_evaluation(arguments.folder, home=arguments.folder)
    if arguments.train:
        write_train_split(arguments.folder, arguments.train)
    if arguments.reports:
        write_text_training(arguments.folder, arguments.reports)


if __name__ == "__main__":
    main()
