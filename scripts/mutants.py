"""Change the package in one place at a time, and see whether a test fails.

    python scripts/mutants.py [--count 200] [--seed 0] [--slow] [MODULE ...]

A mutant is one comparison, sum, number, "and", "not" or condition that is another one. It lives in memory: a process that has
torch, but not the package, forks, and the child imports the package with that change and runs the tests of the module that
holds it until one fails, those that ``make quick`` runs; with --slow the others too. One line a mutant, and the survivors.
"""

import argparse
import ast
import importlib.machinery
import os
import random
import resource
import signal
import sys
from pathlib import Path

import hypothesis  # noqa: F401 - what the tests need, imported once, before the processes part
import matplotlib.figure  # noqa: F401
import pytest
import scipy.optimize  # noqa: F401
import scipy.stats  # noqa: F401
import sklearn.datasets  # noqa: F401
import torch

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "lecture_utils"
SECONDS = 300  # of computing: a mutant that takes longer does not come to an end
TESTS = {
    "attacks": "attacks matrix numbers peers",
    "ball": "attacks matrix",
    "checks": "attacks robustness training numbers",
    "concentration": "initialization",
    "data": "data networks faults pictures fuzz",
    "efficientnet": "efficientnet",
    "explore": "own faults fuzz",
    "initialization": "initialization",
    "linear": "linear",
    "losses": "training linear peers",
    "networks": "networks faults",
    "own": "own",
    "plots": "own faults",
    "radii": "radii robustness",
    "robustness": "robustness radii",
    "training": "training numbers linear",
}
COMPARISONS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
OPERATIONS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.And: ast.Or, ast.Or: ast.And}


def changes(tree):
    """Yield (line, what stands there, function that changes it) for every place of a module that can be changed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
            yield node.lineno, ast.unparse(node), lambda n=node: n.ops.__setitem__(0, COMPARISONS[type(n.ops[0])]())
        elif isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in OPERATIONS:
            yield node.lineno, ast.unparse(node), lambda n=node: setattr(n, "op", OPERATIONS[type(n.op)]())
        elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):  # True becomes 0, False 1
            changed = 1 - node.value if isinstance(node.value, bool) else node.value + 1
            yield node.lineno, ast.unparse(node), lambda n=node, value=changed: setattr(n, "value", value)
        elif isinstance(node, ast.If | ast.IfExp):
            yield node.lineno, f"if {ast.unparse(node.test)}", lambda n=node: setattr(n, "test", ast.Constant(False))


def mutant(path, number):
    """Return the syntax tree of a module with its change of that number, the line, and what stood there."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    line, before, change = list(changes(tree))[number]
    change()
    return ast.fix_missing_locations(tree), line, before


class First:
    """Keeps the name of the first test that fails."""

    name = ""

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.name = self.name or report.nodeid.removeprefix("tests/")


def survives(path, tree, options, pipe):
    """In a process of its own: run the tests with the module changed, write the first that fails, and end."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    usual = importlib.machinery.SourceFileLoader.get_code

    def get_code(self, name):
        return compile(tree, self.path, "exec") if self.path == str(path) else usual(self, name)

    importlib.machinery.SourceFileLoader.get_code = get_code
    first = First()
    status = pytest.main([*options, "-x", "-q", "-p", "no:cacheprovider"], plugins=[first])
    os.write(pipe, (first.name or ("" if status == 0 else "not collected")).encode())
    os._exit(0)


def verdict(path, tree, options):
    """Return what catches a mutant: the first test that fails, or the signal that ends the process; "" for a survivor."""
    theirs, ours = os.pipe()
    if (child := os.fork()) == 0:
        survives(path, tree, options, ours)
    os.close(ours)
    with os.fdopen(theirs) as answer:
        told = answer.read()
    _, status = os.waitpid(child, 0)
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else told


def tests(path, slow):
    files = TESTS[path.stem].split()
    return [f"tests/test_{one}.py" for one in files] + ([] if slow else ["-m", "not slow"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="without one, all of the package but the exercises")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--slow", action="store_true", help="also run what make quick leaves out")
    given = parser.parse_args()
    if unknown := set(given.modules) - set(TESTS):
        parser.error(f"the modules are {', '.join(TESTS)}; got {', '.join(sorted(unknown))}")
    if given.count < 0:
        parser.error(f"--count must be at least 0, got {given.count}")
    torch.set_num_threads(1)
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    paths = [PACKAGE / f"{name}.py" for name in given.modules or TESTS]
    places = [(path, i) for path in paths for i, _ in enumerate(changes(ast.parse(path.read_text(encoding="utf-8"))))]
    chosen = random.Random(given.seed).sample(places, min(given.count, len(places)))
    survivors = 0  # in the order of the draw, so that the first hundred are a sample, too
    for path, number in chosen:
        tree, line, before = mutant(path, number)
        caught = verdict(path, tree, tests(path, given.slow))
        survivors += not caught
        print(f"{path.stem}:{line}  {before[:70]}  {caught or 'SURVIVES'}", flush=True)
    print(f"{len(chosen)} mutants of {len(places)}, {len(chosen) - survivors} caught, {survivors} survive")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped.")
