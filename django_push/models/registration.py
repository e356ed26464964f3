"""Registration: the one row that a device has, however often and by whomever it is registered.

A claim never takes a device to a user that the device was proved to be of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import Case, Q, Value, When

from ..clock import clock
from .again import again
from .bulk import BulkRegistration, Registered
from .bulk_rows import DeviceRows
from .changing import BulkChange
from .said import Owner, Said, address_hash, check_address, check_channel, check_device_type

if TYPE_CHECKING:
    from .application import Application
    from .installation import Installation

__all__ = ["InstallationManager", "Owner", "Registered", "Said", "address_hash", "check_channel"]


class InstallationManager(models.Manager["Installation"]):
    def register(
        self,
        application: Application,
        *,
        device_type: str,
        address: str,
        provider: str = "",
        owner: Owner | None = None,
        channels: Iterable[str] | None = None,
        **details: Any,
    ) -> Installation:
        """Register a device, or register it again: the same call twice is one row.

        ``provider`` defaults to the network of ``device_type``. ``details`` are columns such as
        ``locale`` or ``time_zone``. A device that comes back under another proved owner moves to
        that owner at once (``bound_at``).

        An app that comes back with a new address under its ``installation_id``, or that names its
        ``previous_address``, keeps its row; whose it is must then be proved again.

        Raises :class:`~django_push.exceptions.InvalidRegistration`.
        """
        said = Said.read(
            self,
            device_type=device_type,
            address=address,
            provider=provider,
            owner=owner,
            channels=channels,
            **details,
        )
        known = self._unchanged(application, said)
        if known is not None:
            return known
        # Another request may take the address or the installation id in this very moment. The
        # transaction begins anew then: on MariaDB two that failed to insert both hold a shared
        # lock on the row, and would deadlock if they went on to change it.
        return again(self.db, lambda: self._store(application, said))

    def register_many(
        self, application: Application, devices: Iterable[Mapping[str, Any]]
    ) -> list[Registered]:
        """:meth:`register` for many: what became of each of ``devices``, in their order.

        A device is a mapping of the arguments of :meth:`register`. One that cannot be registered
        is refused by itself, all others are registered. It costs about ten statements for a
        thousand devices, and each thousand is a transaction.
        """
        return list(self.register_stream(application, devices))

    def register_stream(
        self, application: Application, devices: Iterable[Mapping[str, Any]], *, size: int = 1000
    ) -> Iterator[Registered]:
        """:meth:`register_many` as it goes along: at most ``size`` devices are in memory.

        Nothing is registered until the results are asked for.
        """
        return BulkRegistration(self, application).stream(devices, size)

    def change_many(
        self, application: Application, changes: Iterable[Mapping[str, Any]]
    ) -> list[Registered]:
        """:meth:`Installation.change` for many, each named by its ``public_id``.

        One that cannot be changed is refused by itself. A thousand are one transaction.
        """
        return list(BulkChange(self, application).stream(changes, 1000))

    def unregister(
        self,
        application: Application,
        *,
        device_type: str,
        address: str,
        provider: str = "",
        owner: Owner | None = None,
    ) -> bool:
        """Switch a device off and unbind it; ``False`` when there was nothing to do.

        Without ``provider`` on whichever network the device is.

        With a proved ``owner`` only that owner's device: who logged out of a phone that somebody
        else uses now must not silence it.
        """
        now = clock(self.db).now()
        mine = self.filter(_here(device_type, provider, address), application=application)
        # One that is off already (its user wants no pushes) is unbound too.
        mine = mine.exclude(is_active=False, user_key="")
        if owner is not None and owner.proved:
            mine = mine.filter(user_key=owner.user_key)
        reason = self.model.Reason.UNREGISTERED
        changes = {
            # Before is_active: MySQL sees what was set before in the same statement.
            "inactive_reason": _unless_off(Value(reason), "inactive_reason"),
            "inactive_since": _unless_off(Value(now), "inactive_since"),
            "is_active": False,
            "user": None,
            "user_key": "",
            "user_verified": False,
            "bound_at": now,
        }
        changed = again(self.db, lambda: mine.update(**changes))
        return bool(changed)

    def at_address(
        self, application: Application, *, device_type: str, address: str, provider: str = ""
    ) -> Installation | None:
        """The device with this address, on whichever network without ``provider``.

        Raises :class:`~django_push.exceptions.InvalidRegistration` for what is no address.
        """
        return self.filter(_here(device_type, provider, address), application=application).first()

    def _identity(self, application: Application, said: Said) -> dict[str, Any]:
        return {
            "application": application,
            "provider": said.provider,
            "address_hash": said.address_hash,
        }

    def _store(self, application: Application, said: Said) -> Installation:
        with transaction.atomic(using=self.db):
            row, former = self._locked(application, said)
            changed: list[str] = []
            if former is not None and row is not None:
                former.save(update_fields=former._retire())
                former._leave_choices(row)
            elif former is not None:
                row, changed = former, former._move(said)
            if row is None:
                row = self.model._new(application, said)
                row._take(said)
                row.save(using=self.db, force_insert=True)
            else:
                changed += row._take(said)
                if former is not None and former is not row:
                    changed += row._inherit(former, said.now)
                row.save(update_fields={*changed, "updated_at"})
                if "bound_at" in changed:
                    self._rebind([row.pk])
            if said.channels is not None:
                row.set_channels(said.channels)
        return row

    def _rebind(self, ids: Sequence[int]) -> None:
        """Devices have another user: ``bound_at`` is the moment at which everybody can see it.

        A push may be planned between the moment at which a registration begins and that at which
        it is committed, and it finds the old user. It must be older than ``bound_at``.
        """
        rows = self.filter(pk__in=ids)
        transaction.on_commit(
            lambda: rows.update(bound_at=clock(self.db).now()), using=self.db, robust=True
        )

    def _locked(
        self, application: Application, said: Said
    ) -> tuple[Installation | None, Installation | None]:
        """The row with the address; and the one of the same app, or device, at another address.

        Both are taken in the order of their keys: two registrations that meet would else wait for
        each other.
        """
        places = self._places(application, said)
        rows = (row for place in places for row in self.filter(**place).only("pk"))
        found = DeviceRows(self, application).locked(rows)
        row = next((one for one in found if one._is_at(said.provider, said.address_hash)), None)
        others = [one for one in found if one is not row]
        former = next((one for one in others if said.app == one.installation_id is not None), None)
        if former is None and said.previous:
            former = next((one for one in others if one._is_at(said.provider, said.previous)), None)
        return row, former

    def _places(self, application: Application, said: Said) -> list[dict[str, Any]]:
        """Where its rows may be found."""
        places = [self._identity(application, said)]
        if said.app:
            places.append({"application": application, "installation_id": said.app})
        if said.previous:
            places.append(self._identity(application, said) | {"address_hash": said.previous})
        return places

    def _unchanged(self, application: Application, said: Said) -> Installation | None:
        """The row, if all is as it was: each start of each app comes here, and must not write."""
        known = self.filter(**self._identity(application, said)).first()
        if known is None or known._take(said) or self._has_other(application, known, said):
            return None
        same_channels = said.channels is None or known.channels == said.channels
        return known if same_channels else None

    def _has_other(self, application: Application, known: Installation, said: Said) -> bool:
        """Whether the device is also on at the address that it had before."""
        if not said.previous:
            return False
        identity = self._identity(application, said) | {"address_hash": said.previous}
        return self.filter(**identity, is_active=True).exclude(pk=known.pk).exists()


def _here(device_type: str, provider: str, address: str) -> Q:
    """Rows with this address. An iPhone may be registered with FCM, and need not say so."""
    known, network = check_device_type(device_type, provider)
    here = Q(provider=network, address_hash=address_hash(check_address(network, address)))
    if not provider:
        here |= Q(device_type=known, address_hash=address_hash(address))
    return here


def _unless_off(value: Value, column: str) -> Case:
    """``value`` for a device that is on; one that was off already keeps what it says."""
    return Case(When(is_active=True, then=value), default=column)
