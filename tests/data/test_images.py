import socket
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mobilekit.core.errors import DataError, RuntimeUnavailableError
from mobilekit.core.tensors import TensorSpec
from mobilekit.data import images
from mobilekit.data.images import ImageSet, batches, bundled, fitted, folder, noise

RGB = TensorSpec("image", (1, 3, 24, 32), layout="NCHW")


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def one(pixels: np.ndarray) -> ImageSet:
    return ImageSet("one", (pixels,), "a test", "")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Nine images in two folders, each of one value, in four formats (three of them lossless)."""
    place = tmp_path / "photos"
    (place / "deep" / "deeper").mkdir(parents=True)
    suffixes = ["png", "bmp", "webp", "PNG"]
    for value in range(9):
        parent = place if value % 2 else place / "deep" / "deeper"
        image = Image.fromarray(np.full((8, 9, 3), 10 * value, np.uint8))
        image.save(
            parent / f"{value}.{suffixes[value % 4]}",
            **({"lossless": True} if value % 4 == 2 else {}),
        )
    (place / "notes.txt").write_text("no image")
    return place


def values(found: ImageSet) -> list[int]:
    return [int(pixels[0, 0, 0]) for pixels in found.images]


def test_the_bundled_photographs_need_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    found = bundled()
    assert len(found.images) == 8
    for pixels in found.images:
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3
        assert min(pixels.shape[:2]) >= 224
        assert pixels.std() > 20  # a photograph, not a flat field
    # They differ from one another, and are the same each time.
    assert len({pixels.tobytes() for pixels in found.images}) == 8
    assert bundled().digest == found.digest
    assert bundled(3).digest != found.digest
    assert len(bundled(3).images) == 3


def test_without_the_packages_the_user_is_told_what_to_give(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(images, "_BUNDLED", (("no_such_package_here", "a.png"),))
    with pytest.raises(RuntimeUnavailableError, match="give --images"):
        bundled()


def test_a_folder_is_searched_to_its_depth(photos: Path) -> None:
    found = folder(photos, 100, seed=1)
    assert sorted(values(found)) == [10 * value for value in range(9)]
    assert found.unreadable == ()
    assert found.name == "photos"
    assert found.provenance == "images of photos"


def test_the_seed_chooses_and_chooses_again(photos: Path) -> None:
    assert values(folder(photos, 4, seed=1)) == values(folder(photos, 4, seed=1))
    assert folder(photos, 4, seed=1).digest == folder(photos, 4, seed=1).digest
    assert len({tuple(values(folder(photos, 4, seed=seed))) for seed in range(6)}) > 1
    assert len(folder(photos, 4, seed=1).images) == 4


def test_the_choice_does_not_depend_on_where_the_folder_lies(photos: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    first = values(folder(photos, 4, seed=3))
    photos.rename(moved)
    assert values(folder(moved, 4, seed=3)) == first


def test_a_camera_held_upright_is_read_upright(tmp_path: Path) -> None:
    pixels = picture(6, 10)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90° clockwise to see it upright
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    (found,) = folder(tmp_path, 1, seed=0).images
    np.testing.assert_array_equal(found, np.rot90(pixels, k=-1))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "LA"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.fromarray(np.full((5, 4, 3), 255, np.uint8)).convert(mode).save(path)
    (found,) = folder(tmp_path, 1, seed=0).images
    assert found.shape == (5, 4, 3)
    assert found.min() >= 254  # white stays white


def test_sixteen_bit_gray_keeps_its_shades(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    (found,) = folder(tmp_path, 1, seed=0).images
    np.testing.assert_allclose(found[:, :, 0], ramp / 257.0, atol=1)


def test_broken_files_are_listed_while_most_can_be_read(photos: Path) -> None:
    (photos / "broken.png").write_bytes(b"not a picture")
    whole = (photos / "1.bmp").read_bytes()
    (photos / "cut.bmp").write_bytes(whole[: len(whole) // 2])
    found = folder(photos, 100, seed=0)
    assert len(found.images) == 9
    assert sorted(text.split(" ")[0] for text in found.unreadable) == ["broken.png", "cut.bmp"]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_truncated_file_counts_as_broken(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(picture(40, 40)).save(path)
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(DataError, match=r"1 of 1 images cannot be read: a\.") as caught:
        folder(tmp_path, 4, seed=0)
    assert "\n" not in str(caught.value)


def test_a_folder_of_mostly_broken_files_is_refused(tmp_path: Path) -> None:
    for index in range(5):
        (tmp_path / f"{index}.png").write_bytes(b"broken")
    Image.fromarray(picture(4, 4)).save(tmp_path / "good.png")
    with pytest.raises(DataError, match="5 of 6 images cannot be read"):
        folder(tmp_path, 6, seed=0)


def test_a_missing_or_empty_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        folder(tmp_path / "none", 1, seed=0)
    with pytest.raises(DataError, match=r"holds no image \(\.bmp, \.jpeg, \.jpg, \.png, \.webp\)"):
        folder(tmp_path, 1, seed=0)
    (tmp_path / "file.png").write_bytes(b"")
    with pytest.raises(DataError, match="no such folder"):
        folder(tmp_path / "file.png", 1, seed=0)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 30), st.integers(1, 30))
def test_a_flat_image_stays_flat_at_any_size(
    height: int, width: int, to_height: int, to_width: int
) -> None:
    found = fitted(np.full((height, width, 3), 77, np.uint8), to_height, to_width)
    assert found.shape == (to_height, to_width, 3)
    assert (found == 77).all()


def test_an_image_of_the_right_size_is_left_alone() -> None:
    pixels = picture(24, 32)
    np.testing.assert_array_equal(fitted(pixels, 24, 32), pixels)


def test_the_centre_is_cut_from_a_wide_and_from_a_tall_image() -> None:
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, 20:60] = 200
    assert (fitted(wide, 20, 20)[2:-2, 2:-2] == 200).all()
    tall = wide.transpose(1, 0, 2)
    assert (fitted(tall, 20, 20)[2:-2, 2:-2] == 200).all()
    # The whole shorter side is there: the left half differs from the right one.
    halves = np.zeros((40, 40, 3), np.uint8)
    halves[:, 20:] = 200
    small = fitted(halves, 10, 10)
    assert (small[:, :4] == 0).all()
    assert (small[:, 6:] == 200).all()


def test_pixels_become_numbers_in_each_range() -> None:
    pixels = picture(24, 32)
    planes = pixels.astype(np.float64).transpose(2, 0, 1)[None]
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = {
        "0-255": planes,
        "0-1": planes / 255,
        "imagenet": (planes / 255 - mean[:, None, None]) / std[:, None, None],
    }
    for name, wanted in expected.items():
        (found,) = batches(one(pixels), (RGB,), pixel_range=name)  # type: ignore[arg-type]
        assert found["image"].dtype == np.float32
        assert found["image"].flags.c_contiguous
        np.testing.assert_allclose(found["image"], wanted, rtol=1e-5, atol=1e-6)


def test_gray_inputs_get_the_luma_and_a_fourth_channel_is_opaque() -> None:
    pixels = picture(24, 32)
    gray = TensorSpec("image", (1, 1, 24, 32), layout="NCHW")
    (found,) = batches(one(pixels), (gray,), pixel_range="0-255")
    luma = np.asarray(Image.fromarray(pixels).convert("L"), np.float32)
    np.testing.assert_allclose(found["image"][0, 0], luma, atol=1)  # Pillow rounds otherwise
    four = TensorSpec("image", (1, 4, 24, 32), layout="NCHW")
    (found,) = batches(one(pixels), (four,), pixel_range="0-1")
    assert (found["image"][0, 3] == 1).all()
    np.testing.assert_allclose(found["image"][0, :3], pixels.transpose(2, 0, 1) / 255, rtol=1e-6)


def test_a_batch_repeats_the_image_and_bytes_stay_bytes() -> None:
    spec = TensorSpec("image", (3, 3, 24, 32), "uint8", "NCHW")
    (found,) = batches(one(picture(24, 32)), (spec,), pixel_range="imagenet")
    assert found["image"].dtype == np.uint8
    for image in found["image"]:
        np.testing.assert_array_equal(image, picture(24, 32).transpose(2, 0, 1))


def test_other_inputs_get_seeded_noise_of_their_type() -> None:
    specs = (
        RGB,
        TensorSpec("state", (1, 16)),
        TensorSpec("half", (2, 5), "float16"),
        TensorSpec("wide", (1, 7, 4, 4)),
        TensorSpec("count", (3,), "int64"),
    )
    two = ImageSet("two", (picture(24, 32), picture(24, 32, 1)), "a test", "")
    first, second = batches(two, specs, pixel_range="0-255", seed=5)
    for spec in specs:
        assert first[spec.name].shape == spec.shape
        assert first[spec.name].dtype == spec.dtype
    assert not np.array_equal(first["state"], second["state"])
    again, _ = batches(two, specs, pixel_range="0-255", seed=5)
    other, _ = batches(two, specs, pixel_range="0-255", seed=6)
    np.testing.assert_array_equal(first["state"], again["state"])
    assert not np.array_equal(first["state"], other["state"])


def test_integers_and_booleans_are_not_all_zeros() -> None:
    specs = (
        TensorSpec("count", (64,), "int64"),
        TensorSpec("small", (64,), "int8"),
        TensorSpec("byte", (64,), "uint8"),
        TensorSpec("flag", (64,), "bool"),
    )
    (wide,) = noise(specs, 1, 3, pixel_range="0-1")
    for name in ("count", "small", "byte"):
        assert set(wide[name].tolist()) == set(range(8)), name
    assert set(wide["flag"].tolist()) == {False, True}
    (narrow,) = noise(specs, 1, 3, pixel_range="0-1", integers=2)
    assert set(narrow["count"].tolist()) == {0, 1}
    (zeros,) = noise(specs, 1, 3, pixel_range="0-1", integers=1)
    assert not any(values.any() for values in zeros.values())


@pytest.mark.parametrize(
    ("pixel_range", "low", "high"),
    [("0-255", 0, 255), ("0-1", 0, 1), ("imagenet", -2.2, 2.7)],
)
def test_noise_fills_the_range_of_pixels(pixel_range: str, low: float, high: float) -> None:
    spec = TensorSpec("image", (1, 3, 64, 64), layout="NCHW")
    (found,) = noise((spec,), 1, 3, pixel_range=pixel_range)  # type: ignore[arg-type]
    image = found["image"]
    assert low <= image.min() < low + 0.1 * (high - low)
    assert high - 0.1 * (high - low) < image.max() <= high
    # Uniform over the range: the mean of 12,288 values lies within 5 standard errors of the middle.
    levels = image if pixel_range != "imagenet" else image[:, :1] * 0.229 + 0.485
    scale = 255 if pixel_range == "0-255" else 1
    error = scale / 12**0.5 / levels.size**0.5
    assert abs(levels.mean() - scale / 2) < 5 * error


def test_noise_is_seeded_per_sample_and_per_input() -> None:
    specs = (RGB, TensorSpec("more", (1, 3, 24, 32), layout="NCHW"))
    first, second = noise(specs, 2, 9, pixel_range="0-1")
    again = noise(specs, 2, 9, pixel_range="0-1")
    np.testing.assert_array_equal(second["more"], again[1]["more"])
    assert not np.array_equal(first["image"], second["image"])
    assert not np.array_equal(first["image"], first["more"])
    assert not np.array_equal(first["image"], noise(specs, 1, 8, pixel_range="0-1")[0]["image"])


def test_the_global_generator_is_left_as_it_was(photos: Path) -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    noise((RGB,), 1, 0, pixel_range="0-1")
    folder(photos, 2, seed=0)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
