#!/bin/sh
# Make a key and a certificate for HTTPS that nobody else has signed: browsers ask about it once.
#   certificate.sh FILE [NAME...]   names and addresses of the server, besides localhost
# FILE holds both, in PEM form; one that lasts another 60 days is kept.
set -eu

file="$1"
shift
if openssl x509 -in "$file" -noout -checkend $((60 * 86400)) >/dev/null 2>&1; then exit 0; fi

names="DNS:localhost,IP:127.0.0.1"
for name do
  case "$name" in
    *[!0-9.]*) case "$name" in *:*) kind=IP ;; *) kind=DNS ;; esac ;;
    *) kind=IP ;;
  esac
  names="$names,$kind:$name"
done

umask 077
# Browsers take none that lasts longer, and on some systems only one for servers.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 397 -config /dev/stdin \
  -keyout "$file.key" -out "$file.crt" 2>/dev/null <<TEXT
[req]
distinguished_name = name
x509_extensions = use
prompt = no
[name]
CN = BigDL sandbox
[use]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = $names
TEXT
cat "$file.key" "$file.crt" >"$file.new"
rm "$file.key" "$file.crt"
mv "$file.new" "$file"
