"""The list of networks: each is a function that makes a torch module, with what its inputs are like."""

from dataclasses import dataclass, field

NETWORKS = []


@dataclass(frozen=True)
class Network:
    name: str
    family: str
    make: object
    inputs: list
    outputs: list
    """Whether the file leaves the first axis of inputs open."""
    dynamic: bool = False
    """Whether several samples can be given at once: needed to open the first axis."""
    batched: bool = True
    """'old' or 'new', and the opset: None takes its turn."""
    exporter: str | None = None
    opset: int | None = None
    """Weights as torch makes them, instead of scaled so that activations have deviation 1."""
    untouched: bool = False


def given(kind, *shape, name="input", dtype="float32", **spec):
    """An input of shape [1, ...shape]."""
    return {"name": name, "shape": [1, *shape], "dtype": dtype, "data": {"kind": kind, **spec}}


def image(*shape, **spec):
    return given("image", *shape, **spec)


def normal(*shape, **spec):
    return given("normal", *shape, **spec)


def wave(*shape, **spec):
    return given("wave", *shape, **spec)


def tokens(count, *shape, **spec):
    return given("tokens", *shape, dtype="int64", count=count, **spec)


def network(name, family, *inputs, outputs=("output",), **more):
    """Registers what makes the module: a function without arguments, or a class."""

    def register(make):
        if any(n.name == name for n in NETWORKS):
            raise ValueError(f"two networks are called {name}")
        NETWORKS.append(Network(name, family, make, list(inputs), list(outputs), **more))
        return make

    return register
