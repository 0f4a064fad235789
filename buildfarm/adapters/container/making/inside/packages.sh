# Installs the packages that are named, by whichever manager the system has, and leaves none of its lists. A server that
# one of them brings is not started.
if command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
  fi
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "$@"
  apt-get clean
  rm -rf /var/lib/apt/lists/* ${policy:-}
elif command -v dnf >/dev/null; then
  dnf install -y --setopt=install_weak_deps=False "$@"
  dnf clean all
elif command -v yum >/dev/null; then
  yum install -y "$@"
  yum clean all
else
  apk add --no-cache "$@"
fi
