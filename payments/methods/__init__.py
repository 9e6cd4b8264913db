"""Ways to pay: one file each, one line in the table."""

from typing import Final

from payments.methods.method import Method
from payments.methods.wechat_jsapi import WeChatJsapi

METHODS: Final[dict[str, Method]] = {method.name: method for method in (WeChatJsapi(),)}

__all__ = ["METHODS", "Method"]
