"""Guards of identity, counting and contracts: what each is, and the tests that have to miss it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Guard:
    """A piece of source that guards a number, and what the tests are run with in its place."""

    name: str
    file: str
    text: str
    """Stands once in the file."""
    without: str
    tests: str
    """Files or node ids, and ``-k`` with what follows."""


def identity(name: str, text: str, without: str, tests: str) -> Guard:
    return Guard(name, "harness/identity.py", text, without, tests)


def loaded(name: str, text: str, without: str) -> Guard:
    path = "plugins/harness_plugins/identity_files.py"
    return Guard(name, path, text, without, "tests/plugins/test_as_loaded.py")


def contract(name: str, room: str, text: str, without: str) -> Guard:
    path = f"harness/contract/{room}.py"
    return Guard(name, path, text, without, "tests/unit/test_contract.py")


EDITED = "tests/end_to_end/test_edited_code.py"
IDENTITY = "tests/unit/test_identity.py"
CHECKPOINT = "tests/unit/test_checkpoint.py"

GUARDS = (
    identity(
        "the code of a part",
        "source=code.digest,\n        libraries={} if",
        'source="",\n        libraries={} if',
        f"{IDENTITY} -k its_code",
    ),
    identity(
        "the code beside the parts", "return (identify_machine(), *parts)", "return ()", EDITED
    ),
    identity("the machine's code", "[*ROOMS, *door]", "[*door]", f"{IDENTITY} -k room"),
    identity("libraries", "sorted(code.libraries)", "[]", f"{IDENTITY} -k libraries"),
    identity("a file to tell by", "modules[0] not in code.files", "False", IDENTITY),
    Guard(
        "imports are followed",
        "harness/imports.py",
        "for entry in _entries(statement)]",
        "for entry in _entries(statement) if False]",
        f"{IDENTITY} -k any_module",
    ),
    Guard(
        "imports inside functions",
        "harness/imports.py",
        '("body", "orelse", "finalbody", "handlers", "cases")',
        "()",
        f"{IDENTITY} -k inside",
    ),
    loaded("the config as loaded", "**model.config.to_dict()", ""),
    loaded("how a folder generates", "if generating := _generation(model)", "if generating := {}"),
    loaded("the tokenizer's rules", '"rules": rules', '"rules": ""'),
    loaded("the chat template", '"template": tokenizer.chat_template', '"template": ""'),
    loaded("the image processor", "**processor.to_dict()", ""),
    Guard(
        "every file of a saved folder",
        "harness/folder_manifest.py",
        "    _check_files(folder, manifest)\n",
        "",
        f"{CHECKPOINT} -k any_file",
    ),
    Guard(
        "the record of a saved folder",
        "harness/folder_manifest.py",
        "    _check_record(folder, manifest)\n",
        "",
        f"{CHECKPOINT} -k edited_record",
    ),
    Guard(
        "the tensors of a saved folder",
        "harness/folder_manifest.py",
        "    _check_tensors(folder, manifest)\n",
        "",
        f"{CHECKPOINT} -k tensors",
    ),
    Guard(
        "n:m of live weights",
        "harness/masks.py",
        "_verify_pattern(layer, in_places(keep, permutations.get(layer.name)), pattern)",
        "pass",
        "tests/unit/test_masks.py",
    ),
    Guard(
        "masked weights are zero",
        "harness/masks.py",
        "        if left:\n",
        "        if False:\n",
        "tests/unit/test_masks.py",
    ),
    Guard(
        "zeros are counted",
        "harness/masks.py",
        "zeros=int((weight == 0).sum()))",
        "zeros=int((~keep).sum()))",
        f"{CHECKPOINT} -k zeros",
    ),
    contract("the count of a layer", "pruners", "tags.exact and count != job.keep_count", "False"),
    contract("n:m of a mask", "pruners", "job.pattern is not None", "False"),
    contract("weights changed unsaid", "pruners", "not tags.changes_weights", "False"),
    contract("weights changed in place", "pruners", "not _same(before, after)", "False"),
    contract("statistics are shared", "pruners", "_versions(job.stats) != versions", "False"),
    contract("finite weights", "pruners", "        if bad:\n", "        if False:\n"),
    contract("what kind a result is", "pruners", "not isinstance(result, LayerResult)", "False"),
    contract("what kind a tensor is", "seen", "if not is_right:", "if False:"),
    contract("who is to blame", "seen", "except Exception as error:", "except () as error:"),
    contract("the total of a budget", "allocators", "tags.exact and total != target.keep", "False"),
    contract("counts are integers", "allocators", "not _is_integer(count) or ", ""),
    contract("all scores", "estimators", "if missing := [", "if False and ["),
    contract("finite scores", "estimators", "    if bad:\n", "    if False:\n"),
    contract("units of a group", "searchers", "if not bool(found.any())", "if False"),
    Guard(
        "scoring leaves the weights",
        "harness/scoring.py",
        "else left_as_found(model)",
        "else state_restored(model)",
        "tests/unit/test_session.py tests/unit/test_contract.py tests/plugins/test_methods.py",
    ),
    Guard(
        "misspelt tags",
        "harness/plugin/tags.py",
        "        if near:\n",
        "        if False:\n",
        "tests/unit/test_tags.py",
    ),
    Guard(
        "unknown statistics",
        "harness/plugin/tags.py",
        "    if name not in known:\n",
        "    if False:\n",
        "tests/unit/test_tags.py",
    ),
    Guard(
        "stdout is the command's own",
        "harness/cli/streams.py",
        "    os.dup2(ERR, OUT)\n    sys.stdout = sys.stderr\n",
        "    pass\n",
        "tests/end_to_end/test_border.py -k prints",
    ),
)
