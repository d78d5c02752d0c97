"""Backbones: a clip or a spectrogram in, one feature vector out."""

from trainer.encoders.build import build_audio_encoder, build_video_encoder

__all__ = ["build_audio_encoder", "build_video_encoder"]
