"""The look that answers most registrations is of one opinion with the registering itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest

from django_push.models import Installation, Owner, Said
from django_push.models.installation import KNOWN, is_as_said

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)

SWITCHES = [(True, ""), (False, "staff"), (False, "opted_out"), (False, "dead"), (False, "")]
OWNERS = [("", False), ("ana", False), ("ana", True)]
SEEN = [timedelta(0), timedelta(minutes=59), timedelta(hours=1), timedelta(days=9)]
DETAILS: list[dict[str, Any]] = [
    {},
    {"locale": "de", "attributes": {"n": [1, None]}},
    {"locale": "De"},
    {"attributes": {"n": [1]}},
    {"installation_id": None},
    {"installation_id": "6f96"},
    {"address_kind": "fid"},
]
SAYING = [
    None,
    Owner(),
    *(Owner(user_key=key, proved=proved) for key in ("ana", "Ana") for proved in (False, True)),
]


def a_row(switch: tuple[bool, str], owner: tuple[str, bool], seen: timedelta) -> Installation:
    row = Installation(
        pk=1,
        device_type="ios",
        is_active=switch[0],
        inactive_reason=switch[1],
        user_key=owner[0],
        user_verified=owner[1],
        last_seen_at=NOW - seen,
        locale="de",
        attributes={"n": [1, None]},
    )
    row._state.adding = False
    return row


def said(owner: Owner | None, details: dict[str, Any], device_type: str = "ios") -> Said:
    return Said(
        device_type=device_type,
        provider="apns",
        address="ab",
        address_hash="cd",
        owner=owner,
        channels=None,
        details=details,
        previous_address="",
        now=NOW,
    )


def looked_at(row: Installation, told: Said) -> Any:
    """No more of the row than is read for it."""
    return SimpleNamespace(**{name: getattr(row, name) for name in (*KNOWN, *told.details)})


@pytest.mark.parametrize("details", DETAILS, ids=str)
def test_it_says_what_registering_would_do(details):
    for switch, owner, seen, saying in product(SWITCHES, OWNERS, SEEN, SAYING):
        row, told = a_row(switch, owner, seen), said(saying, details)
        same = is_as_said(looked_at(row, told), told, saying)
        assert same == (not row._take(told)), (switch, owner, seen, saying, details)


def test_another_platform_is_a_change():
    row, told = a_row((True, ""), ("", False), timedelta(0)), said(None, {}, "macos")
    assert not is_as_said(looked_at(row, told), told, None)


@pytest.mark.parametrize("name", ["public_id", "created_at", "registered_at", "last_seen_at"])
def test_it_never_overlooks_what_an_import_says(name):
    for days in (-1, 0, 1):
        row = a_row((True, ""), ("", False), timedelta(minutes=1))
        row.created_at = row.registered_at = NOW
        value = "another" if name == "public_id" else getattr(row, name) + timedelta(days=days)
        told = said(None, {name: value})
        assert not is_as_said(looked_at(row, told), told, None) or not row._take(told)
