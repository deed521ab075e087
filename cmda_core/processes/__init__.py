"""Trainings that several processes share, on one machine or many: one leads, the others follow.

The leader runs the pipeline as if it were alone. When it comes to a training that can be shared it tells
the followers what it is, and all of them do it together. Followers come from a launcher
(`torchrun`, `srun`), or are started for that one training where ``runtime.devices`` asks for them.
"""

from cmda_core.processes.meeting import Call
from cmda_core.processes.place import Place
from cmda_core.processes.team import company, require_devices, take_place, together

__all__ = ["Call", "Place", "company", "require_devices", "take_place", "together"]
