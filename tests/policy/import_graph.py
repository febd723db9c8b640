"""The imports between this project's modules, read from their source without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Imports:
    """What one module imports, anywhere in its text: imports inside functions hide circles otherwise."""

    own: frozenset[str]
    """Modules of this project."""
    external: frozenset[str]
    """Top-level names of all other packages."""


@dataclass(frozen=True)
class ImportGraph:
    """All modules of a source tree with their imports."""

    modules: Mapping[str, Imports] = field(default_factory=dict)

    @classmethod
    def of(cls, sources: Mapping[str, str]) -> ImportGraph:
        """The graph of modules given by name and source text."""
        return cls({name: _imports(name, source, sources) for name, source in sources.items()})

    def within(self, *prefixes: str) -> list[str]:
        """Modules of these packages, sorted."""
        return sorted(name for name in self.modules if is_within(name, prefixes))

    def circles(self) -> list[list[str]]:
        """Groups of modules that import each other, directly or through others of the group."""
        reached = {name: self._reached(name, parents=False) for name in self.modules}
        groups = {
            tuple(sorted({name, *(other for other in reached[name] if name in reached[other])}))
            for name in self.modules
            if name in reached[name]
        }
        return [list(group) for group in sorted(groups)]

    def chain(self, importer: str, forbidden: tuple[str, ...]) -> list[str] | None:
        """The shortest chain of imports from a module to a forbidden one, of this project or not; None without one."""
        waiting, seen = [[importer]], {importer}
        while waiting:
            path = waiting.pop(0)
            for target in sorted(self._loaded(path[-1]) | self.modules[path[-1]].external):
                if is_within(target, forbidden) and not is_within(target, (importer,)):
                    return [*path, target]
                if target in self.modules and target not in seen:
                    seen.add(target)
                    waiting.append([*path, target])
        return None

    def external_of(self, *prefixes: str) -> frozenset[str]:
        """Top-level names of the packages that these modules load, directly or through modules of this project."""
        found: set[str] = set()
        for name in self.within(*prefixes):
            for module in {name, *self._reached(name, parents=True)}:
                found |= self.modules[module].external
        return frozenset(found)

    def _loaded(self, name: str) -> frozenset[str]:
        """Modules that an import of this one loads next, with the packages that hold them."""
        own = self.modules[name].own
        return own | {parent for target in own for parent in _parents(target) if parent in self.modules}

    def _reached(self, name: str, *, parents: bool) -> set[str]:
        found: set[str] = set()
        waiting = [name]
        while waiting:
            module = waiting.pop()
            new = (self._loaded(module) if parents else self.modules[module].own) - found
            found |= new
            waiting += new
        return found


def is_within(name: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a module is one of these or lies in one of these packages."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def read_sources(root: Path, folders: tuple[str, ...]) -> dict[str, str]:
    """Source text by module name: the modules in `root` itself and everything below its folders."""
    files = [*root.glob("*.py"), *(file for folder in folders for file in (root / folder).rglob("*.py"))]
    # The policy pack's virtual environment is in its folder.
    ours = [file for file in files if "site-packages" not in file.parts]
    return {_module(file.relative_to(root)): file.read_text() for file in ours}


def _module(file: Path) -> str:
    name = ".".join(file.with_suffix("").parts)
    return name.removesuffix(".__init__")


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _imports(name: str, source: str, known: Mapping[str, str]) -> Imports:
    own: set[str] = set()
    external: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{name}: relative imports are not used here")
            module = str(node.module)
            # `from package import module` imports the module, `from module import name` only that module.
            full = [f"{module}.{alias.name}" for alias in node.names]
            targets = [target if target in known else module for target in full]
        else:
            continue
        for target in targets:
            if target in known:
                own.add(target)
            else:
                external.add(target.partition(".")[0])
    return Imports(frozenset(own - {name}), frozenset(external))
