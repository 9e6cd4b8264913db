"""The doors of coupons: what is offered, claiming it, the wallet."""
