"""How many parameters and blocks networks have."""

from collections import Counter

from torch import nn

from palimpsest.layers import blocks


def count_parameters(model) -> dict[str, int]:
    """Parameters of each network and of its named parts, two levels down: {dotted name: count}."""
    return {
        name: sum(parameter.numel() for parameter in module.parameters())
        for name, module in model.networks.named_modules()
        if name and name.count(".") <= 2 and not any(piece.isdigit() for piece in name.split("."))
    }


def count_blocks(model) -> dict[str, dict[str, int]]:
    """How many blocks of each kind in layers/blocks.py a network and its parts hold: {name or name.part: {kind: n}}."""
    named = [(name, module) for name, module in model.networks.named_modules() if name and name.count(".") <= 1]
    counts = {
        name: Counter(type(part).__name__ for part in module.modules() if _is_block(part)) for name, module in named
    }
    return {name: dict(found) for name, found in counts.items() if found}


def _is_block(module: nn.Module) -> bool:
    return type(module).__module__ == blocks.__name__
