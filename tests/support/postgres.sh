#!/bin/sh
# A PostgreSQL for the tests, from the system's packages: installed when it is missing and this is root with apt.
# Without it the tests that need it are skipped, so this never fails.
set -u
if command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "postgres: not here, and not to be had without root and apt; tests that need it are skipped" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
mkdir -p /etc/postgresql-common
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then # no server of its own: tests start theirs
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
fi
apt-get install -y --no-install-recommends postgresql >/dev/null 2>&1 ||
    { apt-get update >/dev/null 2>&1 && apt-get install -y --no-install-recommends postgresql >/dev/null; } ||
    echo "postgres: apt could not install it; tests that need it are skipped" >&2
exit 0
