"""Whether a model can do what a profile needs, and how that is said."""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import PartError, UnknownNameError
from harness.plugin.capabilities import (
    Classifies,
    Embeds,
    Generates,
    Judges,
    LanguageModel,
    Matches,
    Perplexity,
    Ranks,
)
from harness.plugin.samples import Needs, Profile

#: Names by which profiles may call bundled protocols.
NAMED: Mapping[str, type] = {
    "generate": Generates,
    "classify": Classifies,
    "perplexity": Perplexity,
    "embed": Embeds,
    "match": Matches,
    "judge": Judges,
    "rank": Ranks,
    "language-model": LanguageModel,
}
#: Names that do not read as what a model can do.
_WORDS: Mapping[str, str] = {"language-model": "serve as a language model"}


def capability(need: Needs) -> type:
    """The protocol that a profile needs.

    Raises:
        PartError: It is neither a protocol nor the name of one.
    """
    if isinstance(need, type):
        return need
    if need not in NAMED:
        raise PartError(
            f"{UnknownNameError('capability', str(need), NAMED)}; a protocol of your own is "
            f"named by itself"
        )
    return NAMED[need]


def name_of(need: Needs) -> str:
    """What a need is called in tables."""
    protocol = capability(need)
    return next((name for name, known in NAMED.items() if known is protocol), protocol.__name__)


def names_of(profile: Profile) -> str:
    """What all needs of a profile are called in tables."""
    return " + ".join(map(name_of, profile.needs))


def lacks(model: object, need: Needs) -> str:
    """What a model cannot do that a profile needs, as the end of "a model that can …"; or empty."""
    protocol, name = capability(need), name_of(need)
    missing = missing_members(model, protocol)
    if not missing and _has(model, protocol):
        return ""
    if name in NAMED:
        return _WORDS.get(name, name)
    return f"do what {name} says (it has no {', '.join(missing) or name})"


def missing_members(model: object, protocol: type) -> list[str]:
    """What a protocol asks for and a model does not have."""
    return [member for member in _members(protocol) if not hasattr(model, member)]


def _members(protocol: type) -> list[str]:
    """Public names that a protocol asks for, its bases' too; none of another class."""
    bases = [
        base
        for base in protocol.__mro__
        if getattr(base, "_is_protocol", False) and base.__module__ != "typing"
    ]
    names = {
        name for base in bases for name in (*vars(base), *vars(base).get("__annotations__", ()))
    }
    return sorted(name for name in names if not name.startswith("_"))


def _has(model: object, protocol: type) -> bool:
    """Whether a model is an instance, where Python can tell: not of every protocol."""
    tells = not getattr(protocol, "_is_protocol", False) or getattr(
        protocol, "_is_runtime_protocol", False
    )
    return not tells or isinstance(model, protocol)
