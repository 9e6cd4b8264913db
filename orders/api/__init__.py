"""The doors of orders: cart, quote, purchases, orders."""
