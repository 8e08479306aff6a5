#!/usr/bin/env bash
# Builds the upstream Kubernetes and containerd components of one minor version
# into bin/kubernetes-<minor>/: the multi-call binary, a symlink for each of its
# components, and the shim. Does nothing when they are up to date.
#
# usage: hack/build-kubernetes.sh [MINOR]    (default: the newest)
#        LIBEXEC=DIR  build there instead of in bin/
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source=$root/kubernetes
minor=${1:-$(cd "$source/versions" && printf '%s\n' * | sort -V | tail -1)}
modfile=$source/versions/$minor/go.mod
out=${LIBEXEC:-$root/bin}/kubernetes-$minor

if [[ ! -f $modfile ]]; then
	echo "Kubernetes $minor is not among the versions built here: $(cd "$source/versions" && echo *)" >&2
	exit 2
fi

# One build at a time: another one may be at work on the same files.
mkdir -p "$(dirname "$out")"
exec 9>"$(dirname "$out")/.lock-$minor"
flock 9

# The stamp is a hash over everything the result depends on.
stamp=$(
	cd "$root"
	{
		go version
		cat hack/build-kubernetes.sh "$modfile" "${modfile%mod}sum"
		find kubernetes -name '*.go' ! -name '*_test.go' | LC_ALL=C sort | xargs cat
	} | sha256sum | cut -d' ' -f1
)
if [[ -f $out/.stamp && $(<"$out/.stamp") == "$stamp" ]]; then
	echo "bin/kubernetes-$minor is up to date"
	exit 0
fi

cd "$source"
export CGO_ENABLED=0 GOFLAGS="-modfile=$modfile -buildvcs=false -trimpath"

version() { go list -m -f '{{.Version}}' "$1"; }
# commit prints nothing where the module proxy does not say what it packed.
commit() { go mod download -json "$1@$(version "$1")" | sed -n 's/.*"Hash": "\([0-9a-f]*\)".*/\1/p'; }

kubernetes=$(version k8s.io/kubernetes)
containerd=$(version github.com/containerd/containerd/v2)
commit=$(commit k8s.io/kubernetes)

# The versions that the components report are set here as the upstream build sets
# them. There is no build date: the same sources make the same binary.
flags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
	flags+=" -X $package.gitVersion=$kubernetes"
	flags+=" -X $package.gitMajor=${minor%%.*} -X $package.gitMinor=${minor##*.}"
	flags+=" -X $package.gitTreeState=clean"
	flags+=" -X $package.gitCommit=$commit"
done
flags+=" -X github.com/containerd/containerd/v2/version.Version=$containerd"
flags+=" -X github.com/containerd/containerd/v2/version.Revision=$(commit github.com/containerd/containerd/v2)"
flags+=" -X go.etcd.io/etcd/api/v3/version.GitSHA=$(commit go.etcd.io/etcd/server/v3)"

echo "building Kubernetes $kubernetes and containerd $containerd into bin/kubernetes-$minor (several minutes the first time)"
# An unfinished version must not be found beside the others.
new=$(dirname "$out")/.building-$minor
rm -rf "$new"
mkdir -p "$new"
go build -tags "notest grpcnotrace no_btrfs no_devmapper no_zfs urfave_cli_no_docs static_build" \
	-ldflags "$flags" -o "$new/kubernetes" .
go build -tags "no_grpc osusergo netgo static_build" \
	-ldflags "$flags" -o "$new/containerd-shim-runc-v2" ./shim

for name in $("$new/kubernetes" --components); do
	ln -sfn kubernetes "$new/$name"
done
echo "$stamp" >"$new/.stamp"

if [[ ! -d $out ]]; then
	mv "$new" "$out"
else # running processes keep the old files: each name is replaced, never rewritten
	mv -f "$new"/* "$new/.stamp" "$out/"
	rmdir "$new"
fi
