"""The shopkeeper's pages about vouchers: what is offered, codes, grants, the counter."""

from coupons.admin import codes, counter, grants, templates

__all__ = ["codes", "counter", "grants", "templates"]
