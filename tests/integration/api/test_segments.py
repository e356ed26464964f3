"""Segments over the API: made, found, changed, counted, deleted; and by whom not."""

from __future__ import annotations

from typing import Any

import pytest

from django_push.models import Notification, Role, Segment

from .conftest import bearer, refused

pytestmark = pytest.mark.django_db

URL = "/push/api/segments/"
NEW = {"key": "regulars", "name": "Regulars", "audience": {"channels": ["news"]}}


def post(client: Any, path: str = "", **said: Any) -> Any:
    return client.post(f"{URL}{path}", said, format="json")


def patch(client: Any, segment: Any, **said: Any) -> Any:
    return client.patch(f"{URL}{segment.public_id}/", said, format="json")


@pytest.fixture
def segment(application):
    return Segment.objects.create(application=application, **NEW)


def test_one_is_made_and_found_again(server, application):
    made = post(server, **NEW, description="Come often")
    assert made.status_code == 201, made.content
    segment = Segment.objects.get()
    assert segment.application == application
    body = made.json()
    assert body["id"] == segment.public_id
    assert body["audience"] == {"channels": ["news"]}
    assert (body["in_words"], body["devices"], body["counted_at"]) == ("channel “news”", None, None)
    assert server.get(f"{URL}{body['id']}").json() == body
    assert server.get(URL, {"key": "regulars"}).json()["results"] == [body]
    assert server.get(URL, {"key": "others"}).json()["results"] == []


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"key": "Regulars"}, "wrong_value", "key"),
        ({"key": "a" * 65}, "too_long", "key"),
        ({"key": None}, "wrong_type", "key"),
        ({"name": ""}, "missing_field", "name"),
        ({"name": 7}, "wrong_type", "name"),
        ({"audience": {}}, "empty_audience", "audience"),
        ({"audience": None}, "wrong_type", "audience"),
        ({"audience": {"chanels": ["a"]}}, "unknown_operator", "audience"),
        ({"audience": {"where": {"badge": {"$above": 1}}}}, "unknown_operator", None),
        ({"audience": {"segments": ["others"]}}, "nested_segment", "audience.segments"),
        ({"colour": "red"}, "unknown_field", "colour"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(server, changed, code, field):
    refused(post(server, **(NEW | changed)), 400, code, field)
    assert Segment.objects.count() == 0


@pytest.mark.parametrize("name", ["key", "name", "audience"])
def test_what_is_missing_is_named(server, name):
    said = {key: value for key, value in NEW.items() if key != name}
    refused(post(server, **said), 400, "missing_field", name)


def test_a_key_is_taken_once(server, segment, foreign_key):
    refused(post(server, **NEW), 400, "key_taken", "key")
    assert post(bearer(foreign_key), **NEW).status_code == 201


def test_it_is_changed_in_part_and_its_key_stays(server, segment):
    answer = patch(server, segment, audience={"where": {"badge": {"$gt": 1}}})
    assert answer.status_code == 200, answer.content
    segment.refresh_from_db()
    assert (segment.name, segment.audience) == ("Regulars", {"where": {"badge": {"$gt": 1}}})
    patch(server, segment, name="New", description="")
    segment.refresh_from_db()
    assert segment.name == "New"
    refused(patch(server, segment, key="other"), 400, "unknown_field", "key")
    refused(patch(server, segment), 400, "missing_field")
    refused(patch(server, segment, audience={}), 400, "empty_audience")


def test_counting_answers_and_is_kept(server, segment, device):
    device("a" * 20, channels=["news"])
    device("b" * 20)
    body = post(server, f"{segment.public_id}/count/").json()
    assert (body["devices"], body["in_words"]) == (1, "channel “news”")
    shown = server.get(f"{URL}{segment.public_id}/").json()
    assert shown["devices"] == 1
    assert shown["counted_at"] is not None


def test_it_is_deleted_unless_something_uses_it(server, segment, application):
    draft = Notification.objects.create(
        application=application, name="News", audience={"segments": ["regulars"]}
    )
    address = f"{URL}{segment.public_id}/"
    assert "“News”" in refused(server.delete(address), 409, "segment_in_use")
    draft.delete()
    assert server.delete(address).status_code == 204
    assert server.delete(address).status_code == 404


def test_client_keys_and_other_applications_have_no_part_in_it(phone, foreign_key, segment):
    refused(phone.get(URL), 403, "client_key")
    refused(post(phone, **NEW), 403, "client_key")
    stranger = bearer(foreign_key)
    assert stranger.get(URL).json()["results"] == []
    for answer in (
        stranger.get(f"{URL}{segment.public_id}/"),
        patch(stranger, segment, name="Mine"),
        post(stranger, f"{segment.public_id}/count/"),
        stranger.delete(f"{URL}{segment.public_id}/"),
    ):
        refused(answer, 404, "not_found")
    segment.refresh_from_db()
    assert segment.name == "Regulars"


def test_staff_need_the_permission_and_the_role(staff, application, segment):
    looks = staff("view_segment", application=application, role=Role.VIEWER)
    assert looks.get(URL).status_code == 200
    refused(post(looks, **NEW), 403, "permission_missing")
    low = staff(
        "view_segment",
        "add_segment",
        "change_segment",
        "delete_segment",
        application=application,
        role=Role.VIEWER,
    )
    refused(post(low, **(NEW | {"key": "mine"})), 403, "role_too_low")
    refused(patch(low, segment, name="Mine"), 403, "role_too_low")
    refused(low.delete(f"{URL}{segment.public_id}/"), 403, "role_too_low")
    refused(post(low, f"{segment.public_id}/count/"), 403, "role_too_low")
    editor = staff("add_segment", application=application, role=Role.EDITOR)
    assert post(editor, **(NEW | {"key": "mine"})).status_code == 201


def test_who_may_not_send_cannot_change_whom_a_series_reaches(staff, server, application, segment):
    Notification.objects.create(
        application=application,
        audience={"segments": ["regulars"]},
        status=Notification.Status.REPEATING,
    )
    editor = staff("change_segment", application=application, role=Role.EDITOR)
    change = {"audience": {"channels": ["all"]}}
    refused(patch(editor, segment, **change), 403, "permission_missing")
    lower = staff("change_segment", "send_notification", application=application, role=Role.EDITOR)
    refused(patch(lower, segment, **change), 403, "role_too_low")
    assert patch(editor, segment, name="Other name").status_code == 200
    sender = staff("change_segment", "send_notification", application=application, role=Role.SENDER)
    assert patch(sender, segment, **change).status_code == 200
    assert patch(server, segment, **change).status_code == 200


def test_an_audience_names_segments_by_their_keys(server, segment, device):
    device("a" * 20, channels=["news"])
    device("b" * 20)
    counted = server.post(
        "/push/api/audience/count/", {"audience": {"segments": ["regulars"]}}, format="json"
    ).json()
    assert (counted["devices"], counted["in_words"]) == (1, "segment “Regulars”")
    new = {"title": "Hi", "audience": {"everyone": True, "exclude": {"segments": ["regulars"]}}}
    pushed = server.post("/push/api/notifications/", new, format="json").json()
    content = server.get(f"/push/api/history/{pushed['id']}/").json()["content"]
    assert content["segments"] == {"regulars": {"name": "Regulars", "audience": NEW["audience"]}}
    gone = {"title": "Hi", "audience": {"segments": ["gone"]}}
    for path in ("audience/count/", "notifications/"):
        said = {"audience": gone["audience"]} if path.startswith("audience") else gone
        answer = server.post(f"/push/api/{path}", said, format="json")
        refused(answer, 400, "unknown_segment", "audience.segments")
