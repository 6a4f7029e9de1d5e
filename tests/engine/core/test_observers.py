"""An observer: what it is told, and that it may compute with tensors itself."""

from __future__ import annotations

import pytest

import minigrad as mg
from minigrad.core.hooks import Observer
from minigrad.core.modes import Block, get_ident, observers


class Summing(Observer):
    """Computes with tensors whenever it is told of something."""

    def __init__(self):
        self.told = []

    def called(self, operation, inputs, parameters, out):
        self.told.append(operation.name)
        assert (out * 2 + 1).shape == out.shape

    def ran(self, node, input, g, dx):
        self.told.append(f"rule of {node.name}")
        assert float((mg.tensor(2.0) * float(dx.sum())).exp()) > 0


@pytest.mark.filterwarnings("ignore:backward. with create_graph")
@pytest.mark.parametrize("create_graph", [False, True])
def test_what_an_observer_computes_is_not_observed(create_graph):
    x, observer = mg.tensor([1.0, 2.0], requires_grad=True), Summing()
    with Block(observer=observer):
        loss = (x * 0.5).tanh().sum()
        before = len(observer.told)
        loss.backward(create_graph=create_graph)
        assert observers[get_ident()] is observer
    assert observer.told[:before] == ["multiply", "tanh", "sum"]
    assert [what for what in observer.told[before:] if what.startswith("rule")] == [
        "rule of sum",
        "rule of tanh",
        "rule of multiply",
    ]
    assert get_ident() not in observers


def test_an_observer_that_raises_stays_the_observer():
    class Refusing(Observer):
        def called(self, operation, inputs, parameters, out):
            raise ValueError("not this one")

    observer = Refusing()
    with Block(observer=observer):
        with pytest.raises(ValueError, match="not this one"):
            mg.ones(2) * 2
        assert observers[get_ident()] is observer
