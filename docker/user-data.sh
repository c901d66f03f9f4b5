#!/bin/bash
# First start of a fresh Ubuntu or Debian instance on any cloud: Docker, then the sandbox.
# Give it as user data (sandbox ami launch --image AMI-OF-UBUNTU --user-data docker/user-data.sh).
# Jupyter listens on the instance's loopback; the way in is ssh -L 8888:127.0.0.1:8888 USER@HOST,
# then: sudo sandbox-url
#
# Edit these two lines: where the image comes from (a registry, or a bundle's folder on the web).
SANDBOX_IMAGE="${SANDBOX_IMAGE:-}"           # e.g. registry.example.org/team/bigdl-sandbox:0.1.0
SANDBOX_BUNDLE_URL="${SANDBOX_BUNDLE_URL:-}" # e.g. https://files.example.org/bigdl-sandbox
set -euo pipefail

work="${SANDBOX_WORK:-/srv/sandbox}"
report="${SANDBOX_REPORT:-/root/sandbox-url}"
# The same word as in the sandbox's own images; it tells a failure as well.
tool="${SANDBOX_TOOL:-/usr/local/bin/sandbox-url}"
printf '#!/bin/sh\nexec cat %q\n' "$report" >"$tool" && chmod 0755 "$tool"
printf 'sandbox: not ready yet; see /var/log/cloud-init-output.log\n' >"$report"

fail() {
  printf 'sandbox: %s\n' "$*" | tee "$report" >&2
  exit 2
}

if ! command -v docker >/dev/null || ! command -v curl >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -q -y --no-install-recommends docker.io ca-certificates curl
fi

if [[ -n "$SANDBOX_BUNDLE_URL" ]]; then
  folder="$(mktemp -d)"
  cd "$folder"
  for file in SHA256SUMS README.txt image.json run-bigdl-docker.sh bigdl-sandbox.tar.gz; do
    curl -fsSLO --retry 5 "$SANDBOX_BUNDLE_URL/$file" || fail "$SANDBOX_BUNDLE_URL/$file cannot be fetched"
  done
  # A bundle's data sets are in the sums, too, and stay where they are.
  sha256sum --quiet --ignore-missing -c SHA256SUMS || fail "the bundle is damaged"
  loaded="$(docker load -q -i bigdl-sandbox.tar.gz)" || fail "the bundle's image cannot be loaded"
  rm bigdl-sandbox.tar.gz
  SANDBOX_IMAGE="${SANDBOX_IMAGE:-${loaded#*: }}" # it said "Loaded image: NAME:TAG"
elif [[ -n "$SANDBOX_IMAGE" ]]; then
  docker pull -q "$SANDBOX_IMAGE" || fail "$SANDBOX_IMAGE cannot be pulled"
else
  fail "set SANDBOX_IMAGE or SANDBOX_BUNDLE_URL at the head of the user data"
fi

install -d -o 1000 -g 100 -m 0775 "$work"
token="$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')"
docker rm -f bigdl-sandbox >/dev/null 2>&1 || true
SANDBOX_TOKEN="$token" docker run --detach --name bigdl-sandbox --restart unless-stopped \
  --label org.bigdl-sandbox.role=lab --user 1000:100 --cap-drop ALL \
  --security-opt no-new-privileges --pids-limit 4096 --shm-size 1g \
  -e SANDBOX_TOKEN -v "$work:/home/jovyan/work" -p 127.0.0.1:8888:8888 "$SANDBOX_IMAGE" >/dev/null ||
  fail "the container did not start: docker logs bigdl-sandbox"
umask 077
rm -f "$report"
printf 'http://127.0.0.1:8888/lab?token=%s\n' "$token" >"$report"
