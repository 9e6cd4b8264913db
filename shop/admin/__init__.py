"""The shopkeeper's pages about goods, shelves, the shop window and the shop itself."""

from shop.admin import merchants, products, staff, stock, window

__all__ = ["merchants", "products", "staff", "stock", "window"]
