from setuptools import Extension, setup

LIMITED = ("Py_LIMITED_API", "0x03090000")

setup(
    ext_modules=[Extension("tinyabi3", ["tinyabi3.c"], define_macros=[LIMITED], py_limited_api=True)],
    options={"bdist_wheel": {"py_limited_api": "cp39"}},
)
