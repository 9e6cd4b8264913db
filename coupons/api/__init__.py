"""The doors of coupons: offers, ways in and out, the wallet, the counter, tills, WeChat's cards."""
