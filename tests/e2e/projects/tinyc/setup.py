from setuptools import Extension, setup

setup(ext_modules=[Extension("tinyc._answer", ["tinyc/_answer.c"])])
