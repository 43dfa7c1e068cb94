"""Write the variables of a TensorFlow checkpoint to an .npz file that `avfer models import` reads.

Run `python dump_affwildnet.py FOLDER/model.ckpt-0 OUT.npz` where TensorFlow (1.8 or later) is installed; avfer is not
needed there. Then run `avfer models import affwildnet_vgg_gru OUT.npz --output OUT.safetensors`.
"""

import re
import sys

import numpy as np
import tensorflow as tf

OPTIMIZER = re.compile(r"(.*/)?(Adam|Momentum|RMSProp|beta[12]_power|global_step|ExponentialMovingAverage)(_\d+)?$")


def dump(checkpoint: str, output: str) -> list[str]:
    """Write all variables but those of the optimizer and return their names."""
    reader = tf.train.load_checkpoint(checkpoint)
    names = [name for name, _ in tf.train.list_variables(checkpoint) if not OPTIMIZER.match(name)]
    np.savez(output, **{name: reader.get_tensor(name) for name in names})
    return names


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print("\n".join(dump(*sys.argv[1:])))
