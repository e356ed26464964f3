"""An import as a whole: interrupted, damaged, large, beside live registrations."""

from __future__ import annotations

import gc
import json
import threading
import tracemalloc
from collections.abc import Iterator

import pytest
from django.core.exceptions import FieldError
from django.db import OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext

from django_push.importers import ParseServer, Plan, Refused, Row, Source, run_import
from django_push.models import Installation, Subscription
from tests.support.imports import counts, document, everything, token


class Rows(Source):
    """Rows of Apple devices, and something that happens after some of them."""

    name = "rows"

    def __init__(self, number: int, after: int = 0, event=None) -> None:
        self._number, self._after, self._event = number, after, event

    def rows(self) -> Iterator[Row | Refused]:
        for number in range(1, self._number + 1):
            yield Row(
                place=f"row {number}",
                device_type="ios",
                provider="apns",
                address=token(number),
                channels=["a"],
            )
            if number == self._after and self._event:
                self._event()

    def progress(self) -> float:
        return 0.5


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr("django_push.importers.running.CHUNK", 10)


def interrupt() -> None:
    raise KeyboardInterrupt


class TestEndsTooEarly:
    def test_interrupted_and_run_again(self, application, small_chunks):
        with pytest.raises(KeyboardInterrupt):
            run_import(Rows(50, 37, interrupt), Plan(application=application))
        assert Installation.objects.count() == 30  # whole chunks
        report = run_import(Rows(50), Plan(application=application))
        assert counts(report) == (20, 0, 30, 0)
        assert Subscription.objects.count() == 50

    def test_killed_in_the_middle_of_a_chunk_leaves_nothing_of_it(
        self, application, small_chunks, monkeypatch
    ):
        from django_push.importers import storing

        kept = storing.Store._subscribe
        monkeypatch.setattr(storing.Store, "_subscribe", lambda *arguments: interrupt())
        with pytest.raises(KeyboardInterrupt):
            run_import(Rows(50), Plan(application=application))
        assert not Installation.objects.exists()
        monkeypatch.setattr(storing.Store, "_subscribe", kept)
        run_import(Rows(50), Plan(application=application))
        assert Subscription.objects.count() == 50

    def test_a_damaged_export_is_imported_up_to_the_damage(self, importing, tmp_path):
        rows = [document(number) for number in range(1, 6)]
        path = tmp_path / "cut.json"
        path.write_text(json.dumps(rows)[:-20])
        report = importing.source(ParseServer([path]))
        assert counts(report) == (4, 0, 0, 0)
        assert not report.complete
        assert "cut off" in report.problem

    def test_a_database_that_fails_ends_the_import_and_refuses_nobody(
        self, application, small_chunks
    ):
        left = iter(range(20))

        def fail(execute, sql, params, many, context):
            if next(left, None) is None:
                raise OperationalError("server closed the connection unexpectedly")
            return execute(sql, params, many, context)

        with connection.execute_wrapper(fail):
            report = run_import(Rows(100), Plan(application=application))
        assert "server closed the connection" in report.problem
        assert (report.complete, report.refused) == (False, 0)
        assert 0 < report.created < 100
        assert Installation.objects.count() == report.created

    def test_no_row_at_all(self, importing, tmp_path):
        path = tmp_path / "none.json"
        path.write_text("[]")
        report = importing.source(ParseServer([path]))
        assert (report.complete, report.problem) == (False, "There is not one row in it.")


def test_a_dry_run_counts_and_writes_nothing(importing, device):
    device(token(2))
    Installation.objects.update(last_seen_at="2026-01-01T00:00:00Z")
    before = everything()
    rows = document(1), document(2), document(3, deviceType="toaster")
    report = importing.documents(*rows, dry_run=True)
    assert counts(report) == (1, 1, 0, 1)
    assert report.as_dict()["dry_run"]
    assert everything() == before
    assert counts(importing.documents(*rows)) == (1, 1, 0, 1)


def test_one_row_that_the_database_refuses_does_not_stop_the_others(importing, monkeypatch):
    """Whatever the reason: here a column that is too long."""
    from django_push.importers.parse import Documents

    kept = Documents._columns

    def columns(self):
        found = kept(self)
        return {**found, "badge": "x"} if self._rest.get("bad") else found

    monkeypatch.setattr(Documents, "_columns", columns)
    rows = [document(number, bad=number == 5 or None) for number in range(1, 10)]
    report = importing.documents(*rows)
    assert counts(report) == (8, 0, 0, 1)
    assert report.refusals[0].place == "line 5"
    assert "the database does not take it" in report.refusals[0].reason


def test_an_unchanged_import_asks_once_a_chunk(importing):
    rows = [document(number, channels=["a"]) for number in range(1, 40)]
    importing.documents(*rows)
    with CaptureQueriesContext(connection) as queries:
        report = importing.documents(*rows)
    assert counts(report) == (0, 0, 39, 0)
    assert [query["sql"].split()[0] for query in queries] == ["SELECT"]


def test_merging_costs_no_query_a_device(importing):
    def rows(month: int, number: int) -> list:
        newer = {"updatedAt": f"2026-0{month}-01T00:00:00Z", "channels": [f"c{month}"]}
        return [document(each, **newer) for each in range(1, number)]

    asked = []
    importing.documents(*rows(1, 100))
    for month, number in ((2, 10), (3, 100)):
        with CaptureQueriesContext(connection) as queries:
            report = importing.documents(*rows(month, number))
        assert report.merged == number - 1
        asked.append(len(queries))
    assert asked[1] - asked[0] < 9  # SQLite takes about thirty devices a statement


def test_users_have_no_such_field(importing):
    with pytest.raises(FieldError, match="Users have no field 'colour'"):
        importing.documents(document(), user_lookup="colour")


def test_refusals_are_listed_up_to_a_bound_and_all_counted(importing):
    rows = [document(number, deviceType="toaster") for number in range(1200)]
    report = importing.documents(*rows)
    assert (report.refused, len(report.refusals)) == (1200, 1000)
    assert sum(report.reasons.values()) == 1200


@pytest.mark.django_db(transaction=True)
def test_registrations_in_the_same_moment(application, small_chunks):
    """Apps that register while their rows are imported: one row each, and none is lost."""

    def register() -> None:
        try:
            for number in range(60, 0, -1):
                Installation.objects.register(
                    application, device_type="ios", address=token(number), channels=["b"]
                )
        finally:
            connections.close_all()

    apps = threading.Thread(target=register)
    apps.start()
    report = run_import(Rows(60), Plan(application=application))
    apps.join()
    assert report.refused == 0
    assert report.created + report.unchanged == 60
    assert Installation.objects.count() == 60


def test_memory_does_not_grow_with_the_export(importing, tmp_path):
    """10,000 rows in one array, of which a tenth is refused, within a third of what they take."""
    path = tmp_path / "large.json"
    with path.open("w") as out:
        out.write("[")
        for number in range(10_000):
            kind = "ios" if number % 10 else "toaster"
            row = document(number, deviceType=kind, deviceToken=None, prefs={"a": "x" * 300})
            out.write(("," if number else "") + json.dumps(row))
        out.write("]")
    source = ParseServer([path])
    gc.collect()
    tracemalloc.start()
    try:
        report = importing.source(source, dry_run=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert counts(report) == (9_000, 0, 0, 1_000)
    assert path.stat().st_size > 4_500_000
    assert peak < 8_000_000, f"{peak:,} bytes"
