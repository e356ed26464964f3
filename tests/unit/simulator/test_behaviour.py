"""What may be asked of the simulator, and what may not."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from django_push.simulator import Behaviour, BehaviourError
from django_push.simulator.fates import PREFIXES, Fate


def test_by_default_nothing_is_disturbed() -> None:
    assert not Behaviour().disturbs
    assert Behaviour().fate_table() == {key.encode(): fate for key, fate in PREFIXES.items()}


@pytest.mark.parametrize(
    "change",
    [
        {"latency_ms": 50},
        {"status": 503},
        {"goaway_every": 10},
        {"rst_every": 10},
        {"close_every": 10},
        {"stall": True},
    ],
)
def test_disturbances_are_noticed(change: dict[str, Any]) -> None:
    assert Behaviour().changed(change).disturbs


def test_changes_add_up_until_reset() -> None:
    behaviour = Behaviour().changed({"latency_ms": 50}).changed({"retry_after": 7})
    assert (behaviour.latency_ms, behaviour.retry_after) == (50, 7)

    again = behaviour.changed({"reset": True, "slow_ms": 1})

    assert again == Behaviour(slow_ms=1)


@pytest.mark.parametrize(
    "change",
    [
        {"latency_ms": -1},
        {"latency_ms": "50"},
        {"latency_ms": 0.5},
        {"latency_ms": True},
        {"latency_ms": None},
        {"status": 200},
        {"status": "503"},
        {"status": True},
        {"retry_after": -1},
        {"reason": ""},
        {"stall": 1},
        {"max_concurrent_streams": 0},
        {"max_concurrent_streams": 2**31},
        {"credentials": "maybe"},
        {"credentials": None},
        {"fates": {"dead": "alive"}},
        {"fates": {"too long": "sent"}},
        {"fates": ["dead"]},
        {"reset": "yes"},
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(change: dict[str, Any]) -> None:
    name = next(iter(change))

    with pytest.raises(BehaviourError, match=f"^{name} must be "):
        Behaviour().changed(change)


def test_unknown_keys_are_refused_with_the_known_ones() -> None:
    with pytest.raises(BehaviourError) as refusal:
        Behaviour().changed({"latency": 50, "latency_ms": 50})

    words = str(refusal.value)
    assert words.startswith("Unknown: latency. Known: ")
    for option in fields(Behaviour):
        assert option.name in words
    assert "reset" in words


@pytest.mark.parametrize("document", [None, [], "x", 1])
def test_only_an_object_is_a_behaviour(document: object) -> None:
    with pytest.raises(BehaviourError, match="JSON object"):
        Behaviour().changed(document)


def test_its_document_can_be_sent_back() -> None:
    behaviour = Behaviour(latency_ms=5, fates={"c0de": Fate.WRONG_APP})

    assert Behaviour().changed(behaviour.document()) == behaviour


def test_fates_can_be_added_and_changed() -> None:
    table = Behaviour(fates={"dead": "sent", "c0de": "internal"}).fate_table()

    assert table[b"dead"] is Fate.SENT
    assert table[b"c0de"] is Fate.INTERNAL
    assert table[b"bad0"] is Fate.BAD_TOKEN
