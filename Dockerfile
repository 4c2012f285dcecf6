# One image for every service; the command names the worker. Untested against an engine: see
# docker-compose.yml.
FROM python:3.12-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

COPY requirements.lock ./
RUN pip install --require-hashes -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY afflux ./afflux
COPY services ./services
COPY schemas ./schemas
RUN pip install --no-deps --no-build-isolation --no-index -e .

COPY deploy/entrypoint /usr/local/bin/afflux-entrypoint
RUN useradd --system --create-home afflux \
    && install -d -o afflux -g afflux /var/lib/afflux /var/lib/afflux-checkpoints
USER afflux
ENV AFFLUX_HOME=/var/lib/afflux
VOLUME ["/var/lib/afflux", "/var/lib/afflux-checkpoints"]

ENTRYPOINT ["afflux-entrypoint"]
CMD ["--help"]
