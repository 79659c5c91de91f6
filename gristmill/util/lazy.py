"""Objects of other modules by reference, imported when they are needed."""

import importlib
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

T = TypeVar("T")


@dataclass(frozen=True)
class Lazy(Generic[T]):
    """An object named by `module:object`, or a module named by `module`, whose type is `T`.

    The reference is plain text: whoever holds it neither imports the module nor, as a stage, depends on its code.
    """

    reference: str

    @property
    def module(self) -> str:
        """The name of the module."""
        return self.reference.partition(":")[0]

    def load(self) -> T:
        """Import the module, and return the object."""
        module, _, name = self.reference.partition(":")
        imported = importlib.import_module(module)
        return cast(T, getattr(imported, name) if name else imported)
