"""Access that was handed out stays a matter of the list, whatever becomes of the people on it."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.urls import reverse

from django_push.models import Application, ApplicationAccess, Role

OPEN = "admin:django_push_application_open"


@pytest.fixture
def tom(staff):
    return staff("tom")


@pytest.fixture
def ana(staff, application):
    return staff("ana", here=(application, Role.MANAGER))


def seen_by(user) -> set[str]:
    return set(Application.objects.visible_to(user).values_list("name", flat=True))


def home(client) -> str:
    return client.get(reverse("admin:app_list", args=["django_push"])).content.decode()


def test_before_anybody_is_listed_all_staff_see_all(tom, application, store):
    assert seen_by(tom) == {"Concert Hall", "Store"}


@pytest.mark.parametrize(
    "remove",
    [
        lambda ana: ana.delete(),
        lambda ana: get_user_model()._default_manager.filter(pk=ana.pk).delete(),
        lambda ana: ApplicationAccess.objects.get().delete(),
        lambda ana: ApplicationAccess.objects.all().delete(),
        lambda ana: Application.objects.filter(key="hall").delete(),
    ],
    ids=["the user", "users", "the access", "all access", "the application"],
)
def test_nothing_opens_when_the_last_access_goes(remove, tom, ana, application, store):
    assert seen_by(tom) == set()
    remove(ana)
    assert not ApplicationAccess.objects.exists()
    assert seen_by(tom) == set()


def test_access_made_in_bulk_closes_too(tom, ana, application, store):
    ApplicationAccess.objects.all().delete()
    row = ApplicationAccess(application=application, user=ana, role=Role.VIEWER)
    ApplicationAccess.objects.bulk_create([row])
    assert seen_by(ana) == {"Concert Hall"}
    ApplicationAccess.objects.all().delete()
    assert seen_by(ana) == set()


def test_a_new_application_belongs_to_its_maker_when_nobody_is_listed_any_more(
    tom, ana, as_user, application
):
    ana.delete()
    data = {
        "name": "New",
        "key": "new",
        "time_zone": "UTC",
        "push_settings": "{}",
        "purposes-TOTAL_FORMS": "0",
        "purposes-INITIAL_FORMS": "0",
    }
    data |= {"access-TOTAL_FORMS": "0", "access-INITIAL_FORMS": "0"}
    page = reverse("admin:django_push_application_add")
    assert as_user(tom).post(page, data).status_code == 302
    assert seen_by(tom) == {"New"}


def test_superusers_are_told_and_open_again_with_a_button(root, tom, ana, application, store):
    assert "Only superusers see applications." not in home(root)
    ana.delete()
    assert "Only superusers see applications." in home(root)
    assert reverse(OPEN) in changelist(root)
    assert "Let every staff member" in root.get(reverse(OPEN)).content.decode()
    assert seen_by(tom) == set(), "looking at the question opens nothing"
    assert root.post(reverse(OPEN)).status_code == 302
    assert seen_by(tom) == {"Concert Hall", "Store"}
    assert LogEntry.objects.filter(change_message="Opened to all staff.").count() == 2
    assert reverse(OPEN) not in changelist(root)


def changelist(client) -> str:
    return client.get(reverse("admin:django_push_application_changelist")).content.decode()


def test_nobody_else_opens(ana, tom, as_user, application, store):
    for user in (ana, tom):
        assert as_user(user).post(reverse(OPEN)).status_code == 403
    assert reverse(OPEN) not in changelist(as_user(ana))
    assert seen_by(tom) == set()
    assert seen_by(ana) == {"Concert Hall"}


def test_there_is_nothing_to_open_where_all_is_open(root, tom, application):
    page = root.post(reverse(OPEN), follow=True).content.decode()
    assert "All staff work with all applications already." in page
    assert not LogEntry.objects.exists()
