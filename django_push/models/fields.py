"""Columns that mean the same on every database."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["ExactCharField", "public_id"]


if TYPE_CHECKING:
    CharField = models.CharField[Any, Any]  # nullable or not: the plug-in cannot tell for us
else:
    CharField = models.CharField


class ExactCharField(CharField):
    """Text compared byte by byte, so that ``Ana`` is not ``ana``, on MariaDB and MySQL too.

    At most 191 characters: four bytes each still fit a 767-byte index of older MySQL formats.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 191)
        super().__init__(*args, **kwargs)

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, Any]:
        parameters: dict[str, Any] = dict(super().db_parameters(connection))
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_bin"
        return parameters


def public_id() -> str:
    """24 random hex digits: an id that may be shown, and that cannot be guessed."""
    return secrets.token_hex(12)
