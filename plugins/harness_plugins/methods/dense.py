"""The control: nothing is pruned. Every board has its row."""

from harness.plugin import Recipe, hookimpl

DENSE = Recipe(name="dense", paper="The unpruned model.", local=())


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [DENSE]
