"""What every part of a record is made of."""

from collections.abc import Mapping
from math import isnan
from typing import Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)


class Entry(BaseModel):
    """Base: frozen, strict, and infinities survive JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    @field_validator("*", mode="after")
    @classmethod
    def _is_a_number(cls, value: Any) -> Any:
        """Infinite perplexities are filed; what is no number is not."""
        numbers = value.values() if isinstance(value, Mapping) else (value,)
        if any(isinstance(number, float) and isnan(number) for number in numbers):
            raise ValueError("a number is needed, not nan")
        return value


class Grown(Entry):
    """Base of what got a field later: left out where it is empty, so that older keys stay."""

    later: ClassVar[str]

    @model_serializer(mode="wrap")
    def _as_filed(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = serialize(self)
        if not getattr(self, self.later):
            content.pop(self.later, None)
        return content
