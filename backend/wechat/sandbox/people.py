"""Shoppers: their openids, and the codes their phones hand out."""

import base64
import secrets
import string
from dataclasses import dataclass
from typing import Any, Final

from . import clock
from .store import Store

CODE_LIFE: Final = 300.0
ALPHABET: Final = string.ascii_letters + string.digits + "-_"


@dataclass
class Person:
    """One openid of one mini program."""

    appid: str
    openid: str
    unionid: str = ""
    session_key: str = ""

    @property
    def key(self) -> str:
        return f"{self.appid}/{self.openid}"


@dataclass
class Code:
    """Good for one use within five minutes."""

    kind: str  # login or phone
    code: str
    appid: str
    openid: str
    made_at: float
    phone: str = ""
    country_code: str = "86"
    used: bool = False

    @property
    def expired(self) -> bool:
        return clock.now() - self.made_at > CODE_LIFE


class People:
    """Every shopper and every code. All calls are made under the world's lock."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._people = {p.key: p for p in (Person(**row) for row in store.load("person"))}
        self._openids = {person.openid for person in self._people.values()}
        self._codes: dict[str, Code] = {}
        # Forgotten with a restart.
        self._consents: dict[tuple[str, str, str], int] = {}
        self.told: list[dict[str, Any]] = []
        for row in store.load("code"):
            code = Code(**row)
            if code.expired:
                store.delete("code", code.code)
            else:
                self._codes[code.code] = code

    def knows(self, openid: str) -> bool:
        return openid in self._openids

    def belongs(self, openid: str, appid: str) -> bool:
        return f"{appid}/{openid}" in self._people

    def meet(self, appid: str, openid: str, unionid: str = "") -> Person:
        """The person with this openid, who may be new; a unionid once told is kept."""
        person = self._people.get(f"{appid}/{openid}")
        if person is None:
            person = Person(appid, openid, unionid)
        elif not unionid or unionid == person.unionid:
            return person
        person.unionid = unionid
        self._keep(person)
        return person

    def _keep(self, person: Person) -> None:
        self._people[person.key] = person
        self._openids.add(person.openid)
        self._store.save("person", person.key, vars(person))

    def is_person(self, appid: str, openid: str) -> bool:
        """Whether somebody signed in to this mini program under this openid."""
        return f"{appid}/{openid}" in self._people

    def consent(self, appid: str, openid: str, template_id: str) -> int:
        """The person accepts a subscribe message once more; how many are open."""
        key = (appid, openid, template_id)
        self._consents[key] = self._consents.get(key, 0) + 1
        return self._consents[key]

    def spend_consent(self, appid: str, openid: str, template_id: str) -> bool:
        """One acceptance is used up; whether there was one."""
        key = (appid, openid, template_id)
        if not self._consents.get(key):
            return False
        self._consents[key] -= 1
        return True

    def tell(self, appid: str, openid: str, said: dict[str, Any]) -> None:
        """The message stands in the person's WeChat."""
        self.told.append({"appid": appid, **said, "touser": openid})

    def login_code(self, appid: str, openid: str = "", unionid: str = "") -> Code:
        """What wx.login would give; without an openid somebody new signs in."""
        person = self.meet(appid, openid or "o" + _random(27), unionid)
        return self._issue(Code("login", "0" + _random(31), appid, person.openid, clock.now()))

    def phone_code(self, appid: str, openid: str, phone: str, country_code: str) -> Code:
        """What the phone-number button would give."""
        self.meet(appid, openid)
        code = Code("phone", secrets.token_hex(32), appid, openid, clock.now())
        code.phone = phone
        code.country_code = country_code
        return self._issue(code)

    def _issue(self, code: Code) -> Code:
        self._codes[code.code] = code
        self._store.save("code", code.code, vars(code))
        return code

    def find_code(self, kind: str, text: str) -> Code | None:
        code = self._codes.get(text)
        return code if code is not None and code.kind == kind and not code.expired else None

    def use(self, code: Code) -> Person:
        """The code is spent, and says whose it was; a sign-in changes the session key."""
        code.used = True
        self._store.save("code", code.code, vars(code))
        person = self._people[f"{code.appid}/{code.openid}"]
        if code.kind == "login":
            person.session_key = base64.b64encode(secrets.token_bytes(16)).decode()
            self._keep(person)
        return person


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
