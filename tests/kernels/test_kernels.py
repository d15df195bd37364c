"""The built-in kernels: published values, laws, and sources."""

import math
import re

import numpy as np
import PIL.Image
import PIL.ImageFilter
import pytest
import scipy.ndimage
import scipy.special
from numpy.testing import assert_allclose, assert_array_equal

import convcli
from convcli.config.load import load_registry
from convcli.errors import KernelError
from convcli.kernels import foreign_names
from convcli.kernels.generators import GENERATORS
from convcli.kernels.kernel import Bank, Kernel, feature_maps, unique_names

REGISTRY = load_registry()
ALL_KERNELS = [REGISTRY.find(name) for name in REGISTRY]
NAMES = [
    *("identity", "blur", "average", "box", "gaussian", "binomial", "disk", "motion", "sharpen", "unsharp", "emboss", "edge"),
    *("laplacian", "laplacian-8", "log", "dog", "sobel", "sobel-x", "sobel-y", "prewitt", "prewitt-x", "prewitt-y", "scharr"),
    *("scharr-x", "scharr-y", "roberts", "kirsch", "robinson", "frei-chen", "farid-x", "farid-y", "gabor"),
]


def weights(text):
    """The weights of a kernel by its text."""
    return REGISTRY.find(text).weights


def impulse_response(function, size):
    """The response of a SciPy filter to an impulse."""
    impulse = np.zeros((size, size))
    impulse[size // 2, size // 2] = 1
    return function(impulse)


@pytest.mark.parametrize("name", NAMES)
def test_every_documented_kernel_exists(name):
    """Every documented name is a built-in kernel."""
    assert REGISTRY.find(name).name == name


@pytest.mark.parametrize("entry", ALL_KERNELS, ids=lambda entry: entry.name)
def test_every_kernel_has_a_source_and_a_description(entry):
    """``source`` and ``about`` are not empty."""
    assert entry.source
    assert entry.about


# Wikipedia, "Kernel (image processing)", and the classic operators.
PUBLISHED = {
    "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "blur": np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16,
    "average": np.full((3, 3), 1 / 9),
    "box:size=5": np.full((5, 5), 1 / 25),
    "binomial": np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256,
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "unsharp": (np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) - np.pad([[512]], 2)) / -256,
    "edge": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    "laplacian": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "laplacian-8": [[1, 1, 1], [1, -8, 1], [1, 1, 1]],
    "sobel-x": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "sobel-y": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "prewitt-x": [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
    "scharr-x": [[-3, 0, 3], [-10, 0, 10], [-3, 0, 3]],
    "roberts-1": [[1, 0], [0, -1]],
    "roberts-2": [[0, 1], [-1, 0]],
    "kirsch-n": [[5, 5, 5], [-3, 0, -3], [-3, -3, -3]],
    "kirsch-ne": [[-3, 5, 5], [-3, 0, 5], [-3, -3, -3]],
    "kirsch-e": [[-3, -3, 5], [-3, 0, 5], [-3, -3, 5]],
    "kirsch-se": [[-3, -3, -3], [-3, 0, 5], [-3, 5, 5]],
    "robinson-n": [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
}  # fmt: skip


@pytest.mark.parametrize("text", PUBLISHED)
def test_matrices_equal_the_published_ones(text):
    """The weights equal the published ones exactly."""
    assert_array_equal(weights(text), PUBLISHED[text])


def test_gaussian_equals_the_published_digits():
    """The rows of SciPy for sigma 1, 2 and 0.5, truncate 4."""
    row = [0.00013383062461474175, 0.0044318616200312655, 0.05399112742070441, 0.24197144565660073, 0.39894346935609776]
    assert_allclose(weights("gaussian").sum(axis=0), row + row[-2::-1], rtol=1e-13)
    assert weights("gaussian:sigma=2").shape == (17, 17)
    assert_allclose(weights("gaussian:sigma=2").sum(axis=0)[8], 0.199474647864745, rtol=1e-13)
    half = [0.00026386508273735414, 0.10645077197359151, 0.7865707258873422]
    assert_allclose(weights("gaussian:sigma=0.5").sum(axis=0), half + half[-2::-1], rtol=1e-13)


@pytest.mark.parametrize("sigma", [0.3, 0.5, 1, 1.7, 2, 4.4])
@pytest.mark.parametrize("truncate", [2, 3, 4])
def test_gaussian_equals_scipy(sigma, truncate):
    """The response of gaussian_filter to an impulse, size included."""
    kernel = weights(f"gaussian:sigma={sigma},truncate={truncate}")
    expected = impulse_response(lambda x: scipy.ndimage.gaussian_filter(x, sigma, truncate=truncate), kernel.shape[0] + 2)
    assert_allclose(np.pad(kernel, 1), expected, rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize("sigma", [1, 1.4, 3])
def test_log_equals_scipy_except_for_its_mean(sigma):
    """The response of gaussian_laplace to an impulse, less its mean."""
    kernel = weights(f"log:sigma={sigma}")
    expected = impulse_response(lambda x: scipy.ndimage.gaussian_laplace(x, sigma, truncate=4.0), kernel.shape[0])
    assert_allclose(kernel, expected - expected.mean(), rtol=1e-10, atol=1e-15)


# Rows, then columns, as SciPy takes its sigmas.
@pytest.mark.parametrize(("text", "sigma"), [("2x1", (2, 1)), ("0.5x3", (0.5, 3)), ("1.7x1.7", 1.7), ("1/2x2", (0.5, 2))])
def test_sigmas_of_rows_and_columns_equal_scipy(text, sigma):
    """gaussian, log, dog and unsharp, by the responses of SciPy's filters to an impulse; a Gaussian stays separable."""
    size = 61
    blurred = impulse_response(lambda x: scipy.ndimage.gaussian_filter(x, sigma, truncate=4), size)
    wide = impulse_response(lambda x: scipy.ndimage.gaussian_filter(x, 3, truncate=4), size)
    curved = impulse_response(lambda x: scipy.ndimage.gaussian_laplace(x, sigma, truncate=4), size)

    def centred(rows, columns, response):
        """The middle of a response, without its mean."""
        middle = response[size // 2 - rows // 2 :, size // 2 - columns // 2 :][:rows, :columns]
        return middle - middle.mean()

    kernel = weights(f"gaussian:sigma={text}")
    assert REGISTRY.find(f"gaussian:sigma={text}").rank == 1
    assert kernel.shape == tuple(2 * int(4 * s + 0.5) + 1 for s in np.broadcast_to(sigma, 2))
    around = [((size - side) // 2,) * 2 for side in kernel.shape]
    assert_allclose(np.pad(kernel, around), blurred, rtol=1e-12, atol=1e-18)
    impulse = np.zeros((size, size))
    impulse[size // 2, size // 2] = 1
    sharp = weights(f"unsharp:sigma={text}:amount=0.7")
    assert_allclose(np.pad(sharp, around), impulse + 0.7 * (impulse - blurred), rtol=1e-12, atol=1e-16)
    log = weights(f"log:sigma={text}")
    assert_allclose(log, centred(*log.shape, curved), rtol=1e-9, atol=1e-14)
    dog = weights(f"dog:sigma1={text},sigma2=3")
    assert_allclose(dog, centred(*dog.shape, blurred - wide), rtol=1e-9, atol=1e-15)


def test_sizes_of_rows_and_columns():
    """average and binomial by their definitions, with SciPy's binomial coefficients; unsharp of a binomial blur."""
    assert_array_equal(weights("average:size=3x7"), np.full((3, 7), 1 / 21))
    assert_array_equal(weights("box:size=1x4"), np.full((1, 4), 1 / 4))
    blur = np.outer(scipy.special.comb(2, range(3)) / 4, scipy.special.comb(6, range(7)) / 64)
    assert_array_equal(weights("binomial:size=3x7"), blur)
    assert_allclose(weights("unsharp:size=3x7,amount=2"), 3 * np.pad([[1]], ((1, 1), (3, 3))) - 2 * blur, rtol=1e-15)
    assert REGISTRY.find("average:size=3x7").rank == REGISTRY.find("binomial:size=3x7").rank == 1


def test_unsharp_of_a_gaussian_of_given_size():
    """The Gaussian is cut to the size and divided by its sum, as ``truncate`` of SciPy does where it cuts there."""
    blurred = impulse_response(lambda x: scipy.ndimage.gaussian_filter(x, 2, truncate=1.5), 7)
    kernel = weights("unsharp:sigma=2,size=7,amount=1.5")
    assert_allclose(kernel, 2.5 * np.pad([[1]], 3) - 1.5 * blurred, rtol=1e-12)
    assert_array_equal(kernel, weights("unsharp:sigma=2,truncate=1.5,amount=1.5"))


def test_dog_equals_scipy():
    """The difference of two responses of gaussian_filter to an impulse."""
    kernel = weights("dog:sigma1=1,sigma2=1.6")
    narrow, wide = (
        impulse_response(lambda x, s=s: scipy.ndimage.gaussian_filter(x, s, truncate=4.0), kernel.shape[0]) for s in (1, 1.6)
    )
    assert_allclose(kernel, narrow - wide, rtol=1e-9, atol=1e-15)


def test_gabor_equals_the_kernel_published_by_opencv():
    """getGaborKernel((5, 5), sigma=1, theta=0, lambd=4, gamma=0.5, psi=0) of OpenCV 5.0."""
    rows = [[-0.0821, 0, 0.6065, 0, -0.0821], [-0.1194, 0, 0.8825, 0, -0.1194], [-0.1353, 0, 1, 0, -0.1353]]
    kernel = weights("gabor:wavelength=4,sigma=1,gamma=0.5,size=5")
    assert_allclose(kernel, rows + rows[-2::-1], atol=5e-5)


# What cv2.getGaborKernel of OpenCV 5.0.0 printed, with theta and psi in radians.
GABOR_OF_OPENCV = {
    "gabor:size=3,sigma=1.5,theta=30,wavelength=5,gamma=0.7,psi=40": [
        [-0.48646079752199134, 0.2109018177339054, 0.7698216154642162],
        [-0.17623972452908243, 0.766044443118978, 0.7618469747783351],
        [0.31773498098259206, 0.8696528728178612, 0.3415563983139598],
    ],
    "gabor:size=5x3,sigma=1.5,theta=30,wavelength=5,gamma=0.7,psi=40": [
        [-0.38909169818952255, -0.21636948006003634, 0.37489627941095127],
        [-0.48646079752199134, 0.2109018177339054, 0.7698216154642162],
        [-0.17623972452908243, 0.766044443118978, 0.7618469747783351],
        [0.31773498098259206, 0.8696528728178612, 0.3415563983139598],
        [0.49961842395709527, 0.48982513617304557, -0.02968211229034698],
    ],
    "gabor:size=5,sigma=2,theta=70,wavelength=3.5,gamma=1.3,psi=-60": [
        [-0.2978723882288839, -0.5215441193270225, -0.3995773041717529, -0.060292515190219685, 0.09491989954878542],
        [-0.12772630132705998, 0.2354494800150787, 0.700879616597863, 0.6756893958128207, 0.29093911386357085],
        [0.43995855465644346, 0.7422387156133288, 0.5, -0.07382215356568476, -0.2896229512569842],
        [0.022594837699443364, -0.35291107138966626, -0.8021124322765188, -0.7391234577986929, -0.2976569334022461],
        [-0.20844343527782022, -0.3354087694437619, -0.1673191923361195, 0.16877531356129627, 0.26199576540897906],
    ],
}


@pytest.mark.parametrize("text", GABOR_OF_OPENCV)
def test_gabor_equals_opencv(text):
    """Direction, phase and order of the samples included."""
    assert_allclose(weights(text), GABOR_OF_OPENCV[text], rtol=1e-12, atol=1e-15)


def test_gabor_has_the_shape_of_opencv():
    """Three sigmas on each side, rotated with theta, as OpenCV does for an empty size."""
    assert weights("gabor:wavelength=4,sigma=1,gamma=1").shape == (7, 7)
    assert weights("gabor:wavelength=4,sigma=1,gamma=0.5").shape == (13, 7)
    assert weights("gabor:wavelength=4,sigma=1,gamma=0.5,theta=90").shape == (7, 13)
    assert weights("gabor:wavelength=4,sigma=2,gamma=0.5,theta=30").shape == (21, 13)


def test_gabor_of_theta_90_is_the_rotated_kernel():
    """theta = 90 and @90 agree for an even wave."""
    assert_allclose(weights("gabor:theta=90"), weights("gabor@90"), atol=1e-12)


def test_disk_of_radius_2_equals_astropy_tophat():
    """13 cells of 1 / 13 (astropy Tophat2DKernel(2)); rank 3."""
    kernel = weights("disk:radius=2")
    assert np.count_nonzero(kernel) == 13
    assert_allclose(kernel[kernel > 0], 1 / 13, rtol=1e-15)
    assert REGISTRY.find("disk").rank == 3


def test_motion_equals_its_formula():
    """1 minus the distance to the line, computed by hand for length 3 at 45 degrees; by default a line of 9."""
    assert_allclose(weights("motion"), np.full((1, 9), 1 / 9))
    assert_allclose(weights("motion:angle=90"), np.full((9, 1), 1 / 9))
    end, side = 1 - (math.sqrt(2) - 1), 1 - math.sqrt(0.5)
    expected = np.array([[0, side, end], [side, 1, side], [end, side, 0]])
    assert_allclose(weights("motion:length=3,angle=45"), expected / expected.sum(), rtol=1e-9)


def test_frei_chen_is_orthonormal():
    """The nine kernels are an orthonormal basis of 3 x 3 windows."""
    basis = np.array([kernel.weights.ravel() for kernel in REGISTRY.find("frei-chen-basis").kernels])
    assert basis.shape == (9, 9)
    assert_allclose(basis @ basis.T, np.eye(9), atol=1e-15)


def ring(matrix):
    """The eight outer weights, clockwise from the upper left."""
    return [matrix[i][j] for i, j in ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))]


@pytest.mark.parametrize("name", ["kirsch", "robinson"])
def test_compass_kernels_are_rotations_of_each_other(name):
    """Each of the eight is the one before, rotated clockwise by one step; the bank takes the largest response."""
    bank = REGISTRY.find(name)
    assert bank.merge == "max"
    assert [k.name for k in bank.kernels] == [f"{name}-{d}" for d in ("n", "ne", "e", "se", "s", "sw", "w", "nw")]
    rings = [ring(kernel.matrix) for kernel in bank.kernels]
    for before, after in zip(rings, rings[1:] + rings[:1], strict=True):
        assert after == before[-1:] + before[:-1]
    assert len({kernel.matrix[1][1] for kernel in bank.kernels}) == 1


@pytest.mark.parametrize(
    ("name", "rank"), [("gaussian", 1), ("sobel-x", 1), ("average", 1), ("binomial", 1), ("laplacian-8", 2)]
)
def test_ranks_are_as_known(name, rank):
    """Separable kernels have rank 1."""
    assert REGISTRY.find(name).rank == rank


SUMMED = [entry for entry in ALL_KERNELS if isinstance(entry, Kernel) and entry.name != "gabor"]


@pytest.mark.parametrize("kernel", SUMMED, ids=lambda kernel: kernel.name)
def test_sums_are_one_or_zero(kernel):
    """Smoothing and sharpening kernels have sum 1, derivatives sum 0; gabor, by OpenCV's formula, has neither."""
    family = kernel.name.rstrip("0123456789").rstrip("-")
    if kernel.name == "frei-chen-9":
        expected = 3.0  # the constant kernel of the basis: nine weights of 1 / 3
    else:
        averaging = (
            "identity",
            "blur",
            "average",
            "box",
            "gaussian",
            "binomial",
            "disk",
            "motion",
            "sharpen",
            "unsharp",
            "emboss",
        )
        expected = 1.0 if family in averaging else 0.0
    assert kernel.sum == pytest.approx(expected, abs=1e-14)
    assert kernel.is_signed == (expected == 0)


@pytest.mark.parametrize("name", GENERATORS)
def test_defaults_in_the_config_equal_those_of_the_code(name):
    """The parameters of a generator in kernels.toml equal the defaults of its function."""
    generator_call = REGISTRY.entries[name].body
    function = GENERATORS[name]
    assert generator_call.all_parameters == dict(zip(function.__code__.co_varnames, function.__defaults__, strict=False))


def test_rotation_equals_numpy_rot90():
    """Rotation is counter-clockwise."""
    kernel = Kernel("k", ((1.0, 2.0), (3.0, 4.0), (5.0, 6.0)))
    for angle in (0, 90, 180, 270):
        assert_array_equal(kernel.turn(angle).weights, np.rot90(kernel.weights, angle // 90))
    assert_array_equal(REGISTRY.find("sobel-x@90").weights, [[1, 2, 1], [0, 0, 0], [-1, -2, -1]])
    assert_array_equal(REGISTRY.find("sobel@90").kernels[0].weights, [[1, 2, 1], [0, 0, 0], [-1, -2, -1]])


def test_weights_are_read_only():
    """A kernel is an immutable value."""
    with pytest.raises(ValueError, match="read-only"):
        weights("blur")[0, 0] = 1


BAD = [
    ("average:size=0", "average: size must be at least 1, got 0"),
    ("average:size=2.5", "size must be a whole number, got 2.5"),
    ("gaussian:sigma=0", "gaussian: sigma must be at least 0.01, got 0"),
    ("gaussian:sigma=-1", "gaussian: sigma must be at least 0.01, got -1"),
    ("gaussian:sigma=1e9", "gaussian: sigma=1e.09 makes a kernel 8e.09 wide; the largest is 1023"),
    ("average:size=1000000000", "makes a kernel 1e.09 wide"),
    ("disk:radius=1e30", "makes a kernel 2e.30 wide"),
    ("disk:radius=-1", "radius must be at least 0, got -1"),
    ("motion:length=0", "length must be at least 1, got 0"),
    ("motion:length=1e30", "makes a kernel 1e.30 wide"),
    ("unsharp:size=4", "size must be odd"),
    ("unsharp:size=3x4", "size must be odd, so that the blur has a centre, got 3x4"),
    ("unsharp:sigma=1x0", "sigma must be at least 0.01, or 0 for a binomial blur, got 1x0"),
    ("average:size=3x0", "average: size must be at least 1, got 3x0"),
    ("average:size=3x2.5", "average: size must be a whole number, got 3x2.5"),
    ("gaussian:sigma=1x1e9", "gaussian: sigma=1x1e.09 makes a kernel 8e.09 wide"),
    ("gaussian:sigma=0x1", "sigma must be at least 0.01, got 0x1"),
    ("gaussian:sigma=2,truncate=3x3", "gaussian: truncate must be one number, not rows x columns, got 3x3"),
    ("gabor:sigma=2x1", "gabor: sigma must be one number, not rows x columns, got 2x1"),
    ("gabor:size=3x4", "size must be odd"),
    ("motion:length=3x4", "length must be one number"),
    ("gabor:wavelength=0", "wavelength must be at least 1, got 0"),
    ("gabor:gamma=1e-30", "gamma must be between 0.01 and 100"),
    ("gabor:sigma=1e20", "makes a kernel"),
    ("gabor:size=-3", "size must be odd"),
    ("dog:sigma2=0", "sigma2 must be at least 0.01, got 0"),
    ("gaussian:sgima=2", r"gaussian: there is no parameter 'sgima'; it takes sigma, truncate; did you mean 'sigma'\?"),
    ("sharpen:amount=2", "kernel 'sharpen' takes no parameters, got amount"),
    ("sobelx", r"kernel 'sobelx' is unknown; .*; did you mean 'sobel-x'\?"),
    ("Sobel_X", r"did you mean 'sobel-x'\?"),
    ("sobel:offset=128", "bank 'sobel' merges its maps, and an offset cannot be added to each"),
    ("blur:radius=3", r"kernel 'blur' takes no parameters, got radius; did you mean 'gaussian:sigma=NUMBER'\?"),
    ("blur:size=5", r"did you mean 'binomial:size=5'\?"),
    ("sharpen:strength=2", r"did you mean 'unsharp:amount=NUMBER'\?"),
    ("sharpen:amount=2,radius=1", r"did you mean 'unsharp:amount=2,sigma=NUMBER'\?"),
    ("gaussian:size=5", r"it takes sigma, truncate; did you mean 'sigma'\?"),
    ("gaussian:stddev=5", r"did you mean 'sigma'\?"),
    ("gabor:lambda=5", r"did you mean 'wavelength'\?"),
    ("gabor:orientation=5", r"did you mean 'theta'\?"),
    ("motion:theta=5", r"did you mean 'angle'\?"),
    ("median", "; a median is not a convolution; 'gaussian:sigma=1'"),
    ("medianBlur", "; a median is not a convolution; 'gaussian:sigma=1'"),
    ("canny", "; it is not one convolution"),
    ("MaxFilter", "the largest level of a window is not a convolution"),
]


# Names in ImageMagick, OpenCV, SciPy, Pillow and photo editors, and the first kernel that the error suggests.
MEANT = {
    "soft smooth smoothing gauss gaussian-blur gaussblur GaussianBlur gaussian_filter": "gaussian:sigma=1",
    "boxblur box-blur BoxBlur boxFilter mean uniform_filter Square": "average:size=3",
    "high-pass edges outline contour find-edges FIND_EDGES": "edge",
    "pencil sketch": "sobel",
    "UnsharpMask": "unsharp:sigma=2,amount=1.5",
    "Unity": "identity",
    "Laplacian": "laplacian",
    "gaussian_laplace": "log:sigma=1.4",
    "DoG": "dog",
    "FreiChen": "frei-chen",
    "Scharr": "scharr",
    "Sobel": "sobel",
    "BLUR": "blur",
}


@pytest.mark.parametrize(("name", "meant"), [(name, meant) for names, meant in MEANT.items() for name in names.split()])
def test_names_of_other_tools_lead_to_a_kernel(name, meant):
    """The error suggests a text that is a kernel."""
    with pytest.raises(KernelError, match=f"kernel '{name}' is unknown; .*did you mean '{meant}'"):
        REGISTRY.find(name)
    assert REGISTRY.find(meant)


@pytest.mark.parametrize("names", [*foreign_names.KERNELS, *foreign_names.OTHER_OPERATIONS])
def test_every_suggested_text_is_a_kernel(names):
    """All texts in quotes, of the kernels and of what comes close to another operation."""
    hint = foreign_names.kernel_meant(names.split()[0])
    texts = re.findall(r"'([^']*)'(?!s)", hint.replace("op = 'max-pool'", "").replace("Pillow's", "Pillow"))
    assert hint
    for text in texts:
        assert REGISTRY.find(text)


PILLOW = ("BLUR", "CONTOUR", "DETAIL", "EDGE_ENHANCE", "EDGE_ENHANCE_MORE", "EMBOSS", "SHARPEN", "SMOOTH", "SMOOTH_MORE")


@pytest.mark.parametrize("name", PILLOW)
def test_the_kernels_of_pillow_are_suggested(name, rng):
    """The last text that the error suggests gives the pixels of Pillow's filter, except where it rounds halves up."""
    with pytest.raises(KernelError, match="did you mean") as caught:
        REGISTRY.find(name)
    kernel = REGISTRY.find(re.findall(r"'([^']*)'", str(caught.value).replace("Pillow's", "Pillow"))[-1])
    levels = rng.integers(0, 256, (20, 24)).astype(np.uint8)
    expected = np.asarray(PIL.Image.fromarray(levels).filter(getattr(PIL.ImageFilter, name))).astype(int)
    response = np.clip(convcli.filter2d(levels.astype(float), kernel.weights) + kernel.offset, 0, 255)
    assert np.abs(response - expected)[2:-2, 2:-2].max() <= 0.5 + 1e-5


@pytest.mark.parametrize(("text", "message"), BAD)
def test_bad_parameters_are_refused(text, message):
    """The error names the parameter, the rule and the value, also for huge values."""
    with pytest.raises(KernelError, match=message):
        REGISTRY.find(text)


@pytest.mark.parametrize("generator", GENERATORS)
def test_extreme_parameters_give_a_kernel_or_an_error(generator):
    """Every parameter at every extreme gives a kernel of finite weights, or an error that names its rule."""
    generator_call = REGISTRY.entries[generator].body
    count, errors = 0, []
    for name in generator_call.all_parameters:
        for value in (-1e30, -1, 0, 1e-30, 0.01, 1, 7, 100, 1e30, (0.02, 7), (7, 0.3), (3, 1), (0, 1)):
            try:
                changed = generator_call.change(((name, value),))
                formula = changed.formula()
                kernel = Kernel("k", formula.compute())
            except KernelError as error:
                errors.append(str(error))
            else:
                assert np.abs(kernel.weights).max() <= formula.weight_bound * (1 + 1e-12)
                norms = {"sum": kernel.sum, "abs": kernel.absolute_sum, "l2": np.linalg.norm(kernel.weights)}
                assert all(abs(norms[norm]) > 1e-9 * kernel.absolute_sum for norm in formula.nonzero_norms)
                assert kernel.shape == formula.shape
                count += 1
    assert count
    assert all(
        re.search(r"must be (at least|between|odd|a whole number|one number)|makes a kernel", error) for error in errors
    ), errors


def test_banks_give_their_maps_and_names_are_unique():
    """A merged bank is one map, another bank one map per kernel; a repeated name gets a number."""
    assert len(feature_maps(REGISTRY.find("sobel"))) == 1
    assert len(feature_maps(REGISTRY.find("frei-chen-basis"))) == 9
    repeated = unique_names([REGISTRY.find("blur"), REGISTRY.find("blur"), REGISTRY.find("edge")])
    assert [entry.name for entry in repeated] == ["blur", "blur-2", "edge"]
    taken = unique_names([REGISTRY.find(name) for name in ("roberts", "roberts", "roberts-2", "roberts")])
    assert [entry.name for entry in taken] == ["roberts", "roberts-3", "roberts-2", "roberts-4"]
    assert isinstance(REGISTRY.find("sobel"), Bank)
