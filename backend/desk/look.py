"""What django-unfold asks of the settings: titles, colours, and the menu of whoever signed in.

Imported by the settings, so it imports nothing of the shop until a page is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.http import HttpRequest


def heading(request: HttpRequest) -> str:
    """The merchant's name, where one is signed in."""
    from backend.desk.roles import staff_of

    staff = staff_of(request)
    return staff.merchant.name if staff else str(_("Shop desk"))


# Group, then (icon, model) in the order of a shopkeeper's day.
_MENU: Final = [
    (_("Orders"), [("receipt_long", "orders", "order"), ("group", "shop", "customer")]),
    (
        _("Goods"),
        [
            ("shopping_bag", "shop", "product"),
            ("account_tree", "shop", "category"),
            ("shelves", "shop", "stock"),
            ("swap_vert", "shop", "stockmovement"),
        ],
    ),
    (
        _("Marketing"),
        [
            ("confirmation_number", "coupons", "coupontemplate"),
            ("local_activity", "coupons", "coupon"),
            ("redeem", "coupons", "grant"),
            ("password", "coupons", "codebatch"),
            ("qr_code_scanner", "coupons", "redemption"),
            ("point_of_sale", "coupons", "till"),
            ("wallet", "coupons", "wechatbatch"),
            ("style", "coupons", "card"),
            ("sync_problem", "coupons", "carddifference"),
            ("outbox", "coupons", "cardreport"),
        ],
    ),
    (
        _("Shop window"),
        [
            ("view_carousel", "shop", "banner"),
            ("campaign", "shop", "notice"),
            ("view_agenda", "shop", "homesection"),
            ("gavel", "shop", "legaldocument"),
        ],
    ),
    (
        _("Money"),
        [
            ("payments", "payments", "payment"),
            ("undo", "payments", "refund"),
            ("mark_email_unread", "payments", "notification"),
        ],
    ),
    (
        _("Settings"),
        [
            ("storefront", "shop", "merchant"),
            ("warehouse", "shop", "store"),
            ("apps", "shop", "miniprogram"),
            ("key", "shop", "payaccount"),
            ("badge", "shop", "staff"),
            ("sms", "shop", "messagetemplate"),
            ("mark_chat_read", "shop", "message"),
            ("person", "auth", "user"),
        ],
    ),
]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu: only what the reader's role may see."""
    from django.apps import apps
    from django.contrib import admin
    from django.urls import reverse

    groups = []
    for title, entries in _MENU:
        items = []
        for icon, app, name in entries:
            model = apps.get_model(app, name)
            page = admin.site._registry.get(model)
            if page is not None and page.has_view_permission(request):
                link = reverse(f"admin:{app}_{name}_changelist")
                label = str(model._meta.verbose_name_plural)
                items.append({"title": label, "icon": icon, "link": link})
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    return groups


UNFOLD: Final[dict[str, Any]] = {
    "SITE_TITLE": _("Shop desk"),
    "SITE_HEADER": "backend.desk.look.heading",
    "SITE_SYMBOL": "storefront",
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "8px",
    "COLORS": {
        # A tea green.
        "primary": {
            "50": "oklch(97.9% .021 166.113)",
            "100": "oklch(95% .052 163.051)",
            "200": "oklch(90.5% .093 164.15)",
            "300": "oklch(84.5% .143 164.978)",
            "400": "oklch(76.5% .177 163.223)",
            "500": "oklch(59.6% .135 163.225)",
            "600": "oklch(50.8% .118 165.612)",
            "700": "oklch(43.2% .095 166.913)",
            "800": "oklch(37.8% .077 168.94)",
            "900": "oklch(30% .06 170)",
            "950": "oklch(26.2% .051 172.552)",
        }
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "backend.desk.look.navigation",
    },
}
