# The engine in a container:
#   docker build -t sluice .
#   docker run --rm --network host --cap-add NET_ADMIN --cap-add NET_RAW --cap-add BPF \
#     --device /dev/net/tun -v "$PWD":/site sluice run /site/site.ts
# They are given up when the ports are open; docs/operation.md, Privileges.
FROM node:20-bookworm-slim AS build
RUN apt-get update \
  && apt-get install -y --no-install-recommends g++ make cmake ninja-build doctest-dev python3 \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /sluice
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run generate && npm run make-prebuild && npm run build:ts && npm prune --omit=dev --ignore-scripts

FROM node:20-bookworm-slim
# iproute2: what `sluice doctor` and the demo look with.
RUN apt-get update \
  && apt-get install -y --no-install-recommends iproute2 \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /sluice
COPY --from=build /sluice/package.json ./
COPY --from=build /sluice/node_modules ./node_modules
COPY --from=build /sluice/prebuilds ./prebuilds
COPY --from=build /sluice/dist ./dist
COPY --from=build /sluice/bin ./bin
COPY --from=build /sluice/examples ./examples
ENTRYPOINT ["node", "/sluice/bin/sluice.js"]
