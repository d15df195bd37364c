"""The tables of README.md and of the manual, as lines of Markdown, from the rows that the benchmarks measured."""

import itertools
import statistics
import textwrap

from grid_cells import AXES, SMALL, USUAL
from machine import lines_of
from measuring import ratio_summary


def replace_between(text, name, lines):
    """Replace what is between the markers ``<!-- NAME -->`` and ``<!-- end of NAME -->`` by lines of text."""
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    if text.count(start) != 1 or text.count(end) != 1 or text.index(end) < text.index(start):
        raise ValueError(f"the text needs the markers {start.strip()} and {end} once, in this order")
    before, _, rest = text.partition(start)
    return before + start + "".join(f"{line}\n" for line in lines) + end + rest.partition(end)[2]


def markdown(header, rows):
    """A table of texts."""
    header_line, *lines = (f"| {' | '.join(row)} |" for row in (header, *rows))
    return [header_line, "|---" * len(header) + "|", *lines]


def select(cells, **properties):
    """The cells with these properties; the others are the usual ones."""
    wanted = USUAL | properties
    return [cell for cell in cells if all(cell[name] == value for name, value in wanted.items())]


def types_of(cells):
    """The kinds and types that there are, and the name of each."""
    for kind, types in itertools.product(AXES["kind"], AXES["type"]):
        row = [cell for cell in cells if (cell["kind"], cell["type"]) == (kind, types)]
        if row:
            yield f"{kind} {types.replace('-', ' to ')}", row


def size_table(cells, text_of):
    """A table of kinds of kernels and types, with a column for each size."""
    sizes = sorted({cell["size"] for cell in cells})
    rows = []
    for name, row in types_of(cells):
        texts = {cell["size"]: text_of(cell) for cell in row if cell["ratio"] is not None}
        rows.append([name, *(texts.get(size, "") for size in sizes)])
    return markdown(["kernel", *(f"{size} x {size}" for size in sizes)], rows)


def readme_lines(cells):
    """The table of README.md: ratios of the usual cells, and a line for each property that differs."""
    usual = select(cells)
    lines = [*size_table(usual, lambda cell: f"{cell['ratio']:.1f}"), "", f"In all: {ratio_summary(usual)}.", ""]
    for name, value in USUAL.items():
        for other in AXES[name]:
            changed = select(cells, **{name: other}) if other != value else []
            if changed:
                lines.append(f"- {name} {other} in place of {value}: {ratio_summary(changed)}")
    return lines


def short(number):
    """A number with two decimals below 1, one below 100, and none above."""
    return f"{number:.{2 if number < 1 else 1 if number < 100 else 0}f}"


def large_lines(cells):
    """The milliseconds of the usual cells, and those of the fastest peer."""
    yield "### filter2d, 2048 x 2048 x 3, one thread"
    yield ""
    yield "Milliseconds, and in brackets those of the fastest among OpenCV, libvips, SciPy and Pillow."
    yield ""
    yield from size_table(select(cells), lambda cell: f"{short(cell['convcli'])} ({short(cell['ratio'] * cell['convcli'])})")


def small_lines(cells):
    """The geometric mean of the ratios of small pictures over the sizes of kernels, and the least of them."""
    variants = {}
    for side, channel in itertools.product(SMALL, AXES["channel"]):
        variants[f"{side} x {side} x {channel}"] = select(cells, side=side, channel=channel)
    yield "### filter2d, small pictures, one thread"
    yield ""
    yield "The time of the fastest peer divided by that of convcli: the geometric mean over the kernel sizes, and the least."
    yield ""
    rows = {}
    for variant, chosen in variants.items():
        for name, row in types_of(chosen):
            ratios = [cell["ratio"] for cell in row if cell["ratio"]]
            rows.setdefault(name, {})[variant] = (
                f"{statistics.geometric_mean(ratios):.2f} ({min(ratios):.2f})" if ratios else ""
            )
    yield from markdown(["kernel", *variants], [[name, *(row.get(key, "") for key in variants)] for name, row in rows.items()])
    yield ""
    yield from (f"- {variant}: {ratio_summary(chosen)}" for variant, chosen in variants.items())


def process_lines(document):
    """Whole processes: seconds, memory, and ratio."""
    yield "### Whole processes, one picture"
    yield ""
    yield "An unsharp mask of 5 x 5. The ratio is that of the least times: above 1, convcli is faster. The last two rows"
    yield "filter nothing: the imports of convcli, and its help."
    yield ""
    rows = []
    for row in document["rows"]:
        seconds = [f"{row['least']:.3f}", f"{row['median']:.3f}", f"{row['memory'] / 1e6:.0f}"]
        rows.append([row["task"], row["program"], *seconds, f"{row['ratio']:.2f}" if row["ratio"] else ""])
    yield from markdown(["task", "program", "least s", "median s", "peak MB", "ratio"], rows)


def batch_lines(documents):
    """Batches: pictures per second by program, with a column for each number of jobs and each file system."""
    rows, columns = {}, {}
    for document in documents:
        place = "memory" if document["folder"] == "/dev/shm" else "disk"
        column = f"{place}, {document['jobs']} job{'s' * (document['jobs'] > 1)}"
        columns[column] = None
        for row in document["rows"]:
            texts = rows.setdefault((document["suffix"], row["program"]), {"MB": 0})
            texts[column] = f"{row['rate']:.1f}"
            texts["MB"] = max(texts["MB"], round(row["memory"] / 1e6))
    first = documents[0]
    yield f"### Batches of {first['count']} pictures of {first['side']} x {first['side']}"
    yield ""
    yield "Pictures per second, blurred by a Gaussian of 17 x 17: JPEG to JPEG, JPEG to PNG, and TIFF of 16 bits to TIFF. The"
    yield "peak memory is that of the largest process."
    yield ""
    body = [[*key, *(texts.get(column, "") for column in columns), f"{texts['MB']}"] for key, texts in rows.items()]
    yield from markdown(["to", "program", *columns, "peak MB"], body)


def layer_lines(documents):
    """Layers: milliseconds of both, the part of the peak, and the ratio."""
    header, rows = ["layer", "million multiply-adds"], {}
    for document in documents:
        threads = document["rows"][0]["threads"]
        header += [f"ONNX Runtime ms, {threads} thread{'s' * (threads > 1)}", "convcli ms", "of the peak", "ratio"]
        for row in document["rows"]:
            texts = rows.setdefault(row["layer"], [row["layer"], f"{row['work'] / 1e6:.0f}"])
            texts += [short(row["ONNX Runtime"]), short(row["convcli"]), f"{row['part']:.0%}", f"{row['ratio']:.2f}"]
    yield "### conv2d, layers of AlexNet and VGG-16"
    yield ""
    yield "The peak is what the threads reach in registers. Winograd's method multiplies less often."
    yield ""
    yield from markdown(header, rows.values())


def network_lines(document):
    """Whole networks: milliseconds of both, and the ratio, with each number of threads and as whole processes."""
    header, rows, places = ["network", "million multiply-adds"], {}, {}
    for row in document["rows"]:
        threads = row["threads"]
        places[f"{threads} thread{'s' * (threads > 1)}" if threads else "process"] = None
        texts = rows.setdefault(row["network"], [row["network"], f"{row['work'] / 1e6:.1f}"])
        texts += [short(row["ONNX Runtime"]), short(row["convcli"]), f"{row['ratio']:.2f}"]
    for place in places:
        header += [f"ONNX Runtime ms, {place}", "convcli ms", "ratio"]
    yield "### Whole networks"
    yield ""
    yield "One picture, random weights: an array in one process, and `convcli run` of a file, which loads the weights too."
    yield ""
    yield from markdown(header, rows.values())


def machine_lines(documents):
    """The machine, the versions and the dates of measurements. Raises ValueError if these are from different machines."""

    def facts_of(machine):
        versions = {name: number for name, number in machine["versions"].items() if name != "convcli"}
        return {name: value for name, value in machine.items() if name != "peak"} | {"versions": versions}

    first, *others = (document["machine"] for document in documents)
    if any(facts_of(other) != facts_of(first) for other in others):
        raise ValueError("the results are from different machines, or with different versions: measure some again")
    dates = sorted({document["date"] for document in documents})
    commits = list(dict.fromkeys(document["machine"]["versions"]["convcli"] for document in documents))
    highest = max(document["machine"]["peak"] for document in documents)
    described = lines_of(first | {"peak": highest, "versions": first["versions"] | {"convcli": " and ".join(commits)}})
    wrapped = [textwrap.fill(f"- {line}", 128, subsequent_indent="  ") for line in described]
    return [f"Measured on {' to '.join(dict.fromkeys((dates[0], dates[-1])))}:", "", *wrapped, ""]


def manual_lines(results):
    """The section of the manual with all tables, from the documents of the benchmarks by name of step."""
    cells = cells_of(results)
    batches, layers = ([results[name] for name in results if name.startswith(word)] for word in ("batch", "layers"))
    parts = [
        large_lines(cells),
        small_lines(cells),
        process_lines(results["process"]),
        batch_lines(batches),
        layer_lines(layers),
        network_lines(results["networks"]),
    ]
    heading = [
        "## Measured times",
        "",
        "All programs run alternately, and their results are compared before a time counts.",
        "",
    ]
    return [*heading, *machine_lines(list(results.values())), *itertools.chain.from_iterable([*part, ""] for part in parts)][
        :-1
    ]


def cells_of(results):
    """The cells of filter2d in all documents."""
    return [cell for name, document in results.items() if name.startswith("filter2d") for cell in document["rows"]]
