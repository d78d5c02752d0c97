"""Fine-tuning: all weights of an encoder, with a linear head, trained on labels as a Ray Train job."""
