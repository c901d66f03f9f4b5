# shellcheck shell=bash
# Certificates; sourced by start.sh.
#
#   SANDBOX_EXTRA_CA=FILE     trust these authorities as well: pip, requests, curl, git, Python
#   SANDBOX_HTTPS=NAME,...    serve HTTPS with a certificate of our own for these names (or 1)

trust_extra_authority() { # file
  local all
  all="/tmp/authorities-$(id -u).crt"
  grep -q "BEGIN CERTIFICATE" "$1" 2>/dev/null ||
    fail "SANDBOX_EXTRA_CA must name a PEM certificate that uid $(id -u) can read; got $1."
  cat /etc/ssl/certs/ca-certificates.crt "$1" >"$all"
  export SSL_CERT_FILE="$all" PIP_CERT="$all" REQUESTS_CA_BUNDLE="$all"
  export CURL_CA_BUNDLE="$all" GIT_SSL_CAINFO="$all"
}

make_certificate() { # names
  local names digest
  if [[ "$1" == 1 ]]; then names="$HOSTNAME"; else names="$1"; fi
  # The same one after docker restart: browsers have been told of it.
  SANDBOX_CERTIFICATE="/tmp/https-$(id -u).pem"
  # shellcheck disable=SC2086  # one word for each name
  /opt/sandbox/provision/certificate.sh "$SANDBOX_CERTIFICATE" ${names//,/ } ||
    fail "no certificate could be made for SANDBOX_HTTPS=$1." "Give names of hosts, by commas; or 1."
  export SANDBOX_CERTIFICATE
  digest="$(openssl x509 -in "$SANDBOX_CERTIFICATE" -noout -fingerprint -sha256)"
  note "HTTPS with a certificate of its own: the browser asks about it once. SHA-256 ${digest#*=}"
}

if [[ -n "${SANDBOX_EXTRA_CA:-}" ]]; then trust_extra_authority "$SANDBOX_EXTRA_CA"; fi
if [[ -n "${SANDBOX_HTTPS:-}" && "${1:-lab}" =~ ^(lab$|-) ]]; then make_certificate "$SANDBOX_HTTPS"; fi
