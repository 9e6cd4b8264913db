"""Faults of the line, the same for every call: no answer, or an answer nobody asked for."""

from typing import Final

from .faults import Fault
from .wire import HTML_TYPE, Reply

PAGE: Final = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\r\n"
JUNK: Final = {
    "html_200": Reply(PAGE.format("系统繁忙").encode(), HTML_TYPE),
    "http_502": Reply(PAGE.format("502 Bad Gateway").encode(), HTML_TYPE, status=502),
    "text_200": Reply(b"system busy, please try again later", "text/plain"),
}


def instead(fault: Fault) -> Reply | None:
    """What is answered without the call being done; None when it is to be done."""
    if fault.is_one_of("drop_before"):
        return Reply(drop=True)
    if fault.accepted:
        return None
    return JUNK.get(fault.fault)


def misbehave(honest: Reply, fault: Fault | None) -> Reply:
    """What is answered after the call was done."""
    if fault is None:
        return honest
    if fault.is_one_of("timeout_after_accepting"):
        return Reply(drop=True, hold=fault.seconds)
    return JUNK.get(fault.fault, honest)
