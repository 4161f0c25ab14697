# The broker, as one image: Bun, the built program, and nothing else. It runs as nobody in particular, on a file system that
# may be read-only; only the embedded store needs a place to write, /data, and Postgres needs none.
FROM node:24-bookworm-slim AS build
WORKDIR /source
COPY package.json package-lock.json ./
COPY packages/domain/package.json packages/domain/
COPY packages/broker/package.json packages/broker/
COPY packages/client/package.json packages/client/
COPY packages/cli/package.json packages/cli/
COPY packages/simulation/package.json packages/simulation/
# Only what the build needs: no Postgres for the tests, no test runner.
RUN npm ci --omit=dev --no-audit --no-fund
COPY . .
RUN npm run build \
  && mkdir /image /image/data \
  && cp -r dist /image/claudemesh \
  && cp "$(node -p 'require.resolve("bun/package.json").replace("package.json", "bin/bun.exe")')" /image/claudemesh/bun

# Bun needs glibc and nothing more; certificates of authorities are in it.
FROM gcr.io/distroless/base-debian12:nonroot
COPY --from=build --chown=root:root /image/claudemesh /claudemesh
# A new volume that is mounted here is made with its owner. It is not declared, since Railway builds no image that does.
COPY --from=build --chown=nonroot:nonroot /image/data /data
WORKDIR /claudemesh
# Not BROKER_PORT: where a platform gives it a PORT, the broker has to be there.
ENV BROKER_HOST=0.0.0.0 BROKER_DATA_DIR=/data BUN_RUNTIME_TRANSPILER_CACHE_PATH=0
# What it was built from, for who reads `/health`: docker build --build-arg GIT_SHA="$(git rev-parse HEAD)". Platforms say it by themselves.
ARG GIT_SHA=
ENV GIT_SHA=$GIT_SHA
EXPOSE 7900
USER nonroot
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 \
  CMD ["/claudemesh/bun", "--no-env-file", "--no-install", "--config=/claudemesh/bunfig.toml", "-e", "const { BROKER_PORT, BROKER_TLS_CERT, PORT } = process.env; process.exit((await fetch(`http${BROKER_TLS_CERT ? 's' : ''}://127.0.0.1:${BROKER_PORT || PORT || 7900}/health`, { tls: { rejectUnauthorized: false } })).ok ? 0 : 1)"]
ENTRYPOINT ["/claudemesh/bun", "--no-env-file", "--no-install", "--config=/claudemesh/bunfig.toml", "--tsconfig-override=/claudemesh/tsconfig.json", "/claudemesh/claudemesh.js", "broker"]
