"""What a source gives: rows in our words, and rows that cannot be read with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from ..models.registration import address_hash
from .users import Users

__all__ = ["NO_NETWORK", "Refused", "Row", "Source"]

NO_NETWORK = "none"
"""The network of a device without address: nothing is ever sent there, and its app finds its row
again under its id."""


class Refused(NamedTuple):
    """A row that is not imported."""

    place: str
    reason: str
    """For people; no token and no key in it."""


@dataclass(slots=True, kw_only=True)
class Row:
    """A device as another system knows it."""

    place: str
    """Where it stood, for people: "line 17", "APNSDevice 5"."""
    device_type: str
    provider: str
    address: str = ""
    """As it is stored here; empty when the device has none."""
    address_kind: str = "token"
    public_id: str = ""
    """The id under which the shipped app knows its device; empty when it knows none."""
    installation_id: str | None = None
    shared_id: bool = False
    """Several devices may have this installation id (Apple's identifierForVendor is that of all
    apps of a vendor): it does not say that two rows are one device."""
    origin: str = ""
    """Which app it is in the other system; chooses the application by ``Plan.mapping``."""
    user: str = ""
    """The user's key in the other system."""
    channels: list[str] | None = None
    """``None``: the source knows no channels, and those that the device has stay."""
    columns: dict[str, Any] = field(default_factory=dict)
    """Columns of Installation such as ``locale``, already fit for them."""
    attributes: dict[str, Any] = field(default_factory=dict)
    active: bool = True
    created_at: datetime | None = None
    seen_at: datetime | None = None
    """``None`` when the source does not know when the app last came."""
    notes: tuple[str, ...] = ()
    """What was left out of the row, for the report's count."""
    hash: str | None = field(init=False)
    """Of the address; ``None`` when there is none."""

    def __post_init__(self) -> None:
        self.hash = address_hash(self.address) if self.address else None


class Source:
    """Where rows come from. Reads each row once, in bounded memory."""

    name: ClassVar[str]
    users: ClassVar[Users] = Users.CLAIMED
    """Whether this system checked whose a device is."""

    def rows(self) -> Iterator[Row | Refused]:
        """Every row.

        Raises :class:`~.files.DamagedExport` where nothing more can be read; what came before it
        is good.
        """
        raise NotImplementedError

    def progress(self) -> float:
        """How much of it was read, 0 to 1."""
        raise NotImplementedError
