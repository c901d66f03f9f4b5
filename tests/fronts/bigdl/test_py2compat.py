from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell

from sandbox.lib.bigdl.py2compat import OldDivision, to_python3

CELLS = {
    'print "a"': 'print("a")',
    "print": "print()",
    'print "a", b': 'print("a", b)',
    'print "a %s" % b,': 'print("a %s" % b, end=" ")',
    'print "a"; print b # c': 'print("a"); print(b) # c',
    "print x.shape\nprint (y)": "print(x.shape)\nprint (y)",
    'print (a), "b"': 'print((a), "b")',
    'print ("a" +\n    "b"), c': 'print(("a" +\n    "b"), c)',
    "print >>f, a, b": "print(a, b, file=f)",
    "print >> f": "print(file=f)",
    "print >>f, a,": 'print(a, file=f, end=" ")',
    "if a: print b": "if a: print(b)",
    "else_ = 1\nfor k in x:\n    print k,": 'else_ = 1\nfor k in x:\n    print(k, end=" ")',
    "try:\n    a()\nexcept E, e:\n    print e": "try:\n    a()\nexcept E as e:\n    print(e)",
    "try:\n    a()\nexcept (A, B), e:\n    pass": "try:\n    a()\nexcept (A, B) as e:\n    pass",
    'raise E, "m"': 'raise E("m")',
    'exec "a = 1"': 'exec("a = 1")',
    "exec code in space": "exec(code, space)",
    "if a <> b: pass": "if a != b: pass",
    "a = 10L": "a = 10",
    "a = 0777": "a = 0o777",
    'a = ur"x"': 'a = r"x"',
    "for k, v in d.iteritems(): print k": "for k, v in d.items(): print(k)",
    "[k for k in d.iterkeys()]": "[k for k in d.keys()]",
    "d.has_key(1)": "d.__contains__(1)",
    "it.next()": "it.__next__()",
    "if x:\n\tprint x": "if x:\n        print(x)",
    'def f(): print "a"': 'def f(): print("a")',
    'f = lambda x: x; print "a"': 'f = lambda x: x; print("a")',
    'if (lambda: 1)(): print "a"': 'if (lambda: 1)(): print("a")',
    "get_ipython().run_line_magic('pylab', '')\nprint 1": (
        "get_ipython().run_line_magic('pylab', '')\nprint(1)"
    ),
}


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_of_python_2_is_rewritten(cell):
    assert CELLS[cell] == to_python3(cell)
    compile(CELLS[cell], "cell", "exec")


@pytest.mark.parametrize(
    "cell",
    ["print('a', b)", "x.next(1)", "print = 3", "a / b", "not python at all", "'iteritems()'", ""],
)
def test_other_cells_stay_as_they_are(cell):
    assert cell == to_python3(cell)


@pytest.fixture
def shell():
    made = InteractiveShell()
    made.extension_manager.load_extension("sandbox.lib.bigdl.py2compat")
    yield made
    made.extension_manager.unload_extension("sandbox.lib.bigdl.py2compat")
    made.history_manager.end_session()


def test_a_notebook_runs_cells_of_python_2(shell, capsys):
    cells = [
        'd = {"a": 7}\nfor k, v in d.iteritems():\n    print k, v / 2, v / 2.0',
        "print len(map(None.__class__, [])), zip([1], [2]), xrange(2)[1], unicode(3)",
        "import cPickle\nprint cPickle.__name__",
        "print 'a',\nprint 'b'",
    ]
    for cell in cells:
        assert shell.run_cell(cell).success
    assert capsys.readouterr().out == "a 3 3.5\n0 [(1, 2)] 1 3\npickle\na b\n"


def test_without_the_extension_python_3_holds_again(shell):
    shell.extension_manager.unload_extension("sandbox.lib.bigdl.py2compat")
    assert not any(isinstance(one, OldDivision) for one in shell.ast_transformers)
    assert "xrange" not in shell.user_ns
