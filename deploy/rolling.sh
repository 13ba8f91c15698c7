#!/bin/sh
# Replaces every container by a new one, one member and one hub or proxy at a time, each only when all before are healthy: a restart, or
# an upgrade when the image or the settings have changed. Clients that retry reads lose no request.
#   docker compose build && deploy/rolling.sh            COMPOSE="docker-compose -p NAME -f …" for other files or names
set -e
compose=${COMPOSE:-docker compose}
members=${HEXAD_MEMBERS:-m1,m2,m3}
limit=${HEXAD_ROLLING_TIMEOUT:-120}

healthy() {
  waited=0
  for container in $($compose ps -q "$@"); do
    until [ "$(docker inspect -f '{{.State.Health.Status}}' "$container")" = healthy ]; do
      waited=$((waited + 1))
      [ "$waited" -le "$limit" ] || { echo "rolling: $* not healthy within $limit s: see \"$compose logs $*\"" >&2; exit 1; }
      sleep 1
    done
  done
}

every=$($compose ps --services | grep -E '^(m[0-9]+-(raft|storage|lease|auth)|watch|proxy|edge|nats)$')
# shellcheck disable=SC2086 -- lists of names
healthy $every
for member in $(echo "$members" | tr ',' ' '); do
  echo "rolling: $member"
  $compose up -d --no-deps --force-recreate "$member-raft" "$member-storage" "$member-lease" "$member-auth"
  healthy "$member-raft" "$member-storage" "$member-lease" "$member-auth"
done
for tier in watch proxy; do
  containers=$($compose ps -q "$tier")
  count=$(echo "$containers" | wc -l)
  for container in $containers; do
    echo "rolling: $tier $(echo "$container" | cut -c1-12)"
    # One more first, so that a tier of one is never empty.
    $compose up -d --no-deps --no-recreate --scale "$tier=$((count + 1))" "$tier"
    healthy "$tier"
    docker stop -t 10 "$container" >/dev/null
    docker rm "$container" >/dev/null
  done
done
healthy watch proxy
echo "rolling: done (the edge is one process: \"$compose up -d --no-deps --force-recreate edge\" breaks every connection once)"
