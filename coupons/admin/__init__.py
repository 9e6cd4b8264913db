"""The shopkeeper's pages about vouchers: what is offered, codes, grants, the counter, WeChat's."""

from coupons.admin import cards, codes, counter, coupons, grants, templates

__all__ = ["cards", "codes", "counter", "coupons", "grants", "templates"]
