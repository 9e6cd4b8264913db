"""How fast the shop answers beside a bare view with the same outcome. Run by `make bench`."""
