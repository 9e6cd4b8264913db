"""The one door to WeChat. Past it there are verified dataclasses and three kinds of no."""

from __future__ import annotations

import logging


def _says_no_secret(record: logging.LogRecord) -> bool:
    """Keep a record out of the log when it would write a key, a secret or a token."""
    if record.name.startswith("wechatpy"):
        # At DEBUG, wechatpy.pay.utils writes the text it signs, and that ends in the API key.
        return record.levelno >= logging.WARNING
    text = record.getMessage()
    return not any(word in text for word in ("secret=", "access_token=", "js_code="))


# A level can be set again by a logging configuration; a filter on the logger itself stays.
logging.getLogger("wechatpy").setLevel(logging.WARNING)
for _name in (
    "wechatpy.pay",
    "wechatpy.pay.utils",
    "wechatpy.pay.api.jsapi",
    "wechatpy.client.base",
    "urllib3.connectionpool",
):
    logging.getLogger(_name).addFilter(_says_no_secret)
