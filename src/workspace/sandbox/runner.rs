//! One run: starts it, looks at it while it lives, ends it.

use std::{
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Instant,
};

use tokio::{
    net::unix::pipe,
    process::{Child, ChildStdout, Command},
};

use super::super::error::Error;
use super::{
    group::{Group, Groups},
    inside::Inside,
    limits::{Limits, Over, TestRun},
    seccomp, spawn,
    stage::{Stage, User},
    system::write_etc,
    tail::Tail,
    tools::Tools,
    watch::{Usage, Watch},
};

/// Everything of this machine that runs need.
#[derive(Debug)]
pub(super) struct Runner {
    tools: Tools,
    stage: Stage,
    groups: Option<Groups>,
}

/// What is run.
pub(super) struct Job<'a> {
    /// What it reads on its standard input while it puts its files in place.
    pub(super) files: Files<'a>,
    pub(super) inside: Inside,
    pub(super) argv: Vec<String>,
    /// The user, if files on this machine are already theirs; otherwise a new one.
    pub(super) user: Option<User>,
    pub(super) limits: Limits,
}

/// A tar, to be unpacked inside.
#[derive(Debug, Default)]
pub(super) enum Files<'a> {
    #[default]
    None,
    /// The files of a folder, which are copied to `/product`, in memory; with the `.git` of another, if there is one.
    Tree(&'a Path, Option<&'a Path>),
    /// What is read from a pipe.
    Pipe(OwnedFd),
}

impl Runner {
    /// Prepares this machine.
    ///
    /// # Errors
    /// The reason, if it cannot be.
    pub(super) fn new(tools: Tools) -> Result<Self, String> {
        let filter = seccomp::filter().ok_or_else(|| {
            format!("the kernel calls of this machine ({}) are not known", std::env::consts::ARCH)
        })?;
        let stage = Stage::make(&filter).map_err(|error| format!("no folder for sandboxes: {error}"))?;
        write_etc(&stage.folder("etc")).map_err(|error| format!("no files for sandboxes: {error}"))?;
        Ok(Self { tools, stage, groups: Groups::find() })
    }

    /// Whether the kernel limits runs; if not, they are watched and killed.
    pub(super) fn has_groups(&self) -> bool {
        self.groups.is_some()
    }

    /// As it would be on a machine on which no control group can be made.
    pub(super) fn without_groups(&mut self) {
        self.groups = None;
    }

    /// A user for a run to come.
    pub(super) fn user(&self) -> User {
        self.stage.user()
    }

    /// Runs it. What it writes to folders on disk is looked at, beside its memory.
    ///
    /// # Errors
    /// When this machine cannot start it. Whatever it does itself is a [`TestRun`].
    pub(super) async fn run(&self, job: Job<'_>) -> Result<TestRun, Error> {
        let (began, limits) = (Instant::now(), job.limits);
        // The product's own files come on top of what a run may write.
        let own = match job.files {
            Files::Tree(tree, git_folder) => {
                let folders = [Some(tree), git_folder].into_iter().flatten();
                folders.map(|folder| Usage::of(folder, u64::MAX)).fold(Usage::default(), Usage::plus)
            }
            Files::None | Files::Pipe(_) => Usage::default(),
        };
        let group = match &self.groups {
            Some(groups) => {
                let group = groups.make(&limits, own.bytes).map_err(Error::io("make a control group"))?;
                Some(Arc::new(group))
            }
            None => None,
        };
        let written = job.inside.mounts.iter().filter(|mount| mount.writable);
        let folders: Vec<PathBuf> = written.map(|mount| mount.source.clone()).collect();
        let words = self.words(&job, own, group.as_deref())?;
        let (mut sandbox, mut tar, output) = self.start(job.files, words).await?;
        let watch = Watch { group, process: sandbox.id(), folders, limits };
        let mut tail = Tail::new(limits.output);
        let ended = async {
            tail.read(output).await?;
            sandbox.wait().await
        };
        let (status, mut over, timed_out) = tokio::select! {
            ended = ended => (Some(ended.map_err(Error::io("wait for the sandbox"))?), None, false),
            over = watch.until_over() => (None, Some(over), false),
            () = tokio::time::sleep(limits.wall) => (None, None, true),
        };
        // The init process of the sandbox dies with bubblewrap, and everything else with that.
        for child in [Some(&mut sandbox), tar.as_mut()].into_iter().flatten() {
            child.kill().await.or_else(ended_already).map_err(Error::io("end the sandbox"))?;
        }
        if let Some(group) = &watch.group {
            group.kill();
        }
        over = over.or_else(|| watch.over());
        let output = ending(tail, over, &limits);
        let exit =
            if over == Some(Over::Memory) { Some(137) } else { status.and_then(|status| status.code()) };
        Ok(TestRun {
            passed: exit == Some(0) && over.is_none(),
            exit,
            timed_out,
            over,
            output,
            duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    async fn start(
        &self,
        files: Files<'_>,
        words: Vec<String>,
    ) -> Result<(Child, Option<Child>, pipe::Receiver), Error> {
        let (tar, input) = match files {
            Files::Tree(tree, git_folder) => {
                let (tar, input) = self.pack(tree, git_folder).await?;
                (Some(tar), Stdio::from(input))
            }
            Files::Pipe(pipe) => (None, Stdio::from(pipe)),
            Files::None => (None, Stdio::null()),
        };
        let (output, ours) = std::io::pipe().map_err(Error::io("create a pipe"))?;
        let both = ours.try_clone().map_err(Error::io("create a pipe"))?;
        let mut command = Command::new(&self.tools.bash);
        command.env_clear().current_dir("/").args(words);
        command.stdin(input).stdout(ours).stderr(both).kill_on_drop(true);
        let sandbox = spawn::spawn(command).await.map_err(Error::io("start the sandbox"))?;
        let output =
            pipe::Receiver::from_owned_fd(output.into()).map_err(Error::io("read from the sandbox"))?;
        Ok((sandbox, tar, output))
    }

    /// All words of the command line, after `bash`.
    fn words(&self, job: &Job<'_>, own: Usage, group: Option<&Group>) -> Result<Vec<String>, Error> {
        let size = (job.limits.disk.saturating_add(own.bytes), job.limits.files.saturating_add(own.files));
        let sources = job.inside.sources();
        let user = job.user.unwrap_or_else(|| self.stage.user());
        let groups = group.map(Group::folders).unwrap_or_default();
        let refused = |reason| Error::refused("a mount of the sandbox", reason);
        let mut words = self.stage.command(&self.tools, groups, size, user, &sources).map_err(refused)?;
        let (disk, etc) = (self.stage.folder("disk"), self.stage.folder("etc"));
        let bound = |number, source: &Path| self.stage.bound(number, source);
        words.extend(job.inside.arguments((&disk, &etc), &bound, &job.limits));
        words.extend(job.argv.iter().cloned());
        Ok(words)
    }

    /// The files of a folder, and `.git` of another, as a tar, to be read from a pipe.
    async fn pack(&self, tree: &Path, git_folder: Option<&Path>) -> Result<(Child, OwnedFd), Error> {
        let mut tar = Command::new(&self.tools.tar);
        tar.env_clear().args(["-cf", "-", "-C"]).arg(tree).arg(".");
        if let Some(folder) = git_folder {
            tar.arg("-C").arg(folder).arg("./.git");
        }
        tar.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut tar = spawn::spawn(tar).await.map_err(Error::io("start tar"))?;
        let work = blocking(tar.stdout.take()).map_err(Error::io("take tar's output"))?;
        Ok((tar, work))
    }
}

/// The output of a child as another child can read it: that expects a pipe that blocks.
pub(super) fn blocking(output: Option<ChildStdout>) -> std::io::Result<OwnedFd> {
    let output = output.ok_or(std::io::ErrorKind::BrokenPipe)?.into_owned_fd()?;
    rustix::io::ioctl_fionbio(output.as_fd(), false)?;
    Ok(output)
}

fn ending(mut tail: Tail, over: Option<Over>, limits: &Limits) -> String {
    if let Some(over) = over {
        tail.push(format!("\n{}\n", over.sentence(limits)).as_bytes());
    }
    tail.shown()
}

fn ended_already(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::InvalidInput { Ok(()) } else { Err(error) }
}
