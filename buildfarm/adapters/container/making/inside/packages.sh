# Installs the packages that are named, by whichever manager the system has, and leaves none of its lists. A server that
# one of them brings is not started.
if command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "$@"
  apt-get clean
  rm -rf /var/lib/apt/lists/* /usr/sbin/policy-rc.d
elif command -v dnf >/dev/null; then
  dnf install -y --setopt=install_weak_deps=False "$@"
  dnf clean all
elif command -v yum >/dev/null; then
  yum install -y "$@"
  yum clean all
else
  apk add --no-cache "$@"
fi
