"""Nothing but the content may tell: heads trained from scratch on stationary noise stay at chance."""

from __future__ import annotations

import torch

from trainer.config import AudioConfig
from trainer.encoders import build_audio_encoder
from trainer.sound import LogMel, speed_up

RATE, SPEEDS = 8000, (1, 2, 4, 8)


def noise_clips(log_mel: LogMel, generator: torch.Generator, each: int) -> tuple[torch.Tensor, torch.Tensor]:
    length = RATE // 2
    mels = [log_mel(speed_up(torch.randn(each, length * s, generator=generator), s)) for s in SPEEDS]
    return torch.cat(mels), torch.arange(len(SPEEDS)).repeat_interleave(each)


def test_white_noise_does_not_tell_the_speed_of_sound():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    config = AudioConfig(width=16, blocks=(1, 1, 1), clip_s=0.5, n_mels=40, f_max=3500.0)
    log_mel = LogMel(config, RATE)
    encoder = build_audio_encoder(config, "batch")
    head = torch.nn.Linear(encoder.dim, len(SPEEDS))
    optimiser = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=2e-3)
    for _ in range(150):
        mel, label = noise_clips(log_mel, generator, 8)
        loss = torch.nn.functional.cross_entropy(head(encoder(mel)), label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    encoder.eval()
    with torch.inference_mode():
        mel, label = noise_clips(log_mel, generator, 200)
        right = float((head(encoder(mel)).argmax(1) == label).float().mean())
    # 800 held-out clips: four standard errors about chance
    assert abs(right - 0.25) < 4 * (0.25 * 0.75 / 800) ** 0.5
