#!/bin/sh
# base.sh name RELEASE               prints the name of the machines' base image, which contains a hash of its recipe
# base.sh create RELEASE [MIRROR]    creates the image if it is missing, from Debian's packages: no container registry
# base.sh host                       installs Podman and mmdebstrap on this host, as engine.yml does
# lab/bootstrap runs this on a bare host while it installs Ansible.
set -eu
verb=$1 release=${2:-} mirror=${3:-}
here=$(dirname "$0")

# The items of a list in settings.yml, without a YAML parser.
list() {
    awk -v key="$1:" '$1 == key { inside = 1; next } /^[^ ]/ { inside = 0 } inside && $1 == "-" { print $2 }' \
        "$here/settings.yml"
}

packages=$(list provider_base_packages | paste -s -d ' ')
recipe=$(printf '%s%s' "$(cat "$here/build_base.sh")" "$packages" | sha256sum | cut -c -12)
image=localhost/revezamento-base:$release-$recipe

case $verb in
    name)
        echo "$image"
        ;;
    create)
        # An interrupted run may still be at work.
        exec 9> /run/lock/revezamento-base
        flock 9
        podman image exists "$image" && exit
        mirrors=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' 'Origin: Debian')
        mirror=${mirror:-$(echo "$mirrors" | awk '$1 == "Debian" { print $2; exit }')}
        security=$(echo "$mirrors" | awk '$1 == "Debian-Security" { print $2; exit }')
        [ -n "$mirror" ] && security=${security:-$mirror-security} || security=
        folder=$(mktemp -d -p /var/tmp)
        trap 'rm -rf "$folder"' EXIT
        trap 'exit 1' HUP INT TERM
        "$here/build_base.sh" "$release" "$mirror" "$security" "$packages" "$folder/base.tar"
        podman import --quiet "$folder/base.tar" "$image" >/dev/null
        echo "created $image"
        ;;
    host)
        apt-get -qq update
        list provider_host_packages | DEBIAN_FRONTEND=noninteractive xargs \
            apt-get -qq --option DPkg::Lock::Timeout=300 install --yes --no-install-recommends
        ;;
esac
