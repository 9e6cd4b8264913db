"""The clock's work on coupons."""

from celery import shared_task
from django.utils import timezone

from backend import metrics
from coupons import wallet


@shared_task
def expire_coupons() -> None:
    """Mark what has run out, for lists: all of it, as a chain's vouchers end at one moment."""
    at, marked = timezone.now(), 0
    while found := wallet.expire(at=at):
        marked += found
    metrics.sweep("expire_coupons", marked)
