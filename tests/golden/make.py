"""Write the fixtures: `python tests/golden/make.py [family ...]`, where there is PyTorch 2.13.

`./run-bigdl-native.sh bench` makes such an environment, `.venv-bench`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sandbox.lib.nn import Module
from tests.golden import pairs
from tests.golden.pairs import Arrays, Method, Pair, Timetable


def of_pair(pair: Pair) -> Arrays:
    """Compute outputs and gradients of one pair."""
    torch.manual_seed(0)
    theirs = pair.theirs(torch)
    given = [torch.tensor(array) for array in pair.draw()]
    for number, tensor in enumerate(given):
        tensor.requires_grad_(tensor.is_floating_point() and number not in pair.constant)
    if isinstance(theirs, torch.nn.Module):
        theirs.double().train(pair.training)
        fill(theirs, pair)
    taken = pair.take(theirs(*given))
    outputs = list(taken) if isinstance(taken, (tuple, list)) else [taken]
    found = {f"output {k}": y.detach().numpy() for k, y in enumerate(outputs)}
    smooth = [(k, y) for k, y in enumerate(outputs) if y.requires_grad]
    if smooth:
        sum(
            (y * torch.tensor(pair.projection(tuple(y.shape), k))).sum() for k, y in smooth
        ).backward()
    for k, tensor in enumerate(given):
        if tensor.grad is not None:
            found[f"input {k}"] = tensor.grad.numpy()
    if isinstance(theirs, torch.nn.Module):
        named = theirs.named_parameters()
        gradients = {name: p.grad.numpy() for name, p in named if p.grad is not None}
        for name, gradient in pair.returned(gradients).items():
            found[f"gradient {name}"] = np.asarray(gradient)
    return found


def fill(theirs: torch.nn.Module, pair: Pair) -> None:
    """Give PyTorch's module the parameters and buffers that ours is given."""
    ours = pair.ours()
    if not isinstance(ours, Module):
        return
    shapes = {name: held.shape for name, held in ours.named_parameters()}
    shapes |= {name: held.shape for name, held in ours.named_buffers()}
    own = theirs.state_dict()
    with torch.no_grad():
        for name, array in pair.convert(pair.state(shapes)).items():
            own[name].copy_(torch.tensor(np.asarray(array)))


def of_method(method: Method) -> Arrays:
    """Compute the parameters after each step."""
    torch.set_default_dtype(torch.float64)  # that of the numbers an optimiser keeps
    parameters = {part: torch.tensor(array) for part, array in method.start().items()}
    optimizer = method.theirs(torch, list(parameters.values()))
    found = {part: [] for part in parameters}
    for gradients in method.gradients():
        for part, gradient in gradients.items():
            parameters[part].grad = torch.tensor(gradient)
        optimizer.step(lambda: torch.zeros(()))  # LBFGS wants a loss
        for part in parameters:
            found[part].append(parameters[part].numpy().copy())
    torch.set_default_dtype(torch.float32)
    return {part: np.stack(steps) for part, steps in found.items()}


def of_timetable(timetable: Timetable) -> Arrays:
    """Compute the learning rates of the first steps."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler, rates = timetable.theirs(torch, optimizer), []
    for step in range(timetable.steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(*timetable.losses[step : step + 1])
    return {"rates": np.array(rates)}


KINDS = {Pair: of_pair, Method: of_method, Timetable: of_timetable}


def main() -> None:
    """Write the files of all families, or of those that are named."""
    for family, members in pairs.families().items():
        if len(sys.argv) > 1 and family not in sys.argv[1:]:
            continue
        found = {"made with": np.array(f"PyTorch {torch.__version__}, numpy {np.__version__}")}
        for member in members:
            for key, array in KINDS[type(member)](member).items():
                found[f"{member.name}/{key}"] = array
        path = pairs.HERE / f"{family}.npz"
        np.savez_compressed(path, **found)
        print(f"{path.name}: {len(members)} pairs, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
