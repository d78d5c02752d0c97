"""evaluation: an export and labelled data in, numbers with their protocol out."""
