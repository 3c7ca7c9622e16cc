"""Bytecode: of the target's Python, with the layer's paths, and the same bytes whatever the process compiled before."""

from __future__ import annotations

import marshal
import random
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.bytecode import compile_worker
from builder.bytecode.compiler import Compilers, Module
from builder.bytecode.interpreters import Interpreter, search
from builder.metadata.module_names import pyc_path
from builder.model.errors import BuildError
from tests.conftest import THOROUGH

#: The oldest and the newest suffice for a run without ``--thorough``.
PYTHONS = ["3.10", *(pytest.param(python, marks=pytest.mark.slow) for python in ("3.11", "3.12")), "3.13"]

#: Sources whose bytecode depended on the process that compiled them.
TRAPS = {
    "set_of_none.py": b"def f(x):\n    return x in {None, 'a', ..., (None, 1), 2.5, b'x'}\n",
    "set_of_names.py": b"def f(x):\n    return x in {'copy', 'dict', 'json', '_iter', 'schema', 'validate', 'model'}\n",
    "nested.py": b"class Cook:\n    class Inner:\n        def f(self):\n            self.a = self.b = 1\n",
    "nested_again.py": b"class Cook:\n    class Inner:\n        def f(self):\n            self.a = self.b = 1\n",
    "local.py": b"def make():\n    class Local:\n        x = 'make.<locals>.Local'\n    return Local\n",
    "same_sets.py": b"def f(x):\n    return x in {'ONE', 'TWO'}\ndef g(x):\n    return 2.5, x in {'ONE', 'TWO'}\n",
    "names.py": b"ONE = TWO = 1\n",
    "sets_of_tuples.py": b"a = [x in {('y', 'dict'), 1} for x in 'z']\nb = [2.5, 'z' in {('y', 'dict'), 1}]\n",
    "shared.py": b"import os, sys\npath = os.path.join('path', 'join', 'self', 'a b', 'z')\nname = 'self'\n",
    "numbers.py": b"a = (1, 2.0, 3j, 10**40, -5, 257, 1_000_000, (), '', b'', b'a', 'a', None, True)\n",
    "bytes.py": b"def f(x):\n    return x == b'x' or x in (b'', b'x', b'xy')\n",
    "doc.py": b"'doc'\nasync def f(*a, k: int = 3, **kw) -> 'str':\n    return [x async for x in g()]\n",
    "latin.py": b"# -*- coding: latin-1 -*-\nword = '\xe4\xf6'\n",
    "surrogate.py": b"word = '\\ud800'\n",
}


def interpreter(python: str) -> Interpreter:
    found = search(python)
    if found is None:
        pytest.skip(f"no CPython {python} here")
    return found


def write(folder: Path, sources: dict[str, bytes]) -> list[Module]:
    modules = []
    for name, source in sources.items():
        (folder / name).write_bytes(source)
        modules.append(Module(name, str(folder / name)))
    return modules


def stdlib(python: Interpreter, count: int) -> list[Module]:
    """Return modules of the standard library, which intern many strings in the process that compiles them."""
    folder = Path(
        subprocess.run(
            [python.path, "-c", "import os; print(os.path.dirname(os.__file__))"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()
    )  # fmt: skip
    return [Module(f"lib/{path.name}", str(path)) for path in sorted(folder.glob("*.py"))[:count]]


def compile_modules(python: Interpreter, modules: Sequence[Module]) -> list[bytes | None]:
    """Compile the modules in a new process."""
    with closing(Compilers(1)) as compilers:
        return compilers.compile(python, modules)


def compiled(python: Interpreter, modules: Sequence[Module]) -> dict[str, bytes | None]:
    return {m.path: data for m, data in zip(modules, compile_modules(python, modules), strict=True)}


@pytest.mark.parametrize("python", PYTHONS)
def test_bytecode_depends_on_the_source_only(python: str, tmp_path: Path) -> None:
    found = interpreter(python)
    modules = write(tmp_path, TRAPS)
    everything = [*modules, *stdlib(found, 12)]
    alone = {m.path: compile_modules(found, [m])[0] for m in modules}
    assert None not in alone.values()
    one, two = (compiled(found, random.Random(seed).sample(everything, len(everything))) for seed in (1, 2))  # noqa: S311
    assert one == two
    assert {path: one[path] for path in alone} == alone
    with closing(Compilers(1)) as compilers:  # several batches in one process
        again = {m.path: compilers.compile(found, [m])[0] for m in reversed(everything)}
    assert again == one


@pytest.mark.parametrize("python", PYTHONS)
def test_bytecode_has_the_target_pythons_magic_and_is_unchecked(python: str, tmp_path: Path) -> None:
    found = interpreter(python)
    (data,) = compile_modules(found, write(tmp_path, {"doc.py": TRAPS["doc.py"]}))
    assert data is not None
    assert data[:4].hex() == found.magic
    assert data[4:8] == b"\x01\x00\x00\x00"
    assert b"/opt/python/doc.py" in data


@pytest.mark.parametrize("python", PYTHONS)
def test_compiled_code_equals_what_python_compiles(python: str, tmp_path: Path) -> None:
    found = interpreter(python)
    modules = write(tmp_path, TRAPS)
    for module, data in zip(modules, compile_modules(found, modules), strict=True):
        assert data is not None
        pyc = tmp_path / "x.pyc"
        pyc.write_bytes(data)
        check = (
            "import marshal, sys; code = marshal.loads(open(sys.argv[1], 'rb').read()[16:]); "
            "own = compile(open(sys.argv[2], 'rb').read(), '/opt/python/' + sys.argv[3], 'exec', dont_inherit=True); "
            "sys.exit(code != own)"
        )
        done = subprocess.run([found.path, "-c", check, pyc, module.source, module.path], check=False)
        assert done.returncode == 0, module.path


def test_a_source_that_does_not_compile_has_no_bytecode(tmp_path: Path) -> None:
    sources = {
        "two.py": b"print 'two'\n",
        "template.py": b"{{ name }} = 1\n",
        "nul.py": b"a = 1\0\n",
        "ok.py": b"a = 1\n",
    }
    made = compiled(interpreter("3.12"), write(tmp_path, sources))
    assert {path: data is not None for path, data in made.items()} == {
        "two.py": False, "template.py": False, "nul.py": False, "ok.py": True,
    }  # fmt: skip


def test_the_error_names_a_broken_interpreter(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="compiler ended with exit status 1") as caught:
        compile_modules(Interpreter(Path("/bin/false"), "3.12.1", ""), write(tmp_path, {"a.py": b"a = 1\n"}))
    assert "/bin/false" in str(caught.value)


def test_the_path_of_bytecode_names_its_python() -> None:
    assert pyc_path("a/b.py", "3.12") == "a/__pycache__/b.cpython-312.pyc"
    assert pyc_path("six.py", "3.10") == "__pycache__/six.cpython-310.pyc"


_LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5), st.binary(max_size=5),
    st.just(...), st.complex_numbers(allow_nan=False),
)  # fmt: skip
_CONSTANT = st.recursive(_LEAF, lambda c: st.one_of(st.lists(c, max_size=4).map(tuple), st.frozensets(c, max_size=4)))


@settings(max_examples=200 if THOROUGH else 25)
@given(_CONSTANT)
def test_marshal_reads_what_dump_sorted_writes(value: object) -> None:
    read = marshal.loads(compile_worker.dump_sorted(value))  # noqa: S302 - our own bytes
    assert repr(type(read)) == repr(type(value))
    assert read == value
