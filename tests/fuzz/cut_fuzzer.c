/* libFuzzer's target for proxy/sip/scanner.c: cut(), name() and end() against their
 * definitions in Python.
 *
 * An input is two bytes that say how many lines there may be, and a message.  The
 * message is in memory of its own, so a byte that is read behind its end is found.
 * ``native.py`` compiles this file and runs it. */

#include "scanner.c"

#include <stdio.h>
#include <stdlib.h>

static PyObject *definition; /* cut_plainly of cutting.py */
static PyObject *naming, *starts, *known; /* name_plainly and its tables */
static PyObject *ending; /* end_plainly of framing.py */

static void fail(const char *what)
{
    if (PyErr_Occurred())
        PyErr_Print();
    fprintf(stderr, "cut_fuzzer: %s\n", what);
    abort();
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    (void)count;
    (void)arguments;
    Py_InitializeEx(0);
    PyObject *cutting = PyImport_ImportModule("proxy.sip.cutting");
    if (cutting == NULL)
        fail("proxy.sip.cutting cannot be imported");
    definition = PyObject_GetAttrString(cutting, "cut_plainly");
    naming = PyObject_GetAttrString(cutting, "name_plainly");
    Py_DECREF(cutting);
    if (definition == NULL || naming == NULL)
        fail("there is no cut_plainly or name_plainly");
    PyObject *framing = PyImport_ImportModule("proxy.sip.framing");
    if (framing == NULL)
        fail("proxy.sip.framing cannot be imported");
    ending = PyObject_GetAttrString(framing, "end_plainly");
    Py_DECREF(framing);
    if (ending == NULL)
        fail("there is no end_plainly");
    PyObject *names = PyImport_ImportModule("proxy.sip.names");
    if (names == NULL)
        fail("proxy.sip.names cannot be imported");
    starts = PyObject_GetAttrString(names, "COMMON_STARTS");
    known = PyObject_GetAttrString(names, "known_names");
    Py_DECREF(names);
    if (starts == NULL || known == NULL)
        fail("the tables of names are not there");
    return 0;
}

static void name_both_ways(PyObject *lines)
{
    PyObject *all[3] = {lines, starts, known};
    PyObject *ours = name(NULL, all, 3);
    PyObject *theirs = PyObject_CallFunctionObjArgs(naming, lines, starts, known, NULL);
    if (ours == NULL || theirs == NULL)
        fail("one of the two raised over names");
    if (PyObject_RichCompareBool(ours, theirs, Py_EQ) != 1)
        fail("name() is not name_plainly()");
    Py_DECREF(ours);
    Py_DECREF(theirs);
}

/* The first two bytes say where it begins and how long its head may be. */
static void end_both_ways(PyObject *message, const uint8_t *data)
{
    PyObject *all[4] = {message, PyLong_FromLong(data[0] & 3),
                        PyLong_FromLong(data[1] * 4), PyLong_FromLong(99)};
    PyObject *ours = end(NULL, all, 4);
    PyObject *theirs =
        PyObject_CallFunctionObjArgs(ending, all[0], all[1], all[2], all[3], NULL);
    if (ours == NULL || theirs == NULL)
        fail("one of the two raised over the end");
    if (PyObject_RichCompareBool(ours, theirs, Py_EQ) != 1)
        fail("end() is not end_plainly()");
    Py_DECREF(ours);
    Py_DECREF(theirs);
    for (int n = 1; n < 4; n++)
        Py_DECREF(all[n]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return -1; /* not worth keeping */
    long most = (long)(data[0] | data[1] << 8) - 8;
    PyObject *message = PyBytes_FromStringAndSize((const char *)data + 2,
                                                  (Py_ssize_t)size - 2);
    PyObject *limit = PyLong_FromLong(most);
    if (message == NULL || limit == NULL)
        fail("no memory");

    Py_ssize_t references = Py_REFCNT(message);
    PyObject *both[2] = {message, limit};
    PyObject *ours = cut(NULL, both, 2);
    PyObject *theirs = PyObject_CallFunctionObjArgs(definition, message, limit, NULL);
    if (ours == NULL || theirs == NULL)
        fail("one of the two raised");
    if (PyObject_RichCompareBool(ours, theirs, Py_EQ) != 1)
        fail("cut() is not cut_plainly()");
    if (ours != Py_None)
        name_both_ways(PyTuple_GetItem(ours, 0));

    end_both_ways(message, data);
    Py_DECREF(ours);
    Py_DECREF(theirs);
    if (Py_REFCNT(message) != references)
        fail("cut() keeps a reference to what it was given");
    Py_DECREF(message);
    Py_DECREF(limit);
    return 0;
}
