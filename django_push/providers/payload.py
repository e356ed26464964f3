"""Small things that every vendor's payload needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ..exceptions import InvalidPush
from ..messages import Envelope

__all__ = ["dumps", "merge", "own_data"]


def dumps(value: object) -> bytes:
    """Compact JSON.

    Raises :class:`~django_push.exceptions.InvalidPush` for what JSON can not say; a whole number
    above 64 bits is among it, since no device reads it back unharmed.
    """
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise InvalidPush(f"The data can not be written as JSON: {error}.", field="data") from None


def merge(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``patch`` over it, objects merged key by key, ``null`` removing a key.

    This is a JSON merge patch: https://www.rfc-editor.org/rfc/rfc7396
    """
    merged = dict(base)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            before = merged.get(name)
            merged[name] = merge(before if isinstance(before, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged


def own_data(envelope: Envelope) -> dict[str, Any]:
    """What the app itself gets: the message's data, its picture and link, and the push's id.

    ``image`` and ``link`` give way to keys of the same name in the data. Raises
    :class:`~django_push.exceptions.InvalidPush` for a ``push_id`` in the data.
    """
    message = envelope.message
    if "push_id" in message.data:
        raise InvalidPush(
            "data.push_id is the id that opened pushes are counted by: use another name.",
            field="data",
        )
    data: dict[str, Any] = {"push_id": envelope.push_id}
    if message.image:
        data["image"] = message.image
    if message.link:
        data["link"] = message.link
    data.update(message.data)
    return data
