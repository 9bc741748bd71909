"""What SECURITY.md says of the sources as a whole, and that the tests it names are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SHIPPED = sorted(path for room in ("concealer", "engines", "pipelines") for path in (REPOSITORY / room).rglob("*.py"))
PIPES = {
    "concealer/splice/child.py",
    "concealer/splice/remote.py",
    "pipelines/jobs/child.py",
    "pipelines/jobs/children.py",
    "pipelines/jobs/span_results.py",
}
"""Both ends of a pipe, or of a file without a name, between a process and its own child."""


def _calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]


def test_pickles_stay_between_a_process_and_its_children() -> None:
    loaders = ("pickle", "marshal", "shelve", "dill", "joblib")
    imported = re.compile(rf"^\s*(?:import|from) ({'|'.join(loaders)})\b", re.M)
    assert {str(p.relative_to(REPOSITORY)) for p in SHIPPED if imported.search(p.read_text())} == PIPES
    results = (REPOSITORY / "pipelines/jobs/span_results.py").read_text()
    assert "TemporaryFile(" in results and not re.search(r"NamedTemporaryFile|mkstemp|(?<!\.)\bopen\(", results)
    for path in SHIPPED:
        assert not re.search(r"allow_pickle=True|torch\.load\(", path.read_text()), path


def test_no_shell_is_started() -> None:
    for path in SHIPPED:
        for call in _calls(path):
            assert all(word.arg != "shell" for word in call.keywords), path
            name = ast.unparse(call.func)
            assert name not in ("os.system", "os.popen", "eval", "exec", "subprocess.getoutput"), path


NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (REPOSITORY / "SECURITY.md").read_text())


def test_every_threat_has_a_test() -> None:
    rows = [line for line in (REPOSITORY / "SECURITY.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10 and all("::test_" in row for row in rows)


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_the_tests_that_are_named_exist(path: str, name: str) -> None:
    functions = [node for node in ast.parse((REPOSITORY / path).read_text()).body if isinstance(node, ast.FunctionDef)]
    assert name in [function.name for function in functions]
