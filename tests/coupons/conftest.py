"""The sandbox over HTTP, as the shop's own tests have it."""

from tests.shop.conftest import running_wechat, wechat
from tests.wechat.conftest import letterbox

__all__ = ["letterbox", "running_wechat", "wechat"]
