"""The shopkeeper's pages about vouchers: what is offered, codes, grants."""

from coupons.admin import codes, grants, templates

__all__ = ["codes", "grants", "templates"]
