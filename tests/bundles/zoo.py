"""Configurations shaped as those of published bundles are, written for these tests."""

LOADED = [
    {"_target_": "LoadImaged", "keys": "@image_key", "reader": "ITKReader", "image_only": False},
    {"_target_": "EnsureChannelFirstd", "keys": "@image_key", "channel_dim": "no_channel"},
    {"_target_": "Orientationd", "keys": "@image_key", "axcodes": "RAS"},
]
SCALED = {
    "_target_": "ScaleIntensityRanged",
    "keys": ["@image_key"],
    "a_min": "$-20",
    "a_max": 300,
    "b_min": 0,
    "b_max": 1,
    "clip": True,
}
SAVED = {
    "_target_": "SaveImaged",
    "keys": "pred",
    "meta_keys": "pred_meta_dict",
    "output_dir": "@output_dir",
    "output_dtype": "$numpy.float32",
}
INVERTED = {
    "_target_": "Invertd",
    "keys": "pred",
    "transform": "$@preprocessing",
    "orig_keys": "@image_key",
    "meta_keys": "pred_meta_dict",
    "orig_meta_keys": "image_meta_dict",
    "meta_key_postfix": "meta_dict",
    "device": "@device",
    "nearest_interp": False,
    "to_tensor": True,
}
NETWORK = {
    "_target_": "monai.networks.nets.UNet",
    "_desc_": "a little one",
    "spatial_dims": "$len(@roi)",
    "in_channels": "@input_channels",
    "out_channels": "@output_channels",
    "channels": [4, 8],
    "strides": [2],
    "num_res_units": 1,
    "norm": "batch",
}


def composed(*steps):
    return {"_target_": "Compose", "transforms": list(steps)}


def everything_around(network):
    """What a training framework wants beside the three sections."""
    return {
        "imports": ["$import glob", "$import os"],
        "bundle_root": ".",
        "image_key": "image",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "datalist": "$list(sorted(glob.glob(@bundle_root + '/*.nii.gz')))",
        "input_channels": 1,
        "output_channels": 2,
        "roi": [16, 16, 16],
        "network_def": network,
        "network": "$@network_def.to(@device)",
        "dataset": {"_target_": "Dataset", "data": "@datalist", "transform": "@preprocessing"},
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "network": "@network",
            "inferer": "@inferer",
        },
        "run": ["$@evaluator.run()"],
    }


def plain_network():
    return {**NETWORK, "spatial_dims": 3}


def windowed():
    """One organ in CT: scores brought back, then labels; keys by reference."""
    return {
        **everything_around(plain_network()),
        "preprocessing": composed(
            *LOADED,
            {
                "_target_": "Spacingd",
                "keys": "@image_key",
                "pixdim": [3.1, 2.9, 3.3],
                "mode": ["bilinear"],
            },
            SCALED,
            {"_target_": "NormalizeIntensityd", "keys": "@image_key", "_disabled_": True},
            {"_target_": "EnsureTyped", "keys": "@image_key", "device": "@device"},
        ),
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": "@roi",
            "sw_batch_size": 2,
            "overlap": 0.5,
        },
        "postprocessing": composed(
            {"_target_": "Activationsd", "keys": "pred", "softmax": True},
            INVERTED,
            {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
            SAVED,
        ),
    }


def with_options():
    """Many organs in CT: options in a block of their own, and one of two spacings by a switch."""
    return {
        **everything_around(plain_network()),
        "options": {"highres": False, "overlap": 0.25, "batch": 1},
        "pixdim": "$[1.5, 1.5, 1.5] if @options#highres else [6.0, 6.0, 6.0]",
        "preprocessing": composed(
            *LOADED,
            {
                "_target_": "Spacingd",
                "keys": "@image_key",
                "pixdim": "@pixdim",
                "mode": "bilinear",
            },
            {"_target_": "NormalizeIntensityd", "keys": "@image_key", "nonzero": "True"},
            {"_target_": "ScaleIntensityd", "keys": "@image_key", "minv": -1.0, "maxv": 1.0},
        ),
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": [48, 48, 48],
            "sw_batch_size": "@options#batch",
            "overlap": "@options::overlap",
            "padding_mode": "replicate",
            "mode": "gaussian",
            "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        },
        "postprocessing": composed(
            {"_target_": "Activationsd", "keys": "pred", "softmax": True},
            {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
            {**INVERTED, "nearest_interp": True},
            SAVED,
        ),
    }


def by_lists():
    """A template: the list of transforms by reference, keys by MONAI's own constants."""
    around = everything_around(plain_network())
    return {
        **around,
        "image_key": "$monai.utils.CommonKeys.IMAGE",
        "pred": "$monai.utils.CommonKeys.PRED",
        "transforms": [*LOADED, SCALED],
        "preprocessing": composed() | {"transforms": "$@transforms"},
        "scanning": {"_target_": "SlidingWindowInferer", "roi_size": "%roi", "overlap": 0.25},
        "inferer": "@scanning",
        "postprocessing": composed(
            {"_target_": "Activationsd", "keys": "@pred", "softmax": [True]},
            {**INVERTED, "keys": "@pred"},
            {"_target_": "AsDiscreted", "keys": "@pred", "argmax": [True]},
            {**SAVED, "dtype": "$None"},
        ),
    }


def of_four_contrasts():
    """A brain tumour in four contrasts of MR."""
    found = windowed()
    found["input_channels"] = 4
    return found


def of_three_phases():
    """Kidneys in three phases of a contrast agent, put together by code of its own."""
    found = windowed()
    phases = ["artery", "vein", "late"]
    found["input_channels"] = 3
    found["preprocessing"] = composed(
        {"_target_": "LoadImaged", "keys": phases},
        {"_target_": "scripts.own.Concatenated", "keys_merge": phases, "keys_out": "image"},
        SCALED,
    )
    return found


def of_averaged_labels():
    """A prostate whose labels are interpolated on their way back."""
    found = windowed()
    steps = found["postprocessing"]["transforms"]
    found["postprocessing"]["transforms"] = [steps[2], steps[1], steps[3]]
    return found


PLAIN = {"windowed": windowed, "with options": with_options, "by lists": by_lists}
