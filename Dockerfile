# The service as an image: `docker build -t orders-graphql .`; compose.yaml runs it with PostgreSQL.
ARG PYTHON=3.13-slim-trixie
ARG NODE=24-trixie-slim

FROM node:${NODE} AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY web/ ./
RUN npm run build

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv --without-pip /opt/orders
# The packages first: they change less often than the code, and are taken from the cache until then.
COPY requirements.lock ./
RUN python -m pip --python /opt/orders/bin/python install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY alembic/ alembic/
COPY app/ app/
COPY --from=web /src/app/static/ app/static/
RUN python -m pip --python /opt/orders/bin/python wheel --no-deps --no-build-isolation -w dist . \
    && python -m pip --python /opt/orders/bin/python uninstall --yes hatchling editables \
    && python -m pip --python /opt/orders/bin/python install --no-deps --no-index dist/*.whl

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="orders-graphql" \
      org.opencontainers.image.description="An orders API: GraphQL and four legacy REST paths" \
      org.opencontainers.image.licenses="MIT"
RUN groupadd --gid 10001 orders \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/orders \
        --shell /usr/sbin/nologin orders \
    && install --directory --owner=10001 --group=10001 --mode=0750 /var/lib/orders
COPY --from=build /opt/orders/ /opt/orders/
# Without another database it is a file of SQLite, for which to mount a volume at /var/lib/orders.
ENV PATH=/opt/orders/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORDERS_DATABASE_URL=sqlite+aiosqlite:////var/lib/orders/orders.db \
    ORDERS_HOST=0.0.0.0 \
    ORDERS_PORT=8000
USER 10001:10001
WORKDIR /var/lib/orders
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client as h, os; c = h.HTTPConnection('127.0.0.1', os.environ['ORDERS_PORT'], timeout=4); c.request('GET', '/healthz'); exit(c.getresponse().status != 200)"]
ENTRYPOINT ["orders"]
CMD ["serve"]
