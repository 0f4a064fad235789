# None of the programs that are named is there, nor a header, nor a package to compile with.
found=$(for program in "$@"; do command -v "$program" || true; done)
found="$found $(find /usr/include /usr/local/include /opt/*/*/include -name '*.h' 2>/dev/null | head -3)"
found="$found $(dpkg-query -W -f '${Package}\n' 2>/dev/null | grep -e '-dev$' || true)"
if [ -n "$(echo $found)" ]; then
  echo "this must not be in the image:" $found
  exit 1
fi
