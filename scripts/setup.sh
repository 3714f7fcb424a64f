#!/bin/sh
# Installs the locked dependencies where they are missing or older than the lock file, so that a fresh clone
# needs nothing but Node.js 20 or later and npm, and a second call costs nothing. With the word `tests` also the commands
# that the tests call.
set -eu
cd "$(dirname "$0")/.."

# npm runs on the machine's own Node.js: the one below node_modules is about to be replaced.
own_path=
rest=$PATH:
while [ -n "$rest" ]; do
  folder=${rest%%:*}
  rest=${rest#*:}
  case $folder in
    */node_modules/.bin) ;;
    *) own_path=${own_path:+$own_path:}$folder ;;
  esac
done

installed=node_modules/.package-lock.json
if [ ! -x node_modules/.bin/node ] || [ ! -f $installed ] || [ package-lock.json -nt $installed ]; then
  echo "setup: npm ci (about 600 MB below node_modules, two Node.js runtimes among it)" >&2
  # Only errors: the warnings are about the machine's Node.js, which runs nothing of ours. A connection that has stalled is
  # given up after a minute and tried anew, also by the installs within the install; npm's own limit is five.
  PATH=$own_path npm_config_fetch_timeout=60000 npm ci --no-audit --no-fund --loglevel=error
  touch $installed
fi

# As command=package: installed where we are root on a Debian and they are missing. Elsewhere that is the user's business:
# tests that need one are skipped, with that as the reason. Ceph (280 MB) is the S3 server.
[ "${1-}" = tests ] || exit 0
missing=
for pair in python3=python3 zsh=zsh fish=fish bwrap=bubblewrap podman=podman runc=runc busybox=busybox-static catatonit=catatonit ceph-mon=ceph-mon ceph-osd=ceph-osd radosgw=radosgw ceph=ceph-common; do
  command -v "${pair%%=*}" >/dev/null 2>&1 || missing="$missing ${pair#*=}"
done
# Debian keeps the server's programs off the PATH, below the number of its version.
command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } >&2 ||
    echo "setup: could not install$missing; what needs it will say so" >&2
fi
