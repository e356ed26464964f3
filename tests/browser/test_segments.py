"""Segments, as people make and use them: by mouse, by keyboard, and without JavaScript."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from django_push.models import Installation, Notification, Segment
from tests.support.processes import make_credentials

pytestmark = pytest.mark.django_db(transaction=True)

ADD = "/admin/django_push/segment/add/"


@pytest.fixture
def hall(application, devices, simulator) -> list[Installation]:
    """Forty-three devices that can be reached; of the first ten people have the plan “pro”."""
    make_credentials(application, simulator)
    first = [device.pk for device in devices[:10]]
    Installation.objects.filter(pk__in=first).update(attributes={"plan": "pro"}, badge=3)
    return devices


def fill(page: Page, row: str, field: str, **typed: Any) -> None:
    """Fill in the condition at ``row``, such as ``0-1``."""
    page.select_option(f"[name='rule-{row}-field']", label=field)
    for part, value in typed.items():
        control = page.locator(f"[name='rule-{row}-{part.replace('_', '-')}']")
        if part.startswith("op"):
            control.select_option(label=value)
        else:
            control.fill(value)


def test_a_segment_is_written_counted_and_saved(console, hall, picture):
    page = console(ADD)
    big = page.locator("[data-members] .big")
    expect(page.locator("[data-members]")).to_contain_text("once there is a condition")
    page.locator("#id_name").press_sequentially("Pro on an iPhone")
    expect(page.locator("#id_key")).to_have_value("pro-on-an-iphone")
    page.select_option("[name='rule-0-0-field']", label="Platform")
    page.check("[name='rule-0-0-choice'][value=ios]")
    expect(big).to_have_text("32 devices")
    page.click("text=Add a condition")
    fill(page, "0-1", "Attribute: text", name="plan", value="pro")
    expect(big).to_have_text("7 devices")
    expect(page.locator(".push-sample tbody tr")).to_have_count(6)
    picture(page, "segment-written")
    page.click("input[value=Save]:not([aria-hidden])")
    expect(page.locator(".messagelist")).to_contain_text("was added successfully")
    segment = Segment.objects.get()
    assert segment.audience == {
        "where": {"device_type": {"$in": ["ios"]}, "attributes.plan": "pro"}
    }


def test_only_the_controls_of_what_is_chosen_are_there(console, application):
    page = console(ADD)
    row = page.locator("[data-rule]").first
    seen = row.locator("select:visible, input:visible")
    expect(seen).to_have_count(1)
    for field, controls in (
        ("Channels", ["field", "op-list", "value"]),
        ("Last seen", ["field", "op-moment", "days"]),
        ("Badge", ["field", "op-number", "value"]),
        ("Attribute: yes or no", ["field", "name", "op-flag"]),
        ("Attribute: text", ["field", "name", "op-text", "value"]),
    ):
        page.select_option("[name='rule-0-0-field']", label=field)
        names = seen.evaluate_all("all => all.map(each => each.name)")
        assert names == [f"rule-0-0-{control}" for control in controls], field
    page.select_option("[name='rule-0-0-op-text']", label="is known")
    expect(row.locator("[name='rule-0-0-value']")).to_be_hidden()
    page.select_option("[name='rule-0-0-field']", label="Last seen")
    page.select_option("[name='rule-0-0-op-moment']", label="before")
    expect(row.locator("[name='rule-0-0-date']")).to_be_visible()
    expect(row.locator("[name='rule-0-0-days']")).to_be_hidden()


def test_by_keyboard_alone(console, hall):
    page = console(ADD)
    press = page.keyboard.press

    def focused() -> str:
        found: str = page.evaluate("document.activeElement.name")
        return found

    page.focus("[data-add='0']")
    press("Enter")
    assert focused() == "rule-0-1-field"
    page.keyboard.type("Badge")
    press("Tab")
    assert focused() == "rule-0-1-op-number"
    press("Tab")
    page.keyboard.type("3")
    expect(page.locator("[data-members] .big")).to_have_text("10 devices")
    press("Tab")
    expect(page.locator(":focus")).to_have_text("×Remove this condition")
    press("Enter")
    assert focused() == "rule-0-0-field"
    expect(page.locator("[data-said]")).to_have_text("Condition removed.")
    page.focus("[data-add-group]")
    press("Space")
    assert focused() == "rule-1-0-field"


def test_enter_in_a_field_saves_and_removes_nothing(console, hall):
    page = console(ADD)
    page.fill("#id_name", "Badge")
    fill(page, "0-0", "Badge", value="3")
    page.press("[name='rule-0-0-value']", "Enter")
    expect(page.locator(".messagelist")).to_contain_text("was added successfully")
    assert Segment.objects.get().audience == {"where": {"badge": 3}}


def test_the_same_without_javascript(console, hall):
    page = console(ADD, java_script_enabled=False)
    page.fill("#id_name", "Pro or new")
    page.select_option("#id_rule-match", label="any")
    fill(page, "0-0", "Badge", value="3")
    page.click("text=Add a condition")
    fill(page, "0-1", "Attribute: text", name="plan", value="free")
    page.click("text=Add a group")
    fill(page, "1-0", "Channels", value="matinee")
    page.click("button[value=count]")
    expect(page.locator("[data-members] .big")).to_have_text("10 devices")
    page.locator("[data-rule]").nth(1).locator("button").click()
    page.click("text=Edit as JSON")
    expect(page.locator("#id_raw")).to_contain_text('"$or"')
    page.click("text=Show as a form")
    page.click("input[value=Save]:not([aria-hidden])")
    assert Segment.objects.get().audience == {
        "where": {"$or": [{"badge": 3}, {"$or": [{"channels": {"$in": ["matinee"]}}]}]}
    }


def test_the_composer_sends_to_segments(console, application, hall):
    where = {"attributes.plan": "pro"}
    Segment.objects.create(
        application=application, key="pro", name="Pros", audience={"where": where}
    )
    page = console("/admin/django_push/notification/add/")
    page.fill("#id_title", "Only for you")
    page.check("input[name=audience_kind][value=segments]")
    page.check("input[name=segments]")
    expect(page.locator(".push-count .big")).to_have_text("10 devices")
    page.click("text=Review and send…")
    expect(page.locator(".push-facts").first).to_contain_text("Segment “Pros”")
    page.click("text=Yes, send to 10 devices")
    expect(page.locator(".push-dl")).to_contain_text("Segment “Pros”")
    content = Notification.objects.get().pushes.get().content
    assert content["segments"] == {"pro": {"name": "Pros", "audience": {"where": where}}}
