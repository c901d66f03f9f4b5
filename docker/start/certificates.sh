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

make_certificate() { # folder, names
  local folder="$1" names="DNS:localhost,IP:127.0.0.1" name
  for name in ${2//,/ }; do
    if [[ "$name" =~ ^[0-9.]+$|: ]]; then names+=",IP:$name"; else names+=",DNS:$name"; fi
  done
  if [[ ! -s "$folder/certificate.pem" ]]; then
    rm -rf "$folder"
    mkdir -m 0700 "$folder"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 \
      -subj "/CN=BigDL sandbox" -addext "subjectAltName=$names" \
      -keyout "$folder/key.pem" -out "$folder/certificate.pem" 2>"$folder/log" ||
      fail "no certificate could be made for SANDBOX_HTTPS=$2." "$(tail -n 1 "$folder/log")"
  fi
  name="$(openssl x509 -in "$folder/certificate.pem" -noout -fingerprint -sha256)"
  note "HTTPS with a certificate of its own: the browser asks about it once. SHA-256 ${name#*=}"
}

if [[ -n "${SANDBOX_EXTRA_CA:-}" ]]; then trust_extra_authority "$SANDBOX_EXTRA_CA"; fi
if [[ -n "${SANDBOX_HTTPS:-}" && "${1:-lab}" =~ ^(lab$|-) ]]; then
  place="/tmp/https-$(id -u)" # the same one after docker restart: browsers have been told of it
  if [[ "$SANDBOX_HTTPS" == 1 ]]; then SANDBOX_HTTPS="$HOSTNAME"; fi
  make_certificate "$place" "$SANDBOX_HTTPS"
  if [[ "${1:-}" == lab ]]; then shift; fi # options alone are JupyterLab's
  set -- "--ServerApp.certfile=$place/certificate.pem" "--ServerApp.keyfile=$place/key.pem" "$@"
fi
