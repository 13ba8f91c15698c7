#!/bin/sh
# Makes the certificates of the cluster and puts what each role holds into a Secret of its own. The authorities stay in DIR: keep it
# safe, it is needed again for more members and before the certificates end. Run again, it replaces what is near its end.
#   deploy/kubernetes/certificates.sh DIR [NAMESPACE]
set -e
dir=${1:?usage: certificates.sh DIR [NAMESPACE]}
namespace=${2:-default}
members=${HEXAD_MEMBERS:-hexad-0,hexad-1,hexad-2}
"$(dirname "$0")/../../bin/hexutl" certificates --dir "$dir" --members "$members" --member-host '{member}.hexad' \
  --client-hosts "hexad-client,hexad-client.$namespace,hexad-client.$namespace.svc${HEXAD_CLIENT_HOSTS:+,$HEXAD_CLIENT_HOSTS}"
for role in raft storage lease auth watch proxy nats prometheus; do
  kubectl --namespace "$namespace" create secret generic "hexad-$role" --from-file="$dir/$role" --dry-run=client -o yaml |
    kubectl --namespace "$namespace" apply -f -
done
