"""A SLURM cluster of one node, started for the tests and reachable only from this machine."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess

import psutil
import pytest

#: Debian's packages `slurm-wlm` and `munge` bring these.
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel")

#: Where daemons lie, which a plain user's path may leave out.
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])

#: Memory is booked and not enforced; no control groups, no accounting, no name service.
CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.socket
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0
ReturnToService=2
MailProg=/bin/true
MinJobAge=300
KillWait=2
EnforcePartLimits=ALL
JobRequeue=0
PropagateResourceLimits=NONE
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} CoresPerSocket={cpus} RealMemory={memory}
PartitionName=test Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def why_not():
    """What is missing to start a SLURM cluster, as a text."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    return f"needs {', '.join(missing)} (apt-get install slurm-wlm munge)" if missing else ""


def free_ports(count):
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Cluster:
    """A running SLURM, and the environment in which its commands find it."""

    def __init__(self, folder, wait_until):
        self._folder = folder
        self._wait_until = wait_until
        self.environment = {
            **{key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder / 'bin'}{os.pathsep}{PATH}",
        }

    def run(self, *command):
        """Run one of SLURM's commands; return what it printed."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.strip()

    def start(self):
        for name in ("state", "spool", "bin", "run"):
            (self._folder / name).mkdir()
        (self._folder / "private").mkdir(mode=0o700)
        text = CONFIG.format(
            folder=self._folder,
            host=socket.gethostname().split(".")[0],
            user=psutil.Process().username(),
            ports=free_ports(2),
            cpus=min(2, os.cpu_count()),
            memory=int(0.8 * psutil.virtual_memory().total / 2**20),
        )
        (self._folder / "slurm.conf").write_text(text, encoding="utf-8")
        # The job step of the plugin removes SLURM_CONF from the environment of its srun.
        wrapper = self._folder / "bin/srun"
        srun = f'{shutil.which("srun", path=PATH)} "$@"'
        wrapper.write_text(f"#!/bin/sh\nSLURM_CONF='{self._folder}/slurm.conf' exec {srun}\n")
        wrapper.chmod(0o755)
        key = self._folder / "private/key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        self.run(
            "munged",
            "--force",  # nobody else can reach its socket, which is intended
            f"--socket={self._folder}/run/munge.socket",
            f"--key-file={key}",
            f"--pid-file={self._folder}/private/munged.pid",
            f"--log-file={self._folder}/private/munged.log",
            f"--seed-file={self._folder}/private/munged.seed",
        )
        self.run("slurmctld", "-c")
        self.run("slurmd")
        self._wait_until(self._is_idle)

    def _is_idle(self):
        with contextlib.suppress(subprocess.CalledProcessError):  # not up yet
            return self.run("sinfo", "-h", "-o", "%t") == "idle"
        return False

    def running(self):
        """Numbers of the running jobs, each with its rule and wildcards."""
        lines = self.run("squeue", "-h", "-t", "RUNNING", "-o", "%i|%k").splitlines()
        return [tuple(line.split("|", 1)) for line in lines]

    def stop(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            jobs = self.run("squeue", "-h", "-o", "%i").split()
            if jobs:
                self.run("scancel", *jobs)
            self._wait_until(lambda: not self.run("squeue", "-h"))
        for name in ("slurmd.pid", "slurmctld.pid", "private/munged.pid"):
            with contextlib.suppress(FileNotFoundError, psutil.NoSuchProcess):
                daemon = psutil.Process(int((self._folder / name).read_text()))
                daemon.send_signal(signal.SIGTERM)
                daemon.wait(30)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory, wait_until):
    """A running SLURM; the test is skipped if it cannot be started."""
    if why := why_not():
        pytest.skip(why)
    cluster = Cluster(tmp_path_factory.mktemp("slurm"), wait_until)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
