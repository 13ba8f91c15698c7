#!/bin/sh
# Makes this machine ready for the tests of the compose file: an engine, the images, each once. Where images can't be pulled it makes
# stand-ins of the same names, so that the same compose file is tested, and lists them in dist/compose-stand-ins*.txt.
#   prepare.sh            engine, stand-ins, the image hexad:test
#   prepare.sh observability    and the images of that profile, which only the nightly tests start
#   prepare.sh stop       ends the engine, if it was started here
# Ends with 75 where there can be no engine; standard output then says why.
cd "$(dirname "$0")/../.." || exit 1
state=/var/tmp/hexad-compose-engine
if [ "$1" = stop ]; then
  [ -f "$state/pid" ] || exit 0
  kill "$(cat "$state/pid")" 2>/dev/null
  # Its containers end with it; the images stay for the next time.
  for _ in $(seq 100); do [ -e "$state/docker.pid" ] || break; sleep 0.1; done
  rm -f "$state/pid"
  exit 0
fi
cannot() { echo "$*"; exit 75; }
command -v docker >/dev/null || cannot "no docker"
command -v docker-compose >/dev/null || cannot "no docker-compose"
mkdir -p dist
exec 9>dist/compose-prepare.lock
flock 9

engine() {
  docker info >/dev/null 2>&1 && return
  command -v dockerd >/dev/null || cannot "no engine runs, and dockerd is not installed"
  [ "$(id -u)" = 0 ] || cannot "no engine runs, and only root may start one"
  mkdir -p "$state"
  setsid dockerd --pidfile "$state/docker.pid" >"$state/log" 2>&1 9>&- &
  echo $! >"$state/pid"
  for _ in $(seq 150); do docker info >/dev/null 2>&1 && return; kill -0 "$(cat "$state/pid")" 2>/dev/null || break; sleep 0.2; done
  cannot "the engine did not start: $(tail -1 "$state/log" | cut -c1-300)"
}

stand_ins=dist/compose-stand-ins.txt
present() { docker image inspect "$1" >/dev/null 2>&1; }
# Images that were made here bear this label.
is_stand_in() { [ "$(docker image inspect -f '{{index .Config.Labels "hexad.stand-in"}}' "$1" 2>/dev/null)" != "" ]; }
pulled() { present "$1" && ! is_stand_in "$1" || timeout 60 docker pull -q "$1" >/dev/null 2>&1; }

# Debian bookworm with the Node.js of this machine, in place of node:…-bookworm-slim.
base() {
  command -v debootstrap >/dev/null || { echo "debootstrap is missing" >&2; return 1; }
  root=$(mktemp -d)
  debootstrap --variant=minbase --include=ca-certificates bookworm "$root/rootfs" >"$root/log" 2>&1 || { tail -5 "$root/log" >&2; rm -rf "$root"; return 1; }
  node=$(readlink -f "$(command -v node)")
  prefix=$(dirname "$(dirname "$node")")
  install -m 0755 "$node" "$root/rootfs/usr/local/bin/node"
  mkdir -p "$root/rootfs/usr/local/lib/node_modules"
  cp -a "$prefix/lib/node_modules/npm" "$root/rootfs/usr/local/lib/node_modules/"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/rootfs/usr/local/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$root/rootfs/usr/local/bin/npx"
  # The build inside asks the same package registry as this machine, so it must trust the same authorities.
  cp /etc/ssl/certs/ca-certificates.crt "$root/rootfs/etc/ssl/certs/ca-certificates.crt"
  rm -rf "$root/rootfs/var/cache/apt/archives" "$root/rootfs/var/lib/apt/lists"
  tar -C "$root/rootfs" -c . | docker import -c "ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt" \
    -c "LABEL hexad.stand-in=yes" - "$1" >/dev/null
  rm -rf "$root"
}

engine
: >"$stand_ins"
node_image=$(sed -n 's/^ARG NODE_IMAGE=//p' deploy/Dockerfile)
nats_image=$(sed -n 's/^ *image: \(nats:.*\)$/\1/p' docker-compose.yml)
if ! pulled "$node_image"; then
  is_stand_in "$node_image" || base "$node_image" || exit 1
  echo "stand-in: $node_image is Debian bookworm (debootstrap) with Node.js $(docker run --rm --entrypoint node "$node_image" --version)" >>"$stand_ins"
fi
if ! pulled "$nats_image"; then
  is_stand_in "$nats_image" || docker build -q --network host --label hexad.stand-in=yes --build-arg NODE_IMAGE="$node_image" -t "$nats_image" \
    -f tests/compose/stand-ins/nats.Dockerfile tests/compose/stand-ins >/dev/null 2>&1 || { echo "cannot build the stand-in for $nats_image" >&2; exit 1; }
  echo "stand-in: $nats_image is Debian's $(docker run --rm "$nats_image" --version)" >>"$stand_ins"
fi
echo "stand-in: the collector is the suite's own OTLP sink" >>"$stand_ins"
if [ "$1" = observability ]; then
  : >dist/compose-stand-ins-observability.txt
  npx esbuild tests/compose/stand-ins/main.ts --bundle --platform=node --target=node20 --outfile=dist/compose-observability/main.js --log-level=error || exit 1
  cp tests/compose/stand-ins/observability.Dockerfile dist/compose-observability/Dockerfile
  for part in collector:"the suite's own OTLP sink, by the collector's configuration" jaeger:"the suite's own OTLP sink with Jaeger's query API" \
    prometheus: grafana:"a reader of what Grafana is provisioned with, with its HTTP API"; do
    target=${part%%:*}
    image=$(sed -n "/^  $target:/,/^  [a-z]/s/^ *image: //p" docker-compose.yml)
    pulled "$image" && continue
    # Made anew each time, since they are built from the suite; what the distribution gives is in the engine's cache.
    docker build -q --network host --label hexad.stand-in=yes --build-arg NODE_IMAGE="$node_image" --target "$target" -t "$image" \
      dist/compose-observability >/dev/null 2>dist/compose-observability.log || { tail -5 dist/compose-observability.log >&2; echo "cannot build the stand-in for $image" >&2; exit 1; }
    what=${part#*:}
    [ "$target" = prometheus ] && what="Debian's $(docker run --rm "$image" --version 2>&1 | head -1 | cut -d' ' -f1-3)"
    echo "stand-in: $image is $what" >>dist/compose-stand-ins-observability.txt
  done
fi
[ -n "$HEXAD_TEST_IMAGE" ] || docker build --network host -f deploy/Dockerfile -t hexad:test . >dist/compose-build.log 2>&1 || { tail -20 dist/compose-build.log >&2; exit 1; }
npx esbuild tests/compose/sink-main.ts --bundle --platform=node --target=node20 --outfile=dist/compose-sink/main.js --log-level=error
