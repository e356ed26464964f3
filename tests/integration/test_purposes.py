"""Opting out: whom a push of a purpose reaches, and what a push without one costs."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_push.delivery.ledger import Mark
from django_push.exceptions import InvalidPreference, InvalidPush
from django_push.models import (
    Installation,
    Notification,
    Owner,
    Purpose,
    PurposeChoice,
    PushHistory,
    QuietHours,
    State,
    Whose,
)
from django_push.providers import locmem
from django_push.quiet import Hours
from django_push.submission import compose, count, push, submit, submit_many
from django_push.worker import Worker
from tests.support.ledgers import assert_ledger_is_whole, fates

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def at_home(settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": "locmem", "BATCH_SIZE": 4}
    locmem.outbox.clear()
    yield
    locmem.outbox.clear()


@pytest.fixture
def offers(application) -> Purpose:
    return Purpose.objects.create(application=application, key="offers", name="Offers")


@pytest.fixture
def codes(application) -> Purpose:
    return Purpose.objects.create(
        application=application, key="codes", name="Codes", transactional=True
    )


@pytest.fixture
def hints(application) -> Purpose:
    return Purpose.objects.create(
        application=application, key="hints", name="Hints", default_on=False
    )


def of(device: Installation) -> Whose:
    return Whose(application=device.application, installation=device)


def choose(whose: Whose, **wishes: bool | None) -> None:
    PurposeChoice.objects.choose(whose, wishes)


def deliver() -> list[str]:
    worker = Worker(listen=False)
    worker.drain(20)
    worker.close()
    return sorted(delivery.token for delivery in locmem.outbox)


def send(application, purpose="offers", **details) -> PushHistory:
    details.setdefault("audience", {"everyone": True})
    return push(application, title="Hi", purpose=purpose, **details)


def test_who_opted_out_is_left_out_and_the_ledger_says_why(application, device, offers):
    rows = [device(name) for name in ("a", "b", "c", "d", "e")]
    choose(of(rows[1]), offers=False)
    choose(of(rows[2]), offers=True)
    history = send(application)
    assert deliver() == ["a", "c", "d", "e"]
    assert_ledger_is_whole(history)
    assert history.state == State.DONE
    assert history.skipped == {"opted_out": 1}
    assert (history.devices, history.successes) == (4, 4)
    assert fates(history)[rows[1].pk] is Mark.OPTED_OUT


def test_a_users_choice_holds_on_all_devices_of_the_user(application, device, offers):
    ana = Owner(user_key="ana", proved=True)
    for name in ("one", "two"):
        device(name, owner=ana)
    device("other", owner=Owner(user_key="Ana", proved=True))
    device("nobody")
    choose(Whose(application=application, user_key="ana"), offers=False)
    send(application)
    assert deliver() == ["nobody", "other"]


def test_a_no_beats_a_yes_and_a_yes_beats_the_default(application, device, hints):
    owned = {name: device(name, owner=Owner(user_key=name, proved=True)) for name in "abcdef"}
    for name, own, users in [
        ("a", None, None),
        ("b", True, None),
        ("c", None, True),
        ("d", True, False),
        ("e", False, True),
        ("f", True, True),
    ]:
        choose(of(owned[name]), hints=own)
        choose(Whose(application=application, user_key=name), hints=users)
    send(application, "hints")
    assert deliver() == ["b", "c", "f"]
    told = [PurposeChoice.objects.stances(of(owned[name]))[0].gets for name in "abcdef"]
    assert told == [False, True, True, False, False, True]


def test_taking_a_choice_back(application, device, offers):
    row = device("a")
    choose(of(row), offers=False)
    choose(of(row), offers=None)
    choose(of(row), offers=None)
    assert not PurposeChoice.objects.exists()
    send(application)
    assert deliver() == ["a"]


def test_what_is_chosen_until_the_moment_of_delivery_counts(application, device, offers):
    row = device("a")
    history = send(application, audience={"installations": [row.public_id]})
    choose(of(row), offers=False)
    assert deliver() == []
    history.refresh_from_db()
    assert (history.state, history.skipped) == (State.NOBODY, {"opted_out": 1})


def test_transactional_goes_to_all(application, device, offers, codes):
    row = device("a")
    choose(of(row), offers=False)
    PurposeChoice.objects.create(purpose=codes, installation=row, wanted=False)  # from before
    send(application, "codes")
    assert deliver() == ["a"]
    send(application, "offers", transactional=True)
    assert deliver() == ["a", "a"]
    assert not PurposeChoice.objects.stances(of(row))[1].gets
    assert PurposeChoice.objects.stances(of(row))[0].gets


def test_a_device_that_is_switched_off_is_that_first(application, device, offers):
    rows = [device(name) for name in "ab"]
    choose(of(rows[0]), offers=False)
    history = send(application)
    Installation.objects.filter(pk=rows[0].pk).update(is_active=False)
    deliver()
    history.refresh_from_db()
    assert history.skipped == {"inactive": 1}


def test_small_pushes_of_different_purposes_do_not_mix(application, device, offers, hints):
    rows = [device(name) for name in "abcd"]
    choose(of(rows[0]), offers=False)
    choose(of(rows[1]), hints=True)
    asked = [
        compose(
            application,
            audience={"installations": [row.public_id]},
            title=f"{row.address} {purpose}",
            purpose=purpose,
        )
        for row in rows
        for purpose in ("", "offers", "hints")
    ]
    submit_many(asked)
    deliver()
    assert sorted(sent.payload["aps"]["alert"]["title"].strip() for sent in locmem.outbox) == [
        *("a", "b", "b hints", "b offers", "c", "c offers", "d", "d offers")
    ]


def test_the_badge_of_who_opted_out_does_not_move(application, device, offers):
    rows = [device(name) for name in "ab"]
    choose(of(rows[0]), offers=False)
    send(application, badge_increment=1)
    deliver()
    badges = Installation.objects.order_by("address").values_list("badge", flat=True)
    assert list(badges) == [0, 1]


def test_an_unknown_purpose_is_refused_with_those_that_there_are(application, device, offers):
    device("a")
    with pytest.raises(InvalidPush, match="no purpose “ofers”") as refused:
        send(application, "ofers")
    assert (refused.value.code, refused.value.field) == ("unknown_purpose", "purpose")
    assert not Notification.objects.exists()
    with pytest.raises(InvalidPush) as numbered:
        submit_many(
            [compose(application, audience={"everyone": True}, title="Hi", purpose=name)
             for name in ("offers", "ofers")]
        )  # fmt: skip
    assert numbered.value.field == "pushes.1.purpose"


def test_a_purpose_that_was_declared_a_moment_ago_is_known(application, device):
    device("a")
    with pytest.raises(InvalidPush, match="It has: none"):
        send(application, "late")
    Purpose.objects.create(application=application, key="late", name="Late")
    assert send(application, "late").content["purpose"] == "late"


@pytest.mark.parametrize(
    ("wishes", "code"),
    [({"offers": False, "nope": True}, "unknown_purpose"), ({"codes": False}, "transactional")],
)
def test_a_choice_that_cannot_be_kept_changes_nothing(
    application, device, offers, codes, wishes, code
):
    with pytest.raises(InvalidPreference) as refused:
        choose(of(device("a")), **wishes)
    assert refused.value.code == code
    assert refused.value.field.startswith("purposes.")
    assert not PurposeChoice.objects.exists()


@pytest.mark.parametrize("user_key", ["", "x" * 192, "nul\x00"])
def test_a_user_id_that_no_column_takes(application, offers, user_key):
    with pytest.raises(InvalidPreference):
        choose(Whose(application=application, user_key=user_key), offers=False)


def test_the_count_is_what_the_push_does(application, device, offers):
    rows = [device(name) for name in "abcde"]
    choose(of(rows[0]), offers=False)
    choose(of(rows[1]), offers=False)
    Installation.objects.filter(pk=rows[1].pk).update(is_active=False)
    draft = compose(application, audience={"everyone": True}, title="Hi", purpose="offers")
    found = count(application, draft.audience, notification=draft)
    assert (found.devices, found.opted_out, found.inactive) == (3, 1, 1)
    history = submit(draft)
    deliver()
    history.refresh_from_db()
    assert (history.devices, history.skipped) == (3, {"opted_out": 1, "inactive": 1})


def test_choices_of_another_application_say_nothing(application, device, offers):
    other = type(application).objects.register(None, "Opera", key="opera")
    theirs = Purpose.objects.create(application=other, key="offers", name="Offers")
    PurposeChoice.objects.create(purpose=theirs, user_key="ana", wanted=False)
    device("a", owner=Owner(user_key="ana", proved=True))
    send(application)
    assert deliver() == ["a"]


def test_who_is_erased_takes_the_choices_along(application, device, offers):
    row = device("a")
    choose(of(row), offers=False)
    row.delete()
    assert not PurposeChoice.objects.exists()


def test_a_message_without_a_purpose_reads_nothing_of_all_this(application, device, offers):
    """The same statements as before there were purposes, though people have chosen."""
    for name in "ab":
        choose(of(device(name)), offers=False)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        push(application, audience={"everyone": True}, title="Hi")
        assert deliver() == ["a", "b"]
    statements = [query["sql"] for query in queries]
    assert not [sql for sql in statements if "django_push_purpose" in sql]


def test_a_digest_from_before_is_the_same(application, offers):
    from django_push.idempotency import content_digest

    plain = compose(application, audience={"everyone": True}, title="Hi")
    about = compose(application, audience={"everyone": True}, title="Hi", purpose="offers")
    assert content_digest(plain) != content_digest(about)


def test_a_test_push_goes_to_who_asked_for_it(application, device, offers):
    from django_push.admin.trial import send_test

    row = device("a")
    choose(of(row), offers=False)
    draft = compose(application, audience={"everyone": True}, title="Hi", purpose="offers")
    send_test(draft, [row], "eva")
    assert deliver() == ["a"]


@pytest.mark.parametrize("many", [False, True])
def test_an_app_that_is_known_by_another_row_keeps_what_it_said(
    application, device, offers, hints, many
):
    """A restored phone: the old row has the installation id, the new one the token."""
    old = device("old", installation_id="app-1")
    new = device("new")
    choose(of(old), offers=False, hints=True)
    choose(of(new), hints=False)
    QuietHours.objects.set(of(old), Hours(60, 120))
    said = {"device_type": "ios", "address": "new", "installation_id": "app-1"}
    if many:
        Installation.objects.register_many(application, [said])
    else:
        Installation.objects.register(application, **said)
    row = Installation.objects.get(installation_id="app-1")
    assert row.pk == new.pk
    assert PurposeChoice.objects.of(of(row)) == {"offers": False, "hints": False}
    assert QuietHours.objects.of(of(row)) == Hours(60, 120)
    send(application)
    assert deliver() == []


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("reason", ["opted_out", "staff"])
def test_an_app_that_was_switched_off_is_so_by_another_row_too(application, device, reason, many):
    old = device("old", installation_id="app-1")
    device("new")
    old.change(is_active=False, inactive_reason=reason)
    said = {"device_type": "ios", "address": "new", "installation_id": "app-1"}
    for _start in range(2):
        if many:
            Installation.objects.register_many(application, [said])
        else:
            Installation.objects.register(application, **said)
        row = Installation.objects.get(address="new")
        assert (row.is_active, row.inactive_reason) == (False, reason)
    assert row.inactive_since is not None
