"""convcli apply: slide kernels over pictures."""

from typing import Any

import click

from ..kernels.kernel import feature_maps, unique_names
from ..ops.option_parsers import METHODS
from ..pipeline.apply_request import ApplyRequest
from ..pipeline.mask_file import mask_file
from . import file_options, options, report_options, run_batch, sliding_options


@click.command(cls=options.SectionedCommand, no_args_is_help=True)
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.option(
    "-k",
    "--kernel",
    "kernels",
    multiple=True,
    required=True,
    type=options.KernelText(),
    help="A name (sharpen), with parameters (gaussian:sigma=2), turned (sobel-x@90), a matrix "
    "('0 -1 0; -1 5 -1; 0 -1 0', fractions such as 1/9 too), or a file (@weights.npy, @weights.npz#KEY). "
    "A name or matrix may have a divisor and an offset (sobel-x:divisor=8,offset=128). "
    "Several -k give several feature maps.",
)
@file_options.output("{kernel}")
@sliding_options.SLIDING
@sliding_options.RANGE
@file_options.STORING
@file_options.SEARCHING
@report_options.SHEET
@options.with_config
@file_options.KEEPING
@click.option(
    "--method",
    type=click.Choice(METHODS),
    help="How sums are computed. direct: tap by tap. separable: columns, then rows. box: by running sums."
    " fft: by Fourier transform."
    "  [default: the one that costs least]",
)
@click.option("--explain", is_flag=True, help="Report the method of each kernel, why it is chosen, and what it costs.")
@report_options.REPORTING
def command(kernels: tuple[str, ...], config: tuple[str, ...], no_config: bool, **values: Any) -> None:
    """
    \b
    convcli apply photo.jpg -k sharpen -o sharp.jpg
    convcli apply photo.jpg -k gaussian:sigma=2 --border edge -o soft.png
    convcli apply photo.jpg -k '0 -1 0; -1 5 -1; 0 -1 0' -o sharp.png
    convcli apply photo.jpg -k sobel-x -k sobel-y -o maps.npy
    convcli apply *.jpg -k emboss -o out/
    convcli apply -r photos -k unsharp -o out/
    convcli apply 'photos/**/*.png' -k sobel -o 'out/{relpath}/{stem}_{kernel}.png'
    find photos -newer last -print0 | convcli apply --files-from - -0 -k edge -o out/
    curl -s $URL | convcli apply - -k edge --format png -o - > edges.png

    Slides one or more kernels over each INPUT and writes the feature maps. An INPUT is a picture, a .npy array, a folder of
    them, a quoted pattern with *, ?, [a-z] or ** for any folders, or - for standard input.
    One line on standard error reports the minimum and maximum of each map, and the share of it that was clipped.

    Exit status: 0 all done; 1 an input failed, the others are done; 2 wrong usage, nothing written.
    """
    reporting = run_batch.pop_report_options(values)
    values["sheet"] = run_batch.pop_sheet(values)
    registry = options.read_registry(config, no_config)
    values |= options.read_defaults(registry, {"range": "rule"})
    maps = [map_ for text in kernels for map_ in feature_maps(registry.find(text))]
    fields = run_batch.pop_inputs(values)
    masks = [values["mask"]] if values["mask"] else []
    values["mask"] = mask_file(values["mask"], values["max_pixels"])
    fields["other_inputs"] += (*masks, *map(str, registry.read_files(kernels)))
    request = ApplyRequest(
        **fields,
        maps=tuple(unique_names(maps)),
        file_format=values.pop("file_format"),
        range=values.pop("rule"),
        threads=values.pop("jobs"),
        **values,
    )
    run_batch.carry_out(request, reporting, lambda: _check(request))


def _check(request: ApplyRequest) -> None:
    """Raise ArgumentError for a mask that cannot be read, and for a kernel that cannot be computed by --method."""
    if request.mask is not None:
        _ = request.mask.seen
    if request.method is not None:
        from ..pipeline.kernel_maps import check_method  # imports NumPy, which is slow

        check_method(request)
