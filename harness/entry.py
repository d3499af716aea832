"""What every part of a record is made of."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class Entry(BaseModel):
    """Base: frozen, strict, and infinities survive JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Grown(Entry):
    """Base of what got a field later: left out where it is empty, so that older keys stay."""

    later: ClassVar[str]

    @model_serializer(mode="wrap")
    def _as_filed(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = serialize(self)
        if not getattr(self, self.later):
            content.pop(self.later, None)
        return content
