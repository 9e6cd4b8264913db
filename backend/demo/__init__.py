"""A merchant of our own making, for a first look: 山野小集 sells tea and the things around it.

Everything in this package was written and drawn for it; nobody's shop was copied.
"""

from typing import Final

SLUG: Final = "demo"
# Sign-ins of the demo, for development alone: the seed refuses to run in production.
OWNER: Final = ("demo", "demo-shop-2026")
OPERATOR: Final = ("operator", "operator-2026")
