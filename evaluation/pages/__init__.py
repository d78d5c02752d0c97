"""The pages of evaluations: of one run, and of several beside one another."""
