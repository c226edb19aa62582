#!/bin/sh
# galera-state SIZE
# Prints this member's place in the cluster, such as "Synced, 3 of 3 members". Fails if a member is missing.
value() {
    mariadb --batch --skip-column-names --execute "SHOW GLOBAL STATUS LIKE '$1'" | cut -f 2
}
[ "$(value wsrep_cluster_status)" = Primary ] || { echo 'not in the cluster'; exit 1; }
place="$(value wsrep_local_state_comment), $(value wsrep_cluster_size) of $1 members"
echo "$place"
[ "$place" = "Synced, $1 of $1 members" ]
