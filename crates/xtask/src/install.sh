# Runs a command that installs packages, so that none of them starts a service or makes a database.
# Arguments: Debian's policy for services, the settings for new PostgreSQL clusters, the command.
# What is changed for that is changed back at the end, also when this is interrupted. A policy that exists is left alone.
policy=$1
clusters=$2
shift 2
made=
restore() {
    if [ -n "$made" ]; then rm -f "$policy"; fi
    if [ -e "$clusters.before-tests" ]; then mv -f "$clusters.before-tests" "$clusters"; fi
}
trap restore EXIT
trap 'exit 130' HUP INT TERM
if [ ! -e "$policy" ] && [ ! -h "$policy" ]; then
    made=yes
    (set -C && printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy") || made=
fi
if [ -e "$clusters" ] && [ ! -e "$clusters.before-tests" ]; then
    cp -p "$clusters" "$clusters.before-tests" && printf '\ncreate_main_cluster = false\n' >>"$clusters"
fi
"$@"
