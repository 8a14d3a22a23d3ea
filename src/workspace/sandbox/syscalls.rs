//! The calls of the kernel that nothing in the sandbox may make, after Docker's default profile
//! (<https://docs.docker.com/engine/security/seccomp/>), which denies them to processes without capabilities.
//!
//! The numbers are those of the kernel's `asm/unistd_64.h` and `asm-generic/unistd.h`.

/// A machine whose kernel calls are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Machine {
    /// 64-bit Intel and AMD.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

/// A call's name, and its number on each machine, if it exists there.
pub(super) type Call = (&'static str, Option<u32>, Option<u32>);

/// Calls that are answered with EPERM: keys, the kernel's inner life, other processes' memory, mounts, namespaces, the clock.
pub(super) const DENIED: &[Call] = &[
    ("add_key", Some(248), Some(217)),
    ("request_key", Some(249), Some(218)),
    ("keyctl", Some(250), Some(219)),
    ("userfaultfd", Some(323), Some(282)),
    ("fanotify_init", Some(300), Some(262)),
    ("fanotify_mark", Some(301), Some(263)),
    ("process_vm_readv", Some(310), Some(270)),
    ("process_vm_writev", Some(311), Some(271)),
    ("process_madvise", Some(440), Some(440)),
    ("pidfd_getfd", Some(438), Some(438)),
    ("kcmp", Some(312), Some(272)),
    ("bpf", Some(321), Some(280)),
    ("perf_event_open", Some(298), Some(241)),
    ("kexec_load", Some(246), Some(104)),
    ("kexec_file_load", Some(320), Some(294)),
    ("init_module", Some(175), Some(105)),
    ("finit_module", Some(313), Some(273)),
    ("delete_module", Some(176), Some(106)),
    ("create_module", Some(174), None),
    ("query_module", Some(178), None),
    ("get_kernel_syms", Some(177), None),
    ("mount", Some(165), Some(40)),
    ("umount2", Some(166), Some(39)),
    ("pivot_root", Some(155), Some(41)),
    ("open_tree", Some(428), Some(428)),
    ("move_mount", Some(429), Some(429)),
    ("fsopen", Some(430), Some(430)),
    ("fsconfig", Some(431), Some(431)),
    ("fsmount", Some(432), Some(432)),
    ("fspick", Some(433), Some(433)),
    ("mount_setattr", Some(442), Some(442)),
    ("open_by_handle_at", Some(304), Some(265)),
    ("setns", Some(308), Some(268)),
    ("unshare", Some(272), Some(97)),
    ("swapon", Some(167), Some(224)),
    ("swapoff", Some(168), Some(225)),
    ("reboot", Some(169), Some(142)),
    ("acct", Some(163), Some(89)),
    ("quotactl", Some(179), Some(60)),
    ("quotactl_fd", Some(443), Some(443)),
    ("lookup_dcookie", Some(212), Some(18)),
    ("nfsservctl", Some(180), Some(42)),
    ("settimeofday", Some(164), Some(170)),
    ("clock_settime", Some(227), Some(112)),
    ("adjtimex", Some(159), Some(171)),
    ("clock_adjtime", Some(305), Some(266)),
    ("syslog", Some(103), Some(116)),
    ("vhangup", Some(153), Some(58)),
    ("move_pages", Some(279), Some(239)),
    ("migrate_pages", Some(256), Some(238)),
    ("sethostname", Some(170), Some(161)),
    ("setdomainname", Some(171), Some(162)),
    ("iopl", Some(172), None),
    ("ioperm", Some(173), None),
    ("modify_ldt", Some(154), None),
    ("uselib", Some(134), None),
    ("_sysctl", Some(156), None),
    ("ustat", Some(136), None),
    ("sysfs", Some(139), None),
];

/// Calls that are answered with ENOSYS, because libraries then take the older way: `io_uring`, and `clone3`, whose flags a
/// filter cannot read.
pub(super) const ABSENT: &[Call] = &[
    ("io_uring_setup", Some(425), Some(425)),
    ("io_uring_enter", Some(426), Some(426)),
    ("io_uring_register", Some(427), Some(427)),
    ("clone3", Some(435), Some(435)),
];

/// The calls whose arguments are looked at.
pub(super) const SOCKET: Call = ("socket", Some(41), Some(198));
pub(super) const CLONE: Call = ("clone", Some(56), Some(220));
pub(super) const PERSONALITY: Call = ("personality", Some(135), Some(92));
pub(super) const IOCTL: Call = ("ioctl", Some(16), Some(29));

/// The last call that was known when this was written (`removexattrat`); later ones do not exist in the sandbox.
pub(super) const LAST: u32 = 466;

impl Machine {
    /// The machine that this program was built for; `None` if it is another.
    pub(super) fn here() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Aarch64),
            _ => None,
        }
    }

    /// The number of a call.
    pub(super) fn number(self, call: &Call) -> Option<u32> {
        match self {
            Self::X86_64 => call.1,
            Self::Aarch64 => call.2,
        }
    }

    /// What the kernel calls it: `AUDIT_ARCH_X86_64` and `AUDIT_ARCH_AARCH64`.
    pub(super) fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::Aarch64 => 0xc000_00b7,
        }
    }
}
