"""Watching a run: statistics, a labelled probe, the machine. Nothing in here takes part in what is learnt.

Training imports none of it: only the job, the worker and the pre-flight checks do (a test holds them to it).
"""
