"""Chains: calls nested in calls, of unsigned numbers or of signed ones, which widen by a digit at each call."""

from collections.abc import Iterable
from dataclasses import dataclass

from realm.guild.trainers.bin.bands import width
from realm.guild.trainers.bin.operands import Draw, Operands
from realm.guild.trainers.bin.operations import OPERATIONS
from realm.guild.trainers.bin.problems import MOST_DRAWS, Problem, is_exam

_UNSIGNED = ("add", "subtract", "multiply", "increment", "decrement", "minimum", "maximum", "multiply_by_2")
_COMPARISONS = ("equals", "lessthan", "greaterthan")  # only as the outermost call
_SIGNED = ("add_signed", "subtract_signed", "negate", "absolute_value")
_SINGLE = ("increment", "decrement", "multiply_by_2", "negate", "absolute_value")  # these take one operand
_ENCLOSED = ("minimum", "maximum", "absolute_value")  # the expressions of these need no brackets where they are nested
_ENCLOSING = (*_ENCLOSED, "negate")  # nor do those that are nested in these

_DEEPEST_SIGNED = 3  # calls
_FACTOR_BITS = 3
_EXPERT_BITS = 8  # of each operand but the first: deep chains of wide ones would grow too long


@dataclass(frozen=True, slots=True)
class Link:
    """A call, and which of its operands is the value of the link before; the innermost takes none."""

    call: Problem
    place: int

    def of(self, inner: str) -> str:
        """The call with the link before written as `inner`."""
        return f"{self.call.operation.name}({', '.join(self._nesting(inner, self.call.written_operands))})"

    def equation_of(self, inner: str) -> str:
        """The call's decimal equation with the link before as the expression `inner`."""
        return self.call.operation.equation(*self._nesting(inner, self.call.operands), self.call.value)

    def _nesting(self, inner: str, operands: Iterable[object]) -> list[str]:
        return [inner if inner and place == self.place else str(operand) for place, operand in enumerate(operands)]


@dataclass(frozen=True, slots=True)
class Chain:
    """Its links, from the innermost outwards."""

    links: tuple[Link, ...]

    @property
    def texts(self) -> list[str]:
        """Each call in digits with those nested in it."""
        texts = [""]
        for link in self.links:
            texts.append(link.of(texts[-1]))
        return texts[1:]

    @property
    def text(self) -> str:
        """The canonical form."""
        return self.texts[-1]

    @property
    def result(self) -> str:
        return self.links[-1].call.result

    @property
    def equation(self) -> str:
        """All calls in one decimal equation."""
        equation, enclosed = "", True
        for link in self.links:
            expression = equation.rpartition(" = ")[0]
            needs_none = enclosed or link.call.operation.name in _ENCLOSING
            equation = link.equation_of(expression if needs_none else f"({expression})")
            enclosed = link.call.operation.name in _ENCLOSED
        return equation

    @property
    def equations(self) -> list[str]:
        return [link.call.equation for link in self.links]

    @property
    def steps(self) -> list[str]:
        """Each call in digits; a value is named where it comes out and called by its name where it goes in."""
        names = [*"abcd"[: len(self.links) - 1], "result"]
        return [
            f"{name} = {link.of(before)} = {link.call.result}"
            for name, before, link in zip(names, ["", *names], self.links, strict=False)
        ]


def draw_chain(level: int, split: str, difficulty: str, depth: int, draw: Draw) -> Chain:
    """An exam chain is told by its text as a whole; in a train chain no call, nested or by itself, is one."""
    signed = depth <= _DEEPEST_SIGNED and draw(4) == 0
    bits = _EXPERT_BITS if difficulty == "expert" else width(level)
    for _ in range(MOST_DRAWS):
        calls = _signed_links(width(level), depth, draw) if signed else _unsigned_links(width(level), bits, depth, draw)
        chain = Chain(tuple(calls))
        if (signed or _never_below_zero(chain)) and _is_of(split, chain):
            return chain
    raise RuntimeError(f"no {split} chain of {depth} calls at level {level} in {MOST_DRAWS:,} draws")


def _unsigned_links(width: int, bits: int, depth: int, draw: Draw) -> list[Link]:
    links = []
    value = (1 << width - 1) + draw(1 << width - 1)
    for number in range(1, depth + 1):
        names = _UNSIGNED if number < depth else _UNSIGNED + _COMPARISONS
        name = names[draw(len(names))]
        other = draw(1 << (_FACTOR_BITS if name == "multiply" else bits))
        if name == "equals" and draw(2):
            other = value
        link = _link(name, value, other, width, draw)
        value = link.call.value
        links.append(link)
    return links


def _signed_links(width: int, depth: int, draw: Draw) -> list[Link]:
    links = []
    value = draw(1 << width) - (1 << width - 1)
    for wider in range(width, width + depth):
        other = draw(1 << wider) - (1 << wider - 1)
        link = _link(_SIGNED[draw(len(_SIGNED))], value, other, wider, draw)
        value = link.call.value
        links.append(link)
    return links


def _link(name: str, value: int, other: int, width: int, draw: Draw) -> Link:
    operands: Operands = (value,) if name in _SINGLE else (value, other) if draw(2) else (other, value)
    if name == "subtract":
        operands = (max(operands), min(operands))
    return Link(Problem(OPERATIONS[name], operands, width), operands.index(value))


def _never_below_zero(chain: Chain) -> bool:
    return all(link.call.value >= 0 for link in chain.links)


def _is_of(split: str, chain: Chain) -> bool:
    if split == "exam":
        return is_exam(chain.text)
    return not any(map(is_exam, (*chain.texts, *(link.call.text for link in chain.links))))
