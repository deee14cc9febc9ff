#!/usr/bin/env bash
# A SLURM cluster of one node on loopback, for tests: one_node.sh up FOLDER | down FOLDER. Needs root and the Debian
# packages slurm-wlm and munge. The configuration is linked at /etc/slurm/slurm.conf, the only place where the job
# steps look for it; an existing one is refused. `down` ends the daemons by their pid files.
set -euo pipefail
[ $# = 2 ] || { echo "usage: one_node.sh up|down FOLDER" >&2; exit 2; }
folder=$2

down() {
    for pid in "$folder"/run/{slurmd,slurmctld,munged}.pid; do
        [ ! -s "$pid" ] || kill "$(cat "$pid")" 2>/dev/null || true
    done
    [ "$(readlink /etc/slurm/slurm.conf || true)" != "$folder/slurm.conf" ] || rm /etc/slurm/slurm.conf
}

up() {
    [ ! -e /etc/slurm/slurm.conf ] || { echo "/etc/slurm/slurm.conf exists: this machine has a SLURM" >&2; exit 1; }
    mkdir -p "$folder"/{state,spool,log,run} /etc/slurm
    chmod 755 "$folder" "$folder/run"
    head -c 1024 /dev/urandom > "$folder/munge.key"
    chmod 400 "$folder/munge.key"
    memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.8)}' /proc/meminfo)
    cat > "$folder/slurm.conf" <<CONF
ClusterName=loopback
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/run/munge.sock
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
ReturnToService=2
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort=16817
SlurmdPort=16818
SlurmctldPidFile=$folder/run/slurmctld.pid
SlurmdPidFile=$folder/run/slurmd.pid
SlurmdSpoolDir=$folder/spool
StateSaveLocation=$folder/state
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MinJobAge=43200
KillWait=5
NodeName=localhost NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    ln -s "$folder/slurm.conf" /etc/slurm/slurm.conf
    munged --force --key-file="$folder/munge.key" --socket="$folder/run/munge.sock" --seed-file="$folder/run/seed" \
        --pid-file="$folder/run/munged.pid" --log-file="$folder/log/munged.log"
    slurmctld
    slurmd -N localhost
    for _ in $(seq 200); do
        ! sinfo --noheader --format %t 2>/dev/null | grep -qE 'idle|mix|alloc' || return 0
        sleep 0.1
    done
    echo "the node did not become idle; see $folder/log" >&2
    down
    exit 1
}

"$1"
