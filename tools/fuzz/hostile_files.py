"""Pickles that would run code, and checkpoints of torch that are whole or damaged."""

import io
import random

from tools.fuzz.mutations import CANARY, mutate_bytes

RUN = f"import os; os.system('touch {CANARY}')"


def evil_pickle(rng: random.Random) -> bytes:
    """Return a pickle that leaves the canary behind if it is loaded without restriction."""
    module, name, argument = rng.choice([
        ("os", "system", f"touch {CANARY}"), ("posix", "system", f"touch {CANARY}"), ("builtins", "exec", RUN),
        ("subprocess", "getoutput", f"touch {CANARY}"), ("torch.hub", "load", CANARY), ("runpy", "run_path", CANARY),
    ])  # fmt: skip
    call = f"c{module}\n{name}\n(V{argument}\ntR."
    return rng.choice([call, f"(dVstate_dict\n{call[:-1]}s."]).encode()


def archive(rng: random.Random) -> bytes:
    """Return a checkpoint of torch, sound or damaged."""
    import torch

    tensors = {f"layer{i}.weight": torch.zeros(rng.choice([0, 1, 3]), 2) for i in range(rng.randrange(4))}
    content = rng.choice([tensors, {"state_dict": tensors}, [tensors], {"x": {}}, 7, {"model": "x"}])
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=rng.random() < 0.7)
    return mutate_bytes(rng, file.getvalue(), head=True) if rng.random() < 0.7 else file.getvalue()
