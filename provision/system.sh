#!/bin/sh
# Install the Debian packages that the sandbox needs to run. Needs root. Safe to run again.
set -eu

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends \
  ca-certificates \
  libgomp1 \
  libnss-wrapper \
  procps \
  python3 \
  python3-venv \
  tini \
  util-linux
apt-get clean
rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/ldconfig/aux-cache
