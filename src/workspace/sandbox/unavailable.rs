//! Why this machine has no sandbox: from what bubblewrap printed to the cause, and what to do about it.

/// Why this machine has no sandbox, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tests cannot run here: {reason}")]
pub struct Unavailable {
    /// What is missing, with the package to install or the setting to change.
    pub reason: String,
}

/// What bubblewrap and its helpers print, and the cause; the first that matches counts. Recorded by people who had it: the
/// first two at <https://github.com/anthropic-experimental/sandbox-runtime/issues/74> and
/// <https://github.com/DevToys-app/DevToys/issues/1373>, the third at <https://github.com/containers/bubblewrap/issues/505>
/// and <https://github.com/containers/bubblewrap/issues/284>, the fourth at
/// <https://github.com/VHSgunzo/runimage/issues/2>.
const CAUSES: [(&[&str], Cause); 6] = [
    (&["loopback: Failed RTM_NEWADDR"], Cause::AppArmor),
    (&["setting up uid map: Permission denied"], Cause::AppArmor),
    (&["Can't mount proc on /newroot/proc"], Cause::MaskedProc),
    (&["No permissions to creat"], Cause::NoNamespaces),
    (&["Creating new namespace failed"], Cause::NoNamespaces),
    (
        &["unshare: unshare failed: Operation not permitted", "mount: permission denied"],
        Cause::PlainContainer,
    ),
];

#[derive(Debug, Clone, Copy)]
enum Cause {
    AppArmor,
    MaskedProc,
    NoNamespaces,
    PlainContainer,
}

impl Unavailable {
    /// From what a first run printed.
    pub(super) fn from_output(output: &str) -> Self {
        let output = output.trim();
        let cause = CAUSES.iter().find(|(signs, _)| signs.iter().any(|sign| output.contains(sign)));
        let advice = cause.map(|(_, cause)| format!(". {}", cause.advice())).unwrap_or_default();
        Self { reason: format!("the sandbox failed its own probe: {output}{advice}") }
    }
}

impl Cause {
    fn advice(self) -> &'static str {
        match self {
            Self::AppArmor => {
                "AppArmor keeps programs from making user namespaces, as Ubuntu does since 24.04. Load the profile \
                 deploy/apparmor/bwrap (docs/SANDBOX.md says how), which lets bubblewrap alone do so"
            }
            Self::MaskedProc => {
                "This is a container whose /proc is masked, so that no new one can be mounted. Start the container \
                 with `--security-opt systempaths=unconfined` (Docker) or `--security-opt unmask=ALL` (podman), or run \
                 the worker on the machine itself"
            }
            Self::NoNamespaces => {
                "The kernel, or the seccomp filter of a container, forbids user namespaces. On the machine itself: \
                 `sysctl kernel.unprivileged_userns_clone=1` and a `user.max_user_namespaces` above 0. In a container: \
                 start it with a seccomp profile that allows `unshare`, `clone` with namespaces, `mount` and `pivot_root`"
            }
            Self::PlainContainer => {
                "This is a container whose root may not mount. Start it with `--cap-add SYS_ADMIN` and a seccomp and \
                 AppArmor profile that allow mounts, or run the worker as a user other than root"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, advice: &str) {
        let reason = Unavailable::from_output(output).reason;
        assert!(reason.contains(output.trim()) && reason.contains(advice), "{reason}");
    }

    #[test]
    fn each_recorded_failure_has_its_cause_and_what_to_do() {
        check("bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted\n", "deploy/apparmor/bwrap");
        check("bwrap: setting up uid map: Permission denied", "deploy/apparmor/bwrap");
        check("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "systempaths=unconfined");
        check(
            "bwrap: No permissions to creating new namespace, likely because the kernel does not allow non-privileged \
             user namespaces. On e.g. debian this can be enabled with 'sysctl kernel.unprivileged_userns_clone=1'.",
            "user.max_user_namespaces",
        );
        check("bwrap: No permissions to create new namespace, likely because", "allows `unshare`");
        check("bwrap: Creating new namespace failed: Operation not permitted", "allows `unshare`");
        check("unshare: unshare failed: Operation not permitted", "--cap-add SYS_ADMIN");
        let other = Unavailable::from_output("the probe could write to /usr").reason;
        assert_eq!(other, "the sandbox failed its own probe: the probe could write to /usr");
    }
}
