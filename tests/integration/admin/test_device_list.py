"""The list of devices: each page finds what it should, once, and reads little for it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from django_push.admin import keyset
from django_push.models import Application, Credential, Installation, Owner, Role
from django_push.models.registration import address_hash

from .conftest import EDITOR

pytestmark = pytest.mark.django_db

TABLE = Installation._meta.db_table
LIST = "admin:django_push_installation_changelist"


def fill(application: Application, number: int, **columns: Any) -> None:
    said = {"device_type": "ios", "provider": "apns", **columns}
    start = Installation.objects.count()
    Installation.objects.bulk_create(
        [
            Installation(
                application=application,
                address=f"{each:08x}{'ef' * 28}",
                address_hash=address_hash(f"{each:08x}{'ef' * 28}"),
                **said,
            )
            for each in range(start, start + number)
        ],
        batch_size=1000,
    )


def pages(client: Any, **query: str) -> list[list[int]]:
    """The primary keys of all pages, by the links between them."""
    found = []
    address = f"{reverse(LIST)}?" + "&".join(f"{name}={value}" for name, value in query.items())
    for _page in range(60):
        answer = client.get(address)
        assert answer.status_code == 200
        shown = answer.context["cl"]
        found.append([row.pk for row in shown.result_list])
        if not shown.older:
            return found
        assert shown.older.replace("&", "&amp;") in answer.content.decode()
        address = f"{reverse(LIST)}{shown.older}"
    raise AssertionError("the list never ends")


def joined(found: list[list[int]]) -> list[int]:
    return [pk for page in found for pk in page]


def wanted(**columns: Any) -> list[int]:
    rows = Installation.objects.filter(**columns).order_by("-pk")
    return list(rows.values_list("pk", flat=True))


@pytest.fixture
def registry(application, store) -> Application:
    """Two applications, several platforms, some off; a rare platform among the oldest."""
    fill(store, 7)
    fill(application, 2, device_type="tvos")
    fill(application, 120)
    fill(application, 60, device_type="android", provider="fcm")
    fill(store, 130)
    fill(application, 30, is_active=False, inactive_reason="dead")
    fill(application, 3, device_type="macos", user_key="ana")
    return application


@pytest.mark.parametrize("window", [3, 50, 20_000])
@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ({}, {}),
        ({"platform": "ios"}, {"device_type": "ios"}),
        ({"platform": "tvos"}, {"device_type": "tvos"}),
        ({"platform": "windows"}, {"device_type": "windows"}),
        ({"is_active__exact": "0"}, {"is_active": False}),
        ({"is_active__exact": "1", "platform": "android"}, {"device_type": "android"}),
        ({"of": "{store}"}, {"application__key": "store"}),
        ({"of": "{store}", "platform": "tvos"}, {"application__key": "store", "pk": 0}),
        ({"q": "ana"}, {"user_key": "ana"}),
        ({"q": "0000000"}, {"address__startswith": "0000000"}),
        ({"q": "ana", "is_active__exact": "0"}, {"pk": 0}),
    ],
)
def test_pages_hold_what_is_asked_for_once_newest_first(
    registry, root, monkeypatch, window, query, columns
):
    store = Application.objects.get(key="store")
    monkeypatch.setattr(keyset, "WINDOW", window)
    query = {name: value.format(store=store.pk) for name, value in query.items()}
    found = pages(root, **query)
    assert joined(found) == wanted(**columns)
    assert all(len(page) <= 50 for page in found)


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ({"is_active__exact": "0"}, {"is_active": False}),
        ({"q": "00000"}, {}),
        ({"is_active__exact": "1", "platform": "android"}, {"device_type": "android"}),
    ],
)
def test_a_page_whose_time_is_up_says_so_and_the_next_goes_on(
    root, registry, monkeypatch, query, columns
):
    monkeypatch.setattr(keyset, "SECONDS", 0.0)
    monkeypatch.setattr(keyset, "WINDOW", 40)
    answer = root.get(reverse(LIST), query)
    assert "Look further back" in answer.content.decode()
    found = pages(root, **query)
    assert joined(found) == wanted(**columns)
    assert len(found) > 3


@pytest.mark.parametrize(
    "query", [{}, {"platform": "ios"}, {"of": "{hall}", "platform": "android"}]
)
def test_what_an_index_serves_needs_one_look(root, registry, monkeypatch, query):
    """Full pages at once, wherever in the table the devices lie."""
    monkeypatch.setattr(keyset, "SECONDS", 0.0)
    monkeypatch.setattr(keyset, "WINDOW", 1)
    found = pages(root, **{name: value.format(hall=registry.pk) for name, value in query.items()})
    assert {len(page) for page in found[:-1]} == {50}


def test_a_tenant_with_few_old_devices_finds_them_on_the_first_page(
    staff, as_user, registry, store, monkeypatch
):
    monkeypatch.setattr(keyset, "SECONDS", 0.0)
    fill(registry, 100)
    store_only = staff("clerk", "view_installation", here=(store, Role.VIEWER))
    Installation.objects.filter(application=store).update(device_type="macos")
    found = pages(as_user(store_only))
    assert joined(found) == wanted(application=store)
    assert len(found) == 3  # 137 of them, 50 a page


@pytest.mark.parametrize(
    "query",
    [
        "o=3.-4.7",
        "o=-99.x",
        "p=20000",
        "p=-1",
        "all=",
        "before=-5",
        "before=0",
        "before=99999999999999999999",
        "before=²",
        "before=7&before=9",
        "_facets=True",
        "q=%00",
        "q=" + "%F0%9F%98%80" * 300,
        "of=x&platform=%00",
    ],
)
def test_an_address_that_somebody_typed_is_no_error_and_not_slow(root, registry, query):
    with CaptureQueriesContext(connection) as asked:
        answer = root.get(f"{reverse(LIST)}?{query}")
    assert answer.status_code in {200, 302}
    assert len(asked) < 40


def test_links_of_filters_begin_at_the_newest(root, registry):
    answer = root.get(reverse(LIST), {"before": "20"})
    page = answer.content.decode()
    filters = re.findall(r'<a href="(\?[^"]*)"', page.partition('id="changelist-filter"')[2])
    assert filters
    assert not [link for link in filters if "before" in link]
    assert 'name="before"' not in page
    assert answer.context["cl"].newest


def test_numbers_are_of_what_was_found_and_never_counted(root, registry):
    with CaptureQueriesContext(connection) as asked:
        page = root.get(reverse(LIST)).content.decode()
    assert "Select all 50+ devices" in page
    assert not [each["sql"] for each in asked if re.search(r"COUNT\(|OFFSET", each["sql"])]
    few = root.get(reverse(LIST), {"platform": "tvos"})
    assert few.context["cl"].result_count == 2
    assert "There are no older ones." in few.content.decode()


# ----- what the database does -----


def reads_everything(sql: str, params: Any) -> bool:
    """Whether the database answers ``sql`` by reading the whole table of devices."""
    with connection.cursor() as cursor:
        prefix = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
        cursor.execute(f"{prefix} {sql}", params)
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    match connection.vendor:
        case "postgresql":
            return any(f"Seq Scan on {TABLE}" in row["QUERY PLAN"] for row in rows)
        case "sqlite":
            return any(re.search(rf"SCAN {TABLE}$", row["detail"]) for row in rows)
    return any(row["table"] == TABLE and row["type"] == "ALL" for row in rows)


def analyze() -> None:
    words = {"postgresql": "ANALYZE", "sqlite": "ANALYZE", "mysql": f"ANALYZE TABLE {TABLE}"}
    with connection.cursor() as cursor:
        cursor.execute(words[connection.vendor])


@pytest.fixture(params=["root", "clerk"])
def reader(request, staff, as_user, root, store) -> Any:
    """One who sees everything, and one who works with the small application."""
    if request.param == "root":
        return root
    return as_user(staff("clerk", "view_installation", here=(store, Role.VIEWER)))


@pytest.mark.django_db(transaction=True)  # MariaDB ends a transaction with ANALYZE TABLE
def test_no_page_reads_the_whole_table(reader, application, store, monkeypatch):
    """Every filter, every kind of search, deep pages: by an index, or a window of it."""
    fill(store, 300)
    fill(application, 2, device_type="tvos")
    fill(application, 9000)
    Installation.objects.filter(pk__lt=wanted()[0] - 8000).update(is_active=False)
    analyze()
    monkeypatch.setattr(keyset, "WINDOW", 500)
    monkeypatch.setattr(keyset, "SECONDS", 0.0)
    whole = Installation.objects.filter(application=store).first()
    queries = [
        *("", "platform=ios", "platform=tvos", "is_active__exact=0", "is_active__exact=1"),
        f"of={store.pk}",
        f"of={store.pk}&platform=tvos&is_active__exact=0",
        *(f"q={term}" for term in ("ana", "0000", whole.address, whole.public_id, "nobody-at-all")),
        f"before={whole.pk + 3}",
        "o=4&p=90",
    ]
    bad = []
    for query in queries:
        statements: list[tuple[str, Any]] = []

        def note(execute, sql, params, many, context, kept=statements):
            kept.append((sql, params))
            return execute(sql, params, many, context)

        with connection.execute_wrapper(note):
            assert reader.get(f"{reverse(LIST)}?{query}").status_code == 200
        bad += [(query, sql) for sql, params in statements if _is_slow(sql, params)]
    assert bad == []


def _is_slow(sql: str, params: Any) -> bool:
    return sql.startswith("SELECT") and TABLE in sql and reads_everything(sql, params)


# ----- search -----


def test_a_whole_token_is_found_on_whichever_network(root, device):
    found = device("0123456789abcdef" * 4, "macos", provider="fcm")
    assert joined(pages(root, q=found.address)) == [found.pk]


def test_what_somebody_may_not_see_is_not_found(staff, as_user, device, store):
    hidden = device("a" * 64, owner=Owner(user_key="ana", proved=True), installation_id="mine")
    client = as_user(staff("clerk", *EDITOR, "view_installation", here=(store, Role.VIEWER)))
    for term in (hidden.public_id, hidden.address, "aaaa", "ana", "mine"):
        assert pages(client, q=term) == [[]]


def test_no_column_is_offered_for_sorting(root, registry):
    page = root.get(reverse(LIST)).content.decode()
    assert "sortable" not in page.partition("<thead>")[2].partition("</thead>")[0]


def test_credentials_are_none_of_the_lists_business(root, registry):
    assert not Credential.objects.exists()
    assert root.get(reverse(LIST)).status_code == 200
