# Puts the wheels of /wheels into a virtual environment of the interpreter $1 in /opt/tools.
"$1" -m venv --without-pip /opt/tools
/opt/tools/bin/python "$(echo /wheels/pip-*.whl)/pip" install --quiet --no-index --no-deps /wheels/*.whl
rm -rf /wheels
