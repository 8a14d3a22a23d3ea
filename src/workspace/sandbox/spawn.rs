//! Starts the processes of sandboxes with a session keyring of their own.
//!
//! Keyrings are no namespace: a child has that of the thread that starts it. So one thread, which lives as long as the
//! program, joins a fresh keyring before each start. Living on matters: bubblewrap dies with the thread that started it.

use std::sync::{OnceLock, mpsc};

use tokio::{
    process::{Child, Command},
    runtime::Handle,
    sync::oneshot,
};

/// `EPERM` and `ENOSYS`: a kernel without keyrings, or a container in which no process may ask for them.
const NO_KEYRINGS: [i32; 2] = [1, 38];

struct Start {
    command: Command,
    runtime: Handle,
    started: oneshot::Sender<std::io::Result<Child>>,
}

/// Starts a command in a fresh session keyring.
///
/// # Errors
/// When there is no such program, or no keyring can be made.
pub(super) async fn spawn(command: Command) -> std::io::Result<Child> {
    static STARTER: OnceLock<mpsc::Sender<Start>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (starter, starts) = mpsc::channel::<Start>();
        // Without the thread the receiver is gone, and each start says so.
        drop(std::thread::Builder::new().name("sandboxes".to_owned()).spawn(move || serve(&starts)));
        starter
    });
    let (started, child) = oneshot::channel();
    let start = Start { command, runtime: Handle::current(), started };
    let gone = || std::io::Error::other("the thread that starts sandboxes has ended");
    starter.send(start).map_err(|_| gone())?;
    child.await.map_err(|_| gone())?
}

fn serve(starts: &mpsc::Receiver<Start>) {
    while let Ok(Start { mut command, runtime, started }) = starts.recv() {
        let _inside = runtime.enter();
        let child = fresh_keyring().and_then(|()| command.spawn());
        // A caller that no longer waits drops the child, which kills it.
        drop(started.send(child));
    }
}

fn fresh_keyring() -> std::io::Result<()> {
    match keyutils::Keyring::join_anonymous_session() {
        Ok(_) => Ok(()),
        Err(error) if NO_KEYRINGS.contains(&error.0) => Ok(()),
        Err(error) => Err(std::io::Error::from_raw_os_error(error.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches the session keyring for the canary and reads it; prints what it found.
    const READ: &str = r"
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
number = {'x86_64': 250, 'aarch64': 219}[__import__('platform').machine()]
key = libc.syscall(number, 10, -3, b'user', b'canary', 0)
print('key', key > 0)
";

    #[tokio::test]
    async fn x3_a_child_has_none_of_our_keys() {
        let mut session = keyutils::Keyring::join_anonymous_session().unwrap();
        session.add_key::<keyutils::keytypes::User, _, _>("canary", &b"secret"[..]).unwrap();
        let read = || {
            let mut command = Command::new("python3");
            command.args(["-c", READ]).stdout(std::process::Stdio::piped());
            command
        };
        let ours = read().output().await.unwrap();
        assert_eq!(String::from_utf8(ours.stdout).unwrap(), "key True\n", "the canary is there");
        let child = spawn(read()).await.unwrap().wait_with_output().await.unwrap();
        assert_eq!(String::from_utf8(child.stdout).unwrap(), "key False\n");
    }
}
