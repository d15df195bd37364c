"""ONNX models for tests, and what ONNX Runtime gives for them."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def node(op, inputs, output, **attributes):
    """A node with one output, whose name is that of the output."""
    return helper.make_node(op, inputs, [output], name=output, **attributes)


def make_model(nodes, constants=None, shape=(1, 3, 8, 9), outputs=None, opset=17):
    """A model with the input x and the outputs of the last node, or those that are named."""
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()]
    names = outputs or [nodes[-1].output[0]]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "graph", [entry], infos, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def save(model, path):
    """Write a model to a file, and return the path."""
    onnx.save(model, path)
    return path


def outputs_of(model, x):
    """The outputs for an input, by name."""
    names = [output.name for output in model.graph.output]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(None, {"x": x}), strict=True))
