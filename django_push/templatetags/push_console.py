"""Tags of the console's pages. Django gives its page for an app no context of ours."""

from __future__ import annotations

from typing import Any

from django import template
from django.contrib.admin import site as default_site
from django.template import Context

from ..admin.home import Home
from ..admin.words import moment, network_name, number, platform

register = template.Library()

register.filter("number", number)
register.filter("moment", moment)
register.filter("platform", platform)
register.filter("network_name", network_name)


@register.simple_tag(takes_context=True)
def push_home(context: Context) -> Home:
    """What the home page shows to the person who asks for it."""
    request: Any = context["request"]
    return Home(request, default_site)


@register.inclusion_tag("admin/django_push/includes/bar.html")
def push_bar(bar: Any, label: str = "", size: str = "") -> dict[str, Any]:
    """A stacked bar: a :class:`~django_push.admin.bars.Bar`, and its words for screen readers."""
    return {"bar": bar, "label": label, "size": size}
