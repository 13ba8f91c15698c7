# In place of the images of the profile "observability": Debian's prometheus, and the suite's own stand-ins for the others, which read the
# same configuration, serve the same ports and answer the requests that the tests make (../stand-ins/main.ts).
ARG NODE_IMAGE
FROM ${NODE_IMAGE} AS base
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends wget && rm -rf /var/lib/apt/lists/*

FROM base AS prometheus
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus && rm -rf /var/lib/apt/lists/*
ENTRYPOINT ["prometheus"]

FROM base AS suite
COPY main.js /stand-in/main.js

FROM suite AS collector
ENTRYPOINT ["node", "/stand-in/main.js", "collector"]

FROM suite AS jaeger
ENTRYPOINT ["node", "/stand-in/main.js", "jaeger"]

FROM suite AS grafana
ENTRYPOINT ["node", "/stand-in/main.js", "grafana"]
