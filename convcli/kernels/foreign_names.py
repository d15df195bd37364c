"""What users of other tools write after -k, so that error messages can suggest the kernels and parameters used here."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

KERNELS = {
    "soft soften smooth smoothing softblur": "'gaussian:sigma=1' or 'blur'",
    "gauss gaussblur gaussianblur gaussianfilter lowpass": "'gaussian:sigma=1'",
    "boxblur boxfilter mean meanfilter uniform uniformfilter averaging averageblur square": "'average:size=3'",
    "lensblur lens defocus bokeh pillbox circle": "'disk:radius=2'",
    "motionblur comet": "'motion:length=9,angle=0'",
    "sharp sharpening sharpness enhance crisp": "'sharpen' or 'unsharp:amount=1'",
    "unsharpmask unsharpmasking usm": "'unsharp:sigma=2,amount=1.5'",
    "highpass": "'edge' or 'dog:sigma1=1,sigma2=1.6'",
    "edges edgedetect edgedetection findedges outline outlines contour contours": "'edge' or 'sobel'",
    "pencil sketch drawing gradient gradientmagnitude": "'sobel' or 'edge'",
    "sobel": "'sobel', 'sobel-x' or 'sobel-x@90'",
    "derivative": "'sobel-x' or 'sobel-y'",
    "robertscross": "'roberts'",
    "laplace laplacian": "'laplacian', 'laplacian-8' or 'log:sigma=1.4'",
    "gaussianlaplace laplacianofgaussian marrhildreth mexicanhat ricker": "'log:sigma=1.4'",
    "differenceofgaussian differenceofgaussians": "'dog:sigma1=1,sigma2=1.6'",
    "gaborkernel getgaborkernel": "'gabor:theta=0,wavelength=6'",
    "relief bump": "'emboss'",
    "unity none original delta impulse": "'identity'",
    "detail": "'0 -1 0; -1 10 -1; 0 -1 0:divisor=6'",
    "edgeenhance": "'-1 -1 -1; -1 10 -1; -1 -1 -1:divisor=2'",
    "edgeenhancemore": "'-1 -1 -1; -1 9 -1; -1 -1 -1'",
    "smoothmore": "'1 1 1 1 1; 1 5 5 5 1; 1 5 44 5 1; 1 5 5 5 1; 1 1 1 1 1:divisor=100'",
    "BLUR": "'blur', or Pillow's '1 1 1 1 1; 1 0 0 0 1; 1 0 0 0 1; 1 0 0 0 1; 1 1 1 1 1:divisor=16'",
    "CONTOUR": "'edge:offset=255'",
    "EMBOSS": "'emboss', or Pillow's '0 0 0; 0 1 0; -1 0 0:offset=128'",
    "SHARPEN": "'sharpen', or Pillow's '-2 -2 -2; -2 32 -2; -2 -2 -2:divisor=16'",
    "SMOOTH": "'blur', or Pillow's '1 1 1; 1 5 1; 1 1 1:divisor=13'",
}
"""Names, in lower case without - and _ (Pillow's constants as they are), and the texts after -k that may be meant."""

OTHER_OPERATIONS = {
    "median medianblur medianfilter": "a median is not a convolution; 'gaussian:sigma=1' and 'average:size=3' smooth",
    "bilateral bilateralfilter": "its weights depend on the picture, so it is not a convolution; 'gaussian:sigma=1' smooths",
    "nlmeans nonlocalmeans denoise kuwahara": "it is not a convolution; 'gaussian:sigma=1' and 'average:size=3' smooth",
    "canny": "it is not one convolution: it also thins and thresholds; 'sobel' or 'scharr' gives the strength of edges",
    "erode erosion minfilter minimum": "the least level of a window is not a convolution",
    "dilate dilation maxfilter maximum": "the largest level of a window is not a convolution; networks have op = 'max-pool'",
    "rank rankfilter modefilter percentile": "a rank of sorted levels is not a convolution",
}
"""Names of operations that no kernel computes, in the same form, and what to say of them."""

GENERALISED = {
    "blur": ("gaussian", "binomial"),
    "sharpen": ("unsharp",),
    "edge laplacian laplacian8": ("log",),
}
"""Kernels without parameters, in the same form, and the generators that may be meant where they are given some."""

PARAMETERS = {
    "radius sigmax": ("sigma", "sigma1", "size"),
    "stddev std sd deviation": ("sigma", "sigma1"),
    "size ksize kernelsize width": ("size", "sigma", "radius", "length", "sigma1"),
    "diameter": ("size", "radius", "sigma"),
    "strength percent intensity factor": ("amount",),
    "lambda lambd period frequency": ("wavelength",),
    "distance": ("length",),
    "angle theta orientation direction": ("theta", "angle"),
    "phase phi": ("psi",),
    "aspect aspectratio": ("gamma",),
}
"""Names of parameters, in the same form, and the parameters that may be meant, the likeliest first."""


T = TypeVar("T")


def kernel_meant(name: str) -> str:
    """Return the end of an error message that says what to write for the name of a kernel elsewhere; empty if unknown.

    >>> kernel_meant("Gaussian_Blur")
    "; did you mean 'gaussian:sigma=1'?"
    """
    texts, reason = _find(KERNELS, name), _find(OTHER_OPERATIONS, name)
    return f"; did you mean {texts}?" if texts else f"; {reason}" if reason else ""


def parameter_meant(name: str, accepted: Iterable[str]) -> str | None:
    """Return the accepted parameter that a name from elsewhere means; None if there is none.

    >>> parameter_meant("stddev", ("sigma", "truncate"))
    'sigma'
    """
    accepted = tuple(accepted)
    return next((meant for meant in _find(PARAMETERS, name) or () if meant in accepted), None)


def generators_meant(name: str) -> tuple[str, ...]:
    """Return the generators that may be meant where the kernel of this name is given parameters."""
    return _find(GENERALISED, name) or ()


def _find(table: Mapping[str, T], name: str) -> T | None:
    """Return the value of a name: of the name as it is, else in lower case without - and _."""
    plain = name.lower().replace("-", "").replace("_", "")
    keys = {alias: names for names in table for alias in names.split()}
    names = keys.get(name, keys.get(plain))
    return None if names is None else table[names]
