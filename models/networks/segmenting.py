"""Networks that say for every voxel what it is: U-Net in 3D and 2D, DynUNet, Swin UNETR.

All are MONAI's. Input float32 [N, C, x, y(, z)], logits [N, K, x, y(, z)]; every side of the image
has to be a multiple of what the docstring says.
"""

from monai.networks import nets
from pydantic import Field
from torch import nn

from models.networks.options import SpatialOptions


class UNetOptions(SpatialOptions):
    """`channels`: features of each level, the finest first. `norm`: INSTANCE, BATCH or another of
    MONAI's names. `num_res_units`: convolutions in a unit. `dropout`: share of features dropped.
    `up_kernel_size`: of the transposed convolutions.
    """  # noqa: D205 - a list of options has no better first line

    channels: tuple[int, ...] = (16, 32, 64, 128, 256)
    num_res_units: int = Field(2, ge=0)
    norm: str = "INSTANCE"
    dropout: float = Field(0.0, ge=0, lt=1)
    up_kernel_size: int = 3


def unet(options: UNetOptions) -> nn.Module:
    """Build a U-Net with residual units and skips; the one in 2D is the twin of the one in 3D.

    Each level but the last halves every side, so sides are multiples of 2 ** (levels - 1): 16 as it
    is. Instance norm keeps no statistics of patients, which suits batches of two and training in
    several hospitals.

    Source: MONAI `UNet`, after Kerfoot et al., "Left-ventricle quantification using residual
    U-Net", STACOM 2018; Çiçek et al., "3D U-Net", MICCAI 2016.
    """
    return nets.UNet(
        spatial_dims=options.spatial_dims,
        in_channels=options.in_channels,
        out_channels=options.out_channels,
        channels=options.channels,
        strides=(2,) * (len(options.channels) - 1),
        num_res_units=options.num_res_units,
        up_kernel_size=options.up_kernel_size,
        norm=options.norm,
        dropout=options.dropout,
    )


class DynUNetOptions(SpatialOptions):
    """`filters`: features of each level. `deep_supervision`: whether coarser levels answer, too,
    while training. `res_block`: residual instead of plain blocks.
    """  # noqa: D205 - a list of options has no better first line

    filters: tuple[int, ...] = Field((16, 32, 64, 128, 256), min_length=3)
    deep_supervision: bool = False
    res_block: bool = False
    dropout: float = Field(0.0, ge=0, lt=1)


def dynunet(options: DynUNetOptions) -> nn.Module:
    """Build the network of nnU-Net: two convolutions a level, instance norm, leaky ReLU.

    Sides are multiples of 2 ** (levels - 1): 16 as it is. With `deep_supervision` it gives while
    training [N, 1 + heads, K, x, y(, z)], the finest first, all brought to full size.

    Source: MONAI `DynUNet`, after Isensee et al., "nnU-Net", Nature Methods 2021.
    """
    levels = len(options.filters)
    return nets.DynUNet(
        spatial_dims=options.spatial_dims,
        in_channels=options.in_channels,
        out_channels=options.out_channels,
        kernel_size=[3] * levels,
        strides=[1] + [2] * (levels - 1),
        upsample_kernel_size=[2] * (levels - 1),
        filters=list(options.filters),
        dropout=options.dropout or None,
        deep_supervision=options.deep_supervision,
        deep_supr_num=max(1, min(2, levels - 2)),
        res_block=options.res_block,
    )


class SwinUNETROptions(SpatialOptions):
    """`feature_size`: features of the finest level. `use_v2`: a convolution before each stage.
    `use_checkpoint`: less memory for more time, while training.
    """  # noqa: D205 - a list of options has no better first line

    feature_size: int = Field(24, ge=12, multiple_of=12)
    use_v2: bool = True
    use_checkpoint: bool = False
    dropout: float = Field(0.0, ge=0, lt=1)


def swin_unetr(options: SwinUNETROptions) -> nn.Module:
    """Build Swin UNETR: a transformer over shifted windows looks, convolutions draw.

    Sides are multiples of 32. Some 16 million weights as it is.

    Source: MONAI `SwinUNETR`, after Hatamizadeh et al., "Swin UNETR", BrainLes 2021, and He et
    al., "SwinUNETR-V2", MICCAI 2023.
    """
    return nets.SwinUNETR(
        spatial_dims=options.spatial_dims,
        in_channels=options.in_channels,
        out_channels=options.out_channels,
        feature_size=options.feature_size,
        use_v2=options.use_v2,
        use_checkpoint=options.use_checkpoint,
        drop_rate=options.dropout,
    )
