//! Arguments that several commands share.

use std::{io::Read as _, path::Path, path::PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use uuid::Uuid;

use crate::{
    cli::settings,
    core::requirement::BODY_LIMIT,
    dev::Acting,
    store::{self, Pool},
};

/// Names one requirement or run.
#[derive(Debug, Args)]
pub(crate) struct Id {
    /// The id.
    pub(super) id: Uuid,
}

/// Names the database.
#[derive(Debug, Args)]
pub(crate) struct Database {
    /// URL of the Postgres database.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,
}

impl Database {
    /// The URL: the argument, the variable, or what is in its file.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn url(&self) -> anyhow::Result<String> {
        match &self.database_url {
            Some(url) => Ok(url.clone()),
            None => settings::secret("DATABASE_URL")?.context(
                "DATABASE_URL is not set; expected a URL such as postgres://aspora@db.example/aspora",
            ),
        }
    }

    /// Opens a pool of at most this many connections.
    pub(super) async fn connect(&self, connections: u32) -> anyhow::Result<Pool> {
        let pool = store::connect(&self.url()?, connections).await;
        pool.context("connect to the database in DATABASE_URL")
    }
}

/// What `dev` and `demo` act as at the GitHub twin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ActAs {
    /// As a GitHub App.
    App,
    /// With a person's fine-grained token: the gate is a commit status.
    Token,
    /// With a person's classic token.
    Classic,
    /// With the token of GitHub Actions, which starts no workflow.
    Actions,
}

impl From<ActAs> for Acting {
    fn from(act_as: ActAs) -> Self {
        match act_as {
            ActAs::App => Self::App,
            ActAs::Token => Self::FineGrained,
            ActAs::Classic => Self::Classic,
            ActAs::Actions => Self::Actions,
        }
    }
}

/// The body of a requirement, given in exactly one way.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Body {
    /// The body: everything the model needs to know beyond the title.
    #[arg(short, long)]
    body: Option<String>,
    /// Read the body from a file; `-` means stdin.
    #[arg(short = 'F', long, value_name = "FILE")]
    body_file: Option<PathBuf>,
    /// Read the body from stdin.
    #[arg(value_name = "-", value_parser = ["-"])]
    stdin: Option<String>,
}

impl Body {
    /// The text, at most [`BODY_LIMIT`] bytes.
    pub(super) fn read(self) -> anyhow::Result<String> {
        match (self.body, self.body_file) {
            (Some(given), _) => Ok(given),
            (None, file) => read(file.as_deref(), BODY_LIMIT, "the body"),
        }
    }
}

/// The text in a file, or from stdin for none and for `-`; `what` it is, of at most `limit` bytes.
///
/// # Errors
/// When it cannot be read or is longer.
pub(super) fn read(file: Option<&Path>, limit: usize, what: &str) -> anyhow::Result<String> {
    let (mut text, most) = (String::new(), u64::try_from(limit + 1)?);
    match file.filter(|file| *file != Path::new("-")) {
        Some(file) => {
            let opened = std::fs::File::open(file).with_context(|| format!("open {}", file.display()))?;
            opened
                .take(most)
                .read_to_string(&mut text)
                .with_context(|| format!("read {}", file.display()))?;
        }
        None => {
            std::io::stdin().take(most).read_to_string(&mut text).context("read stdin")?;
        }
    }
    anyhow::ensure!(text.len() <= limit, "{what} is longer than {limit} bytes; shorten it");
    Ok(text)
}
