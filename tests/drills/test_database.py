"""The database goes away in the middle of a push, and comes back."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from django.db import DatabaseError, connection
from django.db.backends.utils import CursorWrapper

from tests.support.processes import wait_until
from tests.support.relay import Relay

from .rig import Rig, fill, finish

DEVICES = 8000
SLOWLY = {"latency_ms": 50, "max_concurrent_streams": 20}
SETTINGS = {"LEASE_SECONDS": 5.0, "CHECKPOINT_OUTCOMES": 250, "CONNECTIONS": 2}
"""The lease outlives the second for which a worker waits before it tries again."""
BOUND = 2 * 20 + 250
"""Devices that one worker may send twice when its lease went to another meanwhile."""

ROUNDS = 6
UNKNOWN_THREAD = 1094
"""https://mariadb.com/docs/server/reference/error-codes: ER_NO_SUCH_THREAD."""

needs_server = pytest.mark.only_on("postgresql", "mysql")


def cut_connections() -> int:
    """End all connections to the test's database but this one; how many there were."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return cursor.fetchone()[0]
        cursor.execute(
            "SELECT id FROM information_schema.processlist"
            " WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        )
        return sum(is_killed(cursor, row[0]) for row in cursor.fetchall())


def is_killed(cursor: CursorWrapper, number: int) -> bool:
    """Whether MariaDB's connection ``number`` was still there to be ended."""
    try:
        cursor.execute(f"KILL {number}")
    except DatabaseError as error:
        if error.args[0] != UNKNOWN_THREAD:
            raise
        return False
    return True


@needs_server
def test_connections_are_cut_again_and_again(rig: Rig, dice, note) -> None:
    """While planning and while sending. The ledger in the worker's memory is written later."""
    fill(rig.application, DEVICES)
    rig.simulator.behave(**SLOWLY)
    cuts = rounds = 0
    with rig.worker(**SETTINGS), rig.worker(**SETTINGS):
        history = rig.send()
        ends = time.monotonic() + 60
        while rounds < ROUNDS and time.monotonic() < ends:
            time.sleep(dice.uniform(0.1, 0.9))
            found = cut_connections()
            cuts, rounds = cuts + found, rounds + bool(found)
        assert rounds == ROUNDS, "the workers do not come back"
        history.refresh_from_db()
        assert not history.is_over, "the provider is too quick for this drill"
        rig.simulator.behave(reset=True)
        took = finish(history)
    audit = rig.audit(history)
    note(f"{cuts} connections cut, over {took:.1f} s later, {audit.repeats} repeats")
    assert audit.marks == {"SENT": DEVICES}
    assert audit.repeats <= cuts * BOUND


@pytest.fixture
def relay(rig: Rig) -> Iterator[Relay]:
    server = connection.settings_dict
    with Relay((server["HOST"], int(server["PORT"]))) as relay:
        yield relay


@needs_server
@pytest.mark.parametrize("way", ["refused", "silent"])
def test_the_server_cannot_be_reached_for_some_seconds(rig: Rig, relay, way, note) -> None:
    fill(rig.application, DEVICES)
    rig.simulator.behave(**SLOWLY)
    scheme = "postgresql" if connection.vendor == "postgresql" else "mysql"
    server = connection.settings_dict
    user = f"{server['USER']}:{server['PASSWORD']}".rstrip(":")
    url = f"{scheme}://{user}@127.0.0.1:{relay.port}/{server['NAME']}"
    with rig.worker({"DATABASE_URL": url}, **SETTINGS):
        history = rig.send()
        wait_until(lambda: rig.accepted() > DEVICES // 8)
        relay.close() if way == "refused" else relay.silence()
        time.sleep(3.0)
        relay.open() if way == "refused" else relay.silence(False)
        rig.simulator.behave(reset=True)
        took = finish(history)
    audit = rig.audit(history)
    note(f"over {took:.1f} s after it was back, {audit.repeats} repeats")
    assert audit.marks == {"SENT": DEVICES}
    assert audit.repeats <= BOUND


@pytest.mark.only_on("sqlite")
def test_the_file_is_locked_for_some_seconds(rig: Rig, note) -> None:
    """Somebody else writes for longer than a lease lasts: whose lease ended sends no more."""
    fill(rig.application, DEVICES)
    rig.simulator.behave(**SLOWLY)
    short = {**SETTINGS, "LEASE_SECONDS": 2.0}
    with rig.worker(**short), rig.worker(**short):
        history = rig.send()
        wait_until(lambda: rig.accepted() > DEVICES // 8)
        name = str(connection.settings_dict["NAME"])
        with closing(sqlite3.connect(name, isolation_level=None, timeout=20)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(3.0)
            other.execute("ROLLBACK")
        rig.simulator.behave(reset=True)
        took = finish(history)
    audit = rig.audit(history)
    note(f"over {took:.1f} s after it was free, {audit.repeats} repeats")
    assert audit.marks == {"SENT": DEVICES}
    assert audit.repeats <= 2 * BOUND
