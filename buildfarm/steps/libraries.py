"""THE table of system libraries: how sources name them, and the packages that bring them for development.

One row a library. A header that ends in ``/`` is a folder: everything in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from buildfarm.model.recipe import System


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A library: its packages by manager, and its headers, pkg-config names, ``-l`` names, programs and CMake names."""

    packages: System
    headers: tuple[str, ...] = ()
    pkg_config: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    cmake: tuple[str, ...] = ()


def for_header(header: str) -> Library | None:
    """Who has ``ffi.h``, or ``openssl/ssl.h``, as an ``#include`` names it; None where no row does."""
    return _HEADERS.get(header) or _HEADERS.get(header.partition("/")[0] + "/")


def for_pkg_config(name: str) -> Library | None:
    """Who has the pkg-config module ``libffi``; None where no row does."""
    return _PKG_CONFIG.get(name)


def for_link(name: str) -> Library | None:
    """Who has ``pq``, as ``-lpq`` names it; None where no row does."""
    return _LINKS.get(name)


def for_program(name: str) -> Library | None:
    """Who brings the program ``pg_config``; None where no row does."""
    return _PROGRAMS.get(name)


def for_cmake(name: str) -> Library | None:
    """Who is ``JPEG`` to CMake's ``find_package``, which knows no case here; None where no row does."""
    return _CMAKE.get(name.lower())


def _row(  # each a list of words
    *,
    apt: str,
    dnf: str,
    apk: str,
    brew: str,
    headers: str = "",
    pkg_config: str = "",
    links: str = "",
    programs: str = "",
    cmake: str = "",
) -> Library:
    return Library(
        packages=System(
            apt=tuple(apt.split()), dnf=tuple(dnf.split()), apk=tuple(apk.split()), brew=tuple(brew.split())
        ),
        headers=tuple(headers.split()),
        pkg_config=tuple(pkg_config.split()),
        links=tuple(links.split()),
        programs=tuple(programs.split()),
        cmake=tuple(cmake.lower().split()),
    )


# ruff: noqa: E501 - a row is a line
# fmt: off
LIBRARIES = (
    # languages and tools
    _row(apt="cargo-web rustc-web", dnf="cargo rust", apk="cargo rust", brew="rust", programs="cargo rustc"),
    _row(apt="gfortran", dnf="gcc-gfortran", apk="gfortran", brew="gcc", links="gfortran", programs="gfortran f95 f77"),
    _row(apt="golang-go", dnf="golang", apk="go", brew="go", programs="go"),
    _row(apt="pkg-config", dnf="pkgconf-pkg-config", apk="pkgconf", brew="pkgconf", programs="pkg-config pkgconf"),
    _row(apt="swig", dnf="swig", apk="swig", brew="swig", programs="swig", cmake="SWIG"),
    _row(apt="nasm", dnf="nasm", apk="nasm", brew="nasm", programs="nasm"),
    _row(apt="bison", dnf="bison", apk="bison", brew="bison", programs="bison yacc", cmake="BISON"),
    _row(apt="flex", dnf="flex", apk="flex", brew="flex", programs="flex lex", cmake="FLEX"),
    _row(apt="protobuf-compiler libprotobuf-dev", dnf="protobuf-compiler protobuf-devel", apk="protoc protobuf-dev", brew="protobuf", headers="google/protobuf/", pkg_config="protobuf", links="protobuf", programs="protoc", cmake="Protobuf"),
    _row(apt="autoconf automake libtool", dnf="autoconf automake libtool", apk="autoconf automake libtool", brew="autoconf automake libtool", programs="autoconf autoreconf automake aclocal libtoolize"),
    # text and data formats
    _row(apt="libffi-dev", dnf="libffi-devel", apk="libffi-dev", brew="libffi", headers="ffi.h ffi/", pkg_config="libffi", links="ffi", cmake="LibFFI"),
    _row(apt="libyaml-dev", dnf="libyaml-devel", apk="yaml-dev", brew="libyaml", headers="yaml.h", pkg_config="yaml-0.1", links="yaml"),
    _row(apt="libxml2-dev", dnf="libxml2-devel", apk="libxml2-dev", brew="libxml2", headers="libxml/ libxml2/", pkg_config="libxml-2.0", links="xml2", programs="xml2-config xmllint", cmake="LibXml2"),
    _row(apt="libxslt1-dev", dnf="libxslt-devel", apk="libxslt-dev", brew="libxslt", headers="libxslt/ libexslt/", pkg_config="libxslt libexslt", links="xslt exslt", programs="xslt-config", cmake="LibXslt"),
    _row(apt="libxmlsec1-dev", dnf="xmlsec1-devel xmlsec1-openssl-devel", apk="xmlsec-dev", brew="libxmlsec1", headers="xmlsec/", pkg_config="xmlsec1 xmlsec1-openssl", links="xmlsec1", programs="xmlsec1-config"),
    _row(apt="libexpat1-dev", dnf="expat-devel", apk="expat-dev", brew="expat", headers="expat.h", pkg_config="expat", links="expat", cmake="EXPAT"),
    _row(apt="libicu-dev", dnf="libicu-devel", apk="icu-dev", brew="icu4c", headers="unicode/", pkg_config="icu-i18n icu-uc icu-io", links="icui18n icuuc icudata", programs="icu-config", cmake="ICU"),
    _row(apt="libpcre2-dev", dnf="pcre2-devel", apk="pcre2-dev", brew="pcre2", headers="pcre2.h", pkg_config="libpcre2-8", links="pcre2-8", programs="pcre2-config", cmake="PCRE2"),
    _row(apt="libre2-dev", dnf="re2-devel", apk="re2-dev", brew="re2", headers="re2/", pkg_config="re2", links="re2", cmake="re2"),
    _row(apt="libjson-c-dev", dnf="json-c-devel", apk="json-c-dev", brew="json-c", headers="json-c/", pkg_config="json-c", links="json-c"),
    _row(apt="libmagic-dev", dnf="file-devel", apk="file-dev", brew="libmagic", headers="magic.h", pkg_config="libmagic", links="magic"),
    # compression
    _row(apt="zlib1g-dev", dnf="zlib-devel", apk="zlib-dev", brew="zlib", headers="zlib.h zconf.h", pkg_config="zlib", links="z", cmake="ZLIB"),
    _row(apt="libbz2-dev", dnf="bzip2-devel", apk="bzip2-dev", brew="bzip2", headers="bzlib.h", pkg_config="bzip2", links="bz2", cmake="BZip2"),
    _row(apt="liblzma-dev", dnf="xz-devel", apk="xz-dev", brew="xz", headers="lzma.h lzma/", pkg_config="liblzma", links="lzma", cmake="LibLZMA"),
    _row(apt="libzstd-dev", dnf="libzstd-devel", apk="zstd-dev", brew="zstd", headers="zstd.h zdict.h", pkg_config="libzstd", links="zstd", cmake="zstd"),
    _row(apt="liblz4-dev", dnf="lz4-devel", apk="lz4-dev", brew="lz4", headers="lz4.h lz4frame.h lz4hc.h", pkg_config="liblz4", links="lz4", cmake="lz4"),
    _row(apt="libsnappy-dev", dnf="snappy-devel", apk="snappy-dev", brew="snappy", headers="snappy.h snappy-c.h", pkg_config="snappy", links="snappy", cmake="Snappy"),
    _row(apt="libbrotli-dev", dnf="brotli-devel", apk="brotli-dev", brew="brotli", headers="brotli/", pkg_config="libbrotlienc libbrotlidec libbrotlicommon", links="brotlienc brotlidec brotlicommon"),
    _row(apt="liblzo2-dev", dnf="lzo-devel", apk="lzo-dev", brew="lzo", headers="lzo/", pkg_config="lzo2", links="lzo2"),
    _row(apt="libarchive-dev", dnf="libarchive-devel", apk="libarchive-dev", brew="libarchive", headers="archive.h archive_entry.h", pkg_config="libarchive", links="archive", cmake="LibArchive"),
    # databases
    _row(apt="libpq-dev", dnf="libpq-devel", apk="libpq-dev", brew="libpq", headers="libpq-fe.h libpq/ postgresql/", pkg_config="libpq", links="pq", programs="pg_config", cmake="PostgreSQL"),
    _row(apt="default-libmysqlclient-dev", dnf="mysql-devel", apk="mariadb-dev", brew="mysql-client", headers="mysql.h mysql/ mariadb/", pkg_config="mysqlclient libmariadb mariadb perconaserverclient", links="mysqlclient mariadb mariadbclient", programs="mysql_config mariadb_config"),
    _row(apt="libsqlite3-dev", dnf="sqlite-devel", apk="sqlite-dev", brew="sqlite", headers="sqlite3.h", pkg_config="sqlite3", links="sqlite3", cmake="SQLite3"),
    _row(apt="unixodbc-dev", dnf="unixODBC-devel", apk="unixodbc-dev", brew="unixodbc", headers="sql.h sqlext.h odbcinst.h", pkg_config="odbc", links="odbc", programs="odbc_config", cmake="ODBC"),
    _row(apt="freetds-dev", dnf="freetds-devel", apk="freetds-dev", brew="freetds", headers="sybdb.h sqlfront.h ctpublic.h", links="sybdb ct"),
    _row(apt="libdb-dev", dnf="libdb-devel", apk="db-dev", brew="berkeley-db", headers="db.h", links="db"),
    _row(apt="libgdbm-dev", dnf="gdbm-devel", apk="gdbm-dev", brew="gdbm", headers="gdbm.h", links="gdbm"),
    _row(apt="libleveldb-dev", dnf="leveldb-devel", apk="leveldb-dev", brew="leveldb", headers="leveldb/", pkg_config="leveldb", links="leveldb"),
    _row(apt="librocksdb-dev", dnf="rocksdb-devel", apk="rocksdb-dev", brew="rocksdb", headers="rocksdb/", pkg_config="rocksdb", links="rocksdb"),
    _row(apt="liblmdb-dev", dnf="lmdb-devel", apk="lmdb-dev", brew="lmdb", headers="lmdb.h", pkg_config="lmdb", links="lmdb"),
    _row(apt="libmemcached-dev", dnf="libmemcached-devel", apk="libmemcached-dev", brew="libmemcached", headers="libmemcached/", pkg_config="libmemcached", links="memcached"),
    # security
    _row(apt="libssl-dev", dnf="openssl-devel", apk="openssl-dev", brew="openssl", headers="openssl/", pkg_config="openssl libssl libcrypto", links="ssl crypto", cmake="OpenSSL"),
    _row(apt="libgnutls28-dev", dnf="gnutls-devel", apk="gnutls-dev", brew="gnutls", headers="gnutls/", pkg_config="gnutls", links="gnutls", cmake="GnuTLS"),
    _row(apt="libgcrypt20-dev", dnf="libgcrypt-devel", apk="libgcrypt-dev", brew="libgcrypt", headers="gcrypt.h", pkg_config="libgcrypt", links="gcrypt", programs="libgcrypt-config"),
    _row(apt="libgpgme-dev", dnf="gpgme-devel", apk="gpgme-dev", brew="gpgme", headers="gpgme.h", pkg_config="gpgme", links="gpgme", programs="gpgme-config"),
    _row(apt="libsodium-dev", dnf="libsodium-devel", apk="libsodium-dev", brew="libsodium", headers="sodium.h sodium/", pkg_config="libsodium", links="sodium"),
    _row(apt="libkrb5-dev", dnf="krb5-devel", apk="krb5-dev", brew="krb5", headers="krb5.h krb5/ gssapi.h gssapi/", pkg_config="krb5 krb5-gssapi mit-krb5 mit-krb5-gssapi", links="krb5 gssapi_krb5", programs="krb5-config"),
    _row(apt="libldap2-dev", dnf="openldap-devel", apk="openldap-dev", brew="openldap", headers="ldap.h lber.h", pkg_config="ldap lber", links="ldap ldap_r lber"),
    _row(apt="libsasl2-dev", dnf="cyrus-sasl-devel", apk="cyrus-sasl-dev", brew="cyrus-sasl", headers="sasl.h sasl/", pkg_config="libsasl2", links="sasl2"),
    _row(apt="libpam0g-dev", dnf="pam-devel", apk="linux-pam-dev", brew="linux-pam", headers="security/", pkg_config="pam", links="pam"),
    _row(apt="libpcsclite-dev", dnf="pcsc-lite-devel", apk="pcsc-lite-dev", brew="pcsc-lite", headers="winscard.h PCSC/", pkg_config="libpcsclite", links="pcsclite"),
    # networks and events
    _row(apt="libcurl4-openssl-dev", dnf="libcurl-devel", apk="curl-dev", brew="curl", headers="curl/", pkg_config="libcurl", links="curl", programs="curl-config", cmake="CURL"),
    _row(apt="libnghttp2-dev", dnf="libnghttp2-devel", apk="nghttp2-dev", brew="libnghttp2", headers="nghttp2/", pkg_config="libnghttp2", links="nghttp2"),
    _row(apt="libssh2-1-dev", dnf="libssh2-devel", apk="libssh2-dev", brew="libssh2", headers="libssh2.h", pkg_config="libssh2", links="ssh2", cmake="Libssh2"),
    _row(apt="libssh-dev", dnf="libssh-devel", apk="libssh-dev", brew="libssh", headers="libssh/", pkg_config="libssh", links="ssh"),
    _row(apt="libgit2-dev", dnf="libgit2-devel", apk="libgit2-dev", brew="libgit2", headers="git2.h git2/", pkg_config="libgit2", links="git2"),
    _row(apt="libzmq3-dev", dnf="zeromq-devel", apk="zeromq-dev", brew="zeromq", headers="zmq.h", pkg_config="libzmq", links="zmq", cmake="ZeroMQ"),
    _row(apt="librdkafka-dev", dnf="librdkafka-devel", apk="librdkafka-dev", brew="librdkafka", headers="librdkafka/", pkg_config="rdkafka", links="rdkafka"),
    _row(apt="libev-dev", dnf="libev-devel", apk="libev-dev", brew="libev", headers="ev.h", links="ev"),
    _row(apt="libevent-dev", dnf="libevent-devel", apk="libevent-dev", brew="libevent", headers="event.h event2/", pkg_config="libevent", links="event", cmake="Libevent"),
    _row(apt="libuv1-dev", dnf="libuv-devel", apk="libuv-dev", brew="libuv", headers="uv.h uv/", pkg_config="libuv", links="uv", cmake="libuv"),
    _row(apt="libc-ares-dev", dnf="c-ares-devel", apk="c-ares-dev", brew="c-ares", headers="ares.h", pkg_config="libcares", links="cares", cmake="c-ares"),
    _row(apt="libpcap-dev", dnf="libpcap-devel", apk="libpcap-dev", brew="libpcap", headers="pcap.h pcap/", pkg_config="libpcap", links="pcap", programs="pcap-config"),
    _row(apt="libdbus-1-dev", dnf="dbus-devel", apk="dbus-dev", brew="dbus", headers="dbus/", pkg_config="dbus-1", links="dbus-1"),
    _row(apt="libsystemd-dev", dnf="systemd-devel", apk="elogind-dev", brew="", headers="systemd/", pkg_config="libsystemd", links="systemd"),
    _row(apt="libudev-dev", dnf="systemd-devel", apk="eudev-dev", brew="", headers="libudev.h", pkg_config="libudev", links="udev"),
    _row(apt="libusb-1.0-0-dev", dnf="libusb1-devel", apk="libusb-dev", brew="libusb", headers="libusb.h libusb-1.0/", pkg_config="libusb-1.0", links="usb-1.0"),
    _row(apt="libbluetooth-dev", dnf="bluez-libs-devel", apk="bluez-dev", brew="", headers="bluetooth/", pkg_config="bluez", links="bluetooth"),
    # images, sound, screens
    _row(apt="libjpeg-dev", dnf="libjpeg-turbo-devel", apk="libjpeg-turbo-dev", brew="jpeg-turbo", headers="jpeglib.h turbojpeg.h", pkg_config="libjpeg libturbojpeg", links="jpeg turbojpeg", cmake="JPEG"),
    _row(apt="libpng-dev", dnf="libpng-devel", apk="libpng-dev", brew="libpng", headers="png.h", pkg_config="libpng libpng16", links="png png16", programs="libpng-config", cmake="PNG"),
    _row(apt="libtiff-dev", dnf="libtiff-devel", apk="tiff-dev", brew="libtiff", headers="tiff.h tiffio.h", pkg_config="libtiff-4", links="tiff", cmake="TIFF"),
    _row(apt="libwebp-dev", dnf="libwebp-devel", apk="libwebp-dev", brew="webp", headers="webp/", pkg_config="libwebp libwebpmux libwebpdemux", links="webp webpmux webpdemux", cmake="WebP"),
    _row(apt="libopenjp2-7-dev", dnf="openjpeg2-devel", apk="openjpeg-dev", brew="openjpeg", headers="openjpeg.h", pkg_config="libopenjp2", links="openjp2", cmake="OpenJPEG"),
    _row(apt="libavif-dev", dnf="libavif-devel", apk="libavif-dev", brew="libavif", headers="avif/", pkg_config="libavif", links="avif"),
    _row(apt="libheif-dev", dnf="libheif-devel", apk="libheif-dev", brew="libheif", headers="libheif/", pkg_config="libheif", links="heif"),
    _row(apt="liblcms2-dev", dnf="lcms2-devel", apk="lcms2-dev", brew="little-cms2", headers="lcms2.h", pkg_config="lcms2", links="lcms2"),
    _row(apt="libfreetype-dev", dnf="freetype-devel", apk="freetype-dev", brew="freetype", headers="ft2build.h freetype/ freetype2/", pkg_config="freetype2", links="freetype", programs="freetype-config", cmake="Freetype"),
    _row(apt="libharfbuzz-dev", dnf="harfbuzz-devel", apk="harfbuzz-dev", brew="harfbuzz", headers="hb.h harfbuzz/", pkg_config="harfbuzz", links="harfbuzz", cmake="harfbuzz"),
    _row(apt="libfribidi-dev", dnf="fribidi-devel", apk="fribidi-dev", brew="fribidi", headers="fribidi.h fribidi/", pkg_config="fribidi", links="fribidi"),
    _row(apt="libraqm-dev", dnf="libraqm-devel", apk="libraqm-dev", brew="libraqm", headers="raqm.h", pkg_config="raqm", links="raqm"),
    _row(apt="libimagequant-dev", dnf="libimagequant-devel", apk="libimagequant-dev", brew="libimagequant", headers="libimagequant.h", pkg_config="imagequant", links="imagequant"),
    _row(apt="libcairo2-dev", dnf="cairo-devel", apk="cairo-dev", brew="cairo", headers="cairo.h cairo/", pkg_config="cairo", links="cairo", cmake="Cairo"),
    _row(apt="libgirepository1.0-dev", dnf="gobject-introspection-devel", apk="gobject-introspection-dev", brew="gobject-introspection", headers="girepository.h", pkg_config="gobject-introspection-1.0", links="girepository-1.0"),
    _row(apt="libglib2.0-dev", dnf="glib2-devel", apk="glib-dev", brew="glib", headers="glib.h glib-object.h glib/ gio/", pkg_config="glib-2.0 gobject-2.0 gio-2.0", links="glib-2.0 gobject-2.0"),
    _row(apt="libgl-dev", dnf="mesa-libGL-devel", apk="mesa-dev", brew="", headers="GL/", pkg_config="gl", links="GL", cmake="OpenGL"),
    _row(apt="libx11-dev", dnf="libX11-devel", apk="libx11-dev", brew="libx11", headers="X11/", pkg_config="x11", links="X11", cmake="X11"),
    _row(apt="libxcb1-dev", dnf="libxcb-devel", apk="libxcb-dev", brew="libxcb", headers="xcb/", pkg_config="xcb", links="xcb"),
    _row(apt="libsdl2-dev", dnf="SDL2-devel", apk="sdl2-dev", brew="sdl2", headers="SDL.h SDL2/", pkg_config="sdl2", links="SDL2", programs="sdl2-config", cmake="SDL2"),
    _row(apt="portaudio19-dev", dnf="portaudio-devel", apk="portaudio-dev", brew="portaudio", headers="portaudio.h", pkg_config="portaudio-2.0", links="portaudio"),
    _row(apt="libasound2-dev", dnf="alsa-lib-devel", apk="alsa-lib-dev", brew="", headers="alsa/", pkg_config="alsa", links="asound", cmake="ALSA"),
    _row(apt="libsndfile1-dev", dnf="libsndfile-devel", apk="libsndfile-dev", brew="libsndfile", headers="sndfile.h", pkg_config="sndfile", links="sndfile", cmake="SndFile"),
    _row(apt="libavformat-dev libavcodec-dev libavdevice-dev libavfilter-dev libavutil-dev libswscale-dev libswresample-dev", dnf="ffmpeg-free-devel", apk="ffmpeg-dev", brew="ffmpeg", headers="libavformat/ libavcodec/ libavdevice/ libavfilter/ libavutil/ libswscale/ libswresample/", pkg_config="libavformat libavcodec libavdevice libavfilter libavutil libswscale libswresample", links="avformat avcodec avutil"),
    _row(apt="libmagickwand-dev", dnf="ImageMagick-devel", apk="imagemagick-dev", brew="imagemagick", headers="wand/ MagickWand/", pkg_config="MagickWand", cmake="ImageMagick"),
    _row(apt="libzbar-dev", dnf="zbar-devel", apk="zbar-dev", brew="zbar", headers="zbar.h", pkg_config="zbar", links="zbar"),
    # numbers, science, maps
    _row(apt="libgmp-dev", dnf="gmp-devel", apk="gmp-dev", brew="gmp", headers="gmp.h gmpxx.h", pkg_config="gmp", links="gmp", cmake="GMP"),
    _row(apt="libmpfr-dev", dnf="mpfr-devel", apk="mpfr-dev", brew="mpfr", headers="mpfr.h", pkg_config="mpfr", links="mpfr", cmake="MPFR"),
    _row(apt="libmpc-dev", dnf="libmpc-devel", apk="mpc1-dev", brew="libmpc", headers="mpc.h", pkg_config="mpc", links="mpc"),
    _row(apt="libopenblas-dev", dnf="openblas-devel", apk="openblas-dev", brew="openblas", headers="cblas.h openblas_config.h", pkg_config="openblas", links="openblas", cmake="OpenBLAS BLAS"),
    _row(apt="liblapack-dev", dnf="lapack-devel", apk="lapack-dev", brew="lapack", headers="lapacke.h", pkg_config="lapack", links="lapack lapacke", cmake="LAPACK"),
    _row(apt="libfftw3-dev", dnf="fftw-devel", apk="fftw-dev", brew="fftw", headers="fftw3.h", pkg_config="fftw3 fftw3f", links="fftw3 fftw3f", cmake="FFTW3"),
    _row(apt="libgsl-dev", dnf="gsl-devel", apk="gsl-dev", brew="gsl", headers="gsl/", pkg_config="gsl", links="gsl", programs="gsl-config", cmake="GSL"),
    _row(apt="libsuitesparse-dev", dnf="suitesparse-devel", apk="suitesparse-dev", brew="suite-sparse", headers="suitesparse/ cholmod.h umfpack.h", links="cholmod umfpack", cmake="SuiteSparse"),
    _row(apt="libglpk-dev", dnf="glpk-devel", apk="glpk-dev", brew="glpk", headers="glpk.h", links="glpk"),
    _row(apt="libeigen3-dev", dnf="eigen3-devel", apk="eigen-dev", brew="eigen", headers="Eigen/ eigen3/", pkg_config="eigen3", cmake="Eigen3"),
    _row(apt="libboost-all-dev", dnf="boost-devel", apk="boost-dev", brew="boost", headers="boost/", links="boost_python3 boost_system boost_filesystem", cmake="Boost"),
    _row(apt="libhdf5-dev", dnf="hdf5-devel", apk="hdf5-dev", brew="hdf5", headers="hdf5.h H5public.h", pkg_config="hdf5", links="hdf5 hdf5_hl", programs="h5cc h5pcc", cmake="HDF5"),
    _row(apt="libnetcdf-dev", dnf="netcdf-devel", apk="netcdf-dev", brew="netcdf", headers="netcdf.h", pkg_config="netcdf", links="netcdf", programs="nc-config", cmake="netCDF"),
    _row(apt="libopenmpi-dev", dnf="openmpi-devel", apk="openmpi-dev", brew="open-mpi", headers="mpi.h", pkg_config="ompi ompi-c", links="mpi", programs="mpicc", cmake="MPI"),
    _row(apt="libproj-dev", dnf="proj-devel", apk="proj-dev", brew="proj", headers="proj.h proj_api.h", pkg_config="proj", links="proj", cmake="PROJ"),
    _row(apt="libgeos-dev", dnf="geos-devel", apk="geos-dev", brew="geos", headers="geos_c.h geos/", pkg_config="geos", links="geos_c geos", programs="geos-config", cmake="GEOS"),
    _row(apt="libgdal-dev", dnf="gdal-devel", apk="gdal-dev", brew="gdal", headers="gdal.h gdal_priv.h", pkg_config="gdal", links="gdal", programs="gdal-config", cmake="GDAL"),
    _row(apt="libspatialindex-dev", dnf="spatialindex-devel", apk="libspatialindex-dev", brew="spatialindex", headers="spatialindex/", pkg_config="libspatialindex", links="spatialindex spatialindex_c"),
    # machine and terminal
    _row(apt="libncurses-dev", dnf="ncurses-devel", apk="ncurses-dev", brew="ncurses", headers="ncurses.h curses.h panel.h term.h", pkg_config="ncurses ncursesw", links="ncurses ncursesw panel panelw", programs="ncurses6-config", cmake="Curses"),
    _row(apt="libreadline-dev", dnf="readline-devel", apk="readline-dev", brew="readline", headers="readline/", pkg_config="readline", links="readline", cmake="Readline"),
    _row(apt="uuid-dev", dnf="libuuid-devel", apk="util-linux-dev", brew="ossp-uuid", headers="uuid.h uuid/", pkg_config="uuid", links="uuid"),
    _row(apt="libacl1-dev", dnf="libacl-devel", apk="acl-dev", brew="", headers="sys/acl.h acl/", pkg_config="libacl", links="acl"),
    _row(apt="libattr1-dev", dnf="libattr-devel", apk="attr-dev", brew="", headers="attr/", pkg_config="libattr", links="attr"),
    _row(apt="libcap-dev", dnf="libcap-devel", apk="libcap-dev", brew="", headers="sys/capability.h", pkg_config="libcap", links="cap"),
    _row(apt="libseccomp-dev", dnf="libseccomp-devel", apk="libseccomp-dev", brew="", headers="seccomp.h", pkg_config="libseccomp", links="seccomp"),
    _row(apt="libfuse3-dev", dnf="fuse3-devel", apk="fuse3-dev", brew="", headers="fuse3/", pkg_config="fuse3", links="fuse3"),
    _row(apt="libfuse-dev", dnf="fuse-devel", apk="fuse-dev", brew="", headers="fuse.h fuse/", pkg_config="fuse", links="fuse"),
    _row(apt="libnuma-dev", dnf="numactl-devel", apk="numactl-dev", brew="", headers="numa.h", pkg_config="numa", links="numa"),
    _row(apt="libvirt-dev", dnf="libvirt-devel", apk="libvirt-dev", brew="libvirt", headers="libvirt/", pkg_config="libvirt", links="virt"),
    _row(apt="libcups2-dev", dnf="cups-devel", apk="cups-dev", brew="cups", headers="cups/", pkg_config="cups", links="cups", programs="cups-config"),
    _row(apt="libsnmp-dev", dnf="net-snmp-devel", apk="net-snmp-dev", brew="net-snmp", headers="net-snmp/", pkg_config="netsnmp", links="netsnmp", programs="net-snmp-config"),
    _row(apt="libhunspell-dev", dnf="hunspell-devel", apk="hunspell-dev", brew="hunspell", headers="hunspell/", pkg_config="hunspell", links="hunspell"),
    _row(apt="libtesseract-dev", dnf="tesseract-devel", apk="tesseract-ocr-dev", brew="tesseract", headers="tesseract/", pkg_config="tesseract", links="tesseract"),
    _row(apt="libleptonica-dev", dnf="leptonica-devel", apk="leptonica-dev", brew="leptonica", headers="leptonica/", pkg_config="lept", links="lept leptonica"),
)
# fmt: on

_HEADERS: Mapping[str, Library] = {name: each for each in LIBRARIES for name in each.headers}
_PKG_CONFIG: Mapping[str, Library] = {name: each for each in LIBRARIES for name in each.pkg_config}
_LINKS: Mapping[str, Library] = {name: each for each in LIBRARIES for name in each.links}
_PROGRAMS: Mapping[str, Library] = {name: each for each in LIBRARIES for name in each.programs}
_CMAKE: Mapping[str, Library] = {name: each for each in LIBRARIES for name in each.cmake}
