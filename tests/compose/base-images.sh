#!/bin/sh
# Makes local stand-ins for the base images of the compose file, for machines without an image registry. Needs root, a
# Docker engine, debootstrap and Debian's package mirror. Each stand-in bears the name of the image it stands in for:
#   node:…-bookworm-slim   Debian bookworm (debootstrap) with the Node.js of this machine
set -e
image=$(sed -n 's/^ARG NODE_IMAGE=//p' "$(dirname "$0")/../../deploy/Dockerfile")
if docker image inspect "$image" >/dev/null 2>&1; then
  echo "$image: present"
  exit 0
fi
command -v debootstrap >/dev/null || { echo "debootstrap is missing" >&2; exit 1; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=ca-certificates bookworm "$root/rootfs" >"$root/log" 2>&1 || { tail -5 "$root/log" >&2; exit 1; }
node=$(readlink -f "$(command -v node)")
prefix=$(dirname "$(dirname "$node")")
install -m 0755 "$node" "$root/rootfs/usr/local/bin/node"
mkdir -p "$root/rootfs/usr/local/lib/node_modules"
cp -a "$prefix/lib/node_modules/npm" "$root/rootfs/usr/local/lib/node_modules/"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/rootfs/usr/local/bin/npm"
ln -s ../lib/node_modules/npm/bin/npx-cli.js "$root/rootfs/usr/local/bin/npx"
# The build inside asks the same package registry as this machine, so it must trust the same authorities.
cp /etc/ssl/certs/ca-certificates.crt "$root/rootfs/etc/ssl/certs/ca-certificates.crt"
tar -C "$root/rootfs" -c . | docker import -c "ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt" - "$image" >/dev/null
echo "$image: local stand-in (Debian bookworm with Node.js $("$node" --version))"
