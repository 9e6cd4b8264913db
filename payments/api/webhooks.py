"""Where WeChat tells us of payments and refunds. It is answered in its own XML."""

from __future__ import annotations

import logging
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from backend.api import Rate, client_ip
from backend.celery import wake
from backend.errors import NotFound
from backend.wechat.pay import answer
from payments import notifications
from payments.models import Notification
from payments.tasks import settle_notifications
from shop.merchants import by_slug

log = logging.getLogger(__name__)

_XML: Final = "text/xml; charset=utf-8"


class UnverifiedRate(Rate):
    """How many bodies that nobody signed are kept from one address."""

    scope, limit, seconds = "unverified", 20, 60

    def who(self, request: Any) -> str | None:
        return client_ip(request)


def _answer(message: str = "") -> HttpResponse:
    return HttpResponse(answer(not message, message or "OK"), content_type=_XML)


def _take_in(request: HttpRequest, slug: str, kind: Notification.Kind) -> HttpResponse:
    try:
        merchant, accounts = by_slug(slug)
    except NotFound:
        return HttpResponse(answer(False, "unknown"), content_type=_XML, status=404)  # noqa: FBT003
    body = request.read(notifications.MAX_BODY + 1)
    if len(body) > notifications.MAX_BODY:
        return _answer("too large")
    authentic, new = notifications.take_in(merchant.pk, accounts, kind, body)
    if not authentic:
        log.warning("a %s notification for merchant %s isn't authentic", kind, merchant.pk)
        if UnverifiedRate().allow_request(request, None):
            notifications.keep_unverified(merchant.pk, kind, body)
        return _answer("signature")
    if new:
        wake(settle_notifications)
    return _answer()


@csrf_exempt
@require_POST
def payment(request: HttpRequest, slug: str) -> HttpResponse:
    """支付结果通知 (API v2)."""
    return _take_in(request, slug, Notification.Kind.PAYMENT)


@csrf_exempt
@require_POST
def refund(request: HttpRequest, slug: str) -> HttpResponse:
    """退款结果通知 (API v2)."""
    return _take_in(request, slug, Notification.Kind.REFUND)
