# Leaves of the interpreters in /opt/python what runs, and writes the packages whose libraries they load to /needed.
# A merged /usr is known to dpkg by either of two paths.
find /opt/python -name '*.so' -o -path '*/bin/python*' -type f | while read -r file; do ldd "$file" || true; done 2>/dev/null |
  sed -n 's/.* => \(\/[^ ]*\).*/\1/p' | sort -u |
  while read -r file; do dpkg -S "$file" 2>/dev/null || dpkg -S "/usr$file" 2>/dev/null || true; done |
  cut -d: -f1 | sort -u >/needed
cd /opt/python
rm -rf */include */share */lib/pkgconfig */bin/*config* */bin/idle* */bin/2to3* */bin/pydoc*
rm -rf */lib/python*/config-* */lib/python*/idlelib */lib/python*/tkinter */lib/python*/turtledemo */lib/python*/lib2to3
find . -name '*.opt-[12].pyc' -delete
find . \( -name '*.so' -o -path '*/bin/python*' \) -type f -exec strip {} + 2>/dev/null || true
