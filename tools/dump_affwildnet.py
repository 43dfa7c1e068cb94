"""Write the variables of a TensorFlow checkpoint to an .npz file that `avfer models import` reads.

Run `python dump_affwildnet.py FOLDER/model.ckpt-0 OUT.npz` where TensorFlow (1.8 or later) is installed; avfer is not
needed there. Then run `avfer models import affwildnet_vgg_gru OUT.npz --output OUT.safetensors`.
"""

import argparse
import re

import numpy as np

OPTIMIZER = re.compile(r"(.*/)?(Adam|Momentum|RMSProp|beta[12]_power|global_step|ExponentialMovingAverage)(_\d+)?$")


def dump(checkpoint: str, output: str) -> list[str]:
    """Write all variables but those of the optimizer and return their names."""
    import tensorflow as tf  # not before the arguments are read, so that --help works without it

    reader = tf.train.load_checkpoint(checkpoint)
    names = [name for name, _ in tf.train.list_variables(checkpoint) if not OPTIMIZER.match(name)]
    np.savez(output, **{name: reader.get_tensor(name) for name in names})
    return names


def main() -> None:
    """Dump the checkpoint that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", metavar="FOLDER/model.ckpt-0", help="path without .index or .data-...")
    parser.add_argument("output", metavar="OUT.npz")
    options = parser.parse_args()
    try:
        print("\n".join(dump(options.checkpoint, options.output)))
    except ModuleNotFoundError as error:
        parser.exit(2, f"{error}; install it with: pip install tensorflow\n")


if __name__ == "__main__":
    main()
