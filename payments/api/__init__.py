"""The doors of payments: paying, checking, and WeChat's own."""
