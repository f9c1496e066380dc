"""What each experiment measures, on arrays whose answer is known."""

import numpy as np
import pytest
import torch

from models.data.anatomy import read_anatomy
from models.experiments import bits, organs_broken
from models.experiments.dimensions import InSlices, dice_of_each
from models.experiments.settings import FOLDER
from models.experiments.stepping import kept_mb
from models.networks import build


def test_eight_bits_leave_256_values_and_move_none_farther_than_half_a_level():
    values = np.arange(-1024, 3072, dtype=np.int16)
    cut = bits.levels(values, -1024, 3071, 255)
    assert len(np.unique(cut)) == 256
    assert abs(cut - values).max() <= 4095 / 255 / 2 + 1e-3
    assert (bits.levels(values, -1024, 3071, None) == values).all()


def test_a_lesion_below_a_level_is_gone_from_a_smooth_image():
    image = np.full((8, 8), 50, np.int16)
    image[2:4, 2:4] += 6
    assert len(np.unique(bits.levels(image, -1024, 3071, 255))) == 1
    assert len(np.unique(bits.levels(image, -160, 240, 255))) == 2


def test_noise_is_found_as_it_is():
    noise = np.random.default_rng(0).normal(0, 12, (10, 64, 64)).astype(np.int16)
    assert bits._noise((noise, noise)) == pytest.approx(12, rel=0.06)


def test_dice_is_of_each_case():
    wanted = np.zeros((2, 4, 4), bool)
    wanted[:, 0] = True
    found = wanted.copy()
    found[1, 0, :2] = False
    assert dice_of_each(found, wanted).tolist() == [1.0, pytest.approx(2 / 3)]


def test_a_flat_network_sees_each_slice_by_itself():
    torch.manual_seed(0)
    options = {"in_channels": 1, "out_channels": 2, "spatial_dims": 2, "channels": (4, 8)}
    flat = build("unet", options).eval()
    volume = torch.randn(2, 1, 16, 16, 3)
    with torch.inference_mode():
        whole = InSlices(flat)(volume)
        for z in range(3):
            assert torch.allclose(whole[..., z], flat(volume[..., z]), atol=1e-5)


def test_half_as_many_bytes_are_kept_of_a_convolution_in_half_precision():
    network = torch.nn.Sequential(*[torch.nn.Conv3d(8, 8, 3, padding=1) for _ in range(4)])
    batch = torch.randn(1, 8, 16, 16, 16)
    whole, half = (kept_mb(network, batch, half=one) for one in (False, True))
    assert whole == pytest.approx(4 * 8 * 16**3 * 4 / 2**20)
    assert half == pytest.approx(whole / 2, rel=0.1)


def test_loose_pieces_count_beyond_the_references():
    truth = np.zeros((12, 12, 12), np.uint8)
    truth[2:6, 2:6, 2:6], truth[8:10, 2:6, 2:6] = 1, 1  # the view cut the organ in two
    found = truth.copy()
    assert organs_broken.loose_pieces(found, truth, [1]) == 0
    found[11, 11, 11] = 1
    assert organs_broken.loose_pieces(found, truth, [1, 2]) == 1
    kept = organs_broken.largest_pieces(found, [1])
    assert kept.sum() == 64
    assert not kept[8:].any()


def test_contacts_are_counted_face_by_face():
    found = np.zeros((6, 6, 6), np.uint8)
    found[:3], found[3:] = 1, 2
    assert organs_broken.forbidden_contacts(found, [(1, 2)]) == 36
    assert organs_broken.forbidden_contacts(found, [(2, 1)]) == 36
    assert organs_broken.forbidden_contacts(found, [(1, 3)]) == 0


def test_a_volume_counts_where_the_references_is_plausible():
    anatomy = read_anatomy(FOLDER.parent / "anatomy" / "ct_trunk.yaml")
    spleen = 1 + anatomy.names.index("Spleen")  # 10 to 2500 mL
    truth = np.zeros((20, 20, 20), np.uint8)
    truth[:5, :5, :5] = spleen
    found = np.zeros_like(truth)
    found[0, 0, :2] = spleen
    assert organs_broken.implausible_volumes(found, truth, anatomy, 0.5) == (1, 1)
    assert organs_broken.implausible_volumes(truth, truth, anatomy, 0.5) == (0, 1)
    assert organs_broken.implausible_volumes(found, truth, anatomy, 0.01) == (0, 0)


def test_dice_is_over_the_organs_that_are_there():
    truth = np.array([[[0, 1, 1, 2]]])
    found = np.array([[[0, 1, 1, 3]]])
    assert organs_broken.mean_dice(found, truth, 4) == pytest.approx(0.5)
