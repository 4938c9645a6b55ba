/* Finds where a message ends, as end_plainly() of framing.py does; cuts a message into
 * its lines and names them, as cut_plainly() and name_plainly() of cutting.py do.  Those
 * are the definition.  cut() looks at each byte once.  Python looks four times: to find
 * the empty line, to split, and to copy and compare in search of control characters.
 *
 * cut(data: bytes, most: int) -> tuple[list[bytes], bytes] | None
 * name(lines: list[bytes], starts: list[list[tuple[bytes, str]]], known: dict[bytes, str])
 *     -> tuple[list[str], dict[str, int]] | None
 * end(source: bytes | bytearray, start: int, head: int, body: int) -> int
 *
 * None, or -1, where the careful readers of message.py and framing.py have to look.
 * Nothing is kept between calls, and no byte outside of what is given is read. */

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#define MOST 512 /* lines that there is room for, as in cutting.py */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Eight bytes at once: sets the highest bit of each byte that is below a space (a tab
 * included) or is DEL.  A subtraction may borrow from the byte above, so a bit above the
 * lowest one may be wrong; the lowest one never is. */
static uint64_t controls(uint64_t eight)
{
    uint64_t no_del = eight ^ EACH(0x7F);
    uint64_t below = (eight - EACH(0x20)) & ~eight;
    uint64_t del = (no_del - EACH(0x01)) & ~no_del;
    return (below | del) & EACH(0x80);
}

static int is_control(unsigned char byte)
{
    return (byte < 0x20 && byte != '\t') || byte == 0x7F;
}

/* Where the first control character other than a tab is; end when there is none. */
static const unsigned char *next_control(const unsigned char *at, const unsigned char *end)
{
    while (end - at >= 8) {
        uint64_t eight, found;
        memcpy(&eight, at, 8);
        found = controls(eight);
        if (found == 0) {
            at += 8;
            continue;
        }
#if defined(__GNUC__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        at += __builtin_ctzll(found) >> 3; /* the lowest bit is in the first byte */
#else
        while (!is_control(*at) && *at != '\t')
            at++;
#endif
        if (*at != '\t')
            return at;
        at++;
    }
    while (at < end && !is_control(*at))
        at++;
    return at;
}

static int is_line_end(const unsigned char *at, const unsigned char *end)
{
    return end - at >= 2 && at[0] == '\r' && at[1] == '\n';
}

/* The lines that end at ends[0 .. count-1]; each next one begins two bytes (CR LF) after
 * the end of the one before. */
static PyObject *lines_of(const unsigned char *at, const unsigned char *const *ends,
                          Py_ssize_t count)
{
    PyObject *lines = PyList_New(count);
    for (Py_ssize_t n = 0; lines != NULL && n < count; n++) {
        PyObject *line = PyBytes_FromStringAndSize((const char *)at, ends[n] - at);
        if (line == NULL || PyList_SetItem(lines, n, line) < 0) { /* steals the line */
            Py_DECREF(lines);
            return NULL;
        }
        at = ends[n] + 2;
    }
    return lines;
}

static PyObject *cut(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    char *text;
    Py_ssize_t size, found = 0;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "cut() takes two arguments");
        return NULL;
    }
    if (PyBytes_AsStringAndSize(arguments[0], &text, &size) < 0)
        return NULL;
    Py_ssize_t most = PyLong_AsSsize_t(arguments[1]);
    if (most == -1 && PyErr_Occurred())
        return NULL;
    if (most > MOST)
        most = MOST;

    const unsigned char *ends[MOST];
    const unsigned char *start = (const unsigned char *)text, *end = start + size;
    const unsigned char *at = start;
    do {
        at = next_control(at, end);
        if (found >= most || !is_line_end(at, end))
            Py_RETURN_NONE;
        ends[found++] = at;
        at += 2;
    } while (!is_line_end(at, end));
    at += 2;

    PyObject *lines = lines_of(start, ends, found);
    if (lines == NULL)
        return NULL;
    PyObject *body = PyBytes_FromStringAndSize((const char *)at, end - at);
    PyObject *both = body == NULL ? NULL : PyTuple_Pack(2, lines, body);
    Py_DECREF(lines);
    Py_XDECREF(body);
    return both;
}

/* The name of a header line, borrowed from one of the tables.  NULL when the line has no
 * name or one that has not been met yet, and with an exception when something failed. */
static PyObject *name_of(PyObject *line, PyObject *starts, PyObject *known)
{
    char *text, *start;
    Py_ssize_t size, length;
    if (PyBytes_AsStringAndSize(line, &text, &size) < 0)
        return NULL;
    if (size > 0) {
        PyObject *usual = PyList_GetItem(starts, (unsigned char)text[0]);
        Py_ssize_t count = usual == NULL ? -1 : PyList_Size(usual);
        if (count < 0)
            return NULL;
        for (Py_ssize_t n = 0; n < count; n++) {
            PyObject *pair = PyList_GetItem(usual, n);
            PyObject *first = pair == NULL ? NULL : PyTuple_GetItem(pair, 0);
            if (first == NULL || PyBytes_AsStringAndSize(first, &start, &length) < 0)
                return NULL;
            if (length <= size && memcmp(text, start, length) == 0)
                return PyTuple_GetItem(pair, 1);
        }
    }
    const char *colon = size > 0 ? memchr(text, ':', size) : NULL;
    if (colon == NULL)
        return NULL;
    PyObject *raw = PyBytes_FromStringAndSize(text, colon - text);
    PyObject *name = raw == NULL ? NULL : PyDict_GetItemWithError(known, raw);
    Py_XDECREF(raw);
    return name;
}

/* Puts a name into both; it is at this place. */
static int note(PyObject *names, PyObject *index, PyObject *name, Py_ssize_t place)
{
    PyObject *number = PyLong_FromSsize_t(place);
    int failed = number == NULL || PyDict_SetItem(index, name, number) < 0;
    Py_XDECREF(number);
    if (failed)
        return -1;
    Py_INCREF(name);
    return PyList_SetItem(names, place, name); /* steals the name */
}

static PyObject *name(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    if (count != 3 || !PyList_Check(arguments[0]) || !PyList_Check(arguments[1]) ||
        !PyDict_Check(arguments[2])) {
        PyErr_SetString(PyExc_TypeError, "name() takes two lists and a dictionary");
        return NULL;
    }
    PyObject *lines = arguments[0], *both = NULL;
    Py_ssize_t size = PyList_Size(lines);
    PyObject *names = PyList_New(size), *index = PyDict_New();
    PyObject *none = PyUnicode_FromStringAndSize("", 0);
    if (names == NULL || index == NULL || none == NULL)
        goto done;
    if (size > 0 && note(names, index, none, 0) < 0) /* the start line has no name */
        goto done;
    for (Py_ssize_t place = size - 1; place > 0; place--) {
        PyObject *found = name_of(PyList_GetItem(lines, place), arguments[1], arguments[2]);
        if (found == NULL || note(names, index, found, place) < 0)
            goto done;
    }
    both = PyTuple_Pack(2, names, index);
done:
    Py_XDECREF(names);
    Py_XDECREF(index);
    Py_XDECREF(none);
    if (both == NULL && !PyErr_Occurred())
        Py_RETURN_NONE;
    return both;
}

static int is_token(unsigned char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z') || (byte && strchr(".!%*_+`'~-", byte));
}

/* Whether this begins like a request or a response: a word, and what must follow it. */
static int is_start(const unsigned char *at, const unsigned char *end)
{
    const unsigned char *start = at;
    while (at < end && at - start < 64 && is_token(*at))
        at++;
    return at > start && at < end && (*at == ' ' || *at == '/');
}

/* Whether the line begins with Content-Length in any capitals; it has at least 15 bytes. */
static int names_length(const unsigned char *line)
{
    static const char name[] = "content-length";
    for (int n = 0; n < 14; n++) {
        unsigned char byte = line[n];
        if (byte >= 'A' && byte <= 'Z')
            byte += 'a' - 'A';
        if (byte != (unsigned char)name[n])
            return 0;
    }
    return 1;
}

/* The number behind the colon of a Content-Length line; -1 when it is no plain one. */
static int64_t number(const unsigned char *at, const unsigned char *end)
{
    int64_t value = 0;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (at < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    if (at == end || end - at >= 12)
        return -1;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9')
            return -1;
        value = 10 * value + (*at - '0');
    }
    return value;
}

/* What a line says of the length of the body: -1 nothing, -2 something that is not
 * plain. */
static int64_t said(const unsigned char *line, const unsigned char *end)
{
    switch (*line) {
    case 'L': case 'l': case ' ': case '\t': /* a compact name, or a folded line */
        return -2;
    case 'C': case 'c':
        if (end - line < 15 || !names_length(line))
            return -1;
        if (memcmp(line, "Content-Length:", 15) != 0)
            return -2;
        int64_t length = number(line + 15, end);
        return length < 0 ? -2 : length;
    default:
        return -1;
    }
}

/* Where the message ends that begins at start, with these limits.  -1: see framing.py. */
static int64_t end_of(const unsigned char *text, int64_t size, int64_t start, int64_t head,
                      int64_t body)
{
    const unsigned char *at = text + start, *end = text + size, *line = at;
    int64_t length = -1;
    if (!is_start(at, end))
        return -1;
    while ((at = memchr(line, '\n', end - line)) != NULL) {
        if (at == text + start || at[-1] != '\r' || at + 1 - text - start > head)
            return -1;
        if (at - 1 == line) /* the empty line */
            return length < 0 || length > body ? -1 : at + 1 - text + length;
        int64_t found = said(line, at - 1);
        if (found == -2 || (found >= 0 && length >= 0))
            return -1;
        if (found >= 0)
            length = found;
        line = at + 1;
    }
    return -1;
}

static PyObject *end(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    if (count != 4) {
        PyErr_SetString(PyExc_TypeError, "end() takes four arguments");
        return NULL;
    }
    Py_ssize_t start = PyLong_AsSsize_t(arguments[1]);
    Py_ssize_t head = PyLong_AsSsize_t(arguments[2]);
    Py_ssize_t body = PyLong_AsSsize_t(arguments[3]);
    if (PyErr_Occurred())
        return NULL;
    Py_buffer source;
    if (PyObject_GetBuffer(arguments[0], &source, PyBUF_SIMPLE) < 0)
        return NULL;
    int64_t found = -1;
    if (start >= 0 && start < source.len)
        found = end_of(source.buf, source.len, start, head, body);
    PyBuffer_Release(&source);
    return PyLong_FromLongLong(found);
}

static PyMethodDef functions[] = {
    {"end", (PyCFunction)(void (*)(void))end, METH_FASTCALL, "See framing.py."},
    {"cut", (PyCFunction)(void (*)(void))cut, METH_FASTCALL, "See cutting.py."},
    {"name", (PyCFunction)(void (*)(void))name, METH_FASTCALL, "See cutting.py."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef scanner = {
    PyModuleDef_HEAD_INIT, "scanner", NULL, 0, functions, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_scanner(void)
{
    return PyModuleDef_Init(&scanner);
}
