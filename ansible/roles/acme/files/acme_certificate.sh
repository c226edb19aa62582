#!/bin/sh
# Requests the certificate, or renews it when it is due, and leaves it for the readers: chain and key in one file.
#
#     acme_certificate.sh FOLDER BUNDLE DAYS NAME…     (acme.service, which has the settings in its environment)
#
# If there is a file `renew-now` beside the bundle, the certificate is renewed whatever its age.
set -eu
folder=$1 bundle=$2 days=$3
shift 3
certificate=$folder/certificates/$1
now=$(dirname "$bundle")/renew-now

names=
for name; do names="$names --domains $name"; done
ask() {
    # shellcheck disable=SC2086 # the names are words
    lego --path "$folder" --server "$ACME_DIRECTORY" --email "$ACME_EMAIL" --accept-tos \
        --dns rfc2136 --dns.resolvers "$RFC2136_NAMESERVER" $names "$@"
}

if [ ! -e "$certificate.key" ]; then
    ask run
else
    [ ! -e "$now" ] || days=100000
    ask renew --days "$days" --no-random-sleep # the timer waits for a random time
fi

cat "$certificate.crt" "$certificate.key" >"$bundle.new"
chmod 0640 "$bundle.new"
mv "$bundle.new" "$bundle"
rm -f "$now"
