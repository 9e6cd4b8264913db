"""Every setting, each read from the environment through `env`, which also knows NAME_FILE.

ENVIRONMENT is production unless somebody says otherwise, so that what is forgotten is strict. What
a production may not have is listed in `backend.checks`, and stops every process at its start.
"""

import os
from pathlib import Path

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from backend import checks, embedded, logs
from backend.desk.look import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent


def env(name: str, default: str = "") -> str:
    """The variable, or the contents of the file that NAME_FILE names, or the default.

    Empty counts as unset: compose files and CI pass empty strings for what nobody set.
    """
    if value := os.environ.get(name):
        return value
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE: {path}: {error.strerror}") from None
    return default


def env_bool(name: str, *, default: bool) -> bool:
    value = env(name, str(default)).lower()
    if value not in {"1", "true", "yes", "on", "0", "false", "no", "off"}:
        raise ImproperlyConfigured(f"{name}: {value} is neither true nor false")
    return value in {"1", "true", "yes", "on"}


def env_int(name: str, default: int) -> int:
    value = env(name, str(default))
    if not value.isdecimal():
        raise ImproperlyConfigured(f"{name}: {value} is not a whole number")
    return int(value)


def env_list(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in env(name, default).split(",") if part.strip()]


# What kind of run this is

ENVIRONMENT = env("ENVIRONMENT", "production")
if ENVIRONMENT not in {"production", "development", "test"}:
    raise ImproperlyConfigured(f"ENVIRONMENT: {ENVIRONMENT} is not production, development or test")
PRODUCTION = ENVIRONMENT == "production"
DEBUG = env_bool("DEBUG", default=False)
DATA_DIR = Path(env("DATA_DIR", ".data"))
if not DATA_DIR.is_absolute():
    DATA_DIR = BASE_DIR / DATA_DIR
PORT = env_int("PORT", 8000)
SANDBOX_PORT = env_int("SANDBOX_PORT", 8001)
SANDBOX_TLS_PORT = env_int("SANDBOX_TLS_PORT", 0)
PUBLIC_BASE_URL = env("PUBLIC_BASE_URL", "" if PRODUCTION else f"http://127.0.0.1:{PORT}").rstrip(
    "/"
)

# Secrets. Outside production they are made once and kept in the data folder.

SECRET_KEY = env("SECRET_KEY")
ENCRYPTION_KEYS = env_list("ENCRYPTION_KEYS")
if not PRODUCTION:
    SECRET_KEY = SECRET_KEY or checks.kept_secret(DATA_DIR / "secret_key")
    ENCRYPTION_KEYS = ENCRYPTION_KEYS or [checks.kept_secret(DATA_DIR / "encryption_key")]

# Who may come in, and how

ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "" if PRODUCTION else "*")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS", PUBLIC_BASE_URL if PRODUCTION else "")
TRUSTED_PROXIES = env_int("TRUSTED_PROXIES", 0)
METRICS_TOKEN = env("METRICS_TOKEN")
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SESSION_COOKIE_HTTPONLY = True
SECURE_HSTS_SECONDS = 31_536_000 if PRODUCTION else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
FILE_UPLOAD_PERMISSIONS = 0o644
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# WeChat

SANDBOX_URL = "" if PRODUCTION else f"http://127.0.0.1:{SANDBOX_PORT}/"
WECHAT_API_BASE_URL = env("WECHAT_API_BASE_URL", SANDBOX_URL or "https://api.weixin.qq.com/")
WECHAT_PAY_BASE_URL = env("WECHAT_PAY_BASE_URL", SANDBOX_URL or "https://api.mch.weixin.qq.com/")
WECHAT_CA_BUNDLE = env("WECHAT_CA_BUNDLE")

# The application

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "backend.desk.apps.DeskConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "backend",
    "shop",
    "coupons",
    "orders",
    "payments",
]

MIDDLEWARE = [
    "backend.health.probes",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "backend.logs.request_log",
    "django.middleware.locale.LocaleMiddleware",
    "backend.desk.middleware.Sessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "backend.desk.middleware.Authentication",
    "backend.desk.middleware.Messages",
    "backend.desk.middleware.Frames",
]

ROOT_URLCONF = "backend.urls"
WSGI_APPLICATION = "backend.wsgi.application"
APPEND_SLASH = False
LOGIN_REDIRECT_URL = "admin:index"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# What it keeps, and where

DATABASE_URL = env("DATABASE_URL", "" if PRODUCTION else embedded.database_url(DATA_DIR))
REDIS_URL = env("REDIS_URL", "" if PRODUCTION else embedded.redis_url(DATA_DIR))

# One connection a thread, kept: opening one per request costs a factor of three to four. Behind
# PgBouncer in transaction mode a cursor may not outlive its transaction, hence the second setting;
# psycopg prepares nothing on the server unless asked.
DATABASES = {
    "default": dj_database_url.parse(
        DATABASE_URL or "postgresql://",
        engine="backend.database",
        conn_max_age=None,
        conn_health_checks=True,
    )
    | {
        "DISABLE_SERVER_SIDE_CURSORS": True,
        # Values go beside the statement, not into its text: a tenth less work on each.
        "OPTIONS": {"server_side_binding": True},
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL or "redis://",
        "KEY_PREFIX": "shop",
        "OPTIONS": {"socket_connect_timeout": 2, "socket_timeout": 2},
    },
}
SESSION_ENGINE = "django.contrib.sessions.backends.db"
# A message may hold an invitation or a till's secret, which no cookie should.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles" if PRODUCTION else None  # elsewhere straight from the apps
MEDIA_URL = "/media/"
MEDIA_ROOT = DATA_DIR / "media"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_AUTOREFRESH = False

# What it says

LOG_FORMAT = env("LOG_FORMAT", "json" if PRODUCTION else "text")
if LOG_FORMAT not in {"json", "text"}:
    raise ImproperlyConfigured(f"LOG_FORMAT: {LOG_FORMAT} is neither json nor text")
LOG_LEVEL = env("LOG_LEVEL", "INFO").upper()
LOGGING = logs.config(LOG_FORMAT, LOG_LEVEL)

# Languages and times

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = env("TIME_ZONE", "Asia/Shanghai")

# Processes

WEB_HOST = env("WEB_HOST", "0.0.0.0" if PRODUCTION else "127.0.0.1")  # noqa: S104
WEB_WORKERS = env_int("WEB_WORKERS", 2)
WEB_THREADS = env_int("WEB_THREADS", 4)
WORKER_PROCESSES = env_int("WORKER_PROCESSES", 2)

# The API

REST_FRAMEWORK = {
    # The renderer and the parser are on backend.api.ApiView, which DRF's own defaults can't import.
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "backend.api.handle_exception",
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "WeChat shop",
    "DESCRIPTION": (BASE_DIR / "backend" / "api.md").read_text(encoding="utf-8"),
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "OrderStatusEnum": "orders.models.OrderStatus",
        "PurchaseStatusEnum": "orders.models.PurchaseStatus",
        "CouponStatusEnum": "coupons.models.CouponStatus",
        "PayingStatusEnum": ["pending", "paid"],
        "DeliveryKindEnum": ["express"],
        "OrderRowKindEnum": ["purchase", "order"],
        "LegalKindEnum": "shop.models.merchants.LegalKind",
    },
}


if PRODUCTION and (faults := checks.faults(globals())):
    raise ImproperlyConfigured("\n".join(faults))
