"""Makes the networks of models/networks: python make.py [--only NAME,...] [--raw FOLDER]

Each is a torch module with random weights that keep activations near deviation 1, rounded to bfloat16 (files that
are packed are then half as large), exported by torch's old or new exporter, with torch's outputs for recorded seeds.
Needs what requirements.txt lists; nothing else of the project needs Python.
"""

import argparse
import gzip
import io
import json
import logging
import pathlib
import traceback
import warnings
import zlib

import data
import numpy as np
import onnx
import torch
from registry import NETWORKS
from torch import nn

import families  # noqa: F401 (registers all networks)

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "models" / "networks"

# Exporters and opsets; `None` is the default of the exporter, 24 the newest.
TURNS = [("old", 13), ("new", None), ("old", 17), ("new", 18), ("old", 20), ("new", 17), ("old", 11), ("new", 24)]
SEEDS = [101, 102]


def tensors(inputs, seeds):
    """Samples of several seeds along the first axis."""
    made = [data.sample(inputs, seed) for seed in seeds]
    return [torch.from_numpy(np.concatenate(parts)) for parts in zip(*made)]


LAYERS = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.Linear)


def scale_weights(model, inputs):
    """Gives the outputs of each layer with weights deviation 1, in the order in which they run, and small biases."""
    seen = set()

    def settle(layer, given, output):
        if layer in seen:
            return output
        seen.add(layer)
        with torch.no_grad():
            # A single number has no deviation: it is what it would be of independent inputs.
            alone = given[0].std() * layer.weight[0].numel() ** 0.5
            factor = 1 / ((output.std() if output.numel() > 1 else alone) + 1e-6)
            layer.weight.mul_(factor)
            if layer.bias is not None:
                layer.bias.uniform_(-0.2, 0.2)
        return output * factor

    for layer in model.modules():
        if isinstance(layer, LAYERS):
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
            nn.init.normal_(layer.weight)
    hooks = [m.register_forward_hook(settle) for m in model.modules() if isinstance(m, LAYERS)]
    with torch.no_grad():
        model(*inputs)
    for hook in hooks:
        hook.remove()


NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def gather_statistics(model, batches):
    """Batch normalization's means and variances from runs, and gains and shifts that are not 1 and 0."""
    norms = [m for m in model.modules() if isinstance(m, NORMS)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
        if norm.affine:
            nn.init.uniform_(norm.weight, 0.6, 1.4)
            # Layers of random weights, normalized and cut at 0, enlarge any difference: 27 of them about 200 times
            # with shifts around 0, as no trained network does.
            nn.init.uniform_(norm.bias, 0.5, 2.0)
    with torch.no_grad():
        for batch in batches:
            model(*batch)
    for norm in norms:
        norm.eval()


def round_weights(model):
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.dtype == torch.float32:
                tensor.copy_(tensor.to(torch.bfloat16).to(torch.float32))


def settled(network, seed):
    torch.manual_seed(seed)
    model = network.make().eval()
    groups = [range(9000 + 8 * i, 9008 + 8 * i) for i in range(4)] if network.batched else [[9000 + i] for i in range(8)]
    batches = [tensors(network.inputs, group) for group in groups]
    if not network.untouched:
        scale_weights(model, batches[0])
    gather_statistics(model, batches)
    round_weights(model)
    return model.eval()


def export(network, model, exporter, opset, path):
    """The opset that the file then has: the new exporter may not reach the wanted one."""
    inputs = tuple(tensors(network.inputs, [1, 2] if network.dynamic else [1]))
    names = dict(input_names=[i["name"] for i in network.inputs], output_names=network.outputs)
    if exporter == "old":
        axes = {name: {0: "batch"} for name in [*names["input_names"], *network.outputs]}
        dynamic = {"dynamic_axes": axes} if network.dynamic else {}
        torch.onnx.export(model, inputs, str(path), dynamo=False, opset_version=opset, **names, **dynamic)
    else:
        dynamic = {"dynamic_shapes": tuple({0: torch.export.Dim("batch")} for _ in inputs)} if network.dynamic else {}
        more = {} if opset is None else {"opset_version": opset}
        torch.onnx.export(
            model, inputs, str(path), dynamo=True, external_data=False, verbose=False, **more, **names, **dynamic
        )
    file = onnx.load(str(path))
    return next(entry.version for entry in file.opset_import if entry.domain in ("", "ai.onnx"))


def listed(made):
    return list(made) if isinstance(made, (tuple, list)) else [made]


def record(network, model):
    """Inputs and torch's outputs of each seed, by name."""
    inputs, outputs = {}, {}
    for i, seed in enumerate(SEEDS):
        given = data.sample(network.inputs, seed)
        with torch.no_grad():
            made = listed(model(*[torch.from_numpy(x) for x in given]))
        if len(made) != len(network.outputs):
            raise ValueError(f"{len(made)} outputs instead of {len(network.outputs)}")
        for spec, x in zip(network.inputs, given):
            inputs[f"{i}/{spec['name']}"] = x
        for name, y in zip(network.outputs, made):
            outputs[f"{i}/{name}"] = y.numpy()
    return inputs, outputs


def differ_in_ort(path, inputs, outputs):
    """The largest difference of onnxruntime's outputs, as a part of the largest output."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for i in range(len(SEEDS)):
        given = {entry.name: inputs[f"{i}/{entry.name}"] for entry in session.get_inputs()}
        for entry, y in zip(session.get_outputs(), session.run(None, given)):
            wanted = outputs[f"{i}/{entry.name}"].astype(np.float64)
            worst = max(worst, float(np.abs(y - wanted).max() / max(np.abs(wanted).max(), 1e-9)))
    return worst


def packed(content):
    """The same bytes for the same content: no time in the header."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9, mtime=0) as file:
        file.write(content)
    return buffer.getvalue()


def turn_of(network):
    """Exporter and opset, drawn by the name: a network that is added changes no other."""
    exporter, opset = TURNS[zlib.crc32(network.name.encode()) % len(TURNS)]
    return network.exporter or exporter, network.opset or opset


def write(network, model, raw):
    """Writes the files of a network, and returns its entry in the index."""
    exporter, opset = turn_of(network)
    path = raw / f"{network.name}.onnx"
    opset = export(network, model, exporter, opset, path)
    inputs, outputs = record(network, model)
    difference = differ_in_ort(path, inputs, outputs)
    np.savez(raw / f"{network.name}.npz", **inputs, **outputs)
    np.savez(FOLDER / f"{network.name}.npz", **outputs)
    (FOLDER / f"{network.name}.onnx.gz").write_bytes(packed(path.read_bytes()))
    weights = sum(p.numel() for p in model.parameters())
    sizes = {k: [round(float(v.std()), 2), *v.shape] for k, v in outputs.items() if k.startswith("0/")}
    print(f"{network.name}: {exporter} {opset}, {weights} weights, ort {difference:.1e}, {sizes}", flush=True)
    return {
        "name": network.name,
        "family": network.family,
        "exporter": exporter,
        "opset": opset,
        "inputs": network.inputs,
        "outputs": network.outputs,
    }


def update_index(made):
    """Puts entries in place of those of the same names; what else those say (bounds, reasons) stays."""
    index = FOLDER / "index.json"
    entries = {entry["name"]: entry for entry in (json.loads(index.read_text()) if index.exists() else [])}
    for entry in made:
        entries[entry["name"]] = {**entries.get(entry["name"], {}), **entry}
    lines = [json.dumps(entry, separators=(",", ":")) for entry in sorted(entries.values(), key=lambda e: e["name"])]
    index.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def prepare(raw):
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    raw.mkdir(parents=True, exist_ok=True)
    FOLDER.mkdir(parents=True, exist_ok=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--raw", default="/tmp/networks", type=pathlib.Path)
    options = parser.parse_args()
    only = [name for name in options.only.split(",") if name]
    prepare(options.raw)
    made, failed = [], []
    for network in NETWORKS:
        if only and network.name not in only:
            continue
        try:
            model = settled(network, zlib.crc32(network.name.encode()))
            made.append(write(network, model, options.raw))
        except Exception as error:  # The others are made all the same, and the last line names this one.
            traceback.print_exc()
            failed.append(f"{network.name}: {str(error).splitlines()[:1]}")
    update_index(made)
    print(f"{len(made)} networks; failed: {failed}")


if __name__ == "__main__":
    main()
