"""Django's PostgreSQL, with what a request must not pay for left out."""
