"""Who runs the shop, its legal pages, and who agreed to which version of them."""

from __future__ import annotations

from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from backend.errors import NotFound
from shop.models import Consent, Customer, LegalDocument

_LATEST_SQL: Final = """
SELECT DISTINCT ON (kind) id, kind, version, title, published_at
FROM shop_legaldocument
WHERE merchant_id = %s AND published_at <= %s
ORDER BY kind, published_at DESC, id DESC
"""


def documents(merchant: int) -> list[dict[str, Any]]:
    """The version in force of each legal page, without its text."""
    rows = LegalDocument.objects.raw(_LATEST_SQL, [merchant, timezone.now()])
    return [
        {
            "kind": row.kind,
            "version": row.version,
            "title": row.title,
            "published_at": row.published_at,
        }
        for row in rows
    ]


def document(merchant: int, kind: str, version: str = "") -> dict[str, Any]:
    """A legal page with its text: the version in force, or an older one by its name.

    Raises: NotFound.
    """
    pages = LegalDocument.objects.filter(
        merchant_id=merchant, kind=kind, published_at__lte=timezone.now()
    )
    if version:
        pages = pages.filter(version=version)
    found = (
        pages.order_by("-published_at", "-pk")
        .values("kind", "version", "title", "body", "published_at")
        .first()
    )
    if found is None:
        raise NotFound(f"legal page {kind}")
    return dict(found)


def agree(customer: Customer, kind: str, version: str) -> tuple[dict[str, Any], bool]:
    """The customer has agreed to this version; again, it changes nothing. Say whether it is new.

    Raises: NotFound for a version that was never published.
    """
    page = LegalDocument.objects.filter(
        merchant_id=customer.merchant_id,
        kind=kind,
        version=version,
        published_at__lte=timezone.now(),
    ).first()
    if page is None:
        raise NotFound(f"legal page {kind} {version}")
    mine = Consent.objects.filter(
        merchant_id=customer.merchant_id, customer=customer, document=page
    )
    consent, new = mine.first(), False
    if consent is None:
        try:
            with transaction.atomic():
                consent = Consent.objects.create(
                    merchant_id=customer.merchant_id, customer=customer, document=page
                )
            new = True
        except IntegrityError:
            consent = mine.get()
    return {"document": kind, "version": version, "at": consent.at}, new


def consents(customer: Customer) -> list[dict[str, Any]]:
    """What a customer has agreed to, newest first."""
    rows = (
        Consent.objects.filter(merchant_id=customer.merchant_id, customer=customer)
        .order_by("-at", "-pk")
        .values_list("document__kind", "document__version", "at")[:100]
    )
    return [{"document": kind, "version": version, "at": at} for kind, version, at in rows]
