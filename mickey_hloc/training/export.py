"""From a trained network to a file for inference."""

import dataclasses
from pathlib import Path

from mickey_hloc.errors import InputError
from mickey_hloc.model.mickey import MicKey
from mickey_hloc.model.options import PUBLISHED_ENCODERS, is_plain_name
from mickey_hloc.training.options import TrainConfig
from mickey_hloc.weights.checkpoints import save_model


def export(model: MicKey, path: Path, pool: int = 1) -> Path:
    """Write a model for inference; a published encoder is left out, a small one goes with it.

    Args:
        model: trained. path: ends in .safetensors. pool: see ``TrainConfig.export_pool``.

    Raises:
        InputError: ``pool`` with another than the convolutional encoder.
    """
    if pool > 1:
        if model.options.encoder != "convolutional":
            raise InputError("export_pool is for the convolutional encoder.")
        own = dict(model.options.encoder_options)
        focal, size = model.options.training_focal_px, model.options.training_size_px
        options = dataclasses.replace(
            model.options,
            encoder_options={**own, "pool": pool * own.get("pool", 1)},
            training_focal_px=None if focal is None else focal * pool,
            training_size_px=None if size is None else size * pool,
        )
        larger = MicKey(options)
        larger.load_state_dict(model.state_dict())
        model = larger
    return save_model(model, path, include_encoder=model.options.encoder not in PUBLISHED_ENCODERS)


def suitable_solver(config: TrainConfig) -> str:
    """The validation's solver by name; the model's own where that is code of the user, which no file may name."""
    name = str(config.validation.solver.get("kind", "probabilistic"))
    return name if is_plain_name(name) else config.model.solver
