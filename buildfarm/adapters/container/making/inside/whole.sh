# Every compiled module of every interpreter can be imported.
for python in /opt/python/*/bin/python; do
  [ -x "$python" ] || continue
  "$python" - <<'PY'
import glob, importlib, os, sysconfig
folder = sysconfig.get_config_var("DESTSHARED") or ""
for name in sorted({os.path.basename(each).partition(".")[0] for each in glob.glob(os.path.join(folder, "*.so"))}):
    importlib.import_module(name)
PY
done
