"""What every part of a record is made of."""

from pydantic import BaseModel, ConfigDict


class Entry(BaseModel):
    """Base: frozen, strict, and infinities survive JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")
