"""The suffixes of weights files, and what to do about those of other systems. Light: it is imported at every start."""

from pathlib import Path

TEXT_SUFFIXES = (".mat", ".txt", ".csv", ".dat")
KERAS_SUFFIXES = (".h5", ".hdf5", ".keras")
TORCH_SUFFIXES = (".pt", ".pth")
ARRAY_SUFFIXES = (".npy", ".npz", ".safetensors", *TORCH_SUFFIXES, *KERAS_SUFFIXES)
ARCHIVE_SUFFIXES = tuple(suffix for suffix in ARRAY_SUFFIXES if suffix != ".npy")
SUFFIXES = (*ARRAY_SUFFIXES, *TEXT_SUFFIXES)

PYTORCH = "save its state dictionary by safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
ONNX = "save it by numpy.savez('weights.npz', **{i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer})"
TENSORFLOW = "save it by numpy.savez('weights.npz', **{v.name: v.numpy() for v in model.variables}), with layout = 'hwio'"
CONVERSIONS = {
    **dict.fromkeys((".ckpt", ".bin"), PYTORCH),
    **dict.fromkeys((".onnx",), ONNX),
    **dict.fromkeys((".pb", ".tflite", ".index"), TENSORFLOW),
}
"""Instructions for converting the weights of other systems, by suffix."""


def file_name_hint(text: str) -> str:
    """Return the end of an error message for an invalid kernel that looks like a file name; empty for any other text."""
    suffix = Path(text.partition("#")[0]).suffix.lower()
    return f"; weights in a file are given as '@{text}'" if suffix in (*SUFFIXES, *CONVERSIONS) else ""
