"""The doors of the shop."""
