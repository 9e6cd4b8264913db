"""The sandbox over HTTP, as the shop's own tests have it."""

from tests.shop.conftest import running_wechat, wechat

__all__ = ["running_wechat", "wechat"]
