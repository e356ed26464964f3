"""A user's devices and choices in the console, and the ways between it and the host's admin."""

from __future__ import annotations

from datetime import time

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.test import RequestFactory
from django.urls import reverse

from django_push.admin import UserDevicesInline
from django_push.models import (
    Application,
    Installation,
    Owner,
    Purpose,
    PurposeChoice,
    QuietHours,
    Role,
    Whose,
)
from django_push.quiet import Hours

pytestmark = pytest.mark.django_db

PAGE = reverse("admin:django_push_installation_user")


@pytest.fixture
def eva(application, device, store):
    """A user with a device here, and one in another application."""
    user = get_user_model()._default_manager.create_user("eva", password="eva")
    device("a1" * 32, owner=Owner(user=user))
    Installation.objects.register(
        store, device_type="android", address="tokentoken:1", owner=Owner(user=user)
    )
    offers = Purpose.objects.create(application=application, key="offers", name="On sale")
    whose = Whose(application=application, user_key=str(user.pk))
    PurposeChoice.objects.choose(whose, {offers.key: False})
    QuietHours.objects.set(whose, Hours.between(time(21), time(8)))
    return user


def shown(client, user_key) -> str:
    answer = client.get(PAGE, {"user": str(user_key)})
    assert answer.status_code == 200
    return answer.content.decode()


def test_devices_choices_and_the_account(root, eva):
    page = shown(root, eva.pk)
    ids = Installation.objects.values_list("public_id", flat=True)
    assert all(public_id in page for public_id in ids)
    assert "No to On sale" in page
    assert "21:00–08:00" in page
    label = get_user_model()._meta.label_lower.replace(".", "_")
    account = reverse(f"admin:{label}_change", args=[eva.pk])
    assert f'href="{account}"' in page


def test_staff_see_their_applications_only_and_no_account_without_permission(
    staff, as_user, application, store, eva
):
    viewer = staff("viewer", "view_installation", here=(store, Role.VIEWER))
    page = shown(as_user(viewer), eva.pk)
    theirs, other = Installation.objects.get(application=store), application.installations.get()
    assert theirs.public_id in page
    assert other.public_id not in page
    assert "On sale" not in page
    assert "The user’s account" not in page


def test_who_may_not_see_devices_does_not_see_it(staff, as_user, application, eva):
    someone = staff("someone", "view_notification", here=(application, Role.MANAGER))
    assert as_user(someone).get(PAGE, {"user": str(eva.pk)}).status_code == 403


@pytest.mark.parametrize("key", ["", "nobody", "x" * 192, "nul\x00", "9" * 60, "<b>"])
def test_ids_of_nobody(root, eva, key):
    page = shown(root, key)
    assert "<b>" not in page
    assert not any(row.public_id in page for row in Installation.objects.all())


def test_a_devices_page_leads_to_its_user_and_tells_what_it_wants(root, eva, application):
    device = application.installations.get()
    whose = Whose(application=application, installation=device)
    PurposeChoice.objects.choose(whose, {"offers": True})
    page = root.get(reverse("admin:django_push_installation_change", args=[device.pk]))
    content = page.content.decode()
    assert f'href="{PAGE}?user={eva.pk}"' in content
    assert "yes to On sale" in content
    assert "21:00–08:00 (not its own)" in content


def test_the_host_may_show_the_devices_on_its_own_user_page(rf: RequestFactory, eva, store):
    """Nothing of the host's is changed: the host puts the inline into its own class."""

    class HostAdmin(admin.ModelAdmin):
        inlines = [UserDevicesInline]

    site = admin.site
    request = rf.get("/")
    request.user = get_user_model()._default_manager.create_superuser("boss", password="boss")
    (inline,) = HostAdmin(get_user_model(), site).get_inline_instances(request, eva)
    rows = inline.get_queryset(request).filter(user=eva)
    assert rows.count() == 2
    assert rows[0].public_id in inline.device(rows[0])
    assert not inline.has_change_permission(request, eva)
    assert UserDevicesInline not in site._registry[get_user_model()].inlines
    Application.objects.filter(pk=store.pk).delete()
    assert inline.get_queryset(request).filter(user=eva).count() == 1
