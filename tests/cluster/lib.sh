# shellcheck shell=bash disable=SC2034
# What the scripts of the test cluster share: versions, places, addresses.

# shellcheck source=hack/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../hack/lib.sh"

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# The version of a module as a go.mod here has it: version FOLDER MODULE
version() { awk -v module="$2" '$1 == module { print $2 }' "$HERE/$1/go.mod"; }
KUBERNETES=$(version kube k8s.io/kubernetes)
PIPELINES=$(version tekton github.com/tektoncd/pipeline)
TRIGGERS=$(version tekton github.com/tektoncd/triggers)

# Built once for all checkouts; the cluster's own state lives beside it, because there is one cluster at a time.
CLUSTER=${STREAMGAUGE_CLUSTER_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/streamgauge/cluster}
BIN=$CLUSTER/bin
IMAGES=$CLUSTER/images
STATE=$CLUSTER/state
RUN=$STATE/run
LOG=$CLUSTER/log
KUBECONFIG=$STATE/pki/admin.kubeconfig

# The cluster lives in a network namespace of its own, joined to the computer by a pair of veth devices.
NETNS=streamgauge
# Says whose it is: another folder's cluster is not ours to stop.
OWNER=/run/streamgauge-cluster
HOST_DEVICE=sg-host
NODE_DEVICE=sg-node
HOST_IP=10.99.1.2
GATEWAY_IP=10.99.1.1
NODE=node
NODE_IP=10.99.0.1
SERVICES=10.99.16.0/20
API_SERVICE_IP=10.99.16.1
DNS_SERVICE_IP=10.99.16.10
PODS=10.99.2.0/24
CLUSTER_ROUTES=("$NODE_IP/32" "$SERVICES" "$PODS")

# Waits until a command succeeds: wait_for WHAT SECONDS COMMAND...
wait_for() {
  local what=$1 seconds=$2 deadline=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $deadline ]; then
      say "$what: not after $seconds s"
      "$@" >&2 || true
      return 1
    fi
    sleep 0.2
  done
}

containerd_client() { ctr -a "$RUN/containerd.sock" -n k8s.io "$@"; }

# The processes of the cluster, pods excepted: all in its network namespace.
cluster_pids() { ip netns pids "$NETNS" 2>/dev/null || true; }
