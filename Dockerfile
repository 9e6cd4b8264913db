# One image for web, worker, beat and migrate: the role is the argument of backend/run.py, the same
# script that `make run` uses.

FROM python:3.12-slim AS build
WORKDIR /build
RUN python -m venv /venv
COPY requirements.txt .
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt

FROM python:3.12-slim
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=backend.settings \
    ENVIRONMENT=production \
    DATA_DIR=/data
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin shop \
    && install --directory --owner=shop --group=shop /data
COPY --from=build /venv /venv
WORKDIR /app
COPY . .
# A production refuses to start without its secrets, so this one step gets some that nobody keeps.
RUN SECRET_KEY=$(python -c 'import secrets; print(secrets.token_urlsafe(60))') \
    ENCRYPTION_KEYS=$(python -c 'from cryptography.fernet import Fernet as F; print(F.generate_key().decode())') \
    ALLOWED_HOSTS=build PUBLIC_BASE_URL=https://build.invalid \
    DATABASE_URL=postgresql://build/build REDIS_URL=redis://build \
    python manage.py collectstatic --noinput
USER shop
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('PORT', '8000') + '/healthz', timeout=4)"]
ENTRYPOINT ["python", "-m", "backend.run"]
CMD ["web"]
