#!/bin/sh
# Installs the Debian packages that tests need, when it may: as root, with apt. Says what is missing otherwise; tests
# whose tool is missing are then skipped by name.
packages="etcd-client etcd-server nats-server prometheus python3-grpcio docker.io docker-compose debootstrap iptables libfaketime"
# grpc-java, where there is a JDK to run it.
command -v javac >/dev/null && packages="$packages libgrpc-java libnetty-java libguava-java libperfmark-java"
missing=""
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "tests: missing Debian packages:$missing (not installed: needs root and apt-get)" >&2
  exit 0
fi
# A package's own service must not start: tests start what they need themselves.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
trap 'rm -f /usr/sbin/policy-rc.d' EXIT
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >&2
# shellcheck disable=SC2086 -- a list of names
apt-get install -y -qq --no-install-recommends $missing >&2 || echo "tests: could not install:$missing" >&2
