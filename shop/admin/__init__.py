"""The shopkeeper's pages about goods, shelves, the shop window and the shop itself."""

from shop.admin import categories, customers, merchants, messages, products, staff, stock, window

__all__ = [
    "categories",
    "customers",
    "merchants",
    "messages",
    "products",
    "staff",
    "stock",
    "window",
]
