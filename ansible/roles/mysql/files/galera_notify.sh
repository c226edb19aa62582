#!/bin/sh
# MariaDB runs this when its place in the cluster changes (wsrep_notify_cmd). A member without a majority heals by
# itself when the network does. If that takes longer, the others may be down: it starts again, to be asked by them.
state=/run/mysqld/galera-majority
case "$*" in
*'--primary yes'*) echo yes >"$state" ;;
*'--primary no'*)
    echo "$$" >"$state"
    server=$(cat /run/mysqld/mysqld.pid) || exit 0
    (
        sleep 10
        [ "$(cat "$state")" = "$$" ] && kill "$server"
    ) </dev/null >/dev/null 2>&1 &
    ;;
esac
