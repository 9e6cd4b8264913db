"""What a template brought, as its page shows it: sums, a chart, stores and channels."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from django.db.models import QuerySet, Sum
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from backend.money import Fen
from coupons.models import CouponFigure, CouponTemplate, Way

DAYS: Final = 30
_SUMS: Final = ("given", "used", "given_back", "expired", "saved_fen", "sales_fen")
_WIDTH, _HEIGHT = 600, 80


def summed(rows: QuerySet[CouponFigure], *by: str) -> list[dict[str, Any]]:
    """The sums of figures, by these columns."""
    sums = {f"sum_{name}": Sum(name) for name in _SUMS}
    return [
        {**{name: row[name] for name in by}, **{name: row[f"sum_{name}"] or 0 for name in _SUMS}}
        for row in rows.order_by(*by).values(*by).annotate(**sums)
    ]


def rate(row: dict[str, Any]) -> str:
    """How many of those given are used for good."""
    if not row["given"]:
        return "–"
    return f"{100 * (row['used'] - row['given_back']) / row['given']:.1f} %"


def page(template: CouponTemplate) -> SafeString:
    """All of it. As many queries for many days as for few."""
    rows = CouponFigure.objects.filter(merchant_id=template.merchant_id, template=template)
    whole = summed(rows, "template_id")
    if not whole:
        return mark_safe("–")
    today = timezone.localdate()
    days = summed(rows.filter(day__gt=today - dt.timedelta(days=DAYS)), "day")
    stores = summed(rows, "store__name")
    channels = summed(rows, "channel")
    labels = dict(Way.choices)
    parts = [
        _table(_("in all"), [(_("in all"), whole[0])]),
        _chart(days, today),
        _table(_("store"), [(one["store__name"] or _("no store"), one) for one in stores]),
        _table(
            _("channel"),
            [(str(labels.get(one["channel"], one["channel"])), one) for one in channels],
        ),
        _table(_("day"), [(one["day"].isoformat(), one) for one in reversed(days)]),
    ]
    return format_html_join("", "{}", ((part,) for part in parts))


def _table(title: str, rows: list[tuple[str, dict[str, Any]]]) -> SafeString:
    heads = [
        title, _("given"), _("used"), _("given back"), _("expired"), _("redemption rate"),
        _("discount granted"), _("sales brought in"),
    ]  # fmt: skip
    cell = '<td style="padding:4px 12px 4px 0;white-space:nowrap">{}</td>'
    head = format_html_join("", cell.replace("td", "th"), ((text,) for text in heads))
    lines = [
        format_html_join("", cell, ((text,) for text in (
            name, row["given"], row["used"], row["given_back"], row["expired"], rate(row),
            Fen(row["saved_fen"]), Fen(row["sales_fen"]),
        )))
        for name, row in rows
    ]  # fmt: skip
    body = format_html_join("", "<tr>{}</tr>", ((line,) for line in lines))
    look = "overflow-x:auto;margin-bottom:16px"
    return format_html(
        '<div style="{}"><table style="text-align:left"><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>",
        look, head, body,
    )  # fmt: skip


def _chart(days: list[dict[str, Any]], today: dt.date) -> SafeString:
    """Bars of what was given, and before them of what was used, day by day."""
    by_day = {one["day"]: one for one in days}
    shown = [today - dt.timedelta(days=DAYS - 1 - n) for n in range(DAYS)]
    nothing = dict.fromkeys(_SUMS, 0)
    rows = [by_day.get(day, nothing) for day in shown]
    most = max(max(row["given"], row["used"]) for row in rows) or 1
    step = _WIDTH / DAYS

    def bars(name: str, colour: str, width: float) -> SafeString:
        return format_html_join(
            "",
            '<rect x="{}" y="{}" width="{}" height="{}" fill="{}"><title>{}: {}</title></rect>',
            (
                (
                    f"{step * n + (step - width) / 2:.1f}",
                    f"{_HEIGHT * (1 - row[name] / most):.1f}",
                    f"{width:.1f}",
                    f"{_HEIGHT * row[name] / most:.1f}",
                    colour,
                    shown[n].isoformat(),
                    row[name],
                )
                for n, row in enumerate(rows)
            ),
        )

    said = _("%(days)s days: given (light) and used (dark), at most %(most)s a day")
    label = said % {"days": DAYS, "most": most}
    return format_html(
        '<figure style="margin-bottom:16px"><svg viewBox="0 0 {} {}" role="img" aria-label="{}"'
        ' style="width:100%;max-width:{}px;border-bottom:1px solid #8888">{}{}</svg>'
        '<figcaption style="font-size:12px">{}</figcaption></figure>',
        _WIDTH, _HEIGHT, label, _WIDTH, bars("given", "#93c5fd", step * 0.8),
        bars("used", "#1d4ed8", step * 0.4), label,
    )  # fmt: skip
