#!/bin/sh
# Install the Debian packages that the sandbox needs to run. Needs root. Safe to run again.
set -eu

export DEBIAN_FRONTEND=noninteractive
apt() { apt-get -q -o Acquire::Retries=5 "$@"; } # mirrors stumble
apt update
# What people miss in a terminal: curl, git, less, nano, unzip.
apt install -y --no-install-recommends \
  ca-certificates \
  curl \
  git \
  less \
  libgomp1 \
  libnss-wrapper \
  nano \
  procps \
  python3 \
  python3-venv \
  tini \
  unzip \
  util-linux
apt clean
rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/ldconfig/aux-cache
