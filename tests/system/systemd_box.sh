#!/usr/bin/env bash
# Boots the machine's own systemd as PID 1 of a throw-away box, on a machine whose own init is something else: an overlay
# of / whose writes go to a tmpfs; /run, /tmp, /dev and /proc of its own; own PID, mount, UTS, IPC, cgroup and network
# namespaces. No image, no network. Not a security boundary: root in the box has root's powers.
#
#   systemd_box.sh start [SRC:DST]...      SRC appears in the box as DST, read-only, live
#   systemd_box.sh exec CMD [ARG]...       its exit status is CMD's; 124: CMD took longer than 120 s
#   systemd_box.sh reboot                  a power cut as the services see it: all is killed at once, files stay
#   systemd_box.sh stop                    again is harmless
#
# $SYSTEMD_BOX is the box's folder: one box in each. Exit status: 69 something is missing here, 70 the box did not boot,
# 75 it is up already, or not up.
set -euo pipefail

SELF=$(readlink -f -- "${BASH_SOURCE[0]}")
D=${SYSTEMD_BOX:?names the folder of the box}
NAME=${D##*/}
PID1=/lib/systemd/systemd
MAX_LIFE=${SYSTEMD_BOX_LIFE:-1800} # seconds, should nobody stop it
TARGET=multi-user.target

die() {
    echo "systemd_box: $2" >&2
    exit "$1"
}

# --- processes, told from others that got their pid later -------------------------------------------------------------

start_ticks() {
    local stat fields
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    read -ra fields <<<"${stat##*) }"
    [[ ${fields[0]} != Z ]] && echo "${fields[19]}"
}

same_process() { # FILE with "pid ticks": prints the pid if it is still that process
    local pid ticks now
    [[ -s $1 ]] && read -r pid ticks <"$1" || return 1
    now=$(start_ticks "$pid") && [[ $now = "$ticks" ]] && echo "$pid"
}

init_pid() { same_process "$D/init"; }

enter() { # SECONDS CMD...
    local limit=$1 pid
    shift
    pid=$(init_pid) || return 75
    # --no-fork: a forking nsenter is stopped with its child at shutdown, nobody wakes it, and the namespace cannot end
    nsenter -t "$pid" -m -u -i -n -p -C --no-fork -- \
        env -u NOTIFY_SOCKET -u WATCHDOG_USEC -u WATCHDOG_PID -u TMPDIR -u XDG_RUNTIME_DIR -u DBUS_SESSION_BUS_ADDRESS \
        -u INVOCATION_ID -u JOURNAL_STREAM SYSTEMD_PAGER= SYSTEMD_COLORS=0 SYSTEMD_URLIFY=0 \
        timeout --kill-after=5 "$limit" "$@"
}

# --- the supervisor, in a mount namespace of its own: builds the tree, boots until there is no next boot ---------------

stage_build() {
    local root=$D/m/root fd rc place unit
    for fd in /proc/self/fd/*; do # nothing of the caller's stays open
        fd=${fd##*/}
        if ((fd > 2 && fd != 255)); then eval "exec $fd>&-"; fi
    done
    echo "$$ $(start_ticks $$)" >"$D/supervisor"

    mount -t tmpfs -o mode=0755,size=2g box "$D/m"
    mkdir "$D/m/upper" "$D/m/work" "$root" "$D/m/cg"
    mount -t overlay -o "lowerdir=/,upperdir=$D/m/upper,workdir=$D/m/work" box "$root"
    for place in proc sys dev run tmp etc/systemd/system; do mkdir -p "$root/$place"; done
    find "$root/etc/systemd/system" -mindepth 1 -delete # nothing of the host's starts
    for unit in $(masked); do ln -sfn /dev/null "$root/etc/systemd/system/$unit"; done
    : >"$root/etc/fstab"
    echo "$NAME" >"$root/etc/hostname"
    rm -f "$root/etc/machine-id"
    tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"

    while :; do
        make_cgroup
        rm -f "$D/again"
        rc=0
        timeout --signal=KILL "$MAX_LIFE" unshare --mount --pid --fork --kill-child=KILL --uts --ipc --net \
            bash "$SELF" __boot </dev/null &
        wait $! || rc=$?
        drop_cgroup
        [[ -e $D/again ]] || break
    done
    echo "$rc" >"$D/exited"
}

masked() { # units of a machine, not of a box
    echo systemd-{udevd,udev-trigger,timesyncd,modules-load,sysctl,binfmt,random-seed,hwdb-update,remount-fs,update-utmp}.service \
        systemd-udevd-{kernel,control}.socket systemd-journald-audit.socket systemd-tmpfiles-clean.timer \
        proc-sys-fs-binfmt_misc.automount {dev-hugepages,sys-kernel-config,sys-kernel-debug}.mount \
        {sys-kernel-tracing,sys-fs-fuse-connections}.mount systemd-ask-password-{console,wall}.path \
        getty.target console-getty.service
}

cgroup_path() { # the box's, below our own
    awk -F: -v box="$NAME" '$1 == 0 { sub("/$", "", $3); print $3 "/box-" box }' /proc/self/cgroup
}

make_cgroup() { # a fresh mount shows the one tree, wherever the host has it
    mount -t cgroup2 cg "$D/m/cg"
    cgroup_path >"$D/cgroup"
    mkdir -p "$D/m/cg$(<"$D/cgroup")"
    umount "$D/m/cg"
}

drop_cgroup() {
    mount -t cgroup2 cg "$D/m/cg"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        find "$D/m/cg$(<"$D/cgroup")" -depth -type d -exec rmdir {} + 2>/dev/null
        [[ -d $D/m/cg$(<"$D/cgroup") ]] || break
        sleep 0.1
    done
    umount -l "$D/m/cg"
}

# --- PID 1 of the box, until it becomes systemd -----------------------------------------------------------------------

stage_boot() {
    local root=$D/m/root self src dst device major minor
    read -r self _ </proc/self/stat # /proc is still the host's
    echo "$self $(start_ticks "$self")" >"$D/init.new"
    mv "$D/init.new" "$D/init"

    mount -t tmpfs -o mode=0755,nosuid,nodev box-run "$root/run"
    mount -t tmpfs -o mode=1777,nosuid,nodev box-tmp "$root/tmp"
    mkdir -p "$root/run/systemd/journald.conf.d" "$root/run/lock"
    printf '%s\n' '[Journal]' Storage=volatile RateLimitIntervalSec=0 Audit=no ReadKMsg=no \
        >"$root/run/systemd/journald.conf.d/50-box.conf"

    mount -t tmpfs -o mode=0755,nosuid box-dev "$root/dev"
    while read -r device major minor; do mknod -m 0666 "$root/dev/$device" c "$major" "$minor"; done <<-EOF
		null 1 3
		zero 1 5
		full 1 7
		random 1 8
		urandom 1 9
		tty 5 0
	EOF
    mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
    mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 devpts "$root/dev/pts"
    mount -t tmpfs -o mode=1777,nosuid,nodev box-shm "$root/dev/shm"
    mount -t mqueue -o nosuid,nodev,noexec mqueue "$root/dev/mqueue"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s fd/0 "$root/dev/stdin"
    ln -s fd/1 "$root/dev/stdout"
    ln -s fd/2 "$root/dev/stderr"

    while IFS=: read -r src dst; do
        mkdir -p "$root$dst"
        mount --bind "$src" "$root$dst"
        mount -o remount,bind,ro "$root$dst"
    done <"$D/binds"

    mount -t cgroup2 cg "$D/m/cg"
    echo 0 >"$D/m/cg$(<"$D/cgroup")/cgroup.procs" # 0: whoever writes
    umount "$D/m/cg"
    exec unshare --cgroup bash "$SELF" __pid1 # its cgroup namespace is rooted there
}

stage_pid1() {
    local root=$D/m/root
    mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount -o remount,bind,ro "$root/proc/sys"
    if [[ -e $root/proc/sysrq-trigger ]]; then
        mount --bind "$root/proc/sysrq-trigger" "$root/proc/sysrq-trigger"
        mount -o remount,bind,ro "$root/proc/sysrq-trigger"
    fi
    mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
    cd "$root"
    pivot_root . .
    umount -l .
    cd /
    mount --make-rshared / # or mounts made by systemd's helpers do not reach the services
    # "container" makes systemd leave alone what is for real hardware
    exec env -i container=systemd-box PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        setpriv --bounding-set=-sys_module,-sys_rawio,-sys_time "$PID1" "systemd.unit=$TARGET" systemd.show_status=0
}

# --- verbs ------------------------------------------------------------------------------------------------------------

cmd_start() {
    local tool
    [[ $(id -u) = 0 ]] || die 69 "it takes root"
    [[ -x $PID1 ]] || die 69 "no $PID1: apt-get install systemd dbus"
    for tool in unshare nsenter pivot_root setpriv awk timeout setsid systemctl; do
        command -v "$tool" >/dev/null || die 69 "no $tool"
    done
    for tool in overlay cgroup2 tmpfs; do grep -qw "$tool" /proc/filesystems || die 69 "this kernel lacks $tool"; done
    ! init_pid >/dev/null || die 75 "already up"
    rm -rf --one-file-system -- "$D"
    mkdir -p -m 0700 "$D/m"
    if (($#)); then printf '%s\n' "$@"; fi >"$D/binds"
    setsid unshare --mount --propagation private bash "$SELF" __build </dev/null >"$D/console.log" 2>&1 &
    disown
    wait_up || {
        cmd_stop
        exit 70
    }
}

wait_up() {
    local deadline=$((SECONDS + 30)) state=
    while ((SECONDS < deadline)) && [[ ! -e $D/exited ]]; do
        state=$(enter 5 systemctl is-system-running 2>/dev/null) || true
        case $state in running | degraded | maintenance) break ;; esac
        sleep 0.05
    done
    case $state in running | degraded) return 0 ;; esac
    {
        echo "systemd_box: not up (${state:-no state})"
        sed 's/^/  console: /' "$D/console.log"
        enter 5 systemctl list-jobs --no-legend | sed 's/^/  job: /'
        enter 5 journalctl -b -n 40 | sed 's/^/  journal: /'
    } >&2 2>&1 || true
    return 1
}

cmd_exec() {
    init_pid >/dev/null || die 75 "not up"
    enter 120 "$@"
}

cmd_reboot() {
    local old
    old=$(init_pid) || die 75 "not up"
    : >"$D/again"
    kill -s KILL "$old" # and its whole PID namespace with it
    for _ in $(seq 200); do
        [[ $(init_pid || echo "$old") = "$old" ]] || break
        sleep 0.1
    done
    wait_up || exit 70
}

cmd_stop() {
    local pid
    if pid=$(init_pid); then kill -s KILL "$pid"; fi
    for _ in $(seq 100); do # the supervisor tidies the cgroup
        same_process "$D/supervisor" >/dev/null || break
        sleep 0.1
    done
    rm -rf --one-file-system -- "$D"
}

verb=${1:-}
(($#)) && shift
case $verb in
    start | exec | reboot | stop) "cmd_$verb" "$@" ;;
    __build) stage_build ;;
    __boot) stage_boot ;;
    __pid1) stage_pid1 ;;
    *) sed -n '2,/^set -euo/{/^#/s/^# \{0,1\}//p}' "$SELF" >&2 && exit 64 ;;
esac
