"""What WeChat's answers come down to: no, later, or unknown."""

from __future__ import annotations


class WeChatError(Exception):
    """Anything that went wrong between WeChat and us. Its text never holds a secret or a token."""


class Refused(WeChatError):
    """WeChat said no, and will say no again to the same request.

    `code` is WeChat's own (`ORDERPAID`, `40164`), or one of ours (`bad_login_code`).
    """

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message


class Retry(WeChatError):
    """Send the same request again later: nothing was accepted, or its number makes it once."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message


class Unknown(WeChatError):
    """WeChat may or may not have accepted it: ask, then repeat with the same numbers."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class BadSignature(WeChatError):
    """A notification that WeChat did not write, or not to us, or that can't be read."""
