"""Files as torch.save writes them, without PyTorch: torch/serialization.py and torch/_utils.py say what is in them."""

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from contextlib import contextmanager
from pathlib import Path

import numpy as np

KINDS = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage", "u1": "ByteStorage"}


class Tensor:
    """A tensor that is pickled: an array, or its storage with an offset and strides; bfloat16 as its bits."""

    def __init__(self, array, offset=0, shape=None, strides=None, kind=None, count=None):
        self.array = np.asarray(array)
        self.offset, self.shape = offset, self.array.shape if shape is None else shape
        self.strides = tuple(s // self.array.itemsize for s in self.array.strides) if strides is None else strides
        self.kind, self.count = kind or KINDS[self.array.dtype.str[1:]], self.array.size if count is None else count


@contextmanager
def torch_modules():
    """Modules with the names that a pickle of PyTorch has."""

    def function(name):
        def made(*args):
            raise AssertionError

        made.__module__, made.__qualname__ = "torch._utils", name
        return made

    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
        setattr(utils, name, function(name))
    for kind in (*KINDS.values(), "BFloat16Storage"):
        setattr(torch, kind, type(kind, (), {"__module__": "torch", "__qualname__": kind}))
    before = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules.update({"torch": torch, "torch._utils": utils})
    try:
        yield torch, utils
    finally:
        for name, module in before.items():
            sys.modules.pop(name)
            if module is not None:
                sys.modules[name] = module


class Pickler(pickle.Pickler):
    """Pickles tensors as PyTorch does, and remembers their storages."""

    def __init__(self, file, torch, utils, *, legacy=False):
        super().__init__(file, protocol=2)
        self.torch, self.utils, self.legacy, self.storages = torch, utils, legacy, []

    def persistent_id(self, value):
        """What stands for a storage."""
        if not isinstance(value, tuple) or len(value) != 2 or value[0] != "storage of":
            return None
        tensor = value[1]
        self.storages.append(tensor)
        entry = ("storage", getattr(self.torch, tensor.kind), str(len(self.storages) - 1), "cpu", tensor.count)
        return (*entry, None) if self.legacy else entry

    def reducer_override(self, value):
        """How a tensor is made again."""
        if not isinstance(value, Tensor):
            return NotImplemented
        arguments = (("storage of", value), value.offset, value.shape, value.strides, False, OrderedDict())
        return self.utils._rebuild_tensor_v2, arguments


def save(value, path, byteorder=b"little"):
    """Write a file of today's format."""
    with torch_modules() as (torch, utils), zipfile.ZipFile(path, "w") as archive:
        data = io.BytesIO()
        pickler = Pickler(data, torch, utils)
        pickler.dump(value)
        archive.writestr("archive/data.pkl", data.getvalue())
        archive.writestr("archive/byteorder", byteorder)
        for key, tensor in enumerate(pickler.storages):
            archive.writestr(f"archive/data/{key}", np.ascontiguousarray(tensor.array).tobytes())
        archive.writestr("archive/version", b"3\n")
    return path


def save_legacy(value, path):
    """Write a file of the format before PyTorch 1.6."""
    with torch_modules() as (torch, utils), Path(path).open("wb") as file:
        for header in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}):
            pickle.dump(header, file, protocol=2)
        pickler = Pickler(file, torch, utils, legacy=True)
        pickler.dump(value)
        pickle.dump([str(key) for key in range(len(pickler.storages))], file, protocol=2)
        for tensor in pickler.storages:
            file.write(struct.pack("<q", tensor.array.size) + np.ascontiguousarray(tensor.array).tobytes())
    return path
