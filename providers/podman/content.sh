#!/bin/sh
# content.sh: a hash of all that makes the machines what they are: roles, inventories, the app, the lab's key and secrets.
set -eu
cd "$(dirname "$0")/../.."
find ansible inventory app/revezamento app/schema app/web app/*.* .lab/secrets .lab/ssh/id_ed25519.pub \
    -type f ! -path '*/__pycache__/*' 2>/dev/null | LC_ALL=C sort | xargs sha256sum |
    { cat; echo "${LAB_INVENTORY:-} ${LAB_SUBNET:-} ${LAB_RELEASE:-}"; } | sha256sum | cut -c 1-16
