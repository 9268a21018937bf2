"""The house rules that a machine can see."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
MOST_LINES_IN_A_FILE = 300
MOST_LINES_IN_A_FUNCTION = 40
MOST_PARAMETERS = 6
MOST_METHODS_IN_A_CONTRACT = 5
EMPTY_NAMES = {"utils", "util", "common", "helpers", "base", "manager", "handler", "core", "misc"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions_of(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function):
            yield node


def code_lines(function: Function) -> int:
    """Lines of the body, its docstring not counted."""
    first = function.body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    start = (first.end_lineno or 0) + 1 if has_docstring else first.lineno
    return (function.end_lineno or 0) - start + 1


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_small_named_by_domain_and_says_its_job(path: Path) -> None:
    text = path.read_text()
    assert path.stem not in EMPTY_NAMES
    assert len(text.splitlines()) <= MOST_LINES_IN_A_FILE, "split it"
    assert ast.get_docstring(ast.parse(text)) or not text.strip(), "its first line says its one job"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_fit_on_a_screen(path: Path) -> None:
    for function in functions_of(path):
        where = f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"
        assert code_lines(function) <= MOST_LINES_IN_A_FUNCTION, where
        arguments = function.args
        parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        is_command = "cli" in path.parts  # a command's parameters are its flags
        own = [a for a in parameters if a.arg not in ("self", "cls")]
        assert is_command or len(own) <= MOST_PARAMETERS, where


def test_contracts_have_at_most_five_methods() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            is_protocol = isinstance(node, ast.ClassDef) and any(
                isinstance(b, ast.Name) and b.id == "Protocol" for b in node.bases
            )
            if is_protocol:
                assert isinstance(node, ast.ClassDef)
                methods = [n for n in node.body if isinstance(n, ast.FunctionDef)]
                assert len(methods) <= MOST_METHODS_IN_A_CONTRACT, node.name


def test_no_two_test_files_have_one_name() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names)), "pytest collects only one of them"
