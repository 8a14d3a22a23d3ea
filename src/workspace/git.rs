//! One call of the git command line, with everything disabled that a repository could make it run.
//!
//! No hook, filter, file-system monitor, submodule, credential helper or configuration of the user or system is
//! used; the environment is empty except for what is listed here; time and output are limited.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::OnceLock,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

use super::{
    declined::Declined,
    error::Error,
    memo::{Memo, Question},
};
use crate::core::redact::redact;

/// The variable from which the askpass script takes the token. Its value is redacted in errors.
pub(super) const TOKEN_VARIABLE: &str = "ASPORA_GIT_TOKEN";

/// How many bytes a command may print unless the call says otherwise.
const OUTPUT_LIMIT: usize = 64 << 20;
const STDERR_LIMIT: usize = 64 << 10;
const LOCAL_TIMEOUT: Duration = Duration::from_secs(120);
const NETWORK_TIMEOUT: Duration = Duration::from_secs(600);
const LONGEST_MESSAGE: usize = 2_000;

/// The empty tree, which every repository has: no attributes of the product are read.
const NO_ATTRIBUTES: &str = "attr.tree=4b825dc642cb6eb9a060e54bf8d69288fbee4904";

const HARDENED: [&str; 14] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    // A log would name the user and the host of this machine.
    "core.logAllRefUpdates=false",
    "protocol.allow=never",
    "credential.helper=",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "diff.ignoreSubmodules=none",
    "http.followRedirects=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "core.quotePath=false",
    NO_ATTRIBUTES,
];

/// Inherited by calls over the network alone: proxies and certificates.
const NETWORK_ENVIRONMENT: [&str; 8] = [
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
];

/// One call, under construction.
pub(super) struct Call<'a> {
    repository: &'a Path,
    args: Vec<String>,
    environment: Vec<(&'static str, String)>,
    input: Vec<u8>,
    protocol: Option<&'static str>,
    limit: usize,
    cut: bool,
    memo: Option<&'a Memo>,
}

/// The result of a call that ended in an expected way.
pub(super) struct Answer {
    /// Git's exit code.
    pub(super) code: i32,
    /// Its standard output, complete unless `cut`.
    pub(super) output: Vec<u8>,
    /// Whether there was more output than the limit.
    pub(super) cut: bool,
}

impl<'a> Call<'a> {
    pub(super) fn new<const N: usize>(repository: &'a Path, args: [&str; N]) -> Self {
        Self {
            repository,
            args: args.map(str::to_owned).to_vec(),
            environment: Vec::new(),
            input: Vec::new(),
            protocol: None,
            limit: OUTPUT_LIMIT,
            cut: false,
            memo: None,
        }
    }

    /// A call whose answer never changes, since everything that it asks about has its full name: it is made once. Only a
    /// success is kept, as what is missing may come.
    pub(super) fn kept_in(mut self, memo: &'a Memo) -> Self {
        self.memo = Some(memo);
        self
    }

    pub(super) fn and<const N: usize>(mut self, args: [&str; N]) -> Self {
        self.args.extend(args.map(str::to_owned));
        self
    }

    pub(super) fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    pub(super) fn variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Allows one transport, and with it the timeout and environment of the network.
    pub(super) fn protocol(mut self, protocol: &'static str) -> Self {
        self.protocol = Some(protocol);
        self
    }

    pub(super) fn at_most(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Cuts output at a limit instead of refusing it.
    pub(super) fn cut_at(mut self, bytes: usize) -> Self {
        self.cut = true;
        self.at_most(bytes)
    }

    /// Runs git; any exit code but 0 is an error.
    pub(super) async fn output(self) -> Result<Vec<u8>, Error> {
        Ok(self.ends_with(&[0]).await?.output)
    }

    /// Runs git and reads one line, such as the SHA of an object.
    pub(super) async fn line(self) -> Result<String, Error> {
        let output = self.output().await?;
        Ok(String::from_utf8_lossy(&output).trim().to_owned())
    }

    /// Runs git and accepts these exit codes; any other one is an error.
    pub(super) async fn ends_with(self, codes: &[i32]) -> Result<Answer, Error> {
        let kept = self.memo.zip(self.memo.and_then(|_| Question::of(self.repository, &self.args)));
        if let Some((memo, question)) = &kept
            && let Some(output) = memo.get(question).filter(|output| output.len() <= self.limit)
        {
            return Ok(Answer { code: 0, output, cut: false });
        }
        let name = self.args.first().cloned().unwrap_or_default();
        let limit = if self.protocol.is_some() { NETWORK_TIMEOUT } else { LOCAL_TIMEOUT };
        let timeout = Error::Timeout { command: name.clone(), seconds: limit.as_secs() };
        let ended = tokio::time::timeout(limit, self.run()).await.map_err(|_| timeout)??;
        if ended.answer.cut && !self.cut {
            return Err(Error::TooLarge { what: format!("the output of git {name}"), limit: self.limit });
        }
        if let Some((memo, question)) = kept
            && !ended.answer.cut
            && ended.answer.code == 0
        {
            memo.put(question, &ended.answer.output);
        }
        // A call whose output was cut was killed, so its exit code says nothing.
        if ended.answer.cut || codes.contains(&ended.answer.code) {
            return Ok(ended.answer);
        }
        Err(match Declined::read(&ended.answer.output, &ended.stderr) {
            Some(declined) if name == "push" => Error::Declined(Box::new(declined)),
            Some(_) | None => self.failure(name, &ended.stderr),
        })
    }

    async fn run(&self) -> Result<Ended, Error> {
        let mut child = self.command().spawn().map_err(Error::io("start git (is it installed?)"))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let write = async {
            if let Some(mut stdin) = stdin {
                // Git may end before it has read everything; its exit code then says why.
                let _ = stdin.write_all(&self.input).await;
            }
        };
        let read = async {
            let read = capped(stdout, self.limit).await?;
            if read.1 {
                stop(&mut child);
            }
            Ok::<_, std::io::Error>(read)
        };
        let ((), output, stderr) = tokio::join!(write, read, capped(stderr, STDERR_LIMIT));
        let (output, cut) = output.map_err(Error::io("read git's output"))?;
        let (stderr, _) = stderr.map_err(Error::io("read git's errors"))?;
        let status = child.wait().await.map_err(Error::io("wait for git"))?;
        Ok(Ended { answer: Answer { code: status.code().unwrap_or(-1), output, cut }, stderr })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(program());
        command.env_clear().current_dir("/");
        // Plain http is loopback, which needs no proxy.
        let inherited = if self.protocol == Some("https") { &NETWORK_ENVIRONMENT[..] } else { &[] };
        for name in ["PATH"].iter().chain(inherited) {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", "/nonexistent")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_NO_LAZY_FETCH", "1")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        for setting in HARDENED {
            command.args(["-c", setting]);
        }
        if let Some(protocol) = self.protocol {
            command.args(["-c", &format!("protocol.{protocol}.allow=always")]);
        }
        command.arg("--literal-pathspecs").arg("--git-dir").arg(self.repository).args(&self.args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    fn failure(&self, command: String, stderr: &[u8]) -> Error {
        let stderr = String::from_utf8_lossy(stderr);
        let transient =
            self.protocol.is_some() && is_transient(&stderr) || stderr.contains("cannot lock ref");
        let mut message: String = redact(stderr.trim()).chars().take(LONGEST_MESSAGE).collect();
        for (name, value) in &self.environment {
            if *name == TOKEN_VARIABLE && !value.is_empty() {
                message = message.replace(value.as_str(), "[secret]");
            }
        }
        Error::Git { command, message: message.escape_debug().to_string().replace("\\n", "; "), transient }
    }
}

struct Ended {
    answer: Answer,
    stderr: Vec<u8>,
}

/// Reads up to `limit` bytes, and whether there are more.
async fn capped(pipe: Option<impl AsyncRead + Unpin>, limit: usize) -> std::io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(limit as u64 + 1).read_to_end(&mut bytes).await?;
    }
    let cut = bytes.len() > limit;
    bytes.truncate(limit);
    Ok((bytes, cut))
}

/// Where git is. With a name that is looked up in a changed environment, Rust forks to start it, which copies the
/// page tables of this process each time; with a path it uses `posix_spawn`, which does not.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut found = std::env::split_paths(&path).map(|folder| folder.join("git"));
        found.find(|it| it.is_absolute() && it.is_file()).unwrap_or_else(|| PathBuf::from("git"))
    })
}

fn stop(child: &mut Child) {
    // It may have ended by itself already.
    let _ = child.start_kill();
}

/// Git exits with 128 for every failure, so only the message tells them apart.
fn is_transient(message: &str) -> bool {
    const SIGNS: [&str; 21] = [
        "Could not resolve host",
        "Failed to connect",
        "Couldn't connect",
        "Connection refused",
        "Connection reset",
        "Connection timed out",
        "Operation timed out",
        "early EOF",
        "unexpected disconnect",
        "the remote end hung up",
        "Empty reply from server",
        "returned error: 5",
        "returned error: 408",
        "returned error: 409",
        "returned error: 425",
        "returned error: 429",
        // The repository was renamed; the next attempt asks for its name.
        "returned error: 301",
        "RPC failed",
        "Text file busy",
        "Internal Server Error",
        "fatal error in commit_refs",
    ];
    SIGNS.iter().any(|sign| message.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, transient: bool) {
        assert_eq!(is_transient(message), transient, "{message}");
    }

    #[test]
    fn failures_of_the_network_and_the_server_are_transient() {
        check("fatal: unable to access 'http://x/': Could not resolve host: x", true);
        check("fatal: unable to access 'http://x/': The requested URL returned error: 503", true);
        for status in ["408", "409", "425", "429", "500", "599"] {
            check(
                &format!("fatal: unable to access 'http://x/': The requested URL returned error: {status}"),
                true,
            );
        }
        check("error: RPC failed; curl 56 Recv failure: Connection reset by peer", true);
        check("fatal: unable to access 'http://x/': The requested URL returned error: 403", false);
        check("remote: Repository not found.", false);
    }

    #[tokio::test]
    async fn a_token_in_an_error_is_redacted() {
        let call = Call::new(Path::new("/nowhere"), ["fetch"]).variable(TOKEN_VARIABLE, "canary-7f3a");
        let error = call.failure("fetch".to_owned(), b"fatal: bad canary-7f3a\nhint");
        assert_eq!(error.to_string(), "git fetch failed: fatal: bad [secret]; hint");
    }
}
