"""How the OpenAPI document says that a token is needed."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "shop.login.BearerToken"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """`Authorization: Bearer` with the access token of `auth/login`."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
