#!/bin/sh
# content.sh: a hash of all that makes the machines what they are: images, roles, inventories, the app, the lab's key and
# secrets.
set -eu
cd "$(dirname "$0")/../.."
{
    find providers/podman ansible ansible.cfg inventory app/revezamento app/schema app/web app/pyproject.toml \
        app/requirements.txt app/redis_rights.json .lab/secrets .lab/ssh/id_ed25519.pub \
        -type f ! -path '*/__pycache__/*' -print0 2>/dev/null | LC_ALL=C sort --zero-terminated | xargs --null sha256sum
    echo "${LAB_INVENTORY:-} ${LAB_SUBNET:-} ${LAB_RELEASE:-}"
} | sha256sum | cut -c 1-16
