#!/bin/sh
# Installs the locked dependencies where they are missing or older than the lock file, so that a fresh clone
# needs nothing but Node.js and npm, and a second call costs nothing.
set -eu
cd "$(dirname "$0")/.."
if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund
  touch node_modules/.package-lock.json
fi
