"""The clock's work on coupons."""

from celery import shared_task
from django.utils import timezone

from backend import metrics
from coupons import wallet


@shared_task
def expire_coupons() -> None:
    """Mark what has run out, for lists."""
    metrics.sweep("expire_coupons", wallet.expire(at=timezone.now()))
