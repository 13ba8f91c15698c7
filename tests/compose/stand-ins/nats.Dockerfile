# In place of the official image of NATS: Debian's nats-server, with the wget that the health check uses.
ARG NODE_IMAGE
FROM ${NODE_IMAGE}
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends nats-server wget && rm -rf /var/lib/apt/lists/*
ENTRYPOINT ["nats-server"]
