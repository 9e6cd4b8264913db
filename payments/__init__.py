"""Whether the money came, or went back."""
