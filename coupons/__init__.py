"""Why it is cheaper."""
