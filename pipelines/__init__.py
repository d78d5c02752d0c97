"""pipelines: media files and annotations in, a clip table and its ledger out."""
