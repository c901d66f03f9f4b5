"""MNIST to 99 % on 2 cores: whole processes, ours against PyTorch with the same recipe, 5 seeds.

The recipe, for both: convolution 5x5x16, max pooling, convolution 3x3x32, max pooling, 256 hidden
units; He initialisation; SGD with Nesterov momentum 0.9 and batches of 128; the learning rate rises
in a line to 0.12 over the first quarter of 2 epochs, then falls in a line; no augmentation. A time
is that of a whole process: imports, unpacking, building, training, testing.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

from . import harness

NEEDS_TORCH = True
PEAK, MOMENTUM, BATCH, EPOCHS, WARM, START, FINAL = 0.12, 0.9, 128, 2, 0.25, 0.04, 1e-4


def ours(seed: int) -> float:
    """Train with the sandbox; give the accuracy on the test images."""
    from sandbox.lib import criterion, optim
    from sandbox.lib.data import mnist
    from sandbox.lib.nn import zoo
    from sandbox.lib.train import Trainer

    optimizer = optim.SGD(
        PEAK,
        momentum=MOMENTUM,
        nesterov=True,
        schedule=optim.OneCycle(warm=WARM, start=START, final=FINAL),
    )
    trainer = Trainer(
        zoo.fast_mnist(seed),
        criterion.CrossEntropy(),
        optimizer,
        batch_size=BATCH,
        seed=seed,
        threads=2,
        metrics=(),
        progress=None,
    )
    trainer.fit(mnist.dataset("train"), epochs=EPOCHS)
    test = mnist.dataset("test")
    images, labels = test.rows(0, range(len(test)))
    return float((trainer.predict(images).argmax(1) == labels).mean())


def theirs(seed: int) -> float:
    """Train with PyTorch; give the accuracy on the test images."""
    import gzip
    from pathlib import Path

    import numpy as np
    import torch

    from . import torch_networks

    folder = Path(os.environ["BENCH_MNIST"])

    def read(name: str, offset: int) -> np.ndarray:
        path = folder / name
        raw = (
            gzip.decompress(path.read_bytes())
            if path.exists()
            else path.with_suffix("").read_bytes()
        )
        return np.frombuffer(raw, np.uint8, offset=offset)

    def pictures(name: str) -> torch.Tensor:
        pixels = read(f"{name}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
        return torch.from_numpy((pixels.astype(np.float32) / 255 - 0.1307) / 0.3081)

    def labels(name: str) -> torch.Tensor:
        return torch.from_numpy(read(f"{name}-labels-idx1-ubyte.gz", 8).astype(np.int64))

    torch.set_num_threads(2)
    torch.manual_seed(seed)
    x, y = pictures("train"), labels("train")
    model = torch_networks.fast_mnist()
    for layer in model:
        if hasattr(layer, "weight"):
            torch.nn.init.kaiming_normal_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(model.parameters(), lr=PEAK, momentum=MOMENTUM, nesterov=True)
    total = EPOCHS * -(-len(x) // BATCH)
    step = 0
    model.train()
    for _ in range(EPOCHS):
        order = torch.randperm(len(x))
        for start in range(0, len(x), BATCH):
            done = step / total
            if done < WARM:
                factor = START + (1 - START) * done / WARM
            else:
                factor = 1 + (FINAL - 1) * (done - WARM) / (1 - WARM)
            for group in optimizer.param_groups:
                group["lr"] = PEAK * factor
            rows = order[start : start + BATCH]
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
            step += 1
    model.eval()
    x, y = pictures("t10k"), labels("t10k")
    with torch.inference_mode():
        guesses = torch.cat([model(part).argmax(1) for part in x.split(1000)])
    return float((guesses == y).float().mean())


def process(side: str, seed: int) -> tuple[float, float]:
    """Run one side in a process of its own; give its seconds and its accuracy."""
    started = time.perf_counter()
    answer = subprocess.run(
        [sys.executable, "-m", "bench.mnist99", side, str(seed)],
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if answer.returncode:
        raise harness.RefusedError(f"{side}, seed {seed}, failed:\n{answer.stderr[-2000:]}")
    return seconds, float(answer.stdout.strip().splitlines()[-1])


def main(arguments, report):
    """Run the comparison."""
    from sandbox.lib.data import sources

    parser = harness.options("mnist99", __doc__)
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    chosen = parser.parse_args(arguments)
    folder = sources.find("mnist", list(sources.SOURCES["mnist"].files))
    if folder is None:
        raise harness.RefusedError("99 % is about the real MNIST; set SANDBOX_DATA or fetch it.")
    os.environ["BENCH_MNIST"] = str(folder)
    process("ours", 0)  # both sides once for the file cache and the kernel plan
    process("theirs", 0)
    times = (harness.Timing(), harness.Timing())
    accuracies: tuple[list[float], list[float]] = ([], [])
    sides = ("ours", "theirs")
    report(f"{'seed':<6}{'ours':>16}{'PyTorch':>18}")
    for seed in range(chosen.seeds):
        for index in (0, 1) if seed % 2 == 0 else (1, 0):
            seconds, accuracy = process(sides[index], seed)
            times[index].seconds.append(seconds)
            accuracies[index].append(100 * accuracy)
        cells = [
            f"{a[-1]:.2f} % {t.seconds[-1]:.2f} s" for a, t in zip(accuracies, times, strict=True)
        ]
        report(f"{seed:<6}{cells[0]:>16}{cells[1]:>18}")
    means = [statistics.mean(values) for values in accuracies]
    report(f"mean accuracy: ours {means[0]:.2f} %, PyTorch {means[1]:.2f} %")
    # Seeds draw other numbers on the two sides, so accuracies stand where losses would.
    if abs(means[0] - means[1]) > 0.3:
        raise harness.RefusedError("the accuracies differ by more than 0.3 %")
    report.value("mean test accuracy, ours", means[0], "%", at_least=99.0)
    report.versus("whole process", *times)
    share = statistics.median(
        mine / other for mine, other in zip(times[0].seconds, times[1].seconds, strict=True)
    )
    report.value("our time / PyTorch's time", share, at_most=0.5)
    return report.close()


if __name__ == "__main__":
    print({"ours": ours, "theirs": theirs}[sys.argv[1]](int(sys.argv[2])))
