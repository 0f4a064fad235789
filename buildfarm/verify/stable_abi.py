"""Private names of CPython that the stable ABI keeps all the same (PEP 384): those of its ``Misc/stable_abi.toml``."""

from __future__ import annotations

STABLE_PRIVATE = frozenset(
    {
        "_PyArg_ParseTupleAndKeywords_SizeT",
        "_PyArg_ParseTuple_SizeT",
        "_PyArg_Parse_SizeT",
        "_PyArg_VaParseTupleAndKeywords_SizeT",
        "_PyArg_VaParse_SizeT",
        "_PyErr_BadInternalCall",
        "_PyObject_CallFunction_SizeT",
        "_PyObject_CallMethod_SizeT",
        "_PyObject_GC_New",
        "_PyObject_GC_NewVar",
        "_PyObject_GC_Resize",
        "_PyObject_New",
        "_PyObject_NewVar",
        "_PyState_AddModule",
        "_PyThreadState_Init",
        "_PyThreadState_Prealloc",
        "_PyWeakref_CallableProxyType",
        "_PyWeakref_ProxyType",
        "_PyWeakref_RefType",
        "_Py_BuildValue_SizeT",
        "_Py_CheckRecursiveCall",
        "_Py_Dealloc",
        "_Py_DecRef",
        "_Py_EllipsisObject",
        "_Py_FalseStruct",
        "_Py_IncRef",
        "_Py_NegativeRefcount",
        "_Py_NoneStruct",
        "_Py_NotImplementedStruct",
        "_Py_RefTotal",
        "_Py_SetRefcnt",
        "_Py_SwappedOp",
        "_Py_TrueStruct",
        "_Py_VaBuildValue_SizeT",
    }
)
