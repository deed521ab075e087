"""Every error that cmda raises on purpose.

CmdaError
├── ConfigError            a configuration value cannot be used
├── UnknownPluginError     no plugin of that name and kind is installed
├── BrokenPluginError      a plugin could not be loaded, or is not usable
│   └── ContractError      a plugin breaks a promise of its protocol
├── DataError              a file, a case or a cohort cannot be used
│   ├── GeometryError      two volumes do not share a grid, or a grid makes no sense
│   ├── ModalityError      a volume is of another modality than is asked for
│   └── HeldOutError       what only the evaluation may know was about to reach a training
├── NotTrainedError        inference was asked of a model without weights
├── RunError               a run folder cannot be used, or a process of a run fails
│   └── WorkerDiedError    the system has killed a process that worked on a case or a run
├── ResourceError          this machine has not enough memory or processes
└── OutputError            a result cannot be written

The command line prints the message of a CmdaError and exits with status 1. Any other exception is
a bug in cmda or in a plugin and keeps its traceback.
"""


class CmdaError(Exception):
    """Base of all errors that a user of cmda can mend."""


class ConfigError(CmdaError):
    """A configuration value cannot be used."""


class UnknownPluginError(CmdaError):
    """No plugin of that name and kind is installed."""


class BrokenPluginError(CmdaError):
    """A plugin could not be loaded, or is not usable."""


class ContractError(BrokenPluginError):
    """A plugin breaks a promise of its protocol."""


class DataError(CmdaError):
    """A file, a case or a cohort cannot be used."""


class GeometryError(DataError):
    """Two volumes do not share a grid, or a grid makes no sense."""


class ModalityError(DataError):
    """A volume is of another modality than is asked for."""


class HeldOutError(DataError):
    """What only the evaluation may know was about to reach a training."""


class NotTrainedError(CmdaError):
    """Inference was asked of a model without weights."""


class RunError(CmdaError):
    """A run folder cannot be used, or a process of a run fails."""


class WorkerDiedError(RunError):
    """The system has killed a process that worked on a case or a run."""


class ResourceError(CmdaError):
    """This machine has not enough memory or processes."""


class OutputError(CmdaError):
    """A result cannot be written."""
