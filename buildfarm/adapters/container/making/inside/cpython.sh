# Compiles the interpreter of /cpython.tar into /opt/python/$1, with the other arguments for its configure script.
# CFLAGS_NODIST speeds up this compilation alone: what CFLAGS or OPT say would be repeated for every extension module.
prefix=/opt/python/$1
shift
mkdir /w/source
tar -C /w/source --strip-components=1 -xf /cpython.tar
rm /cpython.tar
cd /w/source
./configure --prefix="$prefix" --disable-shared --with-ensurepip=no --without-static-libpython --disable-test-modules \
  'CFLAGS_NODIST=-O1 -g0' "$@"
make -j"$(nproc)"
make install
ln -sf python3 "$prefix/bin/python"
"$prefix/bin/python" -c 'import bz2, ctypes, curses, dbm.gnu, decimal, lzma, pyexpat, readline, sqlite3, ssl, uuid, zlib'
